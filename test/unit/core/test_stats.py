# SPDX-License-Identifier: Apache-2.0
"""The account of a run."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sorting import START_NS, sec

from recycle_sorter.core.stats import RunStats, percentiles_ms
from recycle_sorter.core.types import Reason, SortDecision, Truth


def decide(
    at_sec: float, material: str, item_id: int = 1, reason: Reason = Reason.ACCEPTED
) -> SortDecision:
    bin_name = material if reason is Reason.ACCEPTED else "residue"
    return SortDecision(
        START_NS + sec(at_sec), item_id, material, 0.9, bin_name, reason, "because", 5
    )


def show(stats: RunStats, *materials: str) -> None:
    """An item each second, from 1 s."""
    for number, material in enumerate(materials, 1):
        stats.on_truth(START_NS + sec(number), Truth(number, material))


def test_percentiles_are_milliseconds() -> None:
    values = [n * 1_000_000 for n in range(1, 102)]
    assert percentiles_ms(values) == {"p50": 51.0, "p95": 96.0, "p99": 100.0}
    assert percentiles_ms([1_500_000]) == {"p50": 1.5, "p95": 1.5, "p99": 1.5}


def test_nothing_counted_has_no_percentiles() -> None:
    assert percentiles_ms([]) == {"p50": None, "p95": None, "p99": None}


def test_a_decision_is_judged_by_the_item_in_view_at_its_stamp() -> None:
    stats = RunStats()
    show(stats, "glass", "metal")
    assert stats.on_decision(decide(0.9, "glass"), 0).truth is None
    assert stats.on_decision(decide(1.0, "glass"), 0).is_correct is True
    assert stats.on_decision(decide(1.9, "metal"), 0).is_correct is False
    assert stats.on_decision(decide(2.0, "metal"), 0).is_correct is True


def test_truths_may_come_in_any_order() -> None:
    stats = RunStats()
    stats.on_truth(START_NS + sec(2), Truth(2, "metal"))
    stats.on_truth(START_NS + sec(1), Truth(1, "glass"))
    judged = stats.on_decision(decide(1.5, "glass"), 0)
    assert judged.truth == Truth(1, "glass")


def test_a_rejected_item_is_not_sorted_right() -> None:
    stats = RunStats()
    show(stats, "glass")
    judged = stats.on_decision(decide(1.2, "glass", reason=Reason.LOW_MARGIN), 0)
    assert judged.is_correct is False
    assert stats.correct == 0


def test_without_truth_nothing_is_said_about_right() -> None:
    stats = RunStats()
    assert stats.on_decision(decide(1.0, "glass"), 0).is_correct is None
    summary = stats.summary()
    assert stats.correct is None
    assert (summary["correct"], summary["missed"], summary["doubled"]) == (None, None, None)
    assert summary["items"] == 1


def test_an_item_decided_twice_counts_by_its_first_decision_and_as_doubled() -> None:
    stats = RunStats()
    show(stats, "glass", "metal", "paper")
    stats.on_decision(decide(1.2, "metal"), 0)
    stats.on_decision(decide(1.4, "glass"), 0)
    stats.on_decision(decide(2.2, "metal"), 0)
    summary = stats.summary()
    assert (summary["correct"], summary["doubled"], summary["missed"]) == (1, 1, 1)


def test_a_recording_that_loops_counts_each_round() -> None:
    stats = RunStats()
    for round_sec in (0, 10):
        stats.on_truth(START_NS + sec(round_sec), Truth(1, "glass"))
        stats.on_decision(decide(round_sec + 0.2, "glass"), 0)
    summary = stats.summary()
    assert (summary["items"], summary["correct"]) == (2, 2)
    assert (summary["missed"], summary["doubled"]) == (0, 0)


def test_a_summary_holds_everything_as_json() -> None:
    stats = RunStats(frames_in=100, frames_classified=97)
    show(stats, "glass", "metal")
    stats.on_decision(decide(1.2, "glass", 1), 4_000_000)
    stats.on_decision(decide(2.2, "glass", 2, Reason.LOW_CONFIDENCE), 6_000_000)
    summary = stats.summary(model_id="resnet18-0")
    assert json.loads(json.dumps(summary)) == {
        "frames_in": 100,
        "frames_classified": 97,
        "frames_dropped": 3,
        "items": 2,
        "decisions": 2,
        "correct": 1,
        "missed": 0,
        "doubled": 0,
        "rejected": 1,
        "by_bin": {"glass": 1, "residue": 1},
        "confusion": {"glass": {"glass": 1, "metal": 1}},
        "latency_ms": {"p50": 5.0, "p95": 5.9, "p99": 5.98},
        "model_id": "resnet18-0",
    }


def test_an_empty_run_has_a_summary() -> None:
    summary = RunStats().summary()
    assert (summary["items"], summary["decisions"], summary["frames_dropped"]) == (0, 0, 0)


MATERIAL = st.sampled_from(["glass", "metal"])


@given(
    st.lists(st.tuples(st.integers(0, 20), MATERIAL), unique_by=lambda shown: shown[0]),
    st.lists(st.tuples(st.integers(0, 20), MATERIAL, st.sampled_from(list(Reason)))),
)
def test_the_account_adds_up(
    shown: list[tuple[int, str]], decided: list[tuple[int, str, Reason]]
) -> None:
    stats = RunStats()
    for item_id, (at_sec, material) in enumerate(shown, 1):
        stats.on_truth(START_NS + sec(at_sec), Truth(item_id, material))
    judged = [stats.on_decision(decide(t, m, reason=r), sec(0.01)) for t, m, r in decided]
    summary = stats.summary()
    assert sum(summary["by_bin"].values()) == summary["decisions"] == len(decided)
    known = sum(j.truth is not None for j in judged)
    assert sum(sum(row.values()) for row in summary["confusion"].values()) == known
    if not shown:
        assert summary["correct"] is None
        return
    assert summary["missed"] + known - summary["doubled"] == len(shown) == summary["items"]
    assert 0 <= summary["correct"] <= len(shown) - summary["missed"]
    for (t, _, _), j in zip(decided, judged, strict=True):
        by_then = [entry for entry in shown if entry[0] <= t]
        assert (j.truth.material if j.truth else None) == (max(by_then)[1] if by_then else None)
    if decided:
        assert summary["latency_ms"]["p50"] == pytest.approx(10.0)
