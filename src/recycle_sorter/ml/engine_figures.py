# SPDX-License-Identifier: Apache-2.0
"""Measures a bundle engine by engine, as the node runs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from torch import nn

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import ENGINES, create_engine
from recycle_sorter.ml.dataset.reading import look_at
from recycle_sorter.ml.dataset.records import Picture
from recycle_sorter.ml.evaluation.metrics import measure
from recycle_sorter.ml.evaluation.predictions import Predictions, predict_files
from recycle_sorter.ml.export import require_parity
from recycle_sorter.sources.pictures import load_picture
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess

PARITY_PICTURES: Final = 32
# What a bundle keeps; `recycle-sorter evaluate` finds the rest again.
_KEPT: Final = (
    "n", "accuracy", "interval", "recall", "recall_interval", "precision", "top2", "ece",
    "ece_uncalibrated", "nll", "accuracy_at_coverage", "confusion",
)  # fmt: skip

Batch = npt.NDArray[np.float32]
Sets = Mapping[str, Sequence[Picture]]


def ask(
    bundle: ModelBundle, engine: str, precision: str, sets: Sets, temperature: float = 1.0
) -> dict[str, Predictions]:
    """Returns an engine's answers to sets of pictures, by the sets' names."""
    runner = create_engine(engine, bundle, precision)
    try:
        return {
            name: predict_files(
                runner.infer, pictures, bundle.labels, bundle.preprocessing, temperature
            )[0]
            for name, pictures in sets.items()
        }
    finally:
        runner.close()


def figures_of(
    engine: str, precision: str, answers: Mapping[str, Predictions], temperature: float
) -> dict[str, Any]:
    """Returns what a bundle tells of one engine: figures of each set that it answered."""
    sets = {}
    for name, predictions in answers.items():
        figures = measure(replace(predictions, temperature=temperature)).to_dict()
        sets[name] = {key: figures[key] for key in _KEPT}
    return {"engine": engine, "precision": precision, "sets": sets}


def parity(model: nn.Module, bundle: ModelBundle, pictures: Sequence[Picture]) -> dict[str, float]:
    """Returns how far each engine's fp32 logits are from the trained network's, at most.

    Args:
        model: The trained network.
        bundle: What was exported from it.
        pictures: Real ones, of which 32 are asked about.

    Raises:
        ModelError: If an engine differs by more than 1e-3.
    """
    batch = np.concatenate(inputs(spread(pictures, PARITY_PICTURES), bundle.preprocessing))
    found = {}
    for name in ENGINES:
        engine = create_engine(name, bundle, "fp32")
        try:
            found[name] = require_parity(model, engine.infer(batch), batch, name)
        finally:
            engine.close()
    return found


def inputs(pictures: Sequence[Picture], spec: PreprocessingSpec) -> list[Batch]:
    """Returns each picture as an input ``[1, 3, H, W]``; unreadable ones are left out.

    Raises:
        InvalidInputError: If none is readable.
    """

    def read(path: Any) -> Batch | None:
        try:
            return preprocess(load_picture(path), spec)
        except SourceError:
            return None

    found = [one for one in look_at([p.path for p in pictures], read) if one is not None]
    if not found:
        raise InvalidInputError("pictures", len(pictures), "at least one that can be read")
    return found


def spread(pictures: Sequence[Picture], count: int) -> list[Picture]:
    """Returns ``count`` pictures evenly over the list, so that every class has its share."""
    picks = np.linspace(0, len(pictures) - 1, min(count, len(pictures))).round().astype(int)
    return [pictures[int(pick)] for pick in picks]
