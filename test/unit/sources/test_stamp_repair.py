# SPDX-License-Identifier: Apache-2.0
"""Stamps that leave their stream are replaced, and only they."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.sources.stamp_repair import (
    FIRST,
    MAX_LEAP_NS,
    Moment,
    StampRepair,
    with_next,
)

STEP_NS = 33_000_000
HOUR_NS = 3600 * 10**9


def taken(moments: Sequence[Moment], *, growing: bool = True) -> tuple[list[int], int]:
    """What a stream becomes, and how much of it was wild."""
    repair = StampRepair(moments[:FIRST])
    nexts = [*moments[1:], None]
    found = [
        repair.take(now, following, growing=growing)
        for now, following in zip(moments, nexts, strict=True)
    ]
    return found, repair.wild


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
    found, wild = taken(list(zip(spoilt, recorded, strict=True)))
    assert wild == 1
    assert found[:where] + found[where + 1 :] == told[:where] + told[where + 1 :]
    assert abs(found[where] - told[where]) < 0.7 * 10**9, "by the time of recording"


@given(
    leap_ns=st.integers(10**9, MAX_LEAP_NS),
    where=st.integers(1, 58),
    growing=st.booleans(),
    jitter_ns=st.integers(0, 5_000_000),
)
def test_a_short_leap_ahead_moves_no_other_stamp(
    leap_ns: int, where: int, growing: bool, jitter_ns: int
) -> None:
    told = [10**18 + index * STEP_NS for index in range(60)]
    recorded = [ns + 7 + (jitter_ns if index % 3 else 0) for index, ns in enumerate(told)]
    spoilt = [ns + leap_ns if index == where else ns for index, ns in enumerate(told)]
    found, wild = taken(list(zip(spoilt, recorded, strict=True)), growing=growing)
    assert wild == 1
    assert found[:where] + found[where + 1 :] == told[:where] + told[where + 1 :]
    assert told[where - 1] < found[where] < told[where + 1]


def test_a_clock_that_is_set_ahead_is_followed() -> None:
    told = [index * STEP_NS + (HOUR_NS if index >= 10 else 0) for index in range(20)]
    found, wild = taken([(ns, 10**18 + index * STEP_NS) for index, ns in enumerate(told)])
    assert found == told
    assert wild == 0


def test_a_clock_that_is_set_back_goes_on_by_the_time_of_recording() -> None:
    told = [index * STEP_NS + (HOUR_NS if index < 10 else 0) for index in range(20)]
    for growing in (True, False):
        found, wild = taken(
            [(ns, 10**18 + index * STEP_NS) for index, ns in enumerate(told)], growing=growing
        )
        assert found == [HOUR_NS + index * STEP_NS for index in range(20)]
        assert wild == 10


@pytest.mark.parametrize("rate", [1, 5, 20])
def test_a_gap_is_none_of_a_stamps_faults(rate: int) -> None:
    # However much faster it was played than it had been recorded.
    told = [rate * (index * STEP_NS + (14 * 10**9 if index >= 10 else 0)) for index in range(20)]
    found, wild = taken([(ns, 10**18 + ns // rate) for ns in told])
    assert found == told
    assert wild == 0


def test_a_recorder_that_was_paused_is_none_either() -> None:
    repair = StampRepair()
    assert repair.take((10**18, 5)) == 10**18
    assert repair.take((10**18 + HOUR_NS, 5 + HOUR_NS)) == 10**18 + HOUR_NS
    assert repair.take((10**18 + HOUR_NS + 1, 5 + 2 * HOUR_NS)) == 10**18 + HOUR_NS + 1
    assert repair.wild == 0


def test_only_who_asks_gets_stamps_that_grow() -> None:
    repair = StampRepair()
    assert [repair.take((100, 100)), repair.take((90, 120))] == [100, 90]
    assert repair.take((90, 150), growing=True) == 120


def test_what_was_read_before_an_error_comes_before_it() -> None:
    def messages() -> Iterator[tuple[Any, int, bytes]]:
        yield None, 1, b"\0\1\0\0" + (5).to_bytes(4, "little") + bytes(4)
        yield None, 2, b"short"
        raise OSError("the file ends here")

    pairs = with_next(messages())
    assert [(entry[1], following) for entry, following in (next(pairs), next(pairs))] == [
        (1, None),
        (2, None),
    ]
    with pytest.raises(OSError, match="ends here"):
        next(pairs)
