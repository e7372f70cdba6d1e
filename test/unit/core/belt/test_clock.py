# SPDX-License-Identifier: Apache-2.0
"""Stamps become steady times, whatever the sender's clock does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.belt.clock import StampClock
from recycle_sorter.core.errors import InvalidInputError

MS = 1_000_000
SEC = 1000 * MS
EPOCH_NS = 1_790_000_000 * SEC
HOUR_NS = 3600 * SEC


def run(clock: StampClock, count: int, start: int = 0, shift_ns: int = 0) -> list[int | None]:
    """Feeds 100 Hz stamps that take 2 ms to arrive; stamps are ``shift_ns`` ahead."""
    found = []
    for k in range(start, start + count):
        now_ns = k * 10 * MS
        found.append(clock.accept(EPOCH_NS + now_ns + shift_ns, now_ns + 2 * MS))
    return found


def test_a_steady_stamp_stays_what_it_is() -> None:
    clock = StampClock()
    for now_ns in range(1, 10 * SEC, 33 * MS):
        assert clock.accept(now_ns, now_ns) == now_ns
    assert (clock.refused, clock.clock_resets) == (0, 0)


@pytest.mark.parametrize("stamp_ns", [0, -1, -EPOCH_NS])
def test_an_unset_stamp_is_refused(stamp_ns: int) -> None:
    clock = StampClock()
    assert clock.accept(stamp_ns, SEC) is None
    run(clock, 10)
    assert clock.accept(stamp_ns, SEC) is None
    assert clock.refused == 2


@pytest.mark.parametrize("wild_ns", [HOUR_NS, -HOUR_NS, 600 * MS, -600 * MS, 2**63])
def test_single_wild_stamps_are_refused_and_change_nothing(wild_ns: int) -> None:
    clean, disturbed = StampClock(), StampClock()
    expected = run(clean, 100)
    found: list[int | None] = []
    for k in range(100):
        found += run(disturbed, 1, k)
        if k % 3 == 1:
            now_ns = k * 10 * MS + 4 * MS
            assert disturbed.accept(max(1, EPOCH_NS + now_ns + wild_ns), now_ns) is None
    assert found == expected
    assert disturbed.clock_resets == 0
    assert disturbed.refused == 33


def test_a_wild_stamp_sent_again_and_again_is_no_clock() -> None:
    clock = StampClock()
    run(clock, 10)
    for k in range(10, 40):
        assert clock.accept(EPOCH_NS + HOUR_NS, k * 10 * MS) is None
    assert clock.clock_resets == 0
    assert None not in run(clock, 10, 41)


@pytest.mark.parametrize("wild_ns", [HOUR_NS, -HOUR_NS])
def test_a_clock_that_is_set_is_followed(wild_ns: int) -> None:
    clock = StampClock(confirm=3)
    before = run(clock, 100)
    after = run(clock, 100, 100, wild_ns)
    assert after[:2] == [None, None]
    assert None not in after[2:]
    assert clock.clock_resets == 1
    taken = [t for t in before + after if t is not None]
    assert taken == sorted(set(taken))
    for k, t in zip(range(102, 200), after[2:], strict=True):
        assert t is not None
        assert abs(t - k * 10 * MS) <= 2 * MS  # the delay of the arrival is not known
    assert run(clock, 3, 200)[:2] == [None, None]  # and set back again
    assert clock.clock_resets == 2


def test_a_stamp_still_on_its_way_when_the_clock_was_set_is_refused() -> None:
    clock = StampClock()
    run(clock, 20)
    run(clock, 20, 20, HOUR_NS)
    assert clock.accept(EPOCH_NS + 190 * MS, 400 * MS) is None


def test_doubled_and_reordered_stamps_are_refused_within_a_stream() -> None:
    clock = StampClock()
    assert clock.accept(EPOCH_NS, 10, "camera") is not None
    assert clock.accept(EPOCH_NS, 20, "camera") is None
    assert clock.accept(EPOCH_NS - 5, 30, "camera") is None
    assert clock.accept(EPOCH_NS, 40, "encoder") is not None
    assert clock.refused == 2


def test_a_slow_stream_is_placed_by_a_fast_one() -> None:
    clock = StampClock()
    found_ns = 0
    for k in range(1, 100):
        now_ns = k * 10 * MS
        clock.accept(EPOCH_NS + now_ns, now_ns, "self")
        stamp_ns = EPOCH_NS + now_ns - 40 * MS  # a picture takes 40 ms and more
        found = clock.accept(stamp_ns, now_ns + (k % 5) * MS, "camera")
        found_ns = found or 0
    assert found_ns == 99 * 10 * MS - 40 * MS


@pytest.mark.parametrize("slew_ns", [-300 * MS, 300 * MS])
def test_a_small_step_is_followed_within_two_seconds(slew_ns: int) -> None:
    clock = StampClock()
    run(clock, 300)
    run(clock, 205, 300, slew_ns)
    (found,) = run(clock, 1, 505, slew_ns)
    assert found is not None
    assert abs(found - 5050 * MS) <= 3 * MS
    assert clock.clock_resets == 0


def test_jitter_of_the_arrival_is_taken_out() -> None:
    clock = StampClock()
    worst_ns = 0
    for k in range(1, 500):
        now_ns = k * 10 * MS
        found = clock.accept(EPOCH_NS + now_ns, now_ns + (k * 7919) % 97 * MS // 10)
        assert found is not None
        if k > 120:
            worst_ns = max(worst_ns, abs(found - now_ns))
    assert worst_ns <= MS


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("tolerance_sec", {"tolerance_sec": 0.0}),
        ("tolerance_sec", {"tolerance_sec": math.nan}),
        ("confirm", {"confirm": 0}),
    ],
)
def test_bad_settings_are_refused_by_name(field: str, values: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        StampClock(**values)  # type: ignore[arg-type]
    assert caught.value.field == field


@given(
    st.lists(
        st.tuples(
            st.integers(0, 50 * MS),  # until it arrives
            st.integers(-HOUR_NS, HOUR_NS) | st.integers(-100 * MS, 100 * MS) | st.just(0),
            st.sampled_from(["camera", "encoder"]),
        ),
        max_size=80,
    )
)
def test_no_stream_goes_back_and_nothing_lies_in_the_future(
    arrivals: list[tuple[int, int, str]],
) -> None:
    clock = StampClock()
    now_ns, taken = SEC, 0
    last: dict[str, int] = {}
    for pause_ns, off_ns, stream in arrivals:
        now_ns += pause_ns
        found = clock.accept(EPOCH_NS + now_ns + off_ns, now_ns, stream)
        if found is None:
            continue
        taken += 1
        assert last.get(stream, -HOUR_NS) < found <= now_ns
        assert now_ns - found <= 2 * clock.tolerance_ns
        last[stream] = found
    assert taken + clock.refused == len(arrivals)
