# SPDX-License-Identifier: Apache-2.0
"""The account of a belt's run: what lay there, what was decided, and where it ended up.

``BeltAccount`` collects a run and pairs decisions with true items; ``figures.py`` counts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recycle_sorter.core.belt import figures
from recycle_sorter.core.belt.judged import JudgedItem, TrueItem
from recycle_sorter.core.belt.matching import Place, distance_m, pair
from recycle_sorter.core.belt.types import Cause, ItemRecord
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import SortDecision


@dataclass(frozen=True, slots=True)
class _Decided:
    decision: SortDecision
    place: Place
    latency_ns: int | None
    crops: tuple[Mapping[str, float], ...]
    centre: int | None


@dataclass(slots=True)
class BeltAccount:
    """Collects a run; ``summary`` yields its figures. Calls may come in any order.

    All stamps are of one clock and all places ``s_m`` of one belt position: where the truth counts
    from another start than the line, the caller converts.

    Attributes:
        bin_of: Bin in which each material belongs.
        reject_bin: The bin at the end, where what no diverter moves falls.
        gate_m: A decision farther from every true item is of none, metres, above 0.
        tolerance_sec: A command issued later than this after its time was fired late, seconds.
    """

    bin_of: Mapping[str, str]
    reject_bin: str
    gate_m: float = 0.06
    tolerance_sec: float = 0.01
    _truths: dict[int, TrueItem] = field(default_factory=dict)
    _decided: list[_Decided] = field(default_factory=list)
    _records: list[ItemRecord] = field(default_factory=list)
    _landed: dict[int, str] = field(default_factory=dict)
    _errors_m: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("gate_m", "tolerance_sec"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(name, value, "a number above 0")

    def on_truth(self, item: TrueItem) -> None:
        """Notes what really lies on the belt; an item given again replaces what was said."""
        self._truths[item.item_id] = item

    def on_decision(
        self,
        decision: SortDecision,
        s_m: float,
        y_m: float | None = None,
        *,
        latency_ns: int | None = None,
        crops: Sequence[Mapping[str, float]] = (),
        centre: int | None = None,
    ) -> None:
        """Notes a decision.

        Args:
            decision: What was decided.
            s_m: Place of its item along the belt, metres, in the truth's count.
            y_m: Place across, metres; None if unknown.
            latency_ns: From the stamp of the picture to the decision, nanoseconds, by a clock.
            crops: What each picture said, by material, oldest first; empty if not kept.
            centre: Index in ``crops`` of the picture that showed it nearest the view's middle.
        """
        place = Place(s_m, y_m, decision.stamp_ns)
        self._decided.append(_Decided(decision, place, latency_ns, tuple(crops), centre))

    def on_record(self, record: ItemRecord) -> None:
        """Notes the end of an item."""
        self._records.append(record)

    def on_landing(self, true_id: int, bin_name: str) -> None:
        """Notes the bin that a true item really fell into; only a twin or a scale knows.

        From the first one on, items without one are taken to be under way still.
        """
        self._landed[true_id] = bin_name

    def on_pass(self, item_id: int, error_m: float) -> None:
        """Notes where a decided item really was when its diverter was set for it.

        Args:
            item_id: Of the decision.
            error_m: True place less the planned one, metres of belt, downstream positive.
        """
        self._errors_m[item_id] = error_m

    def items(self) -> list[JudgedItem]:
        """Every true item with what became of it, by entry; then decisions without a true item."""
        truths = sorted(self._truths.values(), key=lambda item: (item.enter_ns, item.item_id))
        places = [Place(truth.s_m, truth.y_m, truth.enter_ns) for truth in truths]
        pairs = pair([one.place for one in self._decided], places, self.gate_m)
        by_truth = {index: self._decided[number] for number, index in pairs.items()}
        records: dict[int, ItemRecord] = {}
        for record in self._records:
            records.setdefault(record.decision.item_id, record)
        judged = [self._judge(truth, by_truth.get(i), records) for i, truth in enumerate(truths)]
        for number, one in enumerate(self._decided):
            if number not in pairs:
                near = any(
                    distance_m(one.place, place) <= self.gate_m
                    and one.place.time_ns >= place.time_ns
                    for place in places
                )
                judged.append(self._judge(None, one, records, near))
        return judged

    def _judge(
        self,
        truth: TrueItem | None,
        decided: _Decided | None,
        records: Mapping[int, ItemRecord],
        is_doubled: bool = False,
    ) -> JudgedItem:
        decision = decided.decision if decided else None
        record = records.get(decision.item_id) if decision else None
        landed = self._landed.get(truth.item_id) if truth else None
        is_open = record is not None and record.cause is Cause.RUN_ENDED
        is_seen = bool(self._landed) and truth is not None
        return JudgedItem(
            truth=truth,
            decision=decision,
            record=record,
            landed=landed,
            is_doubled=is_doubled,
            latency_ns=decided.latency_ns if decided else None,
            crops=decided.crops if decided else (),
            centre=decided.centre if decided else None,
            error_m=self._errors_m.get(decision.item_id) if decision else None,
            s_m=decided.place.s_m if decided else truth.s_m if truth else 0.0,
            is_under_way=landed is None and (is_open or is_seen),
        )

    def summary(self, **more: Any) -> dict[str, Any]:
        """The run as one mapping, ready for JSON; no figure of it is a guess.

        Shares are 0 to 1 and None where there is nothing to count. What needs the truth is None
        or 0 without it.

        Args:
            **more: Further entries, e.g. ``model_id``.

        Returns:
            ``items`` (:func:`figures.count_items`), ``records`` (:func:`figures.count_records`),
            ``bins`` (:func:`figures.bins`), ``contamination`` (:func:`figures.contamination`),
            ``classifier`` (:func:`figures.classifier`), ``sorting`` (:func:`figures.sorting`),
            ``timing_error_ms``, ``position_error_mm`` and ``latency_ms``
            (:func:`figures.spread`).
        """
        judged = self.items()
        tolerance_ns = round(self.tolerance_sec * 1e9)
        fired = [r for r in self._records if r.issued_ns and r.scheduled_ns]
        errors_m = [item.error_m for item in judged if item.error_m is not None]
        latencies_ns = [item.latency_ns for item in judged if item.latency_ns is not None]
        return {
            "items": figures.count_items(judged),
            "records": figures.count_records(
                [one.decision.item_id for one in self._decided], self._records, tolerance_ns
            ),
            "bins": figures.bins(judged, self.bin_of, self.reject_bin),
            "contamination": figures.contamination(judged, self.bin_of, self.reject_bin),
            "classifier": figures.classifier(judged),
            "sorting": figures.sorting(judged, self.bin_of, self.reject_bin),
            "timing_error_ms": figures.spread([r.issued_ns - r.scheduled_ns for r in fired], 1e-6),
            "position_error_mm": figures.spread(errors_m, 1e3),
            "latency_ms": figures.spread(latencies_ns, 1e-6),
            **more,
        }
