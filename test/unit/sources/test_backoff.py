# SPDX-License-Identifier: Apache-2.0
"""Back-off: grows by its factor, stops at its maximum, begins anew."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.sources.backoff import Backoff


def test_delays_double_up_to_the_maximum() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next_delay_sec() for _ in range(5)] == [0.5, 1.0, 2.0, 3.0, 3.0]
    backoff.reset()
    assert backoff.next_delay_sec() == 0.5


@given(st.floats(0.001, 10), st.floats(1, 100), st.floats(1, 10), st.integers(1, 50))
def test_delays_stay_in_bounds_and_never_shrink(
    initial_sec: float, ratio: float, factor: float, count: int
) -> None:
    backoff = Backoff(initial_sec, initial_sec * ratio, factor)
    delays = [backoff.next_delay_sec() for _ in range(count)]
    assert delays == sorted(delays)
    assert delays[0] == initial_sec
    assert delays[-1] <= initial_sec * ratio


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((0.0, 1.0, 2.0), "initial_sec"),
        ((math.nan, 1.0, 2.0), "initial_sec"),
        ((2.0, 1.0, 2.0), "maximum_sec"),
        ((1.0, math.inf, 2.0), "maximum_sec"),
        ((1.0, 2.0, 0.9), "factor"),
    ],
)
def test_bad_values_are_named(arguments: tuple[float, float, float], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        Backoff(*arguments)
    assert caught.value.field == field
