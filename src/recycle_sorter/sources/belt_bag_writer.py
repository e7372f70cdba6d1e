# SPDX-License-Identifier: Apache-2.0
"""Writes a belt's run as a rosbag2 bag: pictures, motion, truth, decisions and records."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from rosbags.interfaces import Connection

from recycle_sorter.core.belt.types import Detection, ItemRecord, Observation, TrackedItem
from recycle_sorter.core.types import NS_PER_SEC, PlannedCommand, SortDecision
from recycle_sorter.sources.bag_types import typestore
from recycle_sorter.sources.bag_writer import BagWriter
from recycle_sorter.sources.belt_bag_types import (
    BELT_DETECTION,
    BELT_ENCODER,
    BELT_LANDING,
    BELT_OBSERVATION,
    BELT_TRUTH,
    DIVERTER_COMMAND,
    ITEM_RECORD,
    SORT_DECISION,
)

TOPICS: Final[dict[str, str]] = {
    BELT_ENCODER: "/belt/encoder",
    BELT_OBSERVATION: "/belt/observation",
    BELT_TRUTH: "/belt/truth",
    BELT_LANDING: "/belt/landing",
    SORT_DECISION: "/belt/decision",
    DIVERTER_COMMAND: "/belt/command",
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
        self._message(BELT_ENCODER, stamp_ns, header=_header(stamp_ns), ticks=ticks)

    def write_observation(self, observation: Observation) -> None:
        """Writes what a picture shows."""
        shift_m = observation.shift_m
        self._message(
            BELT_OBSERVATION,
            observation.stamp_ns,
            header=_header(observation.stamp_ns, self._frame_id),
            detections=[_detection(one) for one in observation.detections],
            materials=list(observation.materials),
            model_id=observation.model_id,
            shift_m=math.nan if shift_m is None else shift_m,
            # Wall time would make two runs differ.
            inference_time_sec=0.0,
        )

    def write_truth(
        self,
        stamp_ns: int,
        item_id: int,
        material: str,
        *,
        x_m: float,
        y_m: float,
        size_m: tuple[float, float],
        position_m: float,
        is_overlapping: bool,
        source: str,
    ) -> None:
        """Writes a true item as it enters the view; see ``BeltTruth.msg``."""
        self._message(
            BELT_TRUTH,
            stamp_ns,
            header=_header(stamp_ns),
            item_id=item_id,
            material=material,
            x_m=x_m,
            y_m=y_m,
            length_m=size_m[0],
            width_m=size_m[1],
            position_m=position_m,
            is_overlapping=is_overlapping,
            source=source,
        )

    def write_landing(
        self,
        stamp_ns: int,
        item_id: int,
        material: str,
        *,
        bin_name: str,
        diverter: str,
        position_rad: float,
        x_m: float,
    ) -> None:
        """Writes where an item fell; see ``BeltLanding.msg``."""
        self._message(
            BELT_LANDING,
            stamp_ns,
            header=_header(stamp_ns),
            item_id=item_id,
            material=material,
            bin=bin_name,
            diverter=diverter,
            position_rad=position_rad,
            x_m=x_m,
        )

    def write_decision(
        self, decision: SortDecision, item: TrackedItem, x_m: float, now_ns: int
    ) -> None:
        """Writes a decision that fell at ``now_ns``, with the surest picture of its item.

        ``x_m`` is where the item was at the decision's stamp.
        """
        asked = [one for one in item.evidence if one.probabilities]
        best = max(asked, key=lambda one: max(one.probabilities), default=None)
        top = int(np.argmax(best.probabilities)) if best else 0
        self._message(
            SORT_DECISION,
            now_ns,
            header=_header(decision.stamp_ns, self._frame_id),
            item_id=decision.item_id,
            x_m=x_m,
            y_m=item.y_m,
            length_m=item.size_m[0],
            width_m=item.size_m[1],
            material=decision.material,
            confidence=decision.confidence,
            bin=decision.bin,
            reason=int(decision.reason),
            detail=decision.detail,
            materials=list(decision.probabilities),
            probabilities=np.array(list(decision.probabilities.values()), np.float32),
            evidence_frames=decision.evidence_frames,
            best_time=_time(best.steady_ns if best else 0),
            best_material=item.materials[top] if best else "",
            best_confidence=best.probabilities[top] if best else 0.0,
        )

    def write_command(self, command: PlannedCommand, now_ns: int) -> None:
        """Writes a command that was issued at ``now_ns``."""
        decision = command.decision
        self._message(
            DIVERTER_COMMAND,
            now_ns,
            header=_header(decision.stamp_ns, self._frame_id),
            item_id=decision.item_id,
            material=decision.material,
            confidence=decision.confidence,
            bin=decision.bin,
            diverter=command.diverter,
            position_rad=command.position_rad,
            fire_time=_time(command.fire_ns),
            dwell_sec=command.dwell_sec,
            evidence_frames=decision.evidence_frames,
            reason=int(decision.reason),
            detail=decision.detail,
        )

    def write_record(self, record: ItemRecord, now_ns: int) -> None:
        """Writes how an item ended, as it was noted at ``now_ns``."""
        self._message(
            ITEM_RECORD,
            now_ns,
            header=_header(record.ended_ns or now_ns),
            item_id=record.decision.item_id,
            material=record.decision.material,
            bin=record.decision.bin,
            outcome=int(record.outcome),
            cause=int(record.cause),
            diverter=record.diverter,
            scheduled_time=_time(record.scheduled_ns),
            issued_time=_time(record.issued_ns),
            x_m=record.x_m,
            rival_id=record.rival_id,
            detail=record.detail,
        )

    def _message(self, msgtype: str, stamp_ns: int, **fields: Any) -> None:
        message_type = typestore().types[msgtype]
        # Constants are fields of rosbags' classes too, with their values as defaults.
        self._put(self._topics[msgtype], stamp_ns, message_type(**fields))


def _time(stamp_ns: int) -> Any:
    sec, nanosec = divmod(max(0, stamp_ns), NS_PER_SEC)
    return typestore().types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)


def _header(stamp_ns: int, frame_id: str = "") -> Any:
    return typestore().types["std_msgs/msg/Header"](stamp=_time(stamp_ns), frame_id=frame_id)


def _detection(one: Detection) -> Any:
    left, top, width, height = one.box_px
    return typestore().types[BELT_DETECTION](
        left_px=left,
        top_px=top,
        width_px=width,
        height_px=height,
        x_m=one.centre_m[0],
        y_m=one.centre_m[1],
        length_m=one.size_m[0],
        width_m=one.size_m[1],
        area_m2=one.area_m2,
        from_m=one.along_m[0],
        to_m=one.along_m[1],
        is_whole=one.is_whole,
        is_touching=one.is_touching,
        probabilities=np.array(one.probabilities, np.float32),
    )
