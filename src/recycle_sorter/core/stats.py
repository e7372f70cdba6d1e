# SPDX-License-Identifier: Apache-2.0
"""The account of a run: frames, items, decisions, how many were right, and how late they fell."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from recycle_sorter.core.types import Reason, SortDecision, Truth


def percentiles_ms(values_ns: list[int]) -> dict[str, float | None]:
    """p50, p95 and p99 in milliseconds; None of each where there is nothing to count."""
    if not values_ns:
        return {"p50": None, "p95": None, "p99": None}
    p50, p95, p99 = np.percentile(np.asarray(values_ns, dtype=np.float64) / 1e6, (50, 95, 99))
    return {"p50": round(p50, 3), "p95": round(p95, 3), "p99": round(p99, 3)}


@dataclass(frozen=True, slots=True)
class JudgedDecision:
    """A decision beside what really lay in view (None where nobody knows)."""

    decision: SortDecision
    truth: Truth | None
    latency_ns: int
    truth_ns: int | None = None  # when that item appeared: ids repeat where a recording loops

    @property
    def is_correct(self) -> bool | None:
        """Right material and trusted; a rejected item is not counted as sorted right."""
        if self.truth is None:
            return None
        accepted = self.decision.reason is Reason.ACCEPTED
        return accepted and self.truth.material == self.decision.material


@dataclass(slots=True)
class RunStats:
    """Collects a run. Stamps are those of the frames."""

    frames_in: int = 0
    frames_classified: int = 0
    decisions: list[JudgedDecision] = field(default_factory=list)
    _truth_ns: list[int] = field(default_factory=list)
    _truths: list[Truth] = field(default_factory=list)

    def on_truth(self, stamp_ns: int, truth: Truth) -> None:
        """Notes that an item appeared at ``stamp_ns``."""
        index = bisect_right(self._truth_ns, stamp_ns)
        self._truth_ns.insert(index, stamp_ns)
        self._truths.insert(index, truth)

    def on_decision(self, decision: SortDecision, latency_ns: int) -> JudgedDecision:
        """Notes a decision and finds the item that lay in view by then."""
        index = bisect_right(self._truth_ns, decision.stamp_ns) - 1
        truth = self._truths[index] if index >= 0 else None
        truth_ns = self._truth_ns[index] if index >= 0 else None
        judged = JudgedDecision(decision, truth, latency_ns, truth_ns)
        self.decisions.append(judged)
        return judged

    @property
    def correct(self) -> int | None:
        """How many items were sorted right, each counted once; None without truth."""
        if not self._truths:
            return None
        first: dict[int, bool] = {}
        for judged in self.decisions:
            if judged.truth_ns is not None:
                first.setdefault(judged.truth_ns, bool(judged.is_correct))
        return sum(first.values())

    def summary(self, **more: Any) -> dict[str, Any]:
        """The run as one mapping, ready for JSON.

        Args:
            **more: Further entries, e.g. ``model_id``.

        Returns:
            ``frames_in``, ``frames_classified``, ``frames_dropped``, ``items`` (true ones where
            the source knows them, else those decided), ``decisions``, ``correct`` (None without
            truth), ``missed`` and ``doubled`` items, ``rejected``, ``by_bin``, ``confusion``
            (rows decided, columns true) and ``latency_ms`` from image stamp to command.
        """
        decided = [j.truth_ns for j in self.decisions if j.truth_ns is not None]
        known = bool(self._truths)
        by_bin: dict[str, int] = {}
        confusion: dict[str, dict[str, int]] = {}
        for judged in self.decisions:
            by_bin[judged.decision.bin] = by_bin.get(judged.decision.bin, 0) + 1
            if judged.truth is not None:
                row = confusion.setdefault(judged.decision.material, {})
                row[judged.truth.material] = row.get(judged.truth.material, 0) + 1
        rejected = sum(j.decision.reason is not Reason.ACCEPTED for j in self.decisions)
        return {
            "frames_in": self.frames_in,
            "frames_classified": self.frames_classified,
            "frames_dropped": self.frames_in - self.frames_classified,
            "items": len(self._truths) if known else len(self.decisions),
            "decisions": len(self.decisions),
            "correct": self.correct,
            "missed": len(self._truths) - len(set(decided)) if known else None,
            "doubled": len(decided) - len(set(decided)) if known else None,
            "rejected": rejected,
            "by_bin": dict(sorted(by_bin.items())),
            "confusion": confusion,
            "latency_ms": percentiles_ms([j.latency_ns for j in self.decisions]),
            **more,
        }
