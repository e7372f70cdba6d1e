# SPDX-License-Identifier: Apache-2.0
"""Pacing: constant offset, scaled by the rate, growing over loops."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.sources.pacing import DEFAULT_PERIOD_NS, Pacer

START_NS = 1_700_000_000_000_000_000
RATES = st.floats(0.01, 1000, allow_nan=False)
RECORDINGS = st.lists(
    st.integers(0, 10**13), min_size=1, max_size=30, unique=True
).map(sorted)  # fmt: skip


@given(RECORDINGS, RATES, st.integers(0, 2 * START_NS))
def test_stamps_are_offset_and_scaled(recorded: list[int], rate: float, start_ns: int) -> None:
    pacer = Pacer(start_ns, rate)
    for index, stamp in enumerate(recorded):
        paced = pacer.schedule(stamp)
        assert paced.due_ns == paced.stamp_ns
        exact_ns = start_ns + Fraction(stamp - recorded[0]) / Fraction(rate)
        # Rounding, and at most one nudge a frame to keep stamps apart.
        assert abs(paced.stamp_ns - exact_ns) <= 1 + index


@given(RECORDINGS, RATES, st.booleans(), st.integers(1, 4))
def test_stamps_grow_over_loops(
    recorded: list[int], rate: float, lossless: bool, loops: int
) -> None:
    pacer = Pacer(START_NS, rate, lossless)
    stamps = []
    for _ in range(loops):
        stamps += [pacer.schedule(stamp).stamp_ns for stamp in recorded]
        pacer.start_over()
    assert all(later > earlier for earlier, later in itertools.pairwise(stamps))


@given(RECORDINGS, RATES)
def test_lossless_keeps_stamps_and_does_not_wait(recorded: list[int], rate: float) -> None:
    pacer = Pacer(START_NS, rate, lossless=True)
    paced = [pacer.schedule(stamp) for stamp in recorded]
    assert [frame.stamp_ns for frame in paced] == recorded
    assert {frame.due_ns for frame in paced} == {START_NS}


@pytest.mark.parametrize("lossless", [False, True])
def test_a_loop_follows_by_one_period(lossless: bool) -> None:
    pacer = Pacer(100, lossless=lossless)
    first = [pacer.schedule(stamp).stamp_ns for stamp in (10, 20, 30)]
    pacer.start_over()
    second = [pacer.schedule(stamp).stamp_ns for stamp in (10, 20, 30)]
    assert second == [stamp + 30 for stamp in first]


def test_a_single_frame_loops_too() -> None:
    pacer = Pacer(0)
    pacer.schedule(7)
    pacer.start_over()
    pacer.start_over()
    assert pacer.schedule(7).stamp_ns == DEFAULT_PERIOD_NS


def test_a_stamp_that_goes_back_still_grows() -> None:
    pacer = Pacer(0)
    assert [pacer.schedule(stamp).stamp_ns for stamp in (5, 9, 6)] == [0, 4, 5]


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf, True])
def test_a_bad_rate_is_refused(rate: float) -> None:
    with pytest.raises(InvalidInputError, match=r"rate: got .* above 0"):
        Pacer(0, rate)
