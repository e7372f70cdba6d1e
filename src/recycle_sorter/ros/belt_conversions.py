# SPDX-License-Identifier: Apache-2.0
"""Between a belt's messages and the core's values.

Whatever comes in is checked here: the core then meets finite numbers, probabilities that are some,
and as many of them as there are materials.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from builtin_interfaces.msg import Time
from std_msgs.msg import Header

from recycle_sorter.core.belt.judged import EnteringItem, Landing
from recycle_sorter.core.belt.types import Detection, ItemRecord, Observation, TrackedItem
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC, SortDecision
from recycle_sorter.ros.conversions import header, ns_to_time, time_to_ns
from recycle_sorter.sources import belt_fields as fields
from recycle_sorter_msgs.msg import (
    BeltDetection,
    BeltEncoder,
    BeltLanding,
    BeltObservation,
    BeltTruth,
)
from recycle_sorter_msgs.msg import ItemRecord as ItemRecordMessage
from recycle_sorter_msgs.msg import SortDecision as SortDecisionMessage

MAX_DETECTIONS = 1000
_MAX_M = 1e6
_SUM_TOLERANCE = 1e-3

ToStamp = Callable[[int], int]
"""From the steady clock to that of the stamps."""


def ticks_to_message(ticks: int, stamp_ns: int) -> BeltEncoder:
    """An encoder's count, as a 64-bit counter shows it."""
    half = 1 << 63
    return BeltEncoder(header=header(stamp_ns, ""), ticks=(ticks + half) % (1 << 64) - half)


def observation_to_message(seen: Observation, source: Header) -> BeltObservation:
    """What a picture shows, under the picture's own header."""
    return BeltObservation(
        header=source,
        detections=[BeltDetection(**fields.detection_fields(each)) for each in seen.detections],
        **fields.observation_fields(seen),
    )


def message_to_observation(message: BeltObservation) -> Observation:
    """The core's view of an observation.

    Raises:
        InvalidInputError: If a number is not finite or out of its range, there are too many items,
            or an item has not one probability for each material.
    """
    count = len(message.detections)
    if count > MAX_DETECTIONS:
        raise InvalidInputError("detections", f"{count} items", f"at most {MAX_DETECTIONS}")
    materials = tuple(message.materials)
    if not materials or "" in materials or len(set(materials)) < len(materials):
        raise InvalidInputError("materials", materials, "one or more names, each once")
    shift_m = float(message.shift_m)
    if not math.isnan(shift_m):
        _within("shift_m", shift_m, -_MAX_M, _MAX_M)
    return Observation(
        stamp_ns=time_to_ns(message.header.stamp),
        detections=tuple(
            _message_to_detection(each, len(materials), f"detections[{i}]")
            for i, each in enumerate(message.detections)
        ),
        materials=materials,
        model_id=str(message.model_id),
        shift_m=None if math.isnan(shift_m) else shift_m,
        inference_time_sec=_within(
            "inference_time_sec", float(message.inference_time_sec), 0.0, _MAX_M
        ),
    )


def decision_to_message(
    decision: SortDecision, item: TrackedItem, x_m: float, frame_id: str, to_stamp: ToStamp
) -> SortDecisionMessage:
    """A decision with the evidence for it and the surest picture of that.

    Args:
        decision: What was decided.
        item: What was tracked of its item.
        x_m: Where the item was at the decision's stamp.
        frame_id: Of the picture.
        to_stamp: For the time of the surest picture.
    """
    return SortDecisionMessage(
        header=header(decision.stamp_ns, frame_id),
        **fields.decision_fields(decision, item, x_m, _timer(to_stamp)),
    )


def record_to_message(record: ItemRecord, to_stamp: ToStamp) -> ItemRecordMessage:
    """How an item ended; its times on the clock of the stamps."""
    return ItemRecordMessage(
        header=header(to_stamp(record.ended_ns), ""),
        **fields.record_fields(record, _timer(to_stamp)),
    )


def truth_to_message(item: EnteringItem) -> BeltTruth:
    """What really travels, as it enters the view; its stamp is set when it is sent."""
    return BeltTruth(**fields.truth_fields(item))


def landing_to_message(landing: Landing, stamp_ns: int) -> BeltLanding:
    """Where an item of the twin fell."""
    return BeltLanding(header=header(stamp_ns, ""), **fields.landing_fields(landing))


def _timer(to_stamp: ToStamp) -> Callable[[int], Time]:
    return lambda steady_ns: ns_to_time(to_stamp(steady_ns) if steady_ns else 0)


def speed_of(value: float) -> float:
    """A speed that may be handed to the core.

    Raises:
        InvalidInputError: If it is not finite.
    """
    return _within("twist.linear.x", value, -1000.0, 1000.0)


def _message_to_detection(message: BeltDetection, materials: int, where: str) -> Detection:
    def place(name: str) -> float:
        return _within(f"{where}.{name}", float(getattr(message, name)), -_MAX_M, _MAX_M)

    def size(name: str) -> float:
        return _within(f"{where}.{name}", float(getattr(message, name)), 1e-9, _MAX_M)

    if not (message.width_px and message.height_px):
        size_px = f"{message.width_px} x {message.height_px}"
        raise InvalidInputError(f"{where}.width_px", size_px, "a box of 1 x 1 pixels or more")
    probabilities = tuple(message.probabilities)
    if probabilities:
        _check_probabilities(probabilities, materials, f"{where}.probabilities")
    return Detection(
        box_px=(
            int(message.left_px), int(message.top_px),
            int(message.width_px), int(message.height_px),
        ),
        centre_m=(place("x_m"), place("y_m")),
        size_m=(size("length_m"), size("width_m")),
        area_m2=size("area_m2"),
        is_whole=bool(message.is_whole),
        is_touching=bool(message.is_touching),
        probabilities=probabilities,
        along_m=(place("from_m"), place("to_m")),
    )  # fmt: skip


def _check_probabilities(values: Sequence[float], materials: int, where: str) -> None:
    if len(values) != materials:
        raise InvalidInputError(where, f"{len(values)} numbers", f"{materials}, or none")
    for value in values:
        _within(where, value, 0.0, 1.0 + _SUM_TOLERANCE)
    total = math.fsum(values)
    if abs(total - 1.0) > _SUM_TOLERANCE:
        raise InvalidInputError(where, f"a sum of {total:g}", "a sum of 1")


def _within(field: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:  # NaN is within nothing
        raise InvalidInputError(field, value, f"a number from {low:g} to {high:g}")
    return value


def stamp_now_ns(steady_ns: int, now_ns: int, steady_now_ns: int) -> int:
    """When something happened, on the clock that shows ``now_ns`` as the steady one shows its.

    Args:
        steady_ns: When, steady clock.
        now_ns: The stamps' clock now.
        steady_now_ns: The steady clock now.
    """
    return max(0, min(now_ns + (steady_ns - steady_now_ns), (2**31 - 1) * NS_PER_SEC))
