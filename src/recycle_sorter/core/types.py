# SPDX-License-Identifier: Apache-2.0
"""What travels from frame to command: plain, immutable values.

Data flows one way: ``Frame`` -> ``Classification`` -> ``SortDecision`` -> ``PlannedCommand``.
Stamps are nanoseconds since the epoch, of whichever clock the source stamps with.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

NS_PER_SEC = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Truth:
    """What really lies in view, for recorded sources.

    Attributes:
        item_id: Counts items from 1 within the recording.
        material: The true material.
        source: Where the picture came from, for people; may be empty.
    """

    item_id: int
    material: str
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture.

    Attributes:
        stamp_ns: Capture time in nanoseconds.
        pixels: ``(height, width, 3)`` or ``(height, width)`` uint8; colours in ``encoding`` order.
        encoding: ``"bgr8"``, ``"rgb8"`` or ``"mono8"``.
        jpeg: The same picture as the source had it compressed, or None; spares encoding it again.
        truth: Set on the first frame of an item whose material the source knows.
    """

    stamp_ns: int
    pixels: NDArray[np.uint8]
    encoding: str = "bgr8"
    jpeg: bytes | None = None
    truth: Truth | None = None


@dataclass(frozen=True, slots=True)
class Classification:
    """The classifier's answer for one frame.

    Attributes:
        stamp_ns: Capture time of the frame, nanoseconds.
        item_present: False for an empty board; ``probabilities`` is then empty.
        materials: Names, in the model's order.
        probabilities: Calibrated, each 0 to 1, sum 1, in the order of ``materials``.
        model_id: Which model answered.
        inference_time_sec: Preprocessing and network, wall time.
    """

    stamp_ns: int
    item_present: bool
    materials: tuple[str, ...]
    probabilities: tuple[float, ...] = ()
    model_id: str = ""
    inference_time_sec: float = 0.0


class Reason(IntEnum):
    """Why an item goes where it goes; the numbers are those of ``DiverterCommand.msg``."""

    ACCEPTED = 0
    LOW_CONFIDENCE = 1
    LOW_MARGIN = 2
    TOO_FEW_FRAMES = 3
    UNKNOWN_MATERIAL = 4
    DISABLED = 5
    OVERLAPPING = 6
    COST = 7


@dataclass(frozen=True, slots=True)
class SortDecision:
    """Where one item shall go and why.

    Attributes:
        stamp_ns: Capture time of the frame on which the decision fell.
        item_id: Counts items from 1.
        material: Most probable material.
        confidence: Its probability over the item's frames, 0 to 1.
        probabilities: All probabilities by material.
        bin: Name of the bin.
        reason: Why that bin.
        detail: The same for people.
        evidence_frames: How many frames showed the item by then.
    """

    stamp_ns: int
    item_id: int
    material: str
    confidence: float
    bin: str
    reason: Reason
    detail: str
    evidence_frames: int
    probabilities: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PlannedCommand:
    """A decision with the diverter and the time at which it moves.

    Attributes:
        decision: What was decided.
        diverter: Name of the diverter, or empty for the bin at the end.
        position_rad: Angle to take, radians, counter-clockwise positive.
        fire_ns: When to move; equal to ``decision.stamp_ns`` for at once.
        dwell_sec: How long the diverter holds before it returns home.
    """

    decision: SortDecision
    diverter: str
    position_rad: float
    fire_ns: int
    dwell_sec: float


class DiverterStatus(IntEnum):
    """State of a diverter; the numbers are those of ``DiverterState.msg``."""

    NEUTRAL = 0
    MOVING = 1
    DIVERTING = 2
    DISABLED = 3
    STALE = 4
    FAULT = 5
