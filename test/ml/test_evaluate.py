# SPDX-License-Identifier: Apache-2.0
"""Figures against cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.inference.classifier import softmax
from recycle_sorter.ml.evaluate import expected_calibration_error, fit_temperature, measure

pytestmark = pytest.mark.ml


def _logits(predictions: list[int]) -> np.ndarray:
    return np.eye(6, dtype=np.float32)[predictions] * 10


def test_accuracy_recall_and_confusion() -> None:
    figures = measure(_logits([0, 0, 1, 2]), np.array([0, 1, 1, 2]))
    assert figures.n == 4
    assert figures.accuracy == 0.75
    assert figures.recall == {"cardboard": 1.0, "glass": 0.5, "metal": 1.0}
    assert figures.confusion[0][:2] == [1, 1]  # predicted cardboard: one is, one is glass


def test_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    probabilities = np.tile([0.9, 0.1], (10, 1))
    labels = np.array([0] * 6 + [1] * 4)
    assert expected_calibration_error(probabilities, labels) == pytest.approx(0.3)


def test_the_fitted_temperature_recovers_the_true_one() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0, 2, (4000, 6)).astype(np.float32)
    labels = np.array([rng.choice(6, p=row) for row in softmax(truth)])
    assert fit_temperature(truth * 3, labels) == pytest.approx(3.0, rel=0.08)


def test_a_certain_and_right_network_stays_within_bounds() -> None:
    labels = np.arange(6)
    assert 0.05 <= fit_temperature(_logits(list(range(6))), labels) < 0.5


@pytest.mark.parametrize(
    ("shape", "labels"), [((0, 6), []), ((2, 5), [0, 1]), ((2, 6), [0, -1]), ((1, 6), [0, 1])]
)
def test_what_cannot_be_measured_is_an_error(shape: tuple[int, int], labels: list[int]) -> None:
    with pytest.raises(InvalidInputError, match=r"logits shape|labels"):
        measure(np.zeros(shape, np.float32), np.array(labels, dtype=np.int64))


def test_no_pictures_fit_no_temperature() -> None:
    with pytest.raises(InvalidInputError, match="labelled picture"):
        fit_temperature(np.zeros((0, 6), np.float32), np.zeros(0, dtype=np.int64))
