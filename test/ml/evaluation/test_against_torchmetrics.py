# SPDX-License-Identifier: Apache-2.0
"""Our figures, which need no torch, against torchmetrics'."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.evaluations import random_predictions
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ml.evaluation.metrics import measure
from recycle_sorter.ml.evaluation.predictions import Predictions

pytestmark = pytest.mark.ml

CLASSES = len(MATERIALS)


@pytest.fixture(scope="module", params=[(37, 1.0), (400, 0.6), (400, 2.5)])
def case(request: pytest.FixtureRequest) -> Predictions:
    count, temperature = request.param
    return random_predictions(count, seed=count, temperature=temperature)


def tensors(case: Predictions) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(case.probabilities), torch.from_numpy(case.labels)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("recall", multiclass_recall),
        ("precision", multiclass_precision),
        ("f1", multiclass_f1_score),
    ],
)
def test_figures_by_material(case: Predictions, name: str, theirs: object) -> None:
    assert callable(theirs)
    expected = theirs(*tensors(case), num_classes=CLASSES, average=None).numpy()
    ours = getattr(measure(case), name)
    assert [ours[material] for material in MATERIALS] == pytest.approx(expected)


def test_accuracy_and_top_two(case: Predictions) -> None:
    figures = measure(case)
    for top, ours in ((1, figures.accuracy), (2, figures.top2)):
        expected = multiclass_accuracy(
            *tensors(case), num_classes=CLASSES, average="micro", top_k=top
        )
        assert ours == pytest.approx(float(expected))


def test_confusion(case: Predictions) -> None:
    expected = multiclass_confusion_matrix(*tensors(case), num_classes=CLASSES)
    # Theirs has actual in the rows.
    assert np.array_equal(np.array(measure(case).confusion), expected.numpy().T)


def test_calibration_error(case: Predictions) -> None:
    expected = multiclass_calibration_error(
        *tensors(case), num_classes=CLASSES, n_bins=15, norm="l1"
    )
    assert measure(case).ece == pytest.approx(float(expected), abs=1e-6)


def test_loss(case: Predictions) -> None:
    expected = torch.nn.functional.cross_entropy(
        torch.from_numpy(case.logits).double() / case.temperature, torch.from_numpy(case.labels)
    )
    assert measure(case).nll == pytest.approx(float(expected))
