# SPDX-License-Identifier: Apache-2.0
"""Calibration: bins, expected error, and the temperature that mends it."""

from __future__ import annotations

import numpy as np
import pytest
from support.evaluations import random_predictions

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    expected_calibration_error,
    fit_temperature,
    reliability,
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


def test_no_other_temperature_has_a_smaller_loss() -> None:
    made = random_predictions(300, seed=3)
    best = fit_temperature(made.logits, made.labels)

    def loss(temperature: float) -> float:
        changed = type(made)(made.names, made.labels, made.logits, made.classes, temperature)
        return measure(changed).nll

    assert loss(best) <= min(loss(t) for t in np.geomspace(0.05, 20, 60)) + 1e-9


def test_a_certain_and_right_network_stays_within_bounds() -> None:
    labels = np.arange(6)
    right = 10 * np.eye(6, dtype=np.float32)
    assert MIN_TEMPERATURE <= fit_temperature(right, labels) < 0.5
    wrong = np.roll(right, 1, axis=1)
    assert 0.99 * MAX_TEMPERATURE <= fit_temperature(wrong, labels) <= MAX_TEMPERATURE


def test_nothing_to_fit_on_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="labelled picture"):
        fit_temperature(np.zeros((0, 6), np.float32), np.zeros(0, np.int64))
    with pytest.raises(InvalidInputError, match=r"logits shape.*\(2, classes\)"):
        fit_temperature(np.zeros((3, 6), np.float32), np.zeros(2, np.int64))
