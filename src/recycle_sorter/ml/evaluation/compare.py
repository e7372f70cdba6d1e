# SPDX-License-Identifier: Apache-2.0
"""Runs side by side, and whether a difference between two of them is more than noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.metrics import RESAMPLES, Interval
from recycle_sorter.ml.evaluation.predictions import Predictions
from recycle_sorter.ml.evaluation.runs import Run

SIGNIFICANCE: Final = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """One run against the reference.

    Attributes:
        run: Name of the run.
        reference: Name of the run that it is compared with.
        n: Pictures that the comparison rests on.
        paired: Whether both answered the same pictures.
        accuracy: Accuracy of the run minus the reference's, on those.
        interval: 95 % bootstrap interval of that.
        better: Pictures that only the run has right; None if not paired.
        worse: Pictures that only the reference has right; None if not paired.
        p_value: Chance of at least such a difference between equally good models: exact McNemar
            test if paired, else a two-sided z-test; Holm's correction for several runs.
        is_noise: Whether chance explains it (p at least 0.05).
    """

    run: str
    reference: str
    n: int
    paired: bool
    accuracy: float
    interval: Interval
    better: int | None
    worse: int | None
    p_value: float
    is_noise: bool

    @property
    def verdict(self) -> str:
        """In words."""
        if self.is_noise:
            return "equal" if self.better == self.worse == 0 else "noise"
        return "better" if self.accuracy > 0 else "worse"

    @property
    def reason(self) -> str:
        """What the verdict rests on, in words."""
        if self.better is None or self.worse is None:
            return f"other pictures or no predictions.csv, unpaired; p = {self.p_value:.2g}"
        return (
            f"{self.better} right that {self.reference} has wrong, {self.worse} the other way, "
            f"of {self.n}; p = {self.p_value:.2g}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """Runs in the order given, and each but the reference against the reference."""

    runs: tuple[Run, ...]
    reference: Run
    differences: tuple[Difference, ...]

    def difference_of(self, run: Run) -> Difference | None:
        """The run against the reference; None for the reference itself."""
        return next((one for one in self.differences if one.run == run.name), None)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "reference": self.reference.name,
            "runs": [
                {
                    "run": run.name,
                    "interval": [round(value, 4) for value in run.interval],
                    **{name: value for name, value in run.figures.items() if name != "interval"},
                }
                for run in self.runs
            ],
            "differences": [asdict(one) | {"verdict": one.verdict} for one in self.differences],
        }


def compare(runs: Sequence[Run], reference: str | None = None, seed: int = 0) -> Comparison:
    """Compares runs with one of them.

    Args:
        runs: Two or more.
        reference: Name of that one; None for the most accurate (the first of equals).
        seed: Of the bootstrap.

    Raises:
        InvalidInputError: If there are less than two, or none has that name.
    """
    if len(runs) < 2:
        raise InvalidInputError("runs", len(runs), "two or more runs", "name another one")
    names = [run.name for run in runs]
    if reference is not None and reference not in names:
        raise InvalidInputError("reference", reference, f"one of {', '.join(names)}")
    if reference is None:
        base = max(runs, key=lambda run: run.accuracy)
    else:
        base = runs[names.index(reference)]
    found = [_difference(run, base, seed) for run in runs if run is not base]
    p_values = holm([one.p_value for one in found])
    differences = [
        Difference(**{**asdict(one), "p_value": p, "is_noise": p >= SIGNIFICANCE})
        for one, p in zip(found, p_values, strict=True)
    ]
    return Comparison(tuple(runs), base, tuple(differences))


def mcnemar(better: int, worse: int) -> float:
    """Exact two-sided p-value: whether ``better`` of ``better + worse`` is a fair coin's."""
    total, few = better + worse, min(better, worse)
    # Whole numbers of any size; their quotient is exact to a double's precision.
    ways, tail = 1, 0
    for k in range(few + 1):
        tail += ways
        ways = ways * (total - k) // (k + 1)
    return min(1.0, 2 * tail / int(2**total))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction, in the order given: many comparisons find a small p-value by chance."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - rank)))
        corrected[index] = highest
    return corrected


def _difference(run: Run, base: Run, seed: int) -> Difference:
    pairs = _same_pictures(run.predictions, base.predictions)
    rng = np.random.default_rng(seed)
    if pairs is None:
        accuracy = run.accuracy - base.accuracy
        draws = sum(
            sign * rng.binomial(one.n, one.accuracy, RESAMPLES) / one.n
            for one, sign in ((run, 1), (base, -1))
        )
        share = (run.right + base.right) / (run.n + base.n)
        deviation = math.sqrt(share * (1 - share) * (1 / run.n + 1 / base.n))
        p_value = math.erfc(abs(accuracy) / deviation / math.sqrt(2)) if deviation else 1.0
        n, better, worse = min(run.n, base.n), None, None
    else:
        mine, theirs = pairs
        n = len(mine)
        better, worse = int((mine & ~theirs).sum()), int((theirs & ~mine).sum())
        accuracy = (better - worse) / n
        shares = np.array([better, worse, n - better - worse]) / n
        counts = rng.multinomial(n, shares, RESAMPLES)
        draws = (counts[:, 0] - counts[:, 1]) / n
        p_value = mcnemar(better, worse)
    low, high = np.quantile(draws, (0.025, 0.975))
    return Difference(
        run=run.name,
        reference=base.name,
        n=n,
        paired=pairs is not None,
        accuracy=accuracy,
        interval=(float(low), float(high)),
        better=better,
        worse=worse,
        p_value=p_value,
        is_noise=p_value >= SIGNIFICANCE,
    )


def _same_pictures(
    one: Predictions | None, other: Predictions | None
) -> tuple[np.ndarray[Any, np.dtype[np.bool_]], np.ndarray[Any, np.dtype[np.bool_]]] | None:
    """What each has right of the pictures that both answered; None if they are not the same."""
    if one is None or other is None:
        return None
    places = {name: i for i, name in enumerate(other.names)}
    shared = [(i, places[name]) for i, name in enumerate(one.names) if name in places]
    # Half in common at least: else the runs were measured on different data.
    if 2 * len(shared) < max(len(one), len(other)):
        return None
    for i, j in shared:
        if one.classes[one.labels[i]] != other.classes[other.labels[j]]:
            return None
        if one.digests and other.digests and one.digests[i] != other.digests[j]:
            return None
    mine, theirs = (np.array(column) for column in zip(*shared, strict=True))
    return one.right[mine], other.right[theirs]
