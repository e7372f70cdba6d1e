# SPDX-License-Identifier: Apache-2.0
"""What really travels on a belt, and a true item beside what was made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recycle_sorter.core.belt.types import ItemRecord
from recycle_sorter.core.types import SortDecision


@dataclass(frozen=True, slots=True)
class TrueItem:
    """What really lies on the belt.

    Attributes:
        item_id: Its number in the truth, each once in a run.
        material: Its true material.
        s_m: Its place along the belt, metres.
        y_m: Its place across, metres; None if unknown.
        enter_ns: When it came into view, stamp clock.
        is_separate: Whether it lies apart from all other items.
        counts: False if the run ended before it could be decided: it is missed by nobody.
        length_m: Its extent along the belt, metres; 0 if unknown.
        source: Where its picture came from, for people.
    """

    item_id: int
    material: str
    s_m: float
    y_m: float | None
    enter_ns: int
    is_separate: bool = True
    counts: bool = True
    length_m: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True)
class EnteringItem:
    """A true item as it comes into view; ``BeltTruth.msg``.

    Attributes:
        stamp_ns: When its front edge does.
        item_id: Its number in the truth, from 1.
        material: What it is made of.
        x_m: Where its middle is then, from the upstream edge of the view, metres.
        y_m: Where its middle is across, from the belt's middle, metres.
        length_m: Its extent along the belt, metres.
        width_m: Its extent across, metres.
        position_m: The belt's position then, as the truth counts, metres.
        is_overlapping: Whether it lies on or against another.
        source: Where its picture came from, for people.
    """

    stamp_ns: int
    item_id: int
    material: str
    x_m: float
    y_m: float
    length_m: float
    width_m: float
    position_m: float
    is_overlapping: bool
    source: str

    def placed(self, position_m: float) -> TrueItem:
        """The item on the belt that was at ``position_m`` when it entered, as others may count."""
        return TrueItem(
            item_id=self.item_id,
            material=self.material,
            s_m=self.x_m - position_m,
            y_m=self.y_m,
            enter_ns=self.stamp_ns,
            is_separate=not self.is_overlapping,
            length_m=self.length_m,
            source=self.source,
        )


@dataclass(frozen=True, slots=True)
class Landing:
    """Where an item fell; ``BeltLanding.msg``.

    Attributes:
        item_id: Which.
        material: What it is made of.
        bin: The bin it fell into.
        diverter: The diverter that turned it off the belt; empty at the end of it.
        position_rad: Where that diverter stood; 0 at the end.
        x_m: Where it left the belt.
        stamp_ns: When its middle was there.
    """

    item_id: int
    material: str
    bin: str
    diverter: str
    position_rad: float
    x_m: float
    stamp_ns: int


@dataclass(frozen=True, slots=True)
class JudgedItem:
    """A true item beside what was made of it, or a decision without one.

    Attributes:
        truth: What lay there; None if nothing did or nobody knows.
        decision: What was decided; None if it was missed.
        record: How it ended; None if there is no record.
        landed: The bin it fell into; None if nobody saw.
        is_doubled: A decision on an item that another decision was made on already.
        latency_ns: From picture to decision.
        crops: What each picture said, by material.
        centre: Which of ``crops`` showed it nearest the view's middle.
        error_m: True less planned place when its diverter was set for it, metres.
        s_m: Place along the belt, as decided, or as it truly is if it was missed, metres.
        is_under_way: Whether the run ended before it fell anywhere.
    """

    truth: TrueItem | None
    decision: SortDecision | None
    record: ItemRecord | None = None
    landed: str | None = None
    is_doubled: bool = False
    latency_ns: int | None = None
    crops: tuple[Mapping[str, float], ...] = ()
    centre: int | None = None
    error_m: float | None = None
    s_m: float = 0.0
    is_under_way: bool = False

    @property
    def is_counted(self) -> bool:
        """Whether a true item stood long enough in view to be asked for."""
        return self.truth is not None and (self.truth.counts or self.decision is not None)

    @property
    def is_separate(self) -> bool:
        """Whether it is a true item apart from all others."""
        return self.truth is not None and self.truth.is_separate
