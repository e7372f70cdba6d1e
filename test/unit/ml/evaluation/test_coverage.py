# SPDX-License-Identifier: Apache-2.0
"""Risk and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.ml.evaluation.coverage import coverage_curve


def test_the_surest_answers_come_first() -> None:
    confidence = np.array([0.5, 0.9, 0.7, 0.8])
    curve = coverage_curve(confidence, np.array([False, True, False, True]))
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert curve.accuracy == pytest.approx([1, 1, 2 / 3, 0.5])
    assert curve.threshold.tolist() == [0.9, 0.8, 0.7, 0.5]
    assert curve.at(0.5) == (1, 0.8)
    assert curve.at(0.51) == (pytest.approx(2 / 3), 0.7), "at least that share is answered"
    assert curve.area_under_risk == pytest.approx(1 - (1 + 1 + 2 / 3 + 0.5) / 4)


def test_ninety_percent_of_ten_is_nine() -> None:
    right = np.array([True] * 9 + [False])
    assert coverage_curve(np.linspace(1, 0.1, 10), right).at(0.9) == (1.0, pytest.approx(0.2))


def test_equally_sure_answers_have_no_order() -> None:
    right = np.array([True, False, True, False, True, True])
    confidence = np.array([0.9, 0.6, 0.6, 0.6, 0.6, 0.2])
    there = coverage_curve(confidence, right)
    back = coverage_curve(confidence[::-1], right[::-1])
    assert there.accuracy == pytest.approx(back.accuracy)
    assert there.accuracy[1] == pytest.approx((1 + 0.5) / 2)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_all_answered_is_the_accuracy(pairs: list[tuple[float, bool]]) -> None:
    confidence = np.array([pair[0] for pair in pairs])
    right = np.array([pair[1] for pair in pairs])
    curve = coverage_curve(confidence, right)
    assert curve.at(1.0)[0] == pytest.approx(right.mean())
    assert curve.at(0.0) == (curve.accuracy[0], curve.threshold[0])
    assert np.all(np.diff(curve.threshold) <= 0)
    assert np.all((curve.accuracy > -1e-12) & (curve.accuracy < 1 + 1e-12))
