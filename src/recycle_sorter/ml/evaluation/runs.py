# SPDX-License-Identifier: Apache-2.0
"""Evaluations read back from run folders, checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.confusion import confusion_matrix
from recycle_sorter.ml.evaluation.files import (
    FIGURES_NAME,
    PREDICTIONS_NAME,
    read_json,
    read_predictions,
)
from recycle_sorter.ml.evaluation.metrics import Interval, accuracy_interval
from recycle_sorter.ml.evaluation.predictions import Predictions

_EXPECTED: Final = f"a folder with evaluation/{FIGURES_NAME} or {FIGURES_NAME}"
_EVALUATE: Final = "run `recycle-sorter evaluate --report` first"
_LEAST: Final = 2
_MAX_PICTURES: Final = 10**9


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One evaluation that was read back.

    Attributes:
        name: What people call it; unique among those compared.
        figures: The object of ``figures.json``.
        predictions: The table beside it; None if there is none.
    """

    name: str
    figures: Mapping[str, Any]
    predictions: Predictions | None = None

    @property
    def n(self) -> int:
        """Number of pictures."""
        return int(self.figures["n"])

    @property
    def accuracy(self) -> float:
        """Share that is right."""
        return float(self.figures["accuracy"])

    @property
    def right(self) -> int:
        """Number of pictures that are right."""
        return round(self.accuracy * self.n)

    @property
    def interval(self) -> Interval:
        """95 % bootstrap interval of the accuracy."""
        return accuracy_interval(self.right, self.n)


def load_run(path: Path) -> Run:
    """Reads an evaluation.

    Args:
        path: A run folder with ``evaluation/figures.json``, a folder with ``figures.json``, or
            such a JSON file; ``predictions.csv`` beside it is read too.

    Raises:
        InvalidInputError: If there are no figures, or they are not as ``evaluate`` writes them.
    """
    file = _figures_in(path) if path.is_dir() else path
    if file is None:
        raise InvalidInputError("run", str(path), _EXPECTED, _EVALUATE)
    figures = read_json(file)
    _check(figures, file)
    shown = path.resolve()
    run = Run(shown.name if path.is_dir() else shown.stem, figures)
    table = file.with_name(PREDICTIONS_NAME)
    predictions = read_predictions(table) if table.is_file() else None
    # A JSON may lie beside another evaluation's table.
    is_its_own = predictions is not None and _tells_of(predictions, run)
    return replace(run, predictions=predictions) if is_its_own else run


def load_runs(paths: Sequence[Path], say: Callable[[str], None] | None = None) -> list[Run]:
    """Reads several evaluations; those of one name get their folder's name in front.

    Args:
        paths: As for :func:`load_run`.
        say: Told which folders hold no evaluation and are left out, as ``runs/*`` names some
            (``runs/sweeps``); None to refuse them.

    Raises:
        InvalidInputError: As :func:`load_run`, or if less than two are left of several.
    """
    if say is not None:
        others = [path for path in paths if path.is_dir() and _figures_in(path) is None]
        paths = [path for path in paths if path not in others]
        if others and len(paths) < _LEAST:
            shown = ", ".join(map(str, others))
            expected = f"two or more, each {_EXPECTED}"
            raise InvalidInputError("runs", f"none in {shown}", expected, _EVALUATE)
        for path in others:
            say(f"left out {path}: no evaluation/{FIGURES_NAME} in it")
    runs = [load_run(path) for path in paths]
    names = [run.name for run in runs]
    renamed = [
        Run(f"{path.resolve().parent.name}/{run.name}", run.figures, run.predictions)
        if names.count(run.name) > 1
        else run
        for path, run in zip(paths, runs, strict=True)
    ]
    longer = [run.name for run in renamed]
    for name in longer:
        if longer.count(name) > 1:
            raise InvalidInputError("run", name, "each run once", "remove one")
    return renamed


def _figures_in(folder: Path) -> Path | None:
    places = [folder / "evaluation" / FIGURES_NAME, folder / FIGURES_NAME]
    return next((place for place in places if place.is_file()), None)


def _tells_of(predictions: Predictions, run: Run) -> bool:
    """Whether a table is that of a run's figures: two models may answer the same pictures."""
    if (len(predictions), predictions.right.sum()) != (run.n, run.right):
        return False
    counts = confusion_matrix(
        predictions.labels, predictions.predicted, len(predictions.classes)
    ).tolist()
    return bool(run.figures.get("confusion", counts) == counts)


def _check(figures: Mapping[str, Any], file: Path) -> None:
    """Whether the figures that every comparison shows are there and are numbers."""

    def is_share(value: object) -> bool:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1

    n = figures.get("n")
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _MAX_PICTURES:
        raise InvalidInputError(f"{file}: n", n, "a number of pictures", "evaluate again")
    for name in ("accuracy", "ece"):
        if not is_share(figures.get(name)):
            raise InvalidInputError(
                f"{file}: {name}", figures.get(name), "a share, 0 to 1", "evaluate again"
            )
    for name in ("recall", "accuracy_at_coverage"):
        values = figures.get(name)
        if not isinstance(values, dict) or not all(is_share(v) for v in values.values()):
            raise InvalidInputError(
                f"{file}: {name}", values, "an object of shares, 0 to 1", "evaluate again"
            )
