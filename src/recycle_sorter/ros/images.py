# SPDX-License-Identifier: Apache-2.0
"""Picture messages to frames: validated, then viewed in place or handed to cv_bridge."""

from __future__ import annotations

import numpy as np
from cv_bridge import CvBridge, CvBridgeError
from sensor_msgs.msg import Image

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import Frame
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter.vision.image_checks import check_image, view_pixels

_IN_PLACE = frozenset({"bgr8", "rgb8", "mono8"})
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
    if message.encoding in _IN_PLACE:
        return Frame(stamp_ns, view_pixels(message.data, layout), message.encoding)
    try:
        pixels = _bridge.imgmsg_to_cv2(message, desired_encoding="bgr8")
    except CvBridgeError as error:
        raise InvalidInputError("encoding", message.encoding, "one that cv_bridge knows") from error
    return Frame(stamp_ns, np.asarray(pixels, dtype=np.uint8), "bgr8")
