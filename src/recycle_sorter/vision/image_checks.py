# SPDX-License-Identifier: Apache-2.0
"""The fields of an image message, checked against each other before anything trusts them.

Free of ROS: it takes the fields of a ``sensor_msgs/Image``, not the message.

Accepted: the encodings of :data:`ENCODINGS`. 16-bit ones are scaled to 8 bits by their high byte.
``32FC1`` and other floats are refused, because nothing says which range they span and a network
trained on photographs has no use for them.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Final, Union

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import Frame

MAX_SIDE_PX: Final = 16384
_JPEG_START: Final = b"\xff\xd8\xff"
_JPEG_END: Final = b"\xff\xd9"

ImageBytes = Union[bytes, bytearray, memoryview, "array[int]", NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class EncodingSpec:
    """What an encoding's name means.

    Attributes:
        channels: Samples a pixel.
        sample_bytes: Bytes a sample.
        frame_encoding: What it becomes: ``"bgr8"``, ``"rgb8"`` or ``"mono8"``.
        conversion: OpenCV's conversion code; None to use the bytes as they are.
        even: Whether the width (and for Bayer the height) must be even.
    """

    channels: int
    sample_bytes: int
    frame_encoding: str
    conversion: int | None = None
    even: bool = False


# Names of sensor_msgs/image_encodings.hpp. OpenCV names a Bayer pattern by its second row's second
# and third pixel, ROS by the first two rows' first two: the table is that of cv_bridge.
ENCODINGS: Final[dict[str, EncodingSpec]] = {
    "bgr8": EncodingSpec(3, 1, "bgr8"),
    "rgb8": EncodingSpec(3, 1, "rgb8"),
    "mono8": EncodingSpec(1, 1, "mono8"),
    "8UC3": EncodingSpec(3, 1, "bgr8"),
    "8UC1": EncodingSpec(1, 1, "mono8"),
    "bgra8": EncodingSpec(4, 1, "bgr8", cv2.COLOR_BGRA2BGR),
    "rgba8": EncodingSpec(4, 1, "bgr8", cv2.COLOR_RGBA2BGR),
    "mono16": EncodingSpec(1, 2, "mono8"),
    "16UC1": EncodingSpec(1, 2, "mono8"),
    "yuv422": EncodingSpec(2, 1, "bgr8", cv2.COLOR_YUV2BGR_UYVY, even=True),
    "uyvy": EncodingSpec(2, 1, "bgr8", cv2.COLOR_YUV2BGR_UYVY, even=True),
    "yuv422_yuy2": EncodingSpec(2, 1, "bgr8", cv2.COLOR_YUV2BGR_YUY2, even=True),
    "yuyv": EncodingSpec(2, 1, "bgr8", cv2.COLOR_YUV2BGR_YUY2, even=True),
    "bayer_rggb8": EncodingSpec(1, 1, "bgr8", cv2.COLOR_BayerBG2BGR, even=True),
    "bayer_bggr8": EncodingSpec(1, 1, "bgr8", cv2.COLOR_BayerRG2BGR, even=True),
    "bayer_gbrg8": EncodingSpec(1, 1, "bgr8", cv2.COLOR_BayerGR2BGR, even=True),
    "bayer_grbg8": EncodingSpec(1, 1, "bgr8", cv2.COLOR_BayerGB2BGR, even=True),
}


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How the bytes of a checked image lie; build it with :func:`check_image`.

    Attributes:
        width_px: Columns.
        height_px: Rows.
        encoding: A key of ``ENCODINGS``.
        step_bytes: Bytes from one row to the next, padding included.
        is_bigendian: Byte order of 16-bit samples.
    """

    width_px: int
    height_px: int
    encoding: str
    step_bytes: int
    is_bigendian: bool

    @property
    def spec(self) -> EncodingSpec:
        """What the encoding means."""
        return ENCODINGS[self.encoding]

    @property
    def is_in_place(self) -> bool:
        """Whether the pixels can be used without converting or copying them."""
        return self.spec.conversion is None and self.spec.sample_bytes == 1


def check_image(
    width: int, height: int, encoding: str, step: int, is_bigendian: int, data_len: int
) -> ImageLayout:
    """Checks the fields of a ``sensor_msgs/Image``.

    Args:
        width: Columns, 1 to 16384.
        height: Rows, 1 to 16384.
        encoding: A key of ``ENCODINGS``.
        step: Bytes a row; more than the pixels need is padding.
        is_bigendian: Not 0 for big-endian 16-bit samples.
        data_len: How many bytes there are; must be ``step * height``.

    Raises:
        InvalidInputError: Naming the field, its value, what was expected and the fix.
    """
    spec = ENCODINGS.get(encoding)
    if spec is None:
        raise InvalidInputError(
            "encoding", encoding, f"one of {', '.join(ENCODINGS)}", "convert it where it is made"
        )
    for name, value in (("width", width), ("height", height)):
        if not 1 <= value <= MAX_SIDE_PX:
            raise InvalidInputError(
                name, value, f"1 to {MAX_SIDE_PX} px", "check the camera's settings"
            )
    if spec.even and (width % 2 or (spec.channels == 1 and height % 2)):
        raise InvalidInputError(
            "width and height", (width, height), f"even numbers for {encoding}", "crop one pixel"
        )
    row_bytes = width * spec.channels * spec.sample_bytes
    if step < row_bytes:
        raise InvalidInputError(
            "step", step, f"at least {row_bytes}, {width} px of {encoding}", "set step to that"
        )
    if data_len != step * height:
        problem = "too few" if data_len < step * height else "trailing"
        raise InvalidInputError(
            "data",
            f"{data_len} bytes",
            f"{step * height}, step {step} x height {height}",
            f"there are {problem} bytes: send whole rows and nothing behind them",
        )
    return ImageLayout(width, height, encoding, step, bool(is_bigendian))


def view_pixels(data: ImageBytes, layout: ImageLayout) -> NDArray[np.uint8]:
    """Views bytes as pixels, without a copy and without row padding.

    Args:
        data: What was checked, as bytes or any buffer of bytes.
        layout: Of an 8-bit encoding.

    Returns:
        ``(height, width)`` or ``(height, width, channels)`` uint8 in the encoding's channel order;
        rows are ``step_bytes`` apart; read-only if ``data`` is.

    Raises:
        InvalidInputError: If the samples have 16 bits, or ``data`` is not what was checked.
    """
    if layout.spec.sample_bytes != 1:
        raise InvalidInputError("encoding", layout.encoding, "an 8-bit one", "use to_frame")
    return _samples(data, layout, np.dtype(np.uint8))


def to_frame(data: ImageBytes, layout: ImageLayout, stamp_ns: int) -> Frame:
    """Makes a frame; ``bgr8``, ``rgb8`` and ``mono8`` share the memory of ``data``.

    Args:
        data: What was checked.
        layout: From :func:`check_image`.
        stamp_ns: Capture time.

    Raises:
        InvalidInputError: If ``data`` is not what was checked.
    """
    spec = layout.spec
    if spec.sample_bytes == 2:
        order = ">" if layout.is_bigendian else "<"
        samples = _samples(data, layout, np.dtype(f"{order}u2"))
        return Frame(stamp_ns, (samples >> 8).astype(np.uint8), spec.frame_encoding)
    pixels = view_pixels(data, layout)
    if spec.conversion is not None:
        pixels = np.asarray(cv2.cvtColor(pixels, spec.conversion), np.uint8)
    return Frame(stamp_ns, pixels, spec.frame_encoding)


def to_bgr(data: ImageBytes, layout: ImageLayout) -> NDArray[np.uint8]:
    """The same as a BGR picture ``(height, width, 3)`` uint8, whatever the encoding."""
    frame = to_frame(data, layout, 0)
    if frame.encoding == "rgb8":
        return np.asarray(cv2.cvtColor(frame.pixels, cv2.COLOR_RGB2BGR), np.uint8)
    if frame.encoding == "mono8":
        return np.asarray(cv2.cvtColor(frame.pixels, cv2.COLOR_GRAY2BGR), np.uint8)
    return frame.pixels


def decode_jpeg(data: ImageBytes) -> NDArray[np.uint8]:
    """Decodes a JPEG, e.g. of a ``sensor_msgs/CompressedImage``.

    Returns:
        ``(height, width, 3)`` uint8 BGR.

    Raises:
        InvalidInputError: If it is empty, no JPEG, cut off (OpenCV would fill the rest with grey
            and say nothing), damaged or larger than 16384 px.
    """
    raw = np.frombuffer(data, np.uint8)
    if raw.size == 0:
        raise InvalidInputError("data", "0 bytes", "a JPEG", "check what compresses it")
    if raw[:3].tobytes() != _JPEG_START:
        raise InvalidInputError("data", raw[:8].tobytes(), "a JPEG (ff d8 ff ...)")
    # Cameras append data behind the end mark, and a preview in front has one of its own.
    if _JPEG_END not in raw[raw.size // 2 :].tobytes():
        raise InvalidInputError(
            "data", f"{raw.size} bytes without an end mark", "a whole JPEG", "it was cut off"
        )
    try:
        pixels = cv2.imdecode(raw, cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise InvalidInputError("data", f"{raw.size} bytes", f"a JPEG ({error.err})") from error
    if pixels is None:
        raise InvalidInputError("data", f"{raw.size} bytes", "a JPEG that OpenCV decodes")
    if max(pixels.shape[:2]) > MAX_SIDE_PX:
        raise InvalidInputError("size", pixels.shape[:2], f"at most {MAX_SIDE_PX} px a side")
    return np.asarray(pixels, np.uint8)


def _samples(data: ImageBytes, layout: ImageLayout, dtype: np.dtype[np.generic]) -> NDArray:  # type: ignore[type-arg]
    raw = np.frombuffer(data, np.uint8)
    expected = layout.step_bytes * layout.height_px
    if raw.size != expected:
        raise InvalidInputError("data", f"{raw.size} bytes", f"the {expected} that were checked")
    channels = layout.spec.channels
    pixel_bytes = channels * dtype.itemsize
    shape: tuple[int, ...] = (layout.height_px, layout.width_px)
    strides: tuple[int, ...] = (layout.step_bytes, pixel_bytes)
    if channels > 1:
        shape, strides = (*shape, channels), (*strides, dtype.itemsize)
    # In bounds, because step_bytes >= width * pixel_bytes and raw holds height * step_bytes.
    return np.ndarray(shape, dtype, buffer=raw, strides=strides)
