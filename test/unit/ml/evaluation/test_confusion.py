# SPDX-License-Identifier: Apache-2.0
"""The confusion matrix and its most frequent errors."""

from __future__ import annotations

import numpy as np

from recycle_sorter.ml.evaluation.confusion import confused_pairs, confusion_matrix, normalise

LABELS = np.array([0, 0, 0, 0, 1, 1, 2])
PREDICTED = np.array([0, 1, 1, 2, 1, 0, 2])
NAMES = ("glass", "metal", "paper")


def test_counts_stand_at_predicted_and_actual() -> None:
    confusion = confusion_matrix(LABELS, PREDICTED, 4)
    assert confusion.tolist() == [[1, 1, 0, 0], [2, 1, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]]


def test_columns_sum_to_one_and_the_diagonal_is_the_recall() -> None:
    shares = normalise(confusion_matrix(LABELS, PREDICTED, 4))
    assert shares.sum(axis=0).tolist() == [1, 1, 1, 0]
    assert np.diag(shares).tolist() == [0.25, 0.5, 1, 0]


def test_pairs_come_by_number_then_by_share() -> None:
    pairs = confused_pairs(confusion_matrix(LABELS, PREDICTED, 3), NAMES)
    assert [(p.actual, p.predicted, p.count, p.share) for p in pairs] == [
        ("glass", "metal", 2, 0.5),
        ("metal", "glass", 1, 0.5),
        ("glass", "paper", 1, 0.25),
    ]
    assert confused_pairs(confusion_matrix(LABELS, PREDICTED, 3), NAMES, limit=1) == pairs[:1]


def test_nothing_is_confused_where_all_is_right() -> None:
    assert confused_pairs(confusion_matrix(LABELS, LABELS, 3), NAMES) == ()
