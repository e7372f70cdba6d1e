# SPDX-License-Identifier: Apache-2.0
"""Figures against cases that can be counted by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.evaluations import logits_of, predictions_of, random_predictions

from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ml.evaluation.metrics import accuracy_interval, measure, wilson_interval
from recycle_sorter.ml.evaluation.predictions import Predictions


def test_accuracy_recall_precision_and_f1() -> None:
    # cardboard: one right, and one glass taken for it; metal: right; plastic: taken for trash.
    figures = measure(predictions_of([0, 0, 1, 2, 5], [0, 1, 1, 2, 4]))
    assert figures.n == 5
    assert figures.accuracy == pytest.approx(0.6)
    assert figures.recall == {"cardboard": 1.0, "glass": 0.5, "metal": 1.0, "plastic": 0.0}
    assert figures.precision == pytest.approx(
        {"cardboard": 0.5, "glass": 1.0, "metal": 1.0, "plastic": 0.0, "trash": 0.0}
    )
    assert figures.f1 == pytest.approx(
        {"cardboard": 2 / 3, "glass": 2 / 3, "metal": 1.0, "plastic": 0.0, "trash": 0.0}
    )
    assert figures.mean_recall == pytest.approx((1 + 0.5 + 1 + 0) / 4)
    assert figures.counts == dict(zip(MATERIALS, (1, 2, 1, 0, 1, 0), strict=True))


def test_rows_of_the_confusion_are_predicted_and_columns_actual() -> None:
    figures = measure(predictions_of([0, 0, 1, 2], [0, 1, 1, 2]))
    assert figures.confusion[0][:2] == [1, 1]  # predicted cardboard: one is, one is glass
    assert figures.confusion[1][:2] == [0, 1]
    assert figures.confusion_normalised[0][:2] == [1.0, 0.5]
    assert [pair.actual for pair in figures.confused_pairs] == ["glass"]


def test_top_two() -> None:
    rows = [[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.5, 0.3, 0.2]]
    names = ("a", "b", "c")
    predictions = Predictions(names, np.array([0, 1, 2]), logits_of(rows), ("x", "y", "z"))
    assert measure(predictions).top2 == pytest.approx(2 / 3)


def test_top_two_of_equal_scores_goes_by_the_order_of_the_classes_as_the_answer_does() -> None:
    predictions = Predictions(
        ("a", "b", "c"), np.array([0, 1, 2]), np.zeros((3, 3), np.float32), ("x", "y", "z")
    )
    figures = measure(predictions)
    assert figures.accuracy == pytest.approx(1 / 3)
    assert figures.top2 == pytest.approx(2 / 3)


def test_one_material_alone_can_be_measured() -> None:
    figures = measure(predictions_of([1, 1, 4], [1, 1, 1]))
    assert figures.recall == {"glass": pytest.approx(2 / 3)}
    assert figures.precision == {"glass": 1.0, "plastic": 0.0}


def test_a_model_of_one_class_can_be_measured() -> None:
    one = Predictions(("a",), np.array([0]), np.array([[0.3]], np.float32), ("glass",))
    figures = measure(one)
    assert (figures.accuracy, figures.top2, figures.ece) == (1.0, 1.0, 0.0)


def test_json_has_what_was_promised_and_is_plain() -> None:
    figures = measure(random_predictions(200))
    values = json.loads(json.dumps(figures.to_dict(), allow_nan=False))
    promised = {"n", "accuracy", "recall", "confusion", "ece", "accuracy_at_coverage"}
    assert promised <= set(values)
    assert values["n"] == 200
    assert sum(map(sum, values["confusion"])) == 200
    assert set(values["accuracy_at_coverage"]) == {"0.8", "0.9", "0.95"}
    assert values["interval"][0] < values["accuracy"] < values["interval"][1]
    assert len(values["reliability"]) == 15


def test_temperature_changes_calibration_but_no_answer() -> None:
    cold, warm = random_predictions(500), random_predictions(500, temperature=3.0)
    first, second = measure(cold), measure(warm)
    assert first.confusion == second.confusion
    assert second.ece > first.ece
    assert second.ece_uncalibrated == first.ece == first.ece_uncalibrated
    assert second.nll > first.nll


def test_the_interval_is_the_bootstrap_of_the_pictures_themselves() -> None:
    right = np.arange(200) < 170
    rng = np.random.default_rng(1)
    draws = [right[rng.integers(0, 200, 200)].mean() for _ in range(4000)]
    low, high = accuracy_interval(170, 200)
    assert (low, high) == pytest.approx(tuple(np.quantile(draws, (0.025, 0.975))), abs=0.006)
    assert accuracy_interval(170, 200) == (low, high), "the same seed gives the same interval"


@pytest.mark.parametrize(("right", "end"), [(0, 0.0), (12, 1.0)])
def test_twelve_of_twelve_is_no_certainty(right: int, end: float) -> None:
    low, high = accuracy_interval(right, 12)
    assert end in (low, high)
    assert high - low > 0.2


def test_wilson_against_the_textbook() -> None:
    # Newcombe 1998, table I: 81 of 263.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_stays_within_bounds(case: tuple[int, int]) -> None:
    right, n = case
    low, high = wilson_interval(right, n)
    assert 0 <= low <= right / n <= high <= 1
    assert low < high
