# SPDX-License-Identifier: Apache-2.0
"""How often a network is right, material by material, and how far to trust its probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.inference.classifier import softmax
from recycle_sorter.ml.data import PictureStore
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess_batch

Floats = npt.NDArray[np.float64]
Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]

_CALIBRATION_BINS = 15  # as in Guo et al. 2017
_TEMPERATURES = (0.05, 20.0)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on labelled pictures.

    Attributes:
        n: Number of pictures.
        accuracy: Share that was right, 0 to 1.
        recall: By material, the share of its pictures that was right; materials without any
            pictures are left out.
        ece: Expected calibration error, 0 to 1.
        confusion: ``[predicted][actual]`` counts in the order of ``MATERIALS``.
    """

    n: int
    accuracy: float
    recall: dict[str, float]
    ece: float
    confusion: list[list[int]]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures for JSON, rounded to four digits."""
        return {
            "n": self.n,
            "accuracy": round(self.accuracy, 4),
            "recall": {name: round(value, 4) for name, value in self.recall.items()},
            "ece": round(self.ece, 4),
            "confusion": self.confusion,
        }


def torch_network(model: nn.Module, *, bf16: bool = False) -> Network:
    """Wrap a torch model as a function from an input batch to logits."""

    def run(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        was_training = model.training
        model.eval()
        images = torch.from_numpy(batch).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            logits = model(images).float().numpy()
        model.train(was_training)
        return np.asarray(logits, dtype=np.float32)

    return run


def predict(
    network: Network, store: PictureStore, spec: PreprocessingSpec, batch_size: int = 32
) -> npt.NDArray[np.float32]:
    """Return logits ``[N, classes]`` of whole pictures, preprocessed as the node does it."""
    rows = [
        network(preprocess_batch(store.images[i : i + batch_size], spec))
        for i in range(0, len(store), batch_size)
    ]
    return np.concatenate(rows)


def expected_calibration_error(probabilities: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Return the mean gap between confidence and accuracy over 15 equal bins (Guo et al. 2017)."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * _CALIBRATION_BINS).astype(int), _CALIBRATION_BINS - 1)
    gaps = [
        np.count_nonzero(bins == b) * abs(confidence[bins == b].mean() - right[bins == b].mean())
        for b in np.unique(bins)
    ]
    return float(sum(gaps) / len(labels))


def _nll(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], value: float) -> float:
    probabilities = softmax(logits, value)[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(probabilities, 1e-12)).mean())


def fit_temperature(logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> float:
    """Return the temperature in 0.05 to 20 with the least negative log-likelihood.

    The likelihood has a single minimum in the temperature, so a golden-section search finds it.

    Raises:
        InvalidInputError: If there is no picture to fit on.
    """
    if len(labels) == 0:
        raise InvalidInputError("labels", 0, "at least one labelled picture")
    low, high = (math.log(value) for value in _TEMPERATURES)
    ratio = (math.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if _nll(logits, labels, math.exp(left)) < _nll(logits, labels, math.exp(right)):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def measure(
    logits: npt.NDArray[np.float32],
    labels: npt.NDArray[np.int64],
    temperature: float = 1.0,
    materials: Sequence[str] = MATERIALS,
) -> Figures:
    """Compare logits ``[N, materials]`` with labels ``[N]``.

    Raises:
        InvalidInputError: If shapes do not fit, there is no picture, or one has no label.
    """
    if len(labels) == 0 or logits.shape != (len(labels), len(materials)):
        expected = f"({len(labels)}, {len(materials)}) with at least one row"
        raise InvalidInputError("logits shape", logits.shape, expected)
    if labels.min() < 0 or labels.max() >= len(materials):
        raise InvalidInputError("labels", int(labels.min()), "a material for every picture")
    predicted = logits.argmax(axis=1)
    confusion = np.zeros((len(materials), len(materials)), dtype=np.int64)
    np.add.at(confusion, (predicted, labels), 1)
    totals = confusion.sum(axis=0)
    recall = {
        name: float(confusion[i, i] / totals[i]) for i, name in enumerate(materials) if totals[i]
    }
    return Figures(
        n=len(labels),
        accuracy=float((predicted == labels).mean()),
        recall=recall,
        ece=expected_calibration_error(softmax(logits, temperature), labels),
        confusion=confusion.tolist(),
    )
