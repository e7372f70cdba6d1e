# SPDX-License-Identifier: Apache-2.0
"""Compressing frames for ``image_raw/compressed``."""

from __future__ import annotations

import cv2

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import Frame


def encode_jpeg(frame: Frame, quality: int) -> bytes:
    """A frame as JPEG.

    Args:
        frame: Encoding ``bgr8``, ``rgb8`` or ``mono8``.
        quality: 1 to 100.

    Returns:
        The JPEG file's bytes.

    Raises:
        InvalidInputError: If OpenCV cannot compress it.
    """
    pixels = frame.pixels
    if frame.encoding == "rgb8":
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)  # type: ignore[assignment]
    done, data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise InvalidInputError("pixels", pixels.shape, "a picture that JPEG can hold")
    return data.tobytes()
