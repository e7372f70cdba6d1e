# SPDX-License-Identifier: Apache-2.0
"""Silence is told from waiting."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sorting import sec

from recycle_sorter.core.safety import StalenessWatch


def test_before_the_first_arrival_we_are_waiting() -> None:
    watch = StalenessWatch(1.0)
    assert not watch.is_stale(sec(1e6))
    assert watch.silence_sec(sec(1e6)) == math.inf


def test_silence_beyond_the_timeout_is_stale_until_the_next_arrival() -> None:
    watch = StalenessWatch(1.0)
    watch.seen(sec(5))
    assert not watch.is_stale(sec(6))
    assert watch.is_stale(sec(6) + 1)
    assert watch.silence_sec(sec(7)) == pytest.approx(2.0)
    watch.seen(sec(7))
    assert not watch.is_stale(sec(7))


def test_zero_switches_the_watch_off() -> None:
    watch = StalenessWatch(0.0)
    watch.seen(0)
    assert not watch.is_stale(sec(1e6))


@given(st.floats(0.001, 3600), st.integers(0, 10**18), st.integers(0, 10**13))
def test_stale_is_exactly_a_silence_longer_than_the_timeout(
    timeout_sec: float, last_ns: int, silence_ns: int
) -> None:
    watch = StalenessWatch(timeout_sec)
    watch.seen(last_ns)
    assert watch.is_stale(last_ns + silence_ns) == (silence_ns / 1e9 > timeout_sec)
