# SPDX-License-Identifier: Apache-2.0
"""A true item beside what was made of it."""

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
