# SPDX-License-Identifier: Apache-2.0
"""The single-item station: one decision an item, however many frames show it.

An item enters when ``enter_frames`` frames in a row show one and leaves when ``exit_frames`` in a
row show none. Its evidence is the mean of its frames' probabilities (a linear opinion pool, which
one wild frame cannot swing the way a product can).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC, Classification


@dataclass(frozen=True, slots=True)
class StationConfig:
    """How the station counts items.

    Attributes:
        enter_frames: Frames in a row with an item before it counts, 1 or more.
        evidence_frames: Frames of an item after which it is decided, ``enter_frames`` or more.
        min_evidence_frames: Least frames to trust an item that left early, 1 or more.
        exit_frames: Frames in a row without an item before it has left, 1 or more.
        reset_gap_sec: After a pause this long, what lies in view counts as a new item.
    """

    enter_frames: int = 2
    evidence_frames: int = 5
    min_evidence_frames: int = 2
    exit_frames: int = 2
    reset_gap_sec: float = 2.0

    def __post_init__(self) -> None:
        for name in ("enter_frames", "evidence_frames", "min_evidence_frames", "exit_frames"):
            if getattr(self, name) < 1:
                raise InvalidInputError(name, getattr(self, name), "1 or more")
        if self.evidence_frames < self.enter_frames:
            least = f"enter_frames ({self.enter_frames}) or more"
            raise InvalidInputError("evidence_frames", self.evidence_frames, least)
        if not (math.isfinite(self.reset_gap_sec) and self.reset_gap_sec > 0):
            raise InvalidInputError("reset_gap_sec", self.reset_gap_sec, "a number above 0")


@dataclass(frozen=True, slots=True)
class ItemEvidence:
    """All that the station saw of one item.

    Attributes:
        item_id: Counts items from 1.
        stamp_ns: Capture time of the frame on which the evidence was complete.
        probabilities: Mean by material.
        frames: How many frames showed it.
        is_enough: False if it left before ``min_evidence_frames``.
    """

    item_id: int
    stamp_ns: int
    probabilities: Mapping[str, float]
    frames: int
    is_enough: bool


@dataclass(slots=True)
class StationCounters:
    """What the station left aside, for diagnostics."""

    items: int = 0
    frames: int = 0
    frames_with_item: int = 0
    stamps_refused: int = 0
    clock_resets: int = 0
    glimpses: int = 0


@dataclass(slots=True)
class _Item:
    """The item in view; ``id`` is 0 until ``enter_frames`` have shown it."""

    total: NDArray[np.float64]
    materials: tuple[str, ...]
    id: int = 0
    frames: int = 0
    absent: int = 0
    is_decided: bool = False


@dataclass(slots=True)
class Station:
    """Turns classifications, in order, into one ``ItemEvidence`` per item."""

    config: StationConfig = field(default_factory=StationConfig)
    counters: StationCounters = field(default_factory=StationCounters)
    _item: _Item | None = None
    _last_ns: int = 0

    @property
    def item_in_view(self) -> int:
        """Id of the item in view, 0 for none."""
        return self._item.id if self._item else 0

    def update(self, seen: Classification) -> list[ItemEvidence]:
        """Takes the next classification.

        Args:
            seen: One frame's classification. Stamps that are zero, doubled or from the past are
                refused and counted; a step back by more than ``reset_gap_sec`` is taken as a
                clock that was set and followed.

        Returns:
            Evidence of the items that became complete: none, one, or two after a long pause.
        """
        step_ns = seen.stamp_ns - self._last_ns
        gap_ns = int(self.config.reset_gap_sec * NS_PER_SEC)
        if seen.stamp_ns <= 0 or -gap_ns <= step_ns <= 0:
            self.counters.stamps_refused += 1
            return []
        complete: list[ItemEvidence] = []
        if self._last_ns and step_ns < 0:
            self.counters.clock_resets += 1  # the same scene under another clock: the item stays
        elif self._last_ns and step_ns > gap_ns:
            complete += self._leave(self._last_ns)
        self._last_ns = seen.stamp_ns
        self.counters.frames += 1
        complete += self._present(seen) if seen.item_present else self._absent(seen.stamp_ns)
        return complete

    def flush(self) -> list[ItemEvidence]:
        """Ends the run: decides the item in view if it is still undecided."""
        return self._leave(self._last_ns)

    def _present(self, seen: Classification) -> list[ItemEvidence]:
        self.counters.frames_with_item += 1
        if self._item is None:
            self._item = _Item(np.zeros(len(seen.materials)), seen.materials)
        item = self._item
        if item.materials != seen.materials:  # another model took over: same item, new evidence
            item.total, item.materials = np.zeros(len(seen.materials)), seen.materials
            item.frames = 0
        item.absent = 0
        item.frames += 1
        if item.is_decided:
            return []
        item.total += np.asarray(seen.probabilities)
        if item.id == 0 and item.frames >= self.config.enter_frames:
            self.counters.items += 1
            item.id = self.counters.items
        if item.frames >= self.config.evidence_frames:
            return [self._decide(item, seen.stamp_ns)]
        return []

    def _absent(self, stamp_ns: int) -> list[ItemEvidence]:
        if self._item is None:
            return []
        self._item.absent += 1
        has_entered = self._item.id > 0
        if has_entered and self._item.absent < self.config.exit_frames:
            return []
        return self._leave(stamp_ns)

    def _leave(self, stamp_ns: int) -> list[ItemEvidence]:
        item, self._item = self._item, None
        if item is None or item.is_decided:
            return []
        if item.id == 0:
            self.counters.glimpses += 1
            return []
        return [self._decide(item, stamp_ns)]

    def _decide(self, item: _Item, stamp_ns: int) -> ItemEvidence:
        item.is_decided = True
        mean = np.clip(item.total / item.frames, 0.0, 1.0)  # float32 sums to a little above 1
        least = min(self.config.min_evidence_frames, self.config.evidence_frames)
        return ItemEvidence(
            item_id=item.id,
            stamp_ns=stamp_ns,
            probabilities=dict(zip(item.materials, mean.tolist(), strict=True)),
            frames=item.frames,
            is_enough=item.frames >= least,
        )
