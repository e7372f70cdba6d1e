# SPDX-License-Identifier: Apache-2.0
"""Predictions that a test can count by hand, or that look like a real network's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.inference.classifier import softmax
from recycle_sorter.ml.evaluation.predictions import Predictions


def logits_of(probabilities: Sequence[Sequence[float]]) -> NDArray[np.float32]:
    """Logits whose softmax is given."""
    return np.log(np.array(probabilities, dtype=np.float64)).astype(np.float32)


def predictions_of(
    predicted: Sequence[int],
    actual: Sequence[int],
    confidence: Sequence[float] | float = 0.9,
    classes: Sequence[str] = MATERIALS,
    names: Sequence[str] | None = None,
) -> Predictions:
    """Predictions with the given answers; the classes beside the answer share the rest evenly."""
    count = len(predicted)
    sure = np.broadcast_to(np.asarray(confidence, dtype=np.float64), (count,))
    rest = (1 - sure) / (len(classes) - 1)
    rows = np.repeat(rest[:, None], len(classes), axis=1)
    rows[np.arange(count), list(predicted)] = sure
    return Predictions(
        tuple(names or (f"{classes[a]}/{i:04d}.jpg" for i, a in enumerate(actual))),
        np.array(actual, dtype=np.int64),
        logits_of(rows.tolist()),
        tuple(classes),
    )


def random_predictions(
    count: int, seed: int = 0, *, skill: float = 2.0, temperature: float = 1.0
) -> Predictions:
    """A network that is calibrated at temperature 1: labels are drawn from its probabilities."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, skill, (count, len(MATERIALS))).astype(np.float32)
    labels = np.array([rng.choice(len(MATERIALS), p=row) for row in softmax(logits)])
    names = tuple(f"{MATERIALS[label]}/{i:04d}.jpg" for i, label in enumerate(labels))
    return Predictions(names, labels.astype(np.int64), logits, MATERIALS, temperature)
