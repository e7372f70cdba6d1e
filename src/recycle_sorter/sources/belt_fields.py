# SPDX-License-Identifier: Apache-2.0
"""The fields of a belt's messages, for ROS and for bags that are written without it.

Each function returns the fields by name but for the header. Whoever builds the message turns
times, through the ``time_of`` that is handed in, and sequences into the types of its own library.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from recycle_sorter.core.belt.fusion import best_frame
from recycle_sorter.core.belt.judged import EnteringItem, Landing
from recycle_sorter.core.belt.types import Detection, ItemRecord, Observation, TrackedItem
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import PlannedCommand, SortDecision

ToTime = Callable[[int], Any]
"""From a time of the line to a message's; 0 means unset and stays so."""


def detection_fields(seen: Detection) -> dict[str, Any]:
    """``BeltDetection``: what one item looks like in one picture."""
    left, top, width, height = seen.box_px
    return {
        "left_px": max(0, left),
        "top_px": max(0, top),
        "width_px": width,
        "height_px": height,
        "x_m": seen.centre_m[0],
        "y_m": seen.centre_m[1],
        "from_m": seen.along_m[0],
        "to_m": seen.along_m[1],
        "length_m": seen.size_m[0],
        "width_m": seen.size_m[1],
        "area_m2": seen.area_m2,
        "is_whole": seen.is_whole,
        "is_touching": seen.is_touching,
        "probabilities": list(seen.probabilities),
    }


def observation_fields(seen: Observation) -> dict[str, Any]:
    """``BeltObservation``: what a picture shows, but for its detections."""
    return {
        "materials": list(seen.materials),
        "model_id": seen.model_id,
        "shift_m": math.nan if seen.shift_m is None else seen.shift_m,
        "inference_time_sec": seen.inference_time_sec,
    }


def decision_fields(
    decision: SortDecision, item: TrackedItem, x_m: float, time_of: ToTime
) -> dict[str, Any]:
    """``SortDecision``: a decision, the evidence for it, and the surest picture of that.

    Args:
        decision: What was decided.
        item: What was tracked of its item.
        x_m: Where the item was at the decision's stamp.
        time_of: Makes times.
    """
    best = best_frame(item) if item.materials else None
    surest = max(best.probabilities) if best else 0.0
    return {
        "item_id": decision.item_id,
        "x_m": x_m,
        "y_m": item.y_m,
        "length_m": item.size_m[0],
        "width_m": item.size_m[1],
        "material": decision.material,
        "confidence": _share(decision.confidence),
        "bin": decision.bin,
        "reason": int(decision.reason),
        "detail": decision.detail,
        "materials": list(decision.probabilities),
        "probabilities": [_share(value) for value in decision.probabilities.values()],
        "evidence_frames": decision.evidence_frames,
        "best_time": time_of(best.steady_ns if best else 0),
        "best_material": item.materials[best.probabilities.index(surest)] if best else "",
        "best_confidence": _share(surest),
    }


def command_fields(command: PlannedCommand, time_of: ToTime) -> dict[str, Any]:
    """``DiverterCommand``: what a diverter shall do."""
    decision = command.decision
    return {
        "item_id": decision.item_id,
        "material": decision.material,
        "confidence": _share(decision.confidence),
        "bin": decision.bin,
        "diverter": command.diverter,
        "position_rad": command.position_rad,
        "fire_time": time_of(command.fire_ns),
        "dwell_sec": command.dwell_sec,
        "evidence_frames": decision.evidence_frames,
        "reason": int(decision.reason),
        "detail": decision.detail,
    }


def record_fields(record: ItemRecord, time_of: ToTime) -> dict[str, Any]:
    """``ItemRecord``: how an item ended."""
    return {
        "item_id": record.decision.item_id,
        "material": record.decision.material,
        "bin": record.decision.bin,
        "outcome": int(record.outcome),
        "cause": int(record.cause),
        "diverter": record.diverter,
        "scheduled_time": time_of(record.scheduled_ns),
        "issued_time": time_of(record.issued_ns),
        "x_m": record.x_m,
        "rival_id": record.rival_id,
        "detail": record.detail,
    }


def truth_fields(item: EnteringItem) -> dict[str, Any]:
    """``BeltTruth``: a true item as it comes into view."""
    return _without_stamp(item)


def landing_fields(landing: Landing) -> dict[str, Any]:
    """``BeltLanding``: where a true item fell."""
    return _without_stamp(landing)


def entering_item(message: Any, stamp_ns: int) -> EnteringItem:
    """The reverse of ``truth_fields``, whichever library read the message.

    Args:
        message: A ``BeltTruth``.
        stamp_ns: When the item came into view.

    Raises:
        InvalidInputError: If a number is not finite.
    """
    names = ("x_m", "y_m", "length_m", "width_m", "position_m")
    return EnteringItem(
        stamp_ns=stamp_ns,
        item_id=int(message.item_id),
        material=str(message.material),
        is_overlapping=bool(message.is_overlapping),
        source=str(message.source),
        **{name: finite(name, float(getattr(message, name))) for name in names},
    )


def finite(field: str, value: float) -> float:
    """A number of a message.

    Raises:
        InvalidInputError: If it is not finite.
    """
    if not math.isfinite(value):
        raise InvalidInputError(field, value, "a finite number")
    return value


def _without_stamp(value: EnteringItem | Landing) -> dict[str, Any]:
    """The fields are named as the message's; the stamp stands in its header."""
    return {name: each for name, each in asdict(value).items() if name != "stamp_ns"}


def _share(value: float) -> float:
    return min(1.0, max(0.0, value))
