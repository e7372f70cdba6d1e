# SPDX-License-Identifier: Apache-2.0
"""The figures of a classifier on labelled pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from recycle_sorter.ml.evaluation.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    fit_temperature,
    perfect_calibration_error,
    reliability,
    sharpening_remark,
)
from recycle_sorter.ml.evaluation.confusion import (
    ConfusedPair,
    confused_pairs,
    confusion_matrix,
    normalise,
)
from recycle_sorter.ml.evaluation.coverage import COVERAGES, coverage_curve
from recycle_sorter.ml.evaluation.predictions import Predictions

__all__ = [
    "Figures",
    "accuracy_interval",
    "fit_temperature",
    "measure",
    "sharpening_remark",
    "wilson_interval",
]

RESAMPLES: Final = 10_000
_DIGITS: Final = 6
_Z95: Final = 1.959964

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured. Shares are 0 to 1; materials without any picture are left out.

    Attributes:
        n: Number of pictures.
        classes: Materials, in the order of ``confusion``.
        counts: Pictures by material, every one of ``classes``.
        accuracy: Share that is right.
        interval: 95 % bootstrap interval of the accuracy.
        recall: By material, the share of its pictures that was found.
        recall_interval: By material, the 95 % Wilson interval of that.
        precision: By material, the share of its answers that is right.
        f1: By material, the harmonic mean of both.
        top2: Share whose material is among the two most probable.
        confusion: Counts ``[predicted][actual]``.
        confusion_normalised: Shares of each actual material; the columns sum to 1.
        confused_pairs: Most frequent errors.
        ece: Expected calibration error in 15 bins, after the temperature.
        ece_perfect: From where to where it would lie in nine of ten cases if every answer kept its
            word: on few pictures, not at 0.
        ece_uncalibrated: The same with temperature 1.
        nll: Mean negative log-likelihood in nats, after the temperature.
        temperature: What the scores were divided by.
        reliability: The 15 bins.
        accuracy_at_coverage: Accuracy when so many (``"0.8"``, ``"0.9"``, ``"0.95"``) of the
            pictures, the surest, are answered.
        threshold_at_coverage: Confidence from which on an answer is among them.
    """

    n: int
    classes: tuple[str, ...]
    counts: dict[str, int]
    accuracy: float
    interval: Interval
    recall: dict[str, float]
    recall_interval: dict[str, Interval]
    precision: dict[str, float]
    f1: dict[str, float]
    top2: float
    confusion: list[list[int]]
    confusion_normalised: list[list[float]]
    confused_pairs: tuple[ConfusedPair, ...]
    ece: float
    ece_perfect: Interval
    ece_uncalibrated: float
    nll: float
    temperature: float
    reliability: tuple[ReliabilityBin, ...]
    accuracy_at_coverage: dict[str, float]
    threshold_at_coverage: dict[str, float]

    @property
    def mean_recall(self) -> float:
        """Mean over the materials that have pictures: each counts alike."""
        return sum(self.recall.values()) / len(self.recall)

    @property
    def mean_f1(self) -> float:
        """Mean F1 over the materials that occur."""
        return sum(self.f1.values()) / len(self.f1)

    def to_dict(self) -> dict[str, Any]:
        """The figures for JSON, shares rounded to six digits."""
        values = asdict(self) | {"mean_recall": self.mean_recall, "mean_f1": self.mean_f1}
        rounded: dict[str, Any] = _rounded(values)
        return rounded


def measure(predictions: Predictions, seed: int = 0) -> Figures:
    """Measures answers to labelled pictures.

    Args:
        predictions: At least one picture.
        seed: Of the bootstrap.
    """
    classes = predictions.classes
    right, confidence = predictions.right, predictions.confidence
    raw = Predictions(predictions.names, predictions.labels, predictions.logits, classes)
    confusion = confusion_matrix(predictions.labels, predictions.predicted, len(classes))
    actual, answered = confusion.sum(axis=0).tolist(), confusion.sum(axis=1).tolist()
    found = np.diag(confusion).tolist()
    curve = coverage_curve(confidence, right)
    at = {f"{share:g}": curve.at(share) for share in COVERAGES}
    rows = list(zip(classes, found, actual, answered, strict=True))
    return Figures(
        n=len(predictions),
        classes=classes,
        counts=dict(zip(classes, actual, strict=True)),
        accuracy=float(right.mean()),
        interval=accuracy_interval(int(right.sum()), len(right), seed),
        recall={name: hit / own for name, hit, own, _ in rows if own},
        recall_interval={name: wilson_interval(hit, own) for name, hit, own, _ in rows if own},
        # A material that was never answered, though there are pictures of it, has precision 0.
        precision={name: hit / max(said, 1) for name, hit, own, said in rows if own or said},
        f1={name: 2 * hit / (own + said) for name, hit, own, said in rows if own or said},
        top2=_top_share(predictions, 2),
        confusion=confusion.tolist(),
        confusion_normalised=normalise(confusion).tolist(),
        confused_pairs=confused_pairs(confusion, classes),
        ece=expected_calibration_error(confidence, right),
        ece_perfect=perfect_calibration_error(confidence, seed=seed),
        ece_uncalibrated=expected_calibration_error(raw.confidence, right),
        nll=float(predictions.losses.mean()),
        temperature=predictions.temperature,
        reliability=reliability(confidence, right),
        accuracy_at_coverage={share: values[0] for share, values in at.items()},
        threshold_at_coverage={share: values[1] for share, values in at.items()},
    )


def accuracy_interval(right: int, n: int, seed: int = 0) -> Interval:
    """95 % percentile bootstrap interval of a share.

    The number of hits in a resample of n pictures is binomial, so it is drawn as such. Where all
    are right or all are wrong every resample is alike and the bootstrap would claim certainty; the
    Wilson interval stands in.

    Args:
        right: Hits.
        n: Pictures, at least 1.
        seed: Of the resampling.
    """
    if right in (0, n):
        return wilson_interval(right, n)
    draws = np.random.default_rng(seed).binomial(n, right / n, RESAMPLES) / n
    low, high = np.quantile(draws, (0.025, 0.975))
    return float(low), float(high)


def wilson_interval(right: int, n: int) -> Interval:
    """95 % Wilson score interval of a share; sound for few pictures and at 0 and 1."""
    share = right / n
    scale = 1 + _Z95**2 / n
    middle = (share + _Z95**2 / (2 * n)) / scale
    half = _Z95 * math.sqrt(share * (1 - share) / n + _Z95**2 / (4 * n * n)) / scale
    # At the ends rounding would leave the share itself outside by 1e-17.
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def _top_share(predictions: Predictions, count: int) -> float:
    """Share whose class has fewer than ``count`` classes above it."""
    logits = predictions.logits
    own: npt.NDArray[np.float32] = logits[np.arange(len(logits)), predictions.labels][:, None]
    # An equal score of a class with a smaller index stands above it, as for argmax.
    before = np.arange(logits.shape[1])[None, :] < predictions.labels[:, None]
    above = (logits > own) | ((logits == own) & before)
    return float((above.sum(axis=1) < count).mean())


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {name: _rounded(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(inner) for inner in value]
    return value
