# SPDX-License-Identifier: Apache-2.0
"""An image message's fields: every contradiction is refused by name, every legal one is viewed."""

from __future__ import annotations

import sys
from array import array
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.image_checks import (
    ENCODINGS,
    ImageLayout,
    check_image,
    decode_jpeg,
    to_bgr,
    to_frame,
    view_pixels,
)

GOOD: dict[str, Any] = {
    "width": 4,
    "height": 2,
    "encoding": "bgr8",
    "step": 12,
    "is_bigendian": 0,
    "data_len": 24,
}
IN_PLACE = ["bgr8", "rgb8", "mono8", "8UC1", "8UC3"]


def test_a_good_image_passes() -> None:
    assert check_image(**GOOD) == ImageLayout(4, 2, "bgr8", 12, False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 0}, r"width: got 0, expected 1 to 16384 px\. Fix:"),
        ({"height": 0}, "height: got 0"),
        ({"width": 16385, "step": 49155}, "width: got 16385"),
        ({"height": 2**32 - 1}, "height: got 4294967295"),
        ({"encoding": "jpeg"}, "encoding: got 'jpeg', expected one of bgr8, rgb8, mono8"),
        ({"encoding": ""}, "encoding: got ''"),
        ({"encoding": "32FC1", "step": 16, "data_len": 32}, "encoding: got '32FC1'"),
        ({"step": 11}, r"step: got 11, expected at least 12, 4 px of bgr8\. Fix:"),
        ({"step": 0, "data_len": 0}, "step: got 0"),
        ({"step": 2**32 - 1}, "data: got '24 bytes', expected 8589934590"),
        ({"data_len": 0}, "data: got '0 bytes', expected 24, .* too few"),
        ({"data_len": 23}, "data: got '23 bytes', expected 24, .* too few"),
        ({"data_len": 25}, "data: got '25 bytes', expected 24, .* trailing"),
        ({"encoding": "yuyv", "width": 3}, r"width and height: got \(3, 2\), expected even"),
        ({"encoding": "bayer_rggb8", "height": 3}, "width and height"),
        ({"encoding": "mono16", "step": 7, "data_len": 14}, "step: got 7, expected at least 8"),
    ],
)
def test_a_contradiction_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        check_image(**{**GOOD, **changes})


fields = st.fixed_dictionaries(
    {
        "width": st.integers(0, 40) | st.integers(0, 2**32 - 1),
        "height": st.integers(0, 40) | st.integers(0, 2**32 - 1),
        "encoding": st.sampled_from(sorted(ENCODINGS)) | st.text(max_size=8),
        "step": st.integers(0, 400) | st.integers(0, 2**32 - 1),
        "is_bigendian": st.integers(0, 255),
    }
)


@given(fields, st.integers(0, 5000), st.booleans())
def test_whatever_passes_can_be_viewed_and_converted(
    values: dict[str, Any], length: int, fits: bool
) -> None:
    """No field values lead outside the data, whatever they are."""
    if fits:
        length = min(values["step"] * values["height"], 20_000)
    try:
        layout = check_image(**values, data_len=length)
    except InvalidInputError:
        return
    frame = to_frame(bytes(length), layout, 5)
    assert frame.pixels.shape[:2] == (values["height"], values["width"])
    assert frame.pixels.dtype == np.uint8
    assert frame.stamp_ns == 5
    assert frame.encoding in ("bgr8", "rgb8", "mono8")
    assert to_bgr(bytes(length), layout).shape == (values["height"], values["width"], 3)


@given(
    st.sampled_from(IN_PLACE),
    st.integers(1, 20),
    st.integers(1, 20),
    st.integers(0, 9),
    st.sampled_from([bytes, bytearray, memoryview, lambda raw: array("B", raw), np.array]),
)
def test_padded_rows_are_viewed_without_a_copy(
    encoding: str, width: int, height: int, padding: int, container: Any
) -> None:
    channels = ENCODINGS[encoding].channels
    step = width * channels + padding
    rows = np.random.default_rng(0).integers(0, 256, (height, step), dtype=np.uint8)
    data = rows.ravel() if container is np.array else container(rows.tobytes())
    layout = check_image(width, height, encoding, step, 0, rows.size)
    pixels = view_pixels(data, layout)
    np.testing.assert_array_equal(
        pixels.reshape(height, -1), rows[:, : width * channels], strict=True
    )
    assert layout.is_in_place
    assert np.shares_memory(pixels, np.frombuffer(data, np.uint8))
    assert np.shares_memory(to_frame(data, layout, 0).pixels, np.frombuffer(data, np.uint8))


def test_other_data_than_was_checked_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="data: got '23 bytes', expected the 24"):
        view_pixels(bytes(23), check_image(**GOOD))


@pytest.mark.parametrize("encoding", ["mono16", "16UC1"])
@pytest.mark.parametrize("order", ["little", "big"])
def test_16_bits_are_scaled_by_their_high_byte_in_either_order(encoding: str, order: str) -> None:
    values = np.array([[0, 255, 256], [0x7FFF, 0x8000, 0xFFFF]], np.uint16)
    swap = order != sys.byteorder
    raw = (values.byteswap() if swap else values).tobytes()
    layout = check_image(3, 2, encoding, 6, int(order == "big"), len(raw))
    frame = to_frame(raw, layout, 0)
    assert frame.encoding == "mono8"
    assert frame.pixels.tolist() == [[0, 0, 1], [127, 128, 255]]
    with pytest.raises(InvalidInputError, match="an 8-bit one"):
        view_pixels(raw, layout)


RED_BGR = (30, 60, 200)


def as_encoded(encoding: str, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A BGR picture in another encoding."""
    blue, green, red = (image[..., channel] for channel in range(3))
    if encoding.startswith("bayer"):
        planes = {"r": red, "g": green, "b": blue}
        mosaic = np.empty(image.shape[:2], np.uint8)
        for index, letter in enumerate(encoding[6:10]):
            row, column = divmod(index, 2)
            mosaic[row::2, column::2] = planes[letter][row::2, column::2]
        return mosaic
    opaque = np.full_like(blue, 255)
    if encoding in ("bgra8", "rgba8"):
        colours = (blue, green, red) if encoding == "bgra8" else (red, green, blue)
        return np.dstack((*colours, opaque))
    if encoding in ("rgb8",):
        return np.dstack((red, green, blue))
    if encoding in ("bgr8", "8UC3"):
        return image
    # ITU-R BT.601 in video range, as cameras send it.
    y = 16 + 0.257 * red + 0.504 * green + 0.098 * blue
    u = 128 - 0.148 * red - 0.291 * green + 0.439 * blue
    v = 128 + 0.439 * red - 0.368 * green - 0.071 * blue
    chroma = np.where(np.arange(image.shape[1]) % 2 == 0, u, v)
    pair = (chroma, y) if encoding in ("uyvy", "yuv422") else (y, chroma)
    return np.dstack(pair).round().astype(np.uint8)


@pytest.mark.parametrize("encoding", [name for name in ENCODINGS if name[-2:] not in ("C1", "16")])
def test_every_encoding_keeps_its_colours(encoding: str) -> None:
    if encoding == "mono8":
        data = np.full((8, 8), 90, np.uint8)
        expected: tuple[int, ...] = (90, 90, 90)
    else:
        data = as_encoded(encoding, np.full((8, 8, 3), RED_BGR, np.uint8))
        expected = RED_BGR
    raw = data.tobytes()
    layout = check_image(8, 8, encoding, len(raw) // 8, 0, len(raw))
    np.testing.assert_allclose(to_bgr(raw, layout)[4, 4], expected, atol=4)


class TestDecodeJpeg:
    @pytest.fixture
    def jpeg(self) -> bytes:
        done, data = cv2.imencode(".jpg", np.full((20, 30, 3), RED_BGR, np.uint8))
        assert done
        return bytes(data)

    def test_a_good_one_is_decoded(self, jpeg: bytes) -> None:
        pixels = decode_jpeg(array("B", jpeg))
        assert pixels.shape == (20, 30, 3)
        np.testing.assert_allclose(pixels[5, 5], RED_BGR, atol=4)

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            (lambda data: b"", "data: got '0 bytes'"),
            (lambda data: b"\x89PNG" + data, "expected a JPEG"),
            (lambda data: data[:-40], "without an end mark"),
            (lambda data: data[:20] + b"\xff\xd9", "expected a JPEG"),
        ],
    )
    def test_a_damaged_one_is_refused(self, jpeg: bytes, damage: Any, message: str) -> None:
        with pytest.raises(InvalidInputError, match=message):
            decode_jpeg(damage(jpeg))

    @given(st.binary(max_size=200), st.booleans())
    def test_no_bytes_crash_it(self, data: bytes, framed: bool) -> None:
        with pytest.raises(InvalidInputError, match="data"):
            decode_jpeg(b"\xff\xd8\xff" + data + b"\xff\xd9" if framed else data)
