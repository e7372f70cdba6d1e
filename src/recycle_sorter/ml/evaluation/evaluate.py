# SPDX-License-Identifier: Apache-2.0
"""One evaluation: a network's answers to a data set, the figures, and where they came from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recycle_sorter import __version__
from recycle_sorter.core.ports import Engine
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.ml.evaluation.metrics import Figures, measure
from recycle_sorter.ml.evaluation.predictions import Failure, Predictions, Progress, predict_files

if TYPE_CHECKING:
    from recycle_sorter.ml.dataset.records import Picture


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """What is written, shown and compared.

    Attributes:
        title: Model and data in a few words.
        predictions: Answers to the pictures that could be read.
        figures: Measured on them.
        about: Where the figures come from (model, engine, data, ...), in the order to show it.
        paths: File of each picture by name, for thumbnails; may lack some or all.
        failed: Pictures that could not be read.
        history: One row an epoch, as in a run's ``metrics.jsonl``; empty without a training.
    """

    title: str
    predictions: Predictions
    figures: Figures
    about: Mapping[str, str]
    paths: Mapping[str, Path] = field(default_factory=dict)
    failed: tuple[Failure, ...] = ()
    history: Sequence[Mapping[str, float]] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the figures, with ``about``, ``failed`` and ``n_failed`` beside them."""
        return {
            **self.figures.to_dict(),
            "n_failed": len(self.failed),
            "failed": [{"picture": one.name, "error": one.reason} for one in self.failed],
            "title": self.title,
            "about": dict(self.about),
        }


def evaluate_predictions(
    predictions: Predictions,
    title: str,
    about: Mapping[str, str],
    *,
    paths: Mapping[str, Path] | None = None,
    failed: Sequence[Failure] = (),
    history: Sequence[Mapping[str, float]] = (),
) -> Evaluation:
    """Measures answers and completes ``about`` with what the pictures themselves tell."""
    known = dict(about)
    if predictions.digests:
        known["data_sha256"] = data_digest(predictions)
    known["temperature"] = f"{predictions.temperature:.4g}"
    known["version"] = f"recycle_sorter {__version__}"
    return Evaluation(
        title, predictions, measure(predictions), known, paths or {}, tuple(failed), history
    )


def evaluate_bundle(
    bundle: ModelBundle,
    engine: Engine,
    pictures: Sequence[Picture],
    data: str,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluates a bundle as the node runs it: its engine, preprocessing and temperature.

    Args:
        bundle: A verified bundle.
        engine: Built for it; stays the caller's to close.
        pictures: Labelled in the order of ``bundle.labels``.
        data: What people call the data.
        progress: Called with the number of pictures done.

    Raises:
        InvalidInputError: If there is no picture that can be read.
        ModelError: If the network fails.
    """
    predictions, failed = predict_files(
        engine.infer,
        pictures,
        bundle.labels,
        bundle.preprocessing,
        bundle.temperature,
        progress=progress,
    )
    spec = bundle.preprocessing
    about = {
        "model_id": bundle.model_id,
        "architecture": bundle.architecture,
        "engine": engine.name,
        "precision": engine.precision,
        "input": f"{spec.width_px} x {spec.height_px} px, {spec.resize}, {spec.interpolation}",
        "bundle_sha256": bundle.manifest_sha256,
        "licence": bundle.licence,
        "data": data,
    }
    paths = {picture.name: picture.path for picture in pictures}
    return evaluate_predictions(
        predictions, f"{bundle.model_id} on {data}", about, paths=paths, failed=failed
    )


def data_digest(predictions: Predictions) -> str:
    """Hex sha256 over names, contents and labels: equal only for the same labelled pictures."""
    rows = sorted(
        f"{name}\0{digest}\0{predictions.classes[label]}"
        for name, digest, label in zip(
            predictions.names, predictions.digests, predictions.labels, strict=True
        )
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
