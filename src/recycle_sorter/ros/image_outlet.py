# SPDX-License-Identifier: Apache-2.0
"""Where the camera's frames leave for the graph: picture, camera info, JPEG, truth."""

from __future__ import annotations

import threading
from collections.abc import Callable

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from recycle_sorter.core.types import Frame, Truth
from recycle_sorter.ros import conversions, qos
from recycle_sorter.ros.handshake import Handshake
from recycle_sorter.vision.jpeg import encode_jpeg
from recycle_sorter_msgs.msg import GroundTruth

Outgoing = tuple[Image, CameraInfo, CompressedImage | None, Truth | None]


class ImageOutlet:
    """Publishes frames; the pump's ``Outlet``.

    Args:
        node: The camera node.
        frame_id: Of every header.
        jpeg_quality: 1 to 100.
        handshake: Knows which frame was answered.
        stop: Set when the camera shall end.
        report: Takes what became of the source.
    """

    def __init__(
        self,
        node: Node,
        frame_id: str,
        jpeg_quality: int,
        handshake: Handshake,
        stop: threading.Event,
        report: Callable[[str, bool], None],
    ) -> None:
        self._frame_id = frame_id
        self._quality = jpeg_quality
        self._handshake = handshake
        self._stop = stop
        self._report = report
        self._images = node.create_publisher(
            Image, "camera/image_raw", **qos.overridable(qos.IMAGE_OUT)
        )
        self._jpegs = node.create_publisher(
            CompressedImage, "camera/image_raw/compressed", **qos.overridable(qos.IMAGE_OUT)
        )
        self._infos = node.create_publisher(
            CameraInfo, "camera/camera_info", **qos.overridable(qos.IMAGE_OUT)
        )
        self._truths = node.create_publisher(
            GroundTruth, "camera/ground_truth", **qos.overridable(qos.RESULT)
        )

    def prepare(self, frame: Frame) -> Outgoing:
        """Makes the messages; the JPEG only if somebody listens."""
        image = conversions.frame_to_image(frame, self._frame_id)
        info = conversions.camera_info(frame.stamp_ns, self._frame_id, image.width, image.height)
        jpeg = None
        if self._jpegs.get_subscription_count():
            data = frame.jpeg or encode_jpeg(frame, self._quality)
            jpeg = conversions.jpeg_to_message(data, frame, self._frame_id)
        return image, info, jpeg, frame.truth

    def send(self, message: Outgoing) -> None:
        """Publishes one frame; the truth goes first, so that it is known when decisions fall."""
        image, info, jpeg, truth = message
        if truth is not None:
            stamp_ns = conversions.time_to_ns(image.header.stamp)
            self._truths.publish(conversions.truth_to_message(truth, stamp_ns, self._frame_id))
        self._images.publish(image)
        self._infos.publish(info)
        if jpeg is not None:
            self._jpegs.publish(jpeg)

    def await_result(self, stamp_ns: int) -> bool:
        """Waits for the classifier's answer to one frame (lossless mode), or the camera's end."""
        return self._handshake.await_result(stamp_ns, self._stop) or self._stop.is_set()

    def report(self, text: str, is_error: bool) -> None:
        """Passes on what became of the source."""
        self._report(text, is_error)
