# SPDX-License-Identifier: Apache-2.0
"""Which material is taken for which. Rows are predicted, columns are actual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """One material taken for another.

    Attributes:
        actual: What the pictures show.
        predicted: What the network said.
        count: How many of them.
        share: Share of the actual material's pictures, 0 to 1.
    """

    actual: str
    predicted: str
    count: int
    share: float


def confusion_matrix(
    labels: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: int
) -> npt.NDArray[np.int64]:
    """Counts ``[predicted, actual]``, ``(classes, classes)``."""
    cells = np.bincount(predicted * classes + labels, minlength=classes * classes)
    return cells.reshape(classes, classes).astype(np.int64)


def normalise(confusion: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Shares of each actual material: columns sum to 1, and the diagonal is the recall.

    The column of a material without pictures is 0.
    """
    shares: npt.NDArray[np.float64] = confusion / np.maximum(confusion.sum(axis=0), 1)
    return shares


def confused_pairs(
    confusion: npt.NDArray[np.int64], classes: Sequence[str], limit: int = 10
) -> tuple[ConfusedPair, ...]:
    """Pairs by number of pictures, most first; equal numbers by share, then by name.

    Args:
        confusion: Counts ``[predicted, actual]``.
        classes: Their names.
        limit: At most so many.
    """
    shares = normalise(confusion)
    pairs = [
        ConfusedPair(classes[a], classes[p], int(confusion[p, a]), float(shares[p, a]))
        for p, a in zip(*np.nonzero(confusion), strict=True)
        if p != a
    ]
    pairs.sort(key=lambda pair: (-pair.count, -pair.share, pair.actual, pair.predicted))
    return tuple(pairs[:limit])
