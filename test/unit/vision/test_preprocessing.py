# SPDX-License-Identifier: Apache-2.0
"""The one preprocessing spec: strict fields, exact values, every resize mode."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.preprocessing import (
    PreprocessingSpec,
    preprocess,
    preprocess_batch,
    resize_image,
)

SPEC = PreprocessingSpec()


def picture(height: int = 480, width: int = 640, seed: int = 0) -> np.ndarray[Any, Any]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_values_are_scaled_normalised_and_reordered() -> None:
    image = picture(224, 224)
    rgb = image[..., ::-1].astype(np.float64) / 255.0
    expected = ((rgb - SPEC.mean) / SPEC.std).transpose(2, 0, 1)[None]
    tensor = preprocess(image, SPEC)
    assert tensor.dtype == np.float32
    assert tensor.flags.c_contiguous
    np.testing.assert_allclose(tensor, expected, atol=1e-6)


def test_rgb_and_bgr_pictures_give_the_same_tensor() -> None:
    image = picture()
    rgb = np.ascontiguousarray(image[..., ::-1])
    np.testing.assert_array_equal(preprocess(image, SPEC), preprocess(rgb, SPEC, order="rgb"))


def test_a_bgr_network_gets_bgr() -> None:
    spec = dataclasses.replace(SPEC, channel_order="bgr", mean=(0.0,) * 3, std=(1.0,) * 3)
    image = np.zeros((10, 10, 3), np.uint8)
    image[..., 0] = 255
    assert preprocess(image, spec)[0].mean(axis=(1, 2)).tolist() == [1.0, 0.0, 0.0]


def test_a_picture_that_is_not_contiguous_is_fine() -> None:
    image = picture(960, 1280)
    np.testing.assert_array_equal(
        preprocess(image[::2, ::2], SPEC), preprocess(image[::2, ::2].copy(), SPEC)
    )


def test_batch_equals_single_pictures_of_different_sizes() -> None:
    images = [picture(480, 640, 1), picture(100, 90, 2), picture(224, 224, 3)]
    batch = preprocess_batch(images, SPEC)
    assert batch.shape == (3, 3, 224, 224)
    for image, row in zip(images, batch, strict=True):
        np.testing.assert_array_equal(preprocess(image, SPEC)[0], row)


def test_an_empty_batch_keeps_its_shape() -> None:
    assert preprocess_batch([], SPEC).shape == (0, 3, 224, 224)


def test_stretch_shows_the_whole_picture() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, :320] = 255
    tensor = preprocess(image, SPEC)[0, 0]
    assert np.unique(tensor[:, :111]).size == np.unique(tensor[:, 113:]).size == 1
    assert tensor[0, 0] > tensor[0, -1]


def test_letterbox_pads_with_the_mean_and_keeps_the_aspect() -> None:
    spec = dataclasses.replace(SPEC, resize="letterbox")
    tensor = preprocess(np.full((480, 640, 3), 255, np.uint8), spec)[0]
    assert np.abs(tensor[:, :28]).max() < 0.01  # 224 x 168 inside 224 x 224: bars of 28 rows
    assert np.abs(tensor[:, -28:]).max() < 0.01
    assert tensor[:, 28:-28].min() > 2.0


def test_letterbox_pads_an_rgb_picture_with_the_same_colour() -> None:
    spec = dataclasses.replace(SPEC, resize="letterbox")
    grey = np.full((480, 640, 3), 90, np.uint8)
    np.testing.assert_array_equal(preprocess(grey, spec), preprocess(grey, spec, order="rgb"))


def test_center_crop_cuts_the_sides() -> None:
    spec = dataclasses.replace(SPEC, resize="center_crop", resize_shorter_px=224)
    image = np.full((224, 300, 3), 255, np.uint8)
    image[:, :38] = image[:, -38:] = 0
    assert np.unique(preprocess(image, spec)[0, 0]).size == 1


def test_one_pixel_pictures_work_in_every_mode() -> None:
    for mode, shorter in (("stretch", None), ("letterbox", None), ("center_crop", 256)):
        spec = PreprocessingSpec(resize=mode, resize_shorter_px=shorter)  # type: ignore[arg-type]
        assert preprocess(picture(1, 1), spec).shape == (1, 3, 224, 224)


def test_a_spec_survives_json() -> None:
    crop = dataclasses.replace(SPEC, resize="center_crop", resize_shorter_px=256)
    for spec in (SPEC, crop):
        assert PreprocessingSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width_px", 0),
        ("width_px", True),
        ("height_px", 224.0),
        ("height_px", 100_000),
        ("resize", "squash"),
        ("interpolation", "lanczos"),
        ("channel_order", "gbr"),
        ("scale", 0),
        ("scale", float("nan")),
        ("mean", [0.5, 0.5]),
        ("mean", "abc"),
        ("mean", [10**400, 0.5, 0.5]),
        ("scale", 10**400),
        ("std", [0.2, 0.2, 0.0]),
        ("std", [0.2, 0.2, float("inf")]),
        ("resize_shorter_px", 256),
    ],
)
def test_a_bad_field_is_named_with_its_value(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=rf"preprocessing\.{field}: got .*expected .*Fix: "):
        PreprocessingSpec.from_dict({**SPEC.to_dict(), field: value})


@pytest.mark.parametrize("mean", [1e10, 10**300])
def test_padding_is_a_colour_whatever_the_scale(mean: float) -> None:
    spec = dataclasses.replace(SPEC, resize="letterbox", scale=1e-308, mean=(mean, -mean, 0.0))
    tall = np.full((4, 2, 3), 9, np.uint8)
    assert resize_image(tall, spec, order="rgb")[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("shorter", [None, 200, "256"])
def test_center_crop_needs_a_long_enough_shorter_side(shorter: object) -> None:
    values = {**SPEC.to_dict(), "resize": "center_crop", "resize_shorter_px": shorter}
    with pytest.raises(InvalidInputError, match="resize_shorter_px"):
        PreprocessingSpec.from_dict(values)


def test_unknown_and_missing_fields_are_errors() -> None:
    with pytest.raises(InvalidInputError, match="widht_px"):
        PreprocessingSpec.from_dict({**SPEC.to_dict(), "widht_px": 224})
    values = SPEC.to_dict()
    del values["std"]
    with pytest.raises(InvalidInputError, match=r"preprocessing\.std: .* add the missing field"):
        PreprocessingSpec.from_dict(values)
    with pytest.raises(InvalidInputError, match="an object of fields"):
        PreprocessingSpec.from_dict([])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4, 3), np.uint16),
        None,
    ],
)
def test_a_picture_of_another_kind_is_refused(image: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"image (dtype|shape): got .*expected"):
        preprocess(image, SPEC)


def test_an_unknown_order_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="order"):
        preprocess(picture(), SPEC, order="yuv")  # type: ignore[arg-type]
