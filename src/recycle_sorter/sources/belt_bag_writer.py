# SPDX-License-Identifier: Apache-2.0
"""Writes a belt's run as a rosbag2 bag: pictures, motion, truth, decisions and records."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from rosbags.interfaces import Connection

from recycle_sorter.core.belt.judged import EnteringItem, Landing
from recycle_sorter.core.belt.types import ItemRecord, Observation, TrackedItem
from recycle_sorter.core.types import NS_PER_SEC, PlannedCommand, SortDecision
from recycle_sorter.sources import belt_fields as fields
from recycle_sorter.sources.bag_types import typestore
from recycle_sorter.sources.bag_writer import BagWriter
from recycle_sorter.sources.belt_bag_types import (
    BELT_DETECTION,
    BELT_ENCODER,
    BELT_LANDING,
    BELT_OBSERVATION,
    BELT_SPEED,
    BELT_TRUTH,
    DIVERTER_COMMAND,
    ITEM_RECORD,
    SORT_DECISION,
)

TOPICS: Final[dict[str, str]] = {
    BELT_ENCODER: "/belt/encoder",
    BELT_SPEED: "/belt/speed",
    BELT_OBSERVATION: "/belt/observation",
    BELT_TRUTH: "/belt/truth",
    BELT_LANDING: "/belt/landing",
    SORT_DECISION: "/belt/decision",
    DIVERTER_COMMAND: "/actuator/diverter_command",
    ITEM_RECORD: "/belt/record",
}


class BeltBagWriter(BagWriter):
    """A ``BagWriter`` with the belt's topics; the same run gives the same bytes."""

    def __init__(self, out: Path, *, quality: int = 90, overwrite: bool = False) -> None:
        super().__init__(out, quality=quality, overwrite=overwrite)
        self._topics: dict[str, Connection] = {}

    def __enter__(self) -> BeltBagWriter:
        super().__enter__()
        self._topics = {name: self._connect(topic, name) for name, topic in TOPICS.items()}
        return self

    def write_ticks(self, ticks: int, stamp_ns: int) -> None:
        """Writes a count of the encoder."""
        self._message(BELT_ENCODER, stamp_ns, _header(stamp_ns), {"ticks": ticks})

    def write_speed(self, speed_m_per_sec: float, stamp_ns: int) -> None:
        """Writes a speed of the belt."""
        still = _made("geometry_msgs/msg/Vector3", {"x": 0.0, "y": 0.0, "z": 0.0})
        forward = _made("geometry_msgs/msg/Vector3", {"x": speed_m_per_sec, "y": 0.0, "z": 0.0})
        twist = _made("geometry_msgs/msg/Twist", {"linear": forward, "angular": still})
        self._message(BELT_SPEED, stamp_ns, _header(stamp_ns), {"twist": twist})

    def write_observation(self, observation: Observation) -> None:
        """Writes what a picture shows."""
        values = fields.observation_fields(observation)
        values["detections"] = [
            _made(BELT_DETECTION, fields.detection_fields(one)) for one in observation.detections
        ]
        values["inference_time_sec"] = 0.0  # wall time would make two runs differ
        stamp_ns = observation.stamp_ns
        self._message(BELT_OBSERVATION, stamp_ns, _header(stamp_ns, self._frame_id), values)

    def write_truth(self, item: EnteringItem) -> None:
        """Writes a true item as it enters the view."""
        stamp_ns = item.stamp_ns
        self._message(BELT_TRUTH, stamp_ns, _header(stamp_ns), fields.truth_fields(item))

    def write_landing(self, landing: Landing) -> None:
        """Writes where an item fell."""
        stamp_ns = landing.stamp_ns
        self._message(BELT_LANDING, stamp_ns, _header(stamp_ns), fields.landing_fields(landing))

    def write_decision(
        self, decision: SortDecision, item: TrackedItem, x_m: float, now_ns: int
    ) -> None:
        """Writes a decision that fell at ``now_ns``, with the surest picture of its item.

        ``x_m`` is where the item was at the decision's stamp.
        """
        values = fields.decision_fields(decision, item, x_m, _time)
        self._message(SORT_DECISION, now_ns, _header(decision.stamp_ns, self._frame_id), values)

    def write_command(self, command: PlannedCommand, now_ns: int) -> None:
        """Writes a command that was issued at ``now_ns``."""
        stamp = _header(command.decision.stamp_ns, self._frame_id)
        self._message(DIVERTER_COMMAND, now_ns, stamp, fields.command_fields(command, _time))

    def write_record(self, record: ItemRecord, now_ns: int) -> None:
        """Writes how an item ended, as it was noted at ``now_ns``."""
        stamp = _header(record.ended_ns or now_ns)
        self._message(ITEM_RECORD, now_ns, stamp, fields.record_fields(record, _time))

    def _message(self, msgtype: str, stamp_ns: int, stamp: Any, values: dict[str, Any]) -> None:
        self._put(self._topics[msgtype], stamp_ns, _made(msgtype, {"header": stamp, **values}))


def _made(msgtype: str, values: dict[str, Any]) -> Any:
    """A message of rosbags; its constants are fields of the class too, with defaults."""
    if "probabilities" in values:
        values["probabilities"] = np.array(values["probabilities"], np.float32)
    return typestore().types[msgtype](**values)


def _time(stamp_ns: int) -> Any:
    sec, nanosec = divmod(max(0, stamp_ns), NS_PER_SEC)
    return typestore().types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)


def _header(stamp_ns: int, frame_id: str = "") -> Any:
    return typestore().types["std_msgs/msg/Header"](stamp=_time(stamp_ns), frame_id=frame_id)
