# SPDX-License-Identifier: Apache-2.0
"""Judges what a belt's graph was heard to say by the same account that judges a simulation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.belt_probe import Heard
from recycle_sorter.belt_run.parts import bin_of
from recycle_sorter.core.belt.account import BeltAccount
from recycle_sorter.core.belt.judged import TrueItem
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome
from recycle_sorter.core.errors import SorterError
from recycle_sorter.core.types import NS_PER_SEC, Reason, SortDecision

_LAST_M = 0.05  # beyond the decision line, so that the run's end misses nobody


@dataclass(slots=True)
class Verdict:
    """How a belt did.

    Attributes:
        summary: ``BeltAccount.summary``.
        issued_ms: By the actuator's own clock: issued less scheduled, of each fired item.
        published_ms: By the middleware's clock: published less due, of each command.
        seen_ms: From a picture's stamp to the publication of what it shows.
        decided_ms: From the stamp of the item's last picture to the decision's publication.
        engine_ms: Finding, cropping and network of each picture.
        error_mm: True less planned place when the diverter was set.
        pictures: How many were published.
        lost: How many of those had no observation.
        per_min: Items a minute, as they entered.
    """

    summary: dict[str, Any]
    issued_ms: list[float] = field(default_factory=list)
    published_ms: list[float] = field(default_factory=list)
    seen_ms: list[float] = field(default_factory=list)
    decided_ms: list[float] = field(default_factory=list)
    engine_ms: list[float] = field(default_factory=list)
    error_mm: list[float] = field(default_factory=list)
    pictures: int = 0
    lost: int = 0
    per_min: float = 0.0


def judge(heard: Heard, layout: Layout) -> Verdict:
    """Judges a belt.

    Args:
        heard: What it said; the encoder tells the true position to half a tick.
        layout: Of its line, with an encoder.

    Raises:
        SorterError: If nothing was heard of the belt.
    """
    if not heard.encoder or not heard.truths:
        raise SorterError("nothing was heard of the belt: no encoder or no truth")
    position_m = _true_position(heard, layout)
    last_m = position_m(max(stamp for stamp, _ in heard.encoder))
    account = BeltAccount(
        bin_of(layout), layout.routing.reject_bin, tolerance_sec=layout.tolerance_sec
    )
    for truth in heard.truths:
        counts = truth["s_m"] + last_m > layout.decision_line_m + _LAST_M
        account.on_truth(TrueItem(counts=counts, **truth))
    decisions = {}
    for said in heard.decisions:
        decision = _decision(said)
        decisions[decision.item_id] = decision
        s_m = said["x_m"] - position_m(decision.stamp_ns)
        latency_ns = said["published_ns"] - decision.stamp_ns
        account.on_decision(decision, s_m, said["y_m"], latency_ns=latency_ns)
    for item_id, name in heard.landings:
        account.on_landing(item_id, name)
    records = [_record(said, decisions) for said in heard.records]
    for record in records:
        account.on_record(record)
    errors_mm = _measure(account, layout, position_m, max(stamp for stamp, _ in heard.encoder))
    fired = [one for one in records if one.outcome is Outcome.FIRED]
    stamps = {stamp for stamp, _ in heard.sent}
    return Verdict(
        summary=account.summary(),
        issued_ms=[(one.issued_ns - one.scheduled_ns) / 1e6 for one in fired],
        published_ms=[(published - due) / 1e6 for _, due, published in heard.commands],
        seen_ms=[(row[1] - row[0]) / 1e6 for row in heard.observed],
        decided_ms=[(d["published_ns"] - d["stamp_ns"]) / 1e6 for d in heard.decisions],
        engine_ms=[row[3] / 1e6 for row in heard.observed],
        error_mm=errors_mm,
        pictures=len(stamps),
        lost=len(stamps - {row[0] for row in heard.observed}),
        per_min=_per_min([truth["enter_ns"] for truth in heard.truths]),
    )


def _true_position(heard: Heard, layout: Layout) -> Callable[[int], float]:
    samples = np.array(sorted(heard.encoder), dtype=np.int64)
    m_per_tick = layout.motion.m_per_tick or 0.0
    first_ns = int(samples[0, 0])
    seconds = (samples[:, 0] - first_ns) / NS_PER_SEC
    # A count says that the belt is somewhere within the tick.
    metres = (samples[:, 1] + 0.5) * m_per_tick
    return lambda stamp_ns: float(np.interp((stamp_ns - first_ns) / NS_PER_SEC, seconds, metres))


def _per_min(enter_ns: list[int]) -> float:
    span_ns = max(enter_ns) - min(enter_ns)
    return 60.0 * NS_PER_SEC * (len(enter_ns) - 1) / span_ns if span_ns else 0.0


def _decision(said: dict[str, Any]) -> SortDecision:
    return SortDecision(
        stamp_ns=said["stamp_ns"],
        item_id=said["item_id"],
        material=said["material"],
        confidence=said["confidence"],
        bin=said["bin"],
        reason=Reason(said["reason"]),
        detail=said["detail"],
        evidence_frames=said["evidence_frames"],
    )


def _record(said: dict[str, Any], decisions: dict[int, SortDecision]) -> ItemRecord:
    unknown = SortDecision(0, said["item_id"], "", 0.0, "", Reason.ACCEPTED, "not heard", 0)
    return ItemRecord(
        decision=decisions.get(said["item_id"], unknown),
        outcome=Outcome(said["outcome"]),
        cause=Cause(said["cause"]),
        diverter=said["diverter"],
        scheduled_ns=said["scheduled_ns"],
        issued_ns=said["issued_ns"],
        x_m=said["x_m"],
        rival_id=said["rival_id"],
        detail=said["detail"],
        ended_ns=said["ended_ns"],
    )


def _measure(
    account: BeltAccount, layout: Layout, position_m: Callable[[int], float], until_ns: int
) -> list[float]:
    errors_mm = []
    for item in account.items():
        truth, record = item.truth, item.record
        if truth is None or record is None or record.outcome is not Outcome.FIRED:
            continue
        place = layout.place(record.diverter)
        ready_ns = record.issued_ns + round(place.lead_sec * NS_PER_SEC)
        if ready_ns > until_ns:  # nobody knows where the belt is
            continue
        error_m = truth.s_m + position_m(ready_ns) - place.position_m
        account.on_pass(record.decision.item_id, error_m)
        errors_mm.append(1e3 * error_m)
    return errors_mm
