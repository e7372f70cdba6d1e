# SPDX-License-Identifier: Apache-2.0
"""Starts a fresh head as a linear probe, so that the first steps do not wreck good features."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.models.zoo import features, stages
from recycle_sorter.ml.training.loader import ValidationBatches
from recycle_sorter.vision.preprocessing import PreprocessingSpec

_PENALTY: Final = 3e-3
_STEPS: Final = 200


def fit_head(model: nn.Module, store: PictureStore, classes: int, spec: PreprocessingSpec) -> float:
    """Fit the model's last linear layer on pooled features of the pictures as they are.

    Features are standardised for the fit (L-BFGS, L2 penalty); the scaling ends up in the layer.

    Returns:
        The share of the pictures that the probe has right, 0 to 1.

    Raises:
        InvalidInputError: If the model ends in more than one linear layer.
    """
    head = stages(model)[-1][0]
    if not isinstance(head, nn.Linear):
        raise InvalidInputError("probe", True, "a network that ends in one linear layer")
    model.eval()
    rows, labels = [], []
    with torch.inference_mode():
        for images, targets in ValidationBatches(store, classes, spec):
            rows.append(features(model, images))
            labels.append(targets)
    inputs, wanted = torch.cat(rows).clone(), torch.cat(labels).clone()
    mean, std = inputs.mean(0), inputs.std(0) + 1e-6
    inputs = (inputs - mean) / std
    weight = torch.zeros(classes, inputs.shape[1], requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        logits = functional.linear(inputs, weight, bias)
        loss = functional.cross_entropy(logits, wanted) + _PENALTY * weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        right = functional.linear(inputs, weight, bias).argmax(1) == wanted.argmax(1)
        head.weight.copy_(weight / std)
        head.bias.copy_(bias - (weight * (mean / std)).sum(1))
    return float(right.float().mean())
