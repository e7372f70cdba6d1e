# SPDX-License-Identifier: Apache-2.0
"""Between messages and the core's values; nothing else knows both.

Pictures are validated before anybody looks at their bytes. bgr8, rgb8 and mono8 are then viewed
in place; every other encoding goes through cv_bridge, which checks neither sizes nor ``step``.
"""

from __future__ import annotations

import array

import numpy as np
from builtin_interfaces.msg import Time
from sensor_msgs.msg import CameraInfo, CompressedImage, Image
from std_msgs.msg import Header

from recycle_sorter.core.diverters import DiverterSnapshot
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import (
    NS_PER_SEC,
    Classification,
    Frame,
    PlannedCommand,
    Reason,
    SortDecision,
    Truth,
)
from recycle_sorter.sources.belt_fields import command_fields
from recycle_sorter_msgs.msg import (
    DiverterCommand,
    DiverterState,
    GroundTruth,
    MaterialClassification,
)

_MIN_NS = -(2**31) * NS_PER_SEC
_MAX_NS = 2**31 * NS_PER_SEC - 1


def time_to_ns(stamp: Time) -> int:
    """Nanoseconds since the epoch."""
    return int(stamp.sec) * NS_PER_SEC + int(stamp.nanosec)


def ns_to_time(stamp_ns: int) -> Time:
    """A message's time; beyond what its 32 bits of seconds hold, the nearest that they do."""
    sec, nanosec = divmod(min(max(stamp_ns, _MIN_NS), _MAX_NS), NS_PER_SEC)
    return Time(sec=sec, nanosec=nanosec)


def header(stamp_ns: int, frame_id: str) -> Header:
    """A header."""
    return Header(stamp=ns_to_time(stamp_ns), frame_id=frame_id)


def frame_to_image(frame: Frame, frame_id: str) -> Image:
    """A raw picture message; copies the pixels once."""
    pixels = np.ascontiguousarray(frame.pixels)
    height, width = pixels.shape[:2]
    # rclpy walks over `bytes` element by element; an array('B') it takes whole.
    data = array.array("B")
    data.frombytes(pixels.data.cast("B"))
    return Image(
        header=header(frame.stamp_ns, frame_id),
        height=height,
        width=width,
        encoding=frame.encoding,
        is_bigendian=0,
        step=pixels.strides[0],
        data=data,
    )


def jpeg_to_message(jpeg: bytes, frame: Frame, frame_id: str) -> CompressedImage:
    """A compressed picture message of a frame, in the words of image_transport's plugin."""
    data = array.array("B")
    data.frombytes(jpeg)
    layout = "mono8" if frame.encoding == "mono8" else "bgr8"
    return CompressedImage(
        header=header(frame.stamp_ns, frame_id),
        format=f"{layout}; jpeg compressed {layout}",
        data=data,
    )


def camera_info(stamp_ns: int, frame_id: str, width_px: int, height_px: int) -> CameraInfo:
    """Size only: an uncalibrated camera leaves ``k`` zero, as the message defines."""
    return CameraInfo(header=header(stamp_ns, frame_id), width=width_px, height=height_px)


def truth_to_message(truth: Truth, stamp_ns: int, frame_id: str) -> GroundTruth:
    """What really lies in view."""
    return GroundTruth(
        header=header(stamp_ns, frame_id),
        item_id=truth.item_id,
        material=truth.material,
        source=truth.source,
    )


def message_to_truth(message: GroundTruth) -> Truth:
    """The reverse of ``truth_to_message``."""
    return Truth(int(message.item_id), str(message.material), str(message.source))


def classification_to_message(found: Classification, source: Header) -> MaterialClassification:
    """A classification under the picture's own header."""
    message = MaterialClassification(
        header=source,
        item_present=found.item_present,
        materials=list(found.materials),
        model_id=found.model_id,
        inference_time_sec=found.inference_time_sec,
    )
    if found.item_present:
        best = int(np.argmax(found.probabilities))
        message.material = found.materials[best]
        message.confidence = found.probabilities[best]
        message.probabilities = array.array("f", found.probabilities)
    return message


def message_to_classification(message: MaterialClassification) -> Classification:
    """The core's view of a classification; its probabilities are checked by the core."""
    return Classification(
        stamp_ns=time_to_ns(message.header.stamp),
        item_present=bool(message.item_present),
        materials=tuple(message.materials),
        probabilities=tuple(message.probabilities),
        model_id=str(message.model_id),
        inference_time_sec=float(message.inference_time_sec),
    )


def command_to_message(command: PlannedCommand, frame_id: str) -> DiverterCommand:
    """A command as it is published."""
    return DiverterCommand(
        header=header(command.decision.stamp_ns, frame_id), **command_fields(command, ns_to_time)
    )


def message_to_decision(message: DiverterCommand) -> SortDecision:
    """The decision behind a command.

    Raises:
        InvalidInputError: If the reason is not one of ``REASON_*``.
    """
    try:
        reason = Reason(message.reason)
    except ValueError as error:
        raise InvalidInputError("reason", message.reason, "one of REASON_*") from error
    return SortDecision(
        stamp_ns=time_to_ns(message.header.stamp),
        item_id=int(message.item_id),
        material=str(message.material),
        confidence=float(message.confidence),
        bin=str(message.bin),
        reason=reason,
        detail=str(message.detail),
        evidence_frames=int(message.evidence_frames),
    )


def snapshot_to_message(snapshot: DiverterSnapshot, stamp_ns: int) -> DiverterState:
    """A diverter's state as it is published."""
    return DiverterState(
        header=header(stamp_ns, ""),
        diverter=snapshot.diverter,
        state=int(snapshot.status),
        position_rad=snapshot.position_rad,
        item_id=snapshot.item_id,
        actuations=snapshot.actuations,
        detail=snapshot.detail,
    )
