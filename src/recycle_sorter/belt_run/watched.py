# SPDX-License-Identifier: Apache-2.0
"""Judges a run by what the line says of it, as anybody may who listens.

Collecting is cheap, for it happens while diverters wait to be moved; all else is done at the end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from recycle_sorter.belt_run.result import RunResult, counted, measure_passes, new_account
from recycle_sorter.belt_run.timeline import Track
from recycle_sorter.core.belt import figures
from recycle_sorter.core.belt.account import BeltAccount
from recycle_sorter.core.belt.judged import EnteringItem
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.types import ItemRecord, Observation
from recycle_sorter.core.types import NS_PER_SEC, SortDecision

# As near to an item, a detection is of it: half of the least gap and of a small item.
_NEAR_M: Final = 0.04
# Answers of the network, and their times, that are kept at most.
_KEPT: Final = 200_000
# A run of days must not fill the memory: what is older than this is forgotten, once a minute.
KEEP_NS: Final = 7200 * NS_PER_SEC
_FORGET_NS: Final = 60 * NS_PER_SEC


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the network said of one item in one picture."""

    stamp_ns: int
    x_m: float
    y_m: float
    materials: tuple[str, ...]
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Decided:
    decision: SortDecision
    x_m: float
    y_m: float
    latency_ns: int


@dataclass(slots=True)
class WatchedRun:
    """Collects what a line says; ``result`` judges its last two hours. All stamps are of one clock.

    Attributes:
        frames: Pictures that were answered.
        decided: Decisions.
        records: Records.
        work_ns: What each answer took to find, nanoseconds.
        speed_m_per_sec: Of the belt, as last heard; NaN before.
        forgotten: Decisions that were made too long ago to be judged.
    """

    frames: int = 0
    decided: dict[int, _Decided] = field(default_factory=dict)
    records: list[ItemRecord] = field(default_factory=list)
    work_ns: deque[float] = field(default_factory=lambda: deque(maxlen=_KEPT))
    speed_m_per_sec: float = math.nan
    forgotten: int = 0
    _again: list[_Decided] = field(default_factory=list)
    _answers: deque[_Answer] = field(default_factory=lambda: deque(maxlen=_KEPT))
    _truths: list[EnteringItem] = field(default_factory=list)
    _landings: dict[int, str] = field(default_factory=dict)
    _track: dict[int, float] = field(default_factory=dict)
    _looked_ns: int = 0  # when there was last something to forget, or might have been

    def on_observation(self, seen: Observation) -> None:
        """Notes what a picture showed."""
        self.frames += 1
        self.work_ns.append(seen.inference_time_sec * NS_PER_SEC)
        for one in seen.detections:
            if one.probabilities:
                x_m, y_m = one.centre_m
                self._answers.append(
                    _Answer(seen.stamp_ns, x_m, y_m, seen.materials, one.probabilities)
                )

    def on_belt(self, stamp_ns: int, position_m: float, speed_m_per_sec: float) -> None:
        """Notes where the line took the belt to be; NaN where it did not know."""
        self.speed_m_per_sec = speed_m_per_sec
        if math.isfinite(position_m):
            self._track[stamp_ns] = position_m
            if abs(stamp_ns - self._looked_ns) >= _FORGET_NS:
                self._looked_ns = stamp_ns
                self._forget(stamp_ns - KEEP_NS)

    def on_decision(self, decision: SortDecision, x_m: float, y_m: float, latency_ns: int) -> None:
        """Notes a decision.

        Args:
            decision: What was decided.
            x_m: Where its item was at the decision's stamp.
            y_m: Likewise, across.
            latency_ns: From the picture to the decision.
        """
        one = _Decided(decision, x_m, y_m, latency_ns)
        if decision.item_id in self.decided:
            self._again.append(one)
        else:
            self.decided[decision.item_id] = one

    def on_record(self, record: ItemRecord) -> None:
        """Notes the end of an item."""
        self.records.append(record)

    def on_truth(self, truth: EnteringItem) -> None:
        """Notes a true item as it enters the view."""
        self._truths.append(truth)

    def on_landing(self, true_id: int, bin_name: str) -> None:
        """Notes where a true item fell."""
        self._landings[true_id] = bin_name

    def _forget(self, before_ns: int) -> None:
        """Lets go of all that was before a stamp; an item's record goes with its decision."""
        old = {i for i, one in self.decided.items() if one.decision.stamp_ns < before_ns}
        self.forgotten += len(old)
        self.decided = {i: one for i, one in self.decided.items() if i not in old}
        self._again = [one for one in self._again if one.decision.item_id not in old]
        self.records = [one for one in self.records if one.decision.item_id not in old]
        self._track = {at: place for at, place in self._track.items() if at >= before_ns}
        gone = {truth.item_id for truth in self._truths if truth.stamp_ns < before_ns}
        self._truths = [truth for truth in self._truths if truth.item_id not in gone]
        self._landings = {i: name for i, name in self._landings.items() if i not in gone}

    def result(self, layout: Layout, about: Mapping[str, str], **more: Any) -> RunResult:
        """Judges the run.

        Items that enter before the line knows of the belt's motion are left out of the truth.

        Args:
            layout: Of the line.
            about: What ran.
            **more: Further entries of the summary.
        """
        account = new_account(layout)
        stamps = sorted(self._track)
        track = Track(tuple(stamps), tuple(self._track[stamp] for stamp in stamps))
        if stamps:
            for truth in self._truths:
                if truth.stamp_ns >= stamps[0]:
                    item = truth.placed(track.position_m(truth.stamp_ns))
                    account.on_truth(counted(item, track.positions_m[-1], layout))
        for true_id, name in self._landings.items():
            account.on_landing(true_id, name)
        self._add_decisions(account, track, layout)
        for record in self.records:
            account.on_record(record)
        if stamps:
            measure_passes(account, layout, track.known_m)
        span_ns = stamps[-1] - stamps[0] if stamps else 0
        summary = account.summary(
            frames=self.frames,
            duration_sec=round(span_ns / NS_PER_SEC, 3),
            work_ms=figures.spread(list(self.work_ns), 1e-6),
            forgotten=self.forgotten,
            **more,
        )
        return RunResult(about, summary, account.items(), "", track, layout)

    def _add_decisions(self, account: BeltAccount, track: Track, layout: Layout) -> None:
        answers = sorted(
            (one.x_m - track.position_m(one.stamp_ns), number)
            for number, one in enumerate(self._answers)
            if track.stamps_ns
        )
        places = np.array([place for place, _ in answers])
        kept = list(self._answers)
        for one in (*self.decided.values(), *self._again):
            decision = one.decision
            known = bool(track.stamps_ns)
            s_m = one.x_m - track.position_m(decision.stamp_ns) if known else one.x_m
            first, last = np.searchsorted(places, (s_m - _NEAR_M, s_m + _NEAR_M))
            near = [kept[number] for _, number in answers[first:last]]
            asked = sorted(
                (each for each in near
                 if abs(each.y_m - one.y_m) < _NEAR_M and each.stamp_ns <= decision.stamp_ns),
                key=lambda each: each.stamp_ns,
            )  # fmt: skip
            middle_m = layout.camera.view_length_m / 2
            account.on_decision(
                decision, s_m, one.y_m, latency_ns=one.latency_ns,
                crops=[dict(zip(a.materials, a.probabilities, strict=True)) for a in asked],
                centre=min(
                    range(len(asked)), key=lambda i: abs(asked[i].x_m - middle_m), default=None
                ),
            )  # fmt: skip
