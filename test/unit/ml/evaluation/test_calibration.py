# SPDX-License-Identifier: Apache-2.0
"""Calibration: bins, expected error, and the temperature that mends it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from support.evaluations import random_predictions

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    expected_calibration_error,
    fit_temperature,
    perfect_calibration_error,
    reliability,
    sharpening_remark,
)
from recycle_sorter.ml.evaluation.metrics import measure


def test_the_error_is_the_gap_between_confidence_and_accuracy() -> None:
    right = np.array([True] * 6 + [False] * 4)
    assert expected_calibration_error(np.full(10, 0.9), right) == pytest.approx(0.3)


def test_bins_weigh_by_their_pictures() -> None:
    confidence = np.array([0.95] * 3 + [0.55])
    right = np.array([True, True, True, False])
    assert expected_calibration_error(confidence, right) == pytest.approx(0.75 * 0.05 + 0.25 * 0.55)


def test_gaps_of_opposite_sign_in_one_bin_cancel_as_defined() -> None:
    confidence = np.array([0.61, 0.65])
    assert expected_calibration_error(confidence, np.array([True, False])) == pytest.approx(0.13)


def test_every_picture_is_in_one_bin_certain_ones_in_the_last() -> None:
    confidence = np.array([0.0, 1 / 15, 0.5, 1.0])
    bins = reliability(confidence, np.array([False, True, True, True]))
    assert [b.count for b in bins if b.count] == [1, 1, 1, 1]
    assert bins[-1].count == 1
    assert bins[-1].high == 1.0
    assert sum(b.count for b in bins) == 4


@pytest.mark.parametrize("factor", [0.4, 1.0, 3.0])
def test_the_fitted_temperature_recovers_the_true_one(factor: float) -> None:
    made = random_predictions(4000)
    assert fit_temperature(made.logits * factor, made.labels) == pytest.approx(factor, rel=0.08)


def test_the_fitted_temperature_calibrates_pictures_that_it_has_not_seen() -> None:
    val, test = random_predictions(3000, seed=1), random_predictions(3000, seed=2)
    temperature = fit_temperature(val.logits * 4, val.labels)
    raw = measure(type(test)(test.names, test.labels, test.logits * 4, test.classes))
    mended = measure(
        type(test)(test.names, test.labels, test.logits * 4, test.classes, temperature)
    )
    assert raw.ece > 0.15
    assert mended.ece < 0.03
    assert mended.ece_uncalibrated == raw.ece
    assert mended.nll < raw.nll


@pytest.mark.parametrize("n", [60, 330, 5000])
def test_answers_that_keep_their_word_lie_in_the_range_of_perfect_ones(n: int) -> None:
    rng = np.random.default_rng(n)
    confidence = rng.beta(8, 1, n)
    low, high = perfect_calibration_error(confidence)
    shown = [expected_calibration_error(confidence, rng.random(n) < confidence) for _ in range(200)]
    within = np.mean([low <= error <= high for error in shown])
    assert 0.8 < within < 0.98
    doubtful = 0.6 * confidence  # says less than it knows
    assert expected_calibration_error(doubtful, rng.random(n) < confidence) > high


def test_the_range_shrinks_with_more_pictures_and_is_nothing_for_certain_answers() -> None:
    rng = np.random.default_rng(0)
    few, many = rng.beta(8, 1, 100), rng.beta(8, 1, 10_000)
    assert perfect_calibration_error(many)[1] < 0.3 * perfect_calibration_error(few)[0]
    assert perfect_calibration_error(np.ones(50)) == (0.0, 0.0)


def test_no_other_temperature_has_a_smaller_loss() -> None:
    made = random_predictions(300, seed=3)
    best = fit_temperature(made.logits, made.labels)

    def loss(temperature: float) -> float:
        changed = type(made)(made.names, made.labels, made.logits, made.classes, temperature)
        return measure(changed).nll

    assert loss(best) <= min(loss(t) for t in np.geomspace(0.05, 20, 60)) + 1e-9


def answers(pictures: int, errors: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Answers that say less than they know, so many of them wrong."""
    labels = np.arange(pictures) % 6
    logits = 2 * np.eye(6, dtype=np.float32)[labels]
    logits[:errors] = np.roll(logits[:errors], 1, axis=1)
    return logits, labels


@pytest.mark.parametrize(
    ("pictures", "errors"), [(6, 0), (60, 0), (60, 4), (29, 5), (1000, 4), (328, 1)]
)
def test_no_network_is_made_surer_by_too_few_errors_or_pictures(pictures: int, errors: int) -> None:
    logits, labels = answers(pictures, errors)
    temperature = fit_temperature(logits, labels)
    assert temperature == 1 or errors / pictures > 0.15
    assert temperature >= 1
    remark = sharpening_remark(logits, labels, temperature)
    assert (f"{errors} wrong of {pictures} answers" in remark) == (temperature == 1)


@pytest.mark.parametrize(("pictures", "errors"), [(60, 5), (328, 26)])
def test_errors_and_pictures_enough_make_it_surer(pictures: int, errors: int) -> None:
    logits, labels = answers(pictures, errors)
    temperature = fit_temperature(logits, labels)
    assert MIN_TEMPERATURE < temperature < 1
    # All answers are alike, so the likeliest confidence is the share that is right.
    sure = 1 / (1 + 5 * np.exp(-2 / temperature))
    assert sure == pytest.approx(1 - errors / pictures, abs=1e-3)
    assert sharpening_remark(logits, labels, temperature) == ""


def test_an_overconfident_network_is_softened_by_however_few() -> None:
    logits, labels = answers(20, 2)
    temperature = fit_temperature(10 * logits, labels)
    assert temperature > 4
    assert sharpening_remark(10 * logits, labels, temperature) == ""


def test_a_certain_network_stays_within_bounds() -> None:
    labels = np.arange(6)
    right = 10 * np.eye(6, dtype=np.float32)
    assert fit_temperature(right, labels) == 1
    wrong = np.roll(right, 1, axis=1)
    assert 0.99 * MAX_TEMPERATURE <= fit_temperature(wrong, labels) <= MAX_TEMPERATURE


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="labelled picture"):
        fit_temperature(np.zeros((0, 6), np.float32), np.zeros(0, np.int64))
    with pytest.raises(InvalidInputError, match=r"logits shape.*\(2, classes\)"):
        fit_temperature(np.zeros((3, 6), np.float32), np.zeros(2, np.int64))
