# SPDX-License-Identifier: Apache-2.0
"""How far probabilities keep their word: reliability, expected error, temperature.

Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.predictions import losses

BINS: Final = 15
_SIMULATIONS: Final = 1000
MIN_TEMPERATURE: Final = 0.05
MAX_TEMPERATURE: Final = 20.0
# Fewer do not tell how sure a network may be: only wrong answers speak against making it surer
# still, and the share of less than five is known to no better than a factor of two or three.
MIN_ERRORS_TO_SHARPEN: Final = 5
MIN_PICTURES_TO_SHARPEN: Final = 30


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The pictures whose confidence lies in one interval.

    Attributes:
        low: Least confidence, included.
        high: Greatest confidence; included only in the last bin.
        count: Pictures in it.
        confidence: Their mean confidence; 0 if there are none.
        accuracy: Share of them that is right; 0 if there are none.
    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def reliability(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = BINS
) -> tuple[ReliabilityBin, ...]:
    """Compares confidence with accuracy in equal intervals from 0 to 1.

    Args:
        confidence: ``[N]``, 0 to 1: probability of the predicted class.
        right: ``[N]``, whether the prediction is right.
        bins: Number of intervals.
    """
    index = _bin_of(confidence, bins)
    counts = np.bincount(index, minlength=bins)
    parts = np.maximum(counts, 1)
    confidences = np.bincount(index, weights=confidence, minlength=bins) / parts
    accuracies = np.bincount(index, weights=right, minlength=bins) / parts
    return tuple(
        ReliabilityBin(b / bins, (b + 1) / bins, int(counts[b]), float(mean), float(share))
        for b, (mean, share) in enumerate(zip(confidences, accuracies, strict=True))
    )


def _bin_of(confidence: npt.NDArray[np.float64], bins: int) -> npt.NDArray[np.int64]:
    """The interval that each confidence lies in; 1 is in the last."""
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)


def expected_calibration_error(
    confidence: npt.NDArray[np.float64], right: npt.NDArray[np.bool_], bins: int = BINS
) -> float:
    """Mean gap between confidence and accuracy, each interval weighted by its pictures; 0 to 1."""
    gaps = sum(
        b.count * abs(b.confidence - b.accuracy) for b in reliability(confidence, right, bins)
    )
    return gaps / len(confidence)


def perfect_calibration_error(
    confidence: npt.NDArray[np.float64], bins: int = BINS, seed: int = 0
) -> tuple[float, float]:
    """Range of the error that answers of these confidences show when each keeps its word.

    The error is a mean of absolute gaps, and chance opens a gap in every interval: what lies within
    this range cannot be told from perfect calibration on so few pictures.

    Args:
        confidence: ``[N]``, 0 to 1: probability of the predicted class.
        bins: Number of intervals.
        seed: Of the simulation.

    Returns:
        The 5th and 95th percentile of a thousand simulations, each 0 to 1.
    """
    rng = np.random.default_rng(seed)
    index, n = _bin_of(confidence, bins), len(confidence)  # the same for every simulation
    errors = [
        np.abs(np.bincount(index, confidence - (rng.random(n) < confidence))).sum() / n
        for _ in range(_SIMULATIONS)
    ]
    low, high = np.percentile(errors, [5, 95])
    return float(low), float(high)


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """Temperature in 0.05 to 20 with the least negative log-likelihood.

    Fit it on pictures that neither trained the network nor test it. The likelihood is convex in
    the inverse of the temperature, so it falls up to one place and rises behind it, and a
    golden-section search finds that place. Where every answer is right there is none: the surer,
    the likelier, without end. So with few pictures or wrong answers (`is_sharpened`) the network is
    never made surer than it is: the temperature is 1 or above.

    Args:
        logits: ``[N, C]``.
        labels: ``[N]``, 0 to C - 1.

    Returns:
        The temperature; exactly 1 where a smaller one would be likelier but is not allowed.

    Raises:
        InvalidInputError: If there is no picture to fit on, or the shapes do not fit.
    """
    if len(labels) == 0:
        raise InvalidInputError("labels", 0, "at least one labelled picture")
    if logits.ndim != 2 or len(logits) != len(labels):
        raise InvalidInputError("logits shape", logits.shape, f"({len(labels)}, classes)")

    def loss(log_temperature: float) -> float:
        return float(losses(logits, labels, math.exp(log_temperature)).mean())

    may_sharpen = is_sharpened(logits, labels)
    low, high = math.log(MIN_TEMPERATURE) if may_sharpen else 0.0, math.log(MAX_TEMPERATURE)
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if loss(left) < loss(right):
            high = right
        else:
            low = left
    found = (low + high) / 2
    return 1.0 if not may_sharpen and loss(0.0) <= loss(found) else math.exp(found)


def is_sharpened(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> bool:
    """Whether there are pictures and wrong answers enough for a temperature below 1."""
    errors = int((logits.argmax(1) != labels).sum())
    return len(labels) >= MIN_PICTURES_TO_SHARPEN and errors >= MIN_ERRORS_TO_SHARPEN


def sharpening_remark(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], temperature: float
) -> str:
    """A sentence on a fitted temperature that was kept at 1; nothing if it was not."""
    if temperature != 1 or is_sharpened(logits, labels):
        return ""
    errors = int((logits.argmax(1) != labels).sum())
    return (
        f"The temperature stays 1: {errors} wrong of {len(labels)} answers on `val` are too few to "
        f"make the network surer (at least {MIN_ERRORS_TO_SHARPEN} wrong of "
        f"{MIN_PICTURES_TO_SHARPEN})."
    )
