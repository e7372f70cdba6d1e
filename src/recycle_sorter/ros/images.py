# SPDX-License-Identifier: Apache-2.0
"""Picture messages to frames: validated, then viewed in place or handed to cv_bridge."""

from __future__ import annotations

import array

import numpy as np
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import Image

from recycle_sorter.core.types import Frame
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter.vision.image_checks import ImageLayout, check_image, to_frame

_bridge = CvBridge()


def image_to_frame(message: Image) -> Frame:
    """A picture message as a frame.

    Args:
        message: Any ``sensor_msgs/Image``; nothing in it is trusted.

    Returns:
        bgr8, rgb8 and mono8 share the message's memory; others are converted to bgr8.

    Raises:
        InvalidInputError: If size, encoding, step or data do not fit each other.
    """
    layout = check_image(
        message.width,
        message.height,
        message.encoding,
        message.step,
        message.is_bigendian,
        len(message.data),
    )
    stamp_ns = time_to_ns(message.header.stamp)
    if layout.is_in_place:
        return to_frame(message.data, layout, stamp_ns)
    try:
        pixels = _bridge.imgmsg_to_cv2(_compact(message, layout), desired_encoding="bgr8")
    except (CvBridgeError, KeyError):  # encodings it does not know; PyPI's raises a bare KeyError
        return to_frame(message.data, layout, stamp_ns)
    return Frame(stamp_ns, np.asarray(pixels, dtype=np.uint8), "bgr8")


def _compact(message: Image, layout: ImageLayout) -> Image:
    """The same picture without row padding and little-endian.

    PyPI's cv_bridge ignores ``step`` and cannot swap bytes under numpy 2.
    """
    row_bytes = layout.width_px * layout.spec.channels * layout.spec.sample_bytes
    rows = np.frombuffer(message.data, np.uint8).reshape(layout.height_px, layout.step_bytes)
    samples = np.ascontiguousarray(rows[:, :row_bytes]).view(f"u{layout.spec.sample_bytes}")
    if layout.is_bigendian:
        samples = samples.byteswap()
    data = array.array("B")
    data.frombytes(samples.tobytes())
    return Image(
        header=message.header,
        height=message.height,
        width=message.width,
        encoding=message.encoding,
        is_bigendian=0,
        step=row_bytes,
        data=data,
    )
