# SPDX-License-Identifier: Apache-2.0
"""From which confidence and margin on a model may be believed, suggested from ``val``."""

from __future__ import annotations

from typing import Final

import numpy as np

from recycle_sorter.inference.thresholds import Thresholds
from recycle_sorter.ml.evaluation.predictions import Predictions

TARGET: Final = 0.97
FEWEST: Final = 30  # fewer answers than this say nothing about one error in thirty
# Steps that a person would write into a routing file.
_CONFIDENCES: Final = np.arange(0, 100) / 100
_MARGINS: Final = np.arange(0, 20) / 20


def suggest_thresholds(predictions: Predictions) -> Thresholds | None:
    """Finds the pair that accepts most while 97 % of what it accepts is right.

    Both count together, as in a routing: the probability of the answer must reach one, its lead
    over the runner-up the other. Of pairs that accept equally many the lowest is taken.

    Args:
        predictions: Answers to ``val``, with the temperature that ships.

    Returns:
        The pair, or None if none reaches 97 % with at least 30 answers.
    """
    ordered = np.sort(predictions.probabilities, axis=1)
    confidence, margin = ordered[:, -1], ordered[:, -1] - ordered[:, -2]
    right = predictions.right
    best: Thresholds | None = None
    most = FEWEST - 1
    for least_margin in _MARGINS.tolist():
        for least_confidence in _CONFIDENCES.tolist():
            accepted = (confidence >= least_confidence) & (margin >= least_margin)
            count = int(accepted.sum())
            if count <= most:
                break  # a higher confidence accepts no more
            accuracy = float(right[accepted].mean())
            if accuracy >= TARGET:
                most = count
                best = Thresholds(
                    min_confidence=least_confidence,
                    min_margin=least_margin,
                    accuracy=round(accuracy, 4),
                    coverage=round(count / len(right), 4),
                    n=len(right),
                )
                break
    return best
