# SPDX-License-Identifier: Apache-2.0
"""A belt's messages: what goes out comes back, times keep their distance, and clocks map."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.belt.types import (
    Cause,
    Detection,
    Evidence,
    ItemRecord,
    Observation,
    Outcome,
    TrackedItem,
)
from recycle_sorter.core.types import NS_PER_SEC, Reason, SortDecision
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros import line_clock
from recycle_sorter.ros.conversions import header, time_to_ns
from recycle_sorter.ros.line_clock import LineClock

pytestmark = pytest.mark.node

places = st.floats(-100.0, 100.0)
sizes = st.floats(1e-6, 10.0)
# Of single precision, as messages hold them.
shares = st.floats(0.0, 1.0, width=32)


@st.composite
def detections(draw: st.DrawFn) -> Detection:
    share = draw(shares)
    box = st.integers(1, 10_000)
    return Detection(
        box_px=(draw(box), draw(box), draw(box), draw(box)),
        centre_m=(draw(places), draw(places)),
        size_m=(draw(sizes), draw(sizes)),
        area_m2=draw(sizes),
        is_whole=draw(st.booleans()),
        is_touching=draw(st.booleans()),
        probabilities=draw(st.sampled_from([(), (share, 1.0 - share)])),
        along_m=(draw(places), draw(places)),
    )


@given(st.lists(detections(), max_size=5), st.none() | places, st.integers(0, 2**31 * 10**9 - 1))
def test_an_observation_comes_back(
    seen: list[Detection], shift_m: float | None, stamp_ns: int
) -> None:
    before = Observation(stamp_ns, tuple(seen), ("glass", "metal"), "model", shift_m, 0.25)
    message = convert.observation_to_message(before, header(stamp_ns, "camera"))
    after = convert.message_to_observation(message)
    assert after.stamp_ns == stamp_ns
    assert after.shift_m == shift_m
    assert (after.materials, after.model_id, after.inference_time_sec) == (
        before.materials, before.model_id, before.inference_time_sec,
    )  # fmt: skip
    for one, other in zip(after.detections, seen, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert (one.box_px, one.centre_m, one.size_m, one.area_m2, one.along_m) == (
            other.box_px, other.centre_m, other.size_m, other.area_m2, other.along_m,
        )  # fmt: skip
        assert (one.is_whole, one.is_touching) == (other.is_whole, other.is_touching)


@given(st.integers(-(2**70), 2**70))
def test_ticks_wrap_as_a_64_bit_counter_does(ticks: int) -> None:
    told = convert.ticks_to_message(ticks, 1).ticks
    assert (told - ticks) % 2**64 == 0
    assert -(2**63) <= told < 2**63


DECISION = SortDecision(
    7 * NS_PER_SEC, 3, "glass", 0.9, "glass", Reason.ACCEPTED, "sure", 4,
    {"glass": 0.9, "metal": 0.1},
)  # fmt: skip


def item(*evidence: Evidence) -> TrackedItem:
    return TrackedItem(
        3, -1.0, 0.1, (0.2, 0.1), 0.2, 1, 2, 4, False, ("glass", "metal"), list(evidence)
    )


def test_a_decision_tells_its_evidence_and_the_surest_picture() -> None:
    tracked = item(
        Evidence(5, (0.6, 0.4), 1.0, 0.0), Evidence(6, (0.1, 0.9), 1.0, 0.0), Evidence(7, (), 1, 0)
    )
    message = convert.decision_to_message(
        DECISION, tracked, 0.7, "camera", lambda steady_ns: steady_ns + 100
    )
    assert (message.item_id, message.x_m, message.y_m) == (3, 0.7, 0.1)
    assert (message.length_m, message.width_m) == (0.2, 0.1)
    assert dict(zip(message.materials, message.probabilities, strict=True)) == pytest.approx(
        DECISION.probabilities
    )
    assert time_to_ns(message.best_time) == 106
    assert message.best_material == "metal"
    assert message.best_confidence == pytest.approx(0.9)


def test_a_decision_without_evidence_has_no_best_picture() -> None:
    message = convert.decision_to_message(
        DECISION, item(), 0.7, "camera", lambda steady_ns: steady_ns + 100
    )
    assert (message.best_material, message.best_confidence) == ("", 0.0)
    assert time_to_ns(message.best_time) == 0


def test_a_records_times_are_stamps_and_unset_ones_stay_unset() -> None:
    record = ItemRecord(
        DECISION, Outcome.MISSED, Cause.CONFLICT, "flap_1", 500, 0, 1.2, 8, "needed otherwise", 900
    )
    message = convert.record_to_message(record, lambda steady_ns: steady_ns + NS_PER_SEC)
    assert time_to_ns(message.header.stamp) == NS_PER_SEC + 900
    assert time_to_ns(message.scheduled_time) == NS_PER_SEC + 500
    assert time_to_ns(message.issued_time) == 0
    assert (message.outcome, message.cause, message.rival_id) == (2, 2, 8)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e9])
def test_a_speed_that_is_none_is_named(value: float) -> None:
    with pytest.raises(ValueError, match=r"twist.linear.x"):
        convert.speed_of(value)


def lockstep() -> LineClock:
    return LineClock(lambda: 0, 0.5, own_clock=True, lossless=True, tick_sec=0.01)


def test_a_thread_that_is_held_up_between_two_clocks_does_not_part_a_records_times(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Ten seconds apart; 40 ms pass between the first two readings of each pair but the last.
    now_ns, reads = 10**9, 0

    def steady() -> int:
        nonlocal now_ns, reads
        reads += 1
        now_ns += 40_000_000 if reads % 2 == 0 and reads < 6 else 1000
        return now_ns

    monkeypatch.setattr(line_clock.time, "monotonic_ns", steady)
    clock = LineClock(lambda: now_ns + 10**10, 0.5, own_clock=True, lossless=False, tick_sec=0.01)
    assert clock.to_stamp(5 * 10**8) == pytest.approx(5 * 10**8 + 10**10, abs=2000)
    assert reads == 6


def test_in_lock_step_stamps_are_the_steady_clock_and_make_the_ticks() -> None:
    clock = lockstep()
    assert clock.tick_ns() is None
    found = []
    for stamp_ns in (10**9, 10**9 + 25_000_000, 10**9 + 40_000_000):
        steady_ns = clock.accept(stamp_ns, "picture")
        assert steady_ns == stamp_ns == clock.now_ns()
        assert clock.to_stamp(steady_ns) == stamp_ns
        found += clock.ticks_before(steady_ns)
    assert [each - 10**9 for each in found] == [0, 10_000_000, 20_000_000, 30_000_000]


@pytest.mark.parametrize("stamp_ns", [0, -5, 10**9, 10**9 - 1])
def test_in_lock_step_doubled_and_older_stamps_are_refused(stamp_ns: int) -> None:
    clock = lockstep()
    assert clock.accept(10**9, "picture") == 10**9
    assert clock.accept(stamp_ns, "picture") is None
    assert clock.refused == 1
    if stamp_ns > 0:
        assert clock.accept(stamp_ns, "encoder") == stamp_ns, "another stream has its own order"


def test_a_jump_in_lock_step_is_not_gone_through_tick_by_tick() -> None:
    clock = lockstep()
    clock.accept(10**9, "picture")
    assert list(clock.ticks_before(10**9)) == []
    clock.accept(10**18, "picture")
    # What lies on the belt gets time to end in; nobody waits out the years.
    assert len(list(clock.ticks_before(10**18))) == 60 / 0.01 + 1
    clock.accept(10**18 + 1, "picture")
    assert list(clock.ticks_before(10**18 + 1)) == [10**18]
