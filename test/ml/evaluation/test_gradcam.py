# SPDX-License-Identifier: Apache-2.0
"""Grad-CAM on networks whose maps are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.bundles import make_tiny_bundle
from torch import Tensor, nn

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.ml.evaluation.gradcam import (
    explain_bundle,
    grad_cam,
    make_explainer,
    overlay,
)
from recycle_sorter.ml.evaluation.predictions import torch_network
from recycle_sorter.paths import shipped_model
from recycle_sorter.vision.preprocessing import PreprocessingSpec

pytestmark = pytest.mark.ml

SPEC = PreprocessingSpec(32, 32, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Colours(nn.Module):
    """Class 0 is red, class 1 is green: the mean of the channel, found by a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        self.act = nn.ReLU(inplace=True)  # overwrites the map, as ResNets do
        self.norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.maps.weight.zero_()
            self.maps.weight[0, 0] = 1 / 16
            self.maps.weight[1, 1] = 1 / 16
            self.fc.weight.copy_(torch.eye(2))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.norm(self.act(self.maps(images))).mean(dim=(2, 3)))
        return logits


def red_left_green_right() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    batch = np.zeros((1, 3, 32, 32), np.float32)
    batch[0, 0, :, :16] = 1
    batch[0, 1, :, 16:] = 1
    return batch


def test_the_map_lies_where_the_class_is() -> None:
    model = Colours().eval()
    batch = np.repeat(red_left_green_right(), 2, axis=0)
    red, green = grad_cam(model, model.maps, batch, [0, 1])
    assert red.shape == (8, 8)
    assert np.allclose(red[:, :4], 1)
    assert np.allclose(red[:, 4:], 0)
    assert np.allclose(green[:, :4], 0)
    assert np.allclose(green[:, 4:], 1)


def test_it_leaves_the_model_as_it_was() -> None:
    model = Colours().train().requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with torch.no_grad():  # as in an evaluation
        first = grad_cam(model, model.maps, red_left_green_right(), [0])
    second = grad_cam(model, model.maps, red_left_green_right(), [0])
    assert np.array_equal(first, second)
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    # The hook is gone: the output is attached to the input again.
    images = torch.from_numpy(red_left_green_right()).requires_grad_()
    model.eval()(images).sum().backward()
    assert images.grad is not None


def test_what_speaks_for_nothing_is_an_empty_map() -> None:
    model = Colours().eval()
    black = np.zeros((1, 3, 32, 32), np.float32)
    assert grad_cam(model, model.maps, black, [0]).max() == 0


@pytest.mark.parametrize("layer", ["fc", "unused"])
def test_a_layer_without_a_map_is_an_error(layer: str) -> None:
    model = Colours()
    model.unused = nn.Conv2d(3, 2, 1)
    with pytest.raises(InvalidInputError, match="layer"):
        grad_cam(model, getattr(model, layer), red_left_green_right(), [0])


def test_the_overlay_is_the_picture_where_the_map_is_zero() -> None:
    image = np.full((40, 60, 3), 90, np.uint8)
    heat = np.zeros((4, 6), np.float32)
    assert np.array_equal(overlay(image, heat), image)
    heat[:, :3] = 1
    mixed = overlay(image, heat)
    assert mixed.shape == image.shape
    assert np.array_equal(mixed[:, 45:], image[:, 45:])
    blue, _, red = mixed[20, 8].astype(int)
    assert red > blue, "heat is red"


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        (SPEC, (48, 64, 3)),
        (PreprocessingSpec(32, 32, resize="letterbox"), (32, 32, 3)),
        (PreprocessingSpec(32, 32, resize="center_crop", resize_shorter_px=36), (32, 32, 3)),
    ],
    ids=["stretch", "letterbox", "center_crop"],
)
def test_an_explained_picture_has_the_shape_that_people_know(
    spec: PreprocessingSpec, shape: tuple[int, int, int]
) -> None:
    model = Colours()
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32, 2] = 255
    explained = make_explainer(model, model.maps, spec)(image, 0)
    assert explained.shape == shape
    assert explained.dtype == np.uint8


def test_the_shipped_bundle_is_explained() -> None:
    bundle = ModelBundle.load(shipped_model())
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)
    explained = explain_bundle(bundle)(image, 2)
    assert explained.shape == image.shape
    assert not np.array_equal(explained, image)


def test_a_network_that_torch_cannot_build_says_so(tmp_path: Path) -> None:
    bundle = ModelBundle.load(make_tiny_bundle(tmp_path / "tiny"))
    with pytest.raises(ModelError, match=r"Grad-CAM: mean_colour.*cannot be built in torch"):
        explain_bundle(bundle)


def test_a_torch_network_keeps_the_mode_and_answers_in_eval() -> None:
    model = Colours().train()
    run = torch_network(model)
    before = model.norm.running_mean.clone() if model.norm.running_mean is not None else None
    logits = run(red_left_green_right())
    assert logits.dtype == np.float32
    assert logits[0] == pytest.approx([0.5, 0.5], rel=1e-4)
    assert model.training
    assert before is not None
    assert torch.equal(before, model.norm.running_mean)
    half = torch_network(model, bf16=True)(red_left_green_right())
    assert half.dtype == np.float32
    assert half == pytest.approx(logits, abs=0.01)
