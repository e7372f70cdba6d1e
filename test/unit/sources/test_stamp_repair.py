# SPDX-License-Identifier: Apache-2.0
"""Stamps that leave their stream are replaced, and only they."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.sources.stamp_repair import FIRST, MAX_LEAP_NS, StampRepair

STEP_NS = 33_000_000


@given(
    start_ns=st.integers(0, 2**61),
    record_ns=st.integers(0, 2**61),
    rate=st.sampled_from([0.1, 1.0, 10.0]),
    jitters_ns=st.lists(st.integers(-10_000_000, 10_000_000), min_size=2, max_size=40),
    data=st.data(),
)
def test_a_wild_stamp_becomes_what_the_recording_makes_of_it(
    start_ns: int, record_ns: int, rate: float, jitters_ns: list[int], data: st.DataObject
) -> None:
    """However the stamps' clock stands to the recorder's, and however fast it was played."""
    told = [start_ns + round(rate * index * STEP_NS) for index in range(len(jitters_ns))]
    recorded = [record_ns + index * STEP_NS + jitter for index, jitter in enumerate(jitters_ns)]
    where = data.draw(st.integers(0 if len(told) > 2 else 1, len(told) - 1))
    leap_ns = data.draw(st.sampled_from([-1, 1])) * data.draw(st.integers(2 * MAX_LEAP_NS, 2**62))
    spoilt = [ns + leap_ns if index == where else ns for index, ns in enumerate(told)]
    pairs = list(zip(spoilt, recorded, strict=True))
    repair = StampRepair(pairs[:FIRST])
    given_out = [repair.take(*pair) for pair in pairs]
    assert repair.wild == 1
    assert given_out[:where] + given_out[where + 1 :] == told[:where] + told[where + 1 :]
    assert abs(given_out[where] - told[where]) < 0.7 * 10**9, "by the time of recording"


def test_a_clock_that_is_set_for_good_is_followed_on_its_old_time() -> None:
    repair = StampRepair()
    record_ns = 10**18
    found = []
    for index in range(20):
        stamp_ns = index * STEP_NS + (3600 * 10**9 if index >= 10 else 0)
        found.append(repair.take(stamp_ns, record_ns + index * STEP_NS))
    assert found == [index * STEP_NS for index in range(20)]
    assert repair.wild == 10


def test_a_pause_in_the_recording_is_none_of_a_stamps_faults() -> None:
    repair = StampRepair()
    hour_ns = 3600 * 10**9
    assert repair.take(10**18, 5) == 10**18
    assert repair.take(10**18 + hour_ns, 5 + hour_ns) == 10**18 + hour_ns
    assert repair.take(10**18 + hour_ns + 1, 5 + 2 * hour_ns) == 10**18 + hour_ns + 1, "a simulator"
    assert repair.wild == 0


def test_only_who_asks_gets_stamps_that_grow() -> None:
    repair = StampRepair([(100, 100)])
    assert [repair.take(100, 100), repair.take(90, 120)] == [100, 90]
    assert repair.take(90, 150, growing=True) == 120
