# SPDX-License-Identifier: Apache-2.0
"""What travels from a belt's picture to an item's record: plain values.

Places are in the machine's frame: ``x_m`` downstream from the upstream edge of the camera's view,
``y_m`` to the left of the belt's middle as it travels (REP-103). The belt's own position
``position_m`` grows as it travels; an item lies still on the belt, at ``s_m = x_m - position_m``.
Times are of one steady clock, which stamps are mapped onto when they arrive (``clock.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

from recycle_sorter.core.diverters import DiverterSnapshot
from recycle_sorter.core.types import PlannedCommand, SortDecision


@dataclass(frozen=True, slots=True)
class Detection:
    """One item as one picture shows it.

    Attributes:
        box_px: Left, top, width and height in the picture, pixels.
        centre_m: ``(x_m, y_m)`` of the middle of its outline at the picture's time.
        size_m: Length and width of the smallest rectangle around its outline, the longer first.
        area_m2: Area of its outline, square metres, above 0.
        is_whole: False if the view's edge cuts it.
        is_touching: Whether it touches or overlaps another item, as far as the picture tells.
        probabilities: Calibrated, in the order of the observation's materials, each 0 to 1, sum 1;
            empty if it was not classified in this picture.
        along_m: Where its outline starts and ends along the belt, ``x_m`` from lowest to highest.
    """

    box_px: tuple[int, int, int, int]
    centre_m: tuple[float, float]
    size_m: tuple[float, float]
    area_m2: float
    is_whole: bool = True
    is_touching: bool = False
    probabilities: tuple[float, ...] = ()
    along_m: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Observation:
    """All items of one picture.

    Attributes:
        stamp_ns: The picture's capture time, nanoseconds.
        detections: The items, in no particular order.
        materials: Names, in the model's order.
        model_id: Which model answered.
        shift_m: How far the belt moved since the picture before, measured from the two; None
            where that was not or could not be measured.
        inference_time_sec: Finding, cropping and network, wall time.
    """

    stamp_ns: int
    detections: tuple[Detection, ...]
    materials: tuple[str, ...] = ()
    model_id: str = ""
    shift_m: float | None = None
    inference_time_sec: float = 0.0


@dataclass(slots=True)
class Evidence:
    """One picture's say on an item.

    Attributes:
        steady_ns: When the picture was taken, steady clock.
        probabilities: As of ``Detection``.
        weight: How much it counts, above 0.
        offset_m: Distance of the item from the middle of the view along the belt, metres,
            downstream positive.
    """

    steady_ns: int
    probabilities: tuple[float, ...]
    weight: float
    offset_m: float


@dataclass(slots=True)
class TrackedItem:
    """An item on the belt, from entry to exit.

    Attributes:
        item_id: Counts items from 1; 0 until enough pictures have shown it.
        s_m: Its place on the belt; ``x_m = s_m + position_m``.
        y_m: Its place across, metres.
        size_m: Length and width, the longer first, metres.
        length_m: Extent along the belt, metres.
        first_ns: When it was first seen, steady clock.
        last_ns: When it was last seen, steady clock.
        frames: How many pictures showed it.
        is_touching: Whether it lay against another item in two thirds of them, or was once seen
            as one with it.
        materials: Names, in the order of the evidence's probabilities.
        evidence: What the pictures said, oldest first; bounded, see ``fusion.add_evidence``.
    """

    item_id: int
    s_m: float
    y_m: float
    size_m: tuple[float, float]
    length_m: float
    first_ns: int
    last_ns: int
    frames: int = 0
    is_touching: bool = False
    materials: tuple[str, ...] = ()
    evidence: list[Evidence] = field(default_factory=list)


class Outcome(IntEnum):
    """How an item ended; the numbers are those of ``ItemRecord.msg``."""

    FIRED = 0
    PASSED = 1
    MISSED = 2


class Cause(IntEnum):
    """Why an item was missed; the numbers are those of ``ItemRecord.msg``."""

    NONE = 0
    LATE = 1
    CONFLICT = 2
    SEEN_TOO_LATE = 3
    MOTION_LOST = 4
    DISABLED = 5
    DRIVER_FAULT = 6
    RUN_ENDED = 7
    REMOVED = 8


@dataclass(frozen=True, slots=True)
class ItemRecord:
    """The end of one item: exactly one for every item that was decided.

    Attributes:
        decision: What was decided for it.
        outcome: Fired, passed (reject, nothing moves for it), or missed.
        cause: Why it was missed; ``NONE`` unless it was.
        diverter: The one that moved or should have; empty if none.
        scheduled_ns: When the command was due, steady clock; 0 if none was.
        issued_ns: When it was issued, steady clock; 0 if it was not.
        x_m: Where the item was, as far as the belt's motion tells, when the record was written.
        rival_id: The item that won the diverter, for ``CONFLICT``, or whose stroke this item
            passes through; 0 for none.
        detail: The same for people, never empty.
        ended_ns: When the record was written, steady clock.
    """

    decision: SortDecision
    outcome: Outcome
    cause: Cause = Cause.NONE
    diverter: str = ""
    scheduled_ns: int = 0
    issued_ns: int = 0
    x_m: float = 0.0
    rival_id: int = 0
    detail: str = ""
    ended_ns: int = 0


@dataclass(slots=True)
class LineEvents:
    """What one call to the line led to, in order.

    Attributes:
        decisions: Items decided by it.
        items: What was tracked of each of them, in the same order.
        commands: Commands executed by it; ``fire_ns`` is when each was due, steady clock.
        records: Items that ended.
        states: Diverters whose state changed.
    """

    decisions: list[SortDecision] = field(default_factory=list)
    items: list[TrackedItem] = field(default_factory=list)
    commands: list[PlannedCommand] = field(default_factory=list)
    records: list[ItemRecord] = field(default_factory=list)
    states: list[DiverterSnapshot] = field(default_factory=list)

    def extend(self, more: LineEvents) -> None:
        """Appends what another call led to."""
        self.decisions += more.decisions
        self.items += more.items
        self.commands += more.commands
        self.records += more.records
        self.states += more.states
