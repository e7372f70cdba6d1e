# SPDX-License-Identifier: Apache-2.0
"""Raw picture messages: every encoding, and no combination of fields that crashes."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.sources.raw_image import view_image

COLOUR = np.full((4, 6, 3), (200, 100, 50), np.uint8)


@pytest.mark.parametrize(
    ("encoding", "given_encoding", "pixels"),
    [
        ("bgr8", "bgr8", COLOUR),
        ("rgb8", "rgb8", COLOUR),
        ("8UC3", "bgr8", COLOUR),
        ("mono8", "mono8", COLOUR[..., 0]),
        ("8UC1", "mono8", COLOUR[..., 0]),
    ],
)
def test_plain_encodings_are_viewed_in_place(
    encoding: str, given_encoding: str, pixels: NDArray[np.uint8]
) -> None:
    data = np.ascontiguousarray(pixels).reshape(-1)
    step = data.size // 4
    found, name = view_image(6, 4, encoding, step, data)
    assert name == given_encoding
    assert np.shares_memory(found, data)
    np.testing.assert_array_equal(found, pixels)


def test_padding_at_the_end_of_rows_is_left_out() -> None:
    padded = np.zeros((4, 20), np.uint8)
    padded[:, :18] = COLOUR.reshape(4, 18)
    found, _ = view_image(6, 4, "bgr8", 20, padded.reshape(-1))
    assert found.flags.c_contiguous
    np.testing.assert_array_equal(found, COLOUR)


@pytest.mark.parametrize(
    ("encoding", "code"), [("bgra8", cv2.COLOR_BGR2BGRA), ("rgba8", cv2.COLOR_BGR2RGBA)]
)
def test_alpha_is_dropped(encoding: str, code: int) -> None:
    data = np.asarray(cv2.cvtColor(COLOUR, code), np.uint8)
    found, name = view_image(6, 4, encoding, 24, data.reshape(-1))
    assert name == "bgr8"
    np.testing.assert_array_equal(found, COLOUR)


@pytest.mark.parametrize(
    ("encoding", "luma_first"),
    [("yuv422", False), ("uyvy", False), ("yuv422_yuy2", True), ("yuyv", True)],
)
def test_yuv_of_cameras_becomes_bgr(encoding: str, luma_first: bool) -> None:
    # Limited-range BT.601 white: Y 235, U and V 128.
    pair = [235, 128, 235, 128] if luma_first else [128, 235, 128, 235]
    data = np.array(pair * 12, np.uint8)
    found, name = view_image(6, 4, encoding, 12, data)
    assert (name, found.shape) == ("bgr8", (4, 6, 3))
    assert found.min() >= 253


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((6, 4, "16UC1", 12, 48), "encoding"),
        ((6, 4, "", 18, 72), "encoding"),
        ((0, 4, "bgr8", 0, 0), "width"),
        ((6, 2**32 - 1, "bgr8", 18, 72), "height"),
        ((6, 4, "bgr8", 17, 68), "step"),
        ((6, 4, "bgr8", 18, 71), "data"),
        ((6, 4, "bgr8", 18, 73), "data"),
        ((6, 4, "bgr8", 18, 0), "data"),
        ((5, 4, "yuv422", 10, 40), "width"),
    ],
)
def test_fields_that_do_not_fit_are_named(
    arguments: tuple[int, int, str, int, int], field: str
) -> None:
    width, height, encoding, step, size = arguments
    with pytest.raises(InvalidInputError) as caught:
        view_image(width, height, encoding, step, np.zeros(size, np.uint8))
    assert caught.value.field == field
    assert caught.value.expected


@given(
    st.integers(0, 40),
    st.integers(0, 40),
    st.sampled_from(["bgr8", "mono8", "rgba8", "yuv422", "mono16", "nonsense"]),
    st.integers(0, 200),
    st.integers(0, 4000),
    st.booleans(),
)
def test_any_fields_give_pixels_or_a_named_error(
    width: int, height: int, encoding: str, step: int, size: int, fits: bool
) -> None:
    data = np.zeros(step * height if fits else size, np.uint8)
    try:
        pixels, name = view_image(width, height, encoding, step, data)
    except InvalidInputError as error:
        culprit = error.field
    else:
        culprit = ""
    assert culprit in ("", "encoding", "width", "height", "step", "data")
    if culprit:
        return
    assert pixels.shape == ((height, width) if name == "mono8" else (height, width, 3))
    assert pixels.dtype == np.uint8
