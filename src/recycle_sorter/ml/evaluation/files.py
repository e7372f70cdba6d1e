# SPDX-License-Identifier: Apache-2.0
"""The files of an evaluation: ``figures.json`` and ``predictions.csv``, written and read back."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, Final

import numpy as np

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.predictions import Predictions
from recycle_sorter.output_files import write_text

FIGURES_NAME: Final = "figures.json"
PREDICTIONS_NAME: Final = "predictions.csv"
REPORT_NAME: Final = "report.html"
_FIXED: Final = ("picture", "actual", "predicted", "right", "probability", "loss", "sha256")
_PREFIX: Final = "p_"
_MAX_BYTES: Final = 1 << 30
_LEAST: Final = 1e-300  # a probability that was rounded to 0 still has a logarithm


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Writes one JSON object."""
    write_text(path, to_json(values))


def to_json(values: Mapping[str, Any]) -> str:
    """One JSON object, indented, a row of numbers on one line."""
    return f"{_layout(values, '')}\n"


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes the table of predictions against actuals, greatest loss first.

    Columns: ``picture``, ``actual``, ``predicted``, ``right`` (1 or 0), ``probability`` of the
    predicted class, ``loss`` in nats, ``sha256`` (its first 16 digits, or empty) and one
    ``p_<class>`` a class.
    """
    classes = predictions.classes
    probabilities, loss = predictions.probabilities, predictions.losses
    predicted, right = predictions.predicted, predictions.right
    header = [*_FIXED, *(f"{_PREFIX}{name}" for name in classes)]
    lines = [
        [
            predictions.names[i],
            classes[predictions.labels[i]],
            classes[predicted[i]],
            str(int(right[i])),
            f"{probabilities[i, predicted[i]]:.6g}",
            f"{loss[i]:.6g}",
            predictions.digests[i] if predictions.digests else "",
            *(f"{value:.6g}" for value in probabilities[i]),
        ]
        for i in np.argsort(-loss, kind="stable").tolist()
    ]
    write_text(path, csv_text([header, *lines]))


def read_predictions(path: Path) -> Predictions:
    """Reads back what :func:`write_predictions` wrote.

    Returns:
        The predictions with temperature 1: their logits are the logarithms of the probabilities.

    Raises:
        InvalidInputError: If it is not such a table; the text names the line.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InvalidInputError("predictions", str(path), "a table of less than 1 GiB")
        with path.open(encoding="utf-8-sig", newline="") as table:
            reader = csv.reader(table, strict=True)
            header = next(reader, [])
            rows = [row for row in reader if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(
            "predictions", str(path), f"a table that can be read ({error})", "evaluate again"
        ) from error
    classes = [name[len(_PREFIX) :] for name in header if name.startswith(_PREFIX)]
    if tuple(header[: len(_FIXED)]) != _FIXED or len(header) != len(_FIXED) + len(classes):
        expected = f"{', '.join(_FIXED)}, then {_PREFIX}<class> a class"
        raise InvalidInputError(f"{path.name} columns", header, expected, "evaluate again")
    index = {name: i for i, name in enumerate(classes)}
    labels, logits = [], []
    for number, row in enumerate(rows, start=2):
        try:
            if len(row) != len(header):
                raise ValueError(f"{len(row)} cells")
            labels.append(index[row[1]])
            values = [float(cell) for cell in row[len(_FIXED) :]]
            if not all(0 <= value <= 1 for value in values):
                raise ValueError("a probability outside 0 to 1")
        except (KeyError, ValueError) as error:
            expected = f"{len(header)} cells: a known class and probabilities ({error})"
            raise InvalidInputError(
                f"{path.name} row {number}", row[:3], expected, "evaluate again"
            ) from error
        logits.append([math.log(max(value, _LEAST)) for value in values])
    names = tuple(row[0] for row in rows)
    if len(set(names)) != len(names):
        raise InvalidInputError(f"{path.name} pictures", "a name twice", "every picture once")
    digests = tuple(row[_FIXED.index("sha256")] for row in rows)
    return Predictions(
        names,
        np.array(labels, dtype=np.int64),
        np.array(logits, dtype=np.float32).reshape(len(rows), len(classes)),
        tuple(classes),
        digests=digests if all(digests) else (),
    )


def read_json(path: Path) -> dict[str, Any]:
    """Reads one JSON object.

    Raises:
        InvalidInputError: If it is none.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            "figures", str(path), f"a JSON file that can be read ({error})", "evaluate again"
        ) from error
    if not isinstance(values, dict):
        raise InvalidInputError(f"{path}", type(values).__name__, "an object of figures")
    return values


def csv_text(lines: list[list[str]]) -> str:
    """A table as CSV; lines end alike on every system."""
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue()


def _layout(value: Any, indent: str) -> str:
    inner = f"{indent}  "
    if isinstance(value, Mapping) and value:
        if all(isinstance(v, (int, float)) for v in value.values()):
            return json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
        parts = [
            f"{inner}{json.dumps(str(name), ensure_ascii=False)}: {_layout(v, inner)}"
            for name, v in value.items()
        ]
        return "{\n" + ",\n".join(parts) + f"\n{indent}}}"
    if isinstance(value, (list, tuple)) and any(isinstance(v, (list, tuple, dict)) for v in value):
        parts = [f"{inner}{_layout(v, inner)}" for v in value]
        # A matrix or a list of records: one row a line.
        rows = [json.dumps(v, ensure_ascii=False, allow_nan=False) for v in value]
        if all(len(row) <= 120 for row in rows):
            parts = [f"{inner}{row}" for row in rows]
        return "[\n" + ",\n".join(parts) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
