# SPDX-License-Identifier: Apache-2.0
"""The bytes of a ``sensor_msgs/Image``, checked and viewed as pixels."""

from __future__ import annotations

from typing import Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError

MAX_SIDE_PX: Final = 16384


class _Encoding(NamedTuple):
    channels: int
    frame_encoding: str
    conversion: int | None  # OpenCV's code, None to view the bytes in place


_ENCODINGS: Final[dict[str, _Encoding]] = {
    "bgr8": _Encoding(3, "bgr8", None),
    "rgb8": _Encoding(3, "rgb8", None),
    "mono8": _Encoding(1, "mono8", None),
    # OpenCV's own names; three channels are BGR by its convention.
    "8UC3": _Encoding(3, "bgr8", None),
    "8UC1": _Encoding(1, "mono8", None),
    "bgra8": _Encoding(4, "bgr8", cv2.COLOR_BGRA2BGR),
    "rgba8": _Encoding(4, "bgr8", cv2.COLOR_RGBA2BGR),
    "yuv422": _Encoding(2, "bgr8", cv2.COLOR_YUV2BGR_UYVY),
    "uyvy": _Encoding(2, "bgr8", cv2.COLOR_YUV2BGR_UYVY),
    "yuv422_yuy2": _Encoding(2, "bgr8", cv2.COLOR_YUV2BGR_YUY2),
    "yuyv": _Encoding(2, "bgr8", cv2.COLOR_YUV2BGR_YUY2),
}


def view_image(
    width: int, height: int, encoding: str, step: int, data: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], str]:
    """Checks a raw picture's fields against each other and views its pixels.

    Args:
        width: Columns.
        height: Rows.
        encoding: Name as in ``sensor_msgs/image_encodings``.
        step: Bytes a row, with padding.
        data: All bytes, one-dimensional.

    Returns:
        C-contiguous uint8 pixels, ``(height, width, 3)`` or ``(height, width)``, and their
        encoding (``bgr8``, ``rgb8`` or ``mono8``). They share ``data``'s memory if it has no
        padding and needs no conversion.

    Raises:
        InvalidInputError: Naming the field that does not fit.
    """
    known = _ENCODINGS.get(encoding)
    if known is None:
        raise InvalidInputError("encoding", encoding, f"one of {', '.join(_ENCODINGS)}")
    for name, value in (("width", width), ("height", height)):
        if not 1 <= value <= MAX_SIDE_PX:
            raise InvalidInputError(name, value, f"1 to {MAX_SIDE_PX}")
    if known.channels == 2 and width % 2:
        raise InvalidInputError("width", width, f"an even number, as {encoding} pairs columns")
    row_bytes = width * known.channels
    if step < row_bytes:
        raise InvalidInputError("step", step, f"at least {row_bytes} ({width} px of {encoding})")
    if data.size != step * height:
        raise InvalidInputError("data", f"{data.size} bytes", f"{step * height} (step x height)")
    rows = data.reshape(height, step)[:, :row_bytes]
    shape = (height, width) if known.channels == 1 else (height, width, known.channels)
    pixels = np.ascontiguousarray(rows).reshape(shape)
    if known.conversion is not None:
        pixels = np.asarray(cv2.cvtColor(pixels, known.conversion), np.uint8)
    return pixels, known.frame_encoding
