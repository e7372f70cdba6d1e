# SPDX-License-Identifier: Apache-2.0
"""What accuracy costs in coverage: the less sure an answer, the sooner it goes to the reject bin.

Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

COVERAGES: Final = (0.8, 0.9, 0.95)


@dataclass(frozen=True, slots=True, eq=False)
class CoverageCurve:
    """Accuracy of the surest answers, from one to all of them.

    Attributes:
        coverage: ``[N]``, share of the pictures that is answered, growing to 1.
        accuracy: ``[N]``, share of those that is right.
        threshold: ``[N]``, confidence of the least sure answer among them.
    """

    coverage: npt.NDArray[np.float64]
    accuracy: npt.NDArray[np.float64]
    threshold: npt.NDArray[np.float64]

    def at(self, coverage: float) -> tuple[float, float]:
        """Accuracy and threshold when at least this share (0 to 1) is answered."""
        # The small term keeps 0.9 * 10 from becoming the tenth picture.
        index = max(1, math.ceil(coverage * len(self.coverage) - 1e-9)) - 1
        return float(self.accuracy[index]), float(self.threshold[index])

    @property
    def area_under_risk(self) -> float:
        """Mean error over all coverages, 0 to 1; less is better."""
        return float(1.0 - self.accuracy.mean())


def coverage_curve(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]
) -> CoverageCurve:
    """Orders answers by confidence and accumulates what is right.

    Equally sure answers have no order of their own: each counts with the mean of all of them, so
    that the curve does not depend on the order of the files.

    Args:
        confidence: ``[N]``, 0 to 1.
        right: ``[N]``.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_confidence = confidence[order]
    _, group = np.unique(-sorted_confidence, return_inverse=True)
    means = np.bincount(group, weights=right[order]) / np.bincount(group)
    answered = np.arange(1, len(order) + 1)
    return CoverageCurve(
        coverage=answered / len(order),
        accuracy=np.cumsum(means[group]) / answered,
        threshold=sorted_confidence,
    )
