# SPDX-License-Identifier: Apache-2.0
"""``report.html``: everything about one evaluation on one page that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.ml.evaluation import plots
from recycle_sorter.ml.evaluation.compare import Comparison
from recycle_sorter.ml.evaluation.coverage import coverage_curve
from recycle_sorter.ml.evaluation.evaluate import Evaluation
from recycle_sorter.ml.evaluation.files import (
    FIGURES_NAME,
    PREDICTIONS_NAME,
    REPORT_NAME,
    write_json,
    write_predictions,
)
from recycle_sorter.output_files import write_text
from recycle_sorter.sources.pictures import load_picture

if TYPE_CHECKING:
    from jinja2 import Environment

    from recycle_sorter.ml.evaluation.gradcam import Explainer

_TEMPLATES: Final = Path(__file__).with_name("templates")
_WORST: Final = 24
_MAX_CURVES: Final = 4
_MAX_ROWS: Final = 2000
_THUMB_PX: Final = 240  # longer side
_JPEG_QUALITY: Final = 82


def require_report() -> None:
    """Raises `InvalidInputError` with the fix if a package of the report is not installed."""
    plots.require_matplotlib()
    _environment()


def write_evaluation(
    folder: Path,
    evaluation: Evaluation,
    *,
    report: bool = True,
    explain: Explainer | None = None,
    chosen: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> list[Path]:
    """Writes ``figures.json``, ``predictions.csv`` and ``report.html``.

    Args:
        folder: Made if it is not there.
        evaluation: What to write.
        report: Whether to write the report; it needs the extra ``train``.
        explain: Draws Grad-CAM over a picture; None leaves it out.
        chosen: Names of pictures to explain; none for the surest right one of each material.
        notes: Sentences to show at the head of the report.

    Returns:
        The files.

    Raises:
        InvalidInputError: If a chosen picture is not among those evaluated, a package is missing
            or a file cannot be written.
    """
    figures_file, table = folder / FIGURES_NAME, folder / PREDICTIONS_NAME
    page = None
    if report:
        page = render_report(evaluation, explain=explain, chosen=chosen, notes=notes)
    write_json(figures_file, evaluation.to_dict())
    write_predictions(table, evaluation.predictions)
    if page is None:
        return [figures_file, table]
    write_text(folder / REPORT_NAME, page)
    return [figures_file, table, folder / REPORT_NAME]


def render_report(
    evaluation: Evaluation,
    *,
    explain: Explainer | None = None,
    chosen: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """Returns the page; arguments as for :func:`write_evaluation`."""
    template = _environment().get_template("report.html.j2")
    predictions, figures = evaluation.predictions, evaluation.figures
    curve = coverage_curve(predictions.confidence, predictions.right)
    history = evaluation.history
    diagrams = {
        "reliability": plots.to_svg(
            plots.draw_reliability(figures.reliability),
            "reliability",
            f"Accuracy over confidence in 15 bins; calibration error {100 * figures.ece:.1f} %",
        ),
        "coverage": plots.to_svg(
            plots.draw_coverage({"": curve}),
            "coverage",
            "Accuracy over the share of pictures that is answered, the surest first",
        ),
    }
    if history:
        diagrams["loss"] = plots.to_svg(plots.draw_loss(history), "loss", "Loss over the epochs")
        diagrams["accuracy"] = plots.to_svg(
            plots.draw_accuracy(history), "accuracy", "Accuracy of each material over the epochs"
        )
    explained = _chosen(evaluation, chosen) if explain is not None else []
    rows = _rows(evaluation)
    return template.render(
        evaluation=evaluation,
        figures=figures,
        diagrams=diagrams,
        worst=[_card(evaluation, i, explain) for i in predictions.worst(_WORST)],
        wrong=int((~predictions.right).sum()),
        explained=[_card(evaluation, i, explain) for i in explained],
        rows=rows[:_MAX_ROWS],
        rows_left_out=max(0, len(rows) - _MAX_ROWS),
        area_under_risk=curve.area_under_risk,
        notes=notes,
    )


def render_comparison(comparison: Comparison) -> str:
    """Returns the page of a comparison."""
    plots.require_matplotlib()
    best = sorted(comparison.runs, key=lambda run: -run.accuracy)
    known = [(run.name, run.predictions) for run in best if run.predictions is not None]
    curves = {
        name: coverage_curve(predictions.confidence, predictions.right)
        for name, predictions in known[:_MAX_CURVES]
    }
    materials = sorted({name for run in comparison.runs for name in run.figures["recall"]})
    coverage = ""
    if curves:
        coverage = plots.to_svg(
            plots.draw_coverage(curves),
            "coverage",
            "Accuracy over the share of pictures that is answered, by run",
        )
    return (
        _environment()
        .get_template("compare.html.j2")
        .render(comparison=comparison, materials=materials, coverage=coverage)
    )


def _environment() -> Environment:
    try:
        from jinja2 import Environment, FileSystemLoader, StrictUndefined
    except ImportError as error:
        raise plots.missing_extra("jinja2") from error
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        # Names of pictures and materials come from the file system: all is escaped.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = _percent
    return environment


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f}\N{NARROW NO-BREAK SPACE}%"


def _rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """The table of predictions against actuals, greatest loss first."""
    predictions = evaluation.predictions
    loss, confidence = predictions.losses, predictions.confidence
    predicted, right = predictions.predicted, predictions.right
    return [
        {
            "name": predictions.names[i],
            "actual": predictions.classes[predictions.labels[i]],
            "predicted": predictions.classes[predicted[i]],
            "right": bool(right[i]),
            "probability": float(confidence[i]),
            "loss": float(loss[i]),
        }
        for i in np.argsort(-loss, kind="stable").tolist()
    ]


def _chosen(evaluation: Evaluation, names: Sequence[str]) -> list[int]:
    """Indices of the pictures to explain."""
    predictions = evaluation.predictions
    places = {name: i for i, name in enumerate(predictions.names)}
    for name in names:
        if name not in places:
            raise InvalidInputError(
                "picture to explain",
                name,
                f"one of those evaluated, such as {predictions.names[0]}",
                "name it as predictions.csv does",
            )
    if names:
        return [places[name] for name in names]
    surest = np.where(predictions.right, predictions.confidence, -1.0)
    found = []
    for label in range(len(predictions.classes)):
        own = np.where(predictions.labels == label, surest, -1.0)
        if own.max() >= 0:
            found.append(int(own.argmax()))
    return found


def _card(evaluation: Evaluation, index: int, explain: Explainer | None) -> dict[str, Any]:
    """One picture with what was said about it, as the templates show it."""
    predictions = evaluation.predictions
    name = predictions.names[index]
    probabilities = predictions.probabilities[index]
    label, predicted = int(predictions.labels[index]), int(predictions.predicted[index])
    card: dict[str, Any] = {
        "name": name,
        "actual": predictions.classes[label],
        "predicted": predictions.classes[predicted],
        "right": label == predicted,
        "probability": float(probabilities[predicted]),
        "actual_probability": float(probabilities[label]),
        "loss": float(predictions.losses[index]),
        "picture": "",
        "heat": "",
    }
    path = evaluation.paths.get(name)
    if path is None:
        return card
    try:
        image = load_picture(path)
    except SourceError:  # gone since it was evaluated
        return card
    card["picture"] = _data_uri(image)
    if explain is not None:
        card["heat"] = _data_uri(explain(image, predicted))
    return card


def _data_uri(image: npt.NDArray[np.uint8]) -> str:
    height, width = image.shape[:2]
    factor = min(1.0, _THUMB_PX / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return f"data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}"
