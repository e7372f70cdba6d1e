# SPDX-License-Identifier: Apache-2.0
"""Run folders as a training leaves them, without a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from recycle_sorter.inference.torch_networks import ThinBottleneck
from recycle_sorter.ml.dataset.records import read_dataset
from recycle_sorter.ml.dataset.splits import split_dataset, write_split_file
from recycle_sorter.ml.models.zoo import build_model
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.vision.preprocessing import PreprocessingSpec

SIZE_PX = 64
SPEC = PreprocessingSpec(width_px=SIZE_PX, height_px=SIZE_PX)


def random_network(architecture: str, classes: int = 6, seed: int = 0) -> nn.Module:
    """A network none of whose layers is the identity, and whose logits differ by about 2."""
    torch.manual_seed(seed)
    model = build_model(architecture, classes)
    images = torch.randn(16, 3, SIZE_PX, SIZE_PX)
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
        nn.init.normal_(norm.weight, 1.0, 0.1)
        nn.init.normal_(norm.bias, std=0.1)
    for module in model.modules():
        if isinstance(module, ThinBottleneck):
            nn.init.kaiming_normal_(module.conv3.weight, a=3.0)
    head = [module for module in model.modules() if isinstance(module, nn.Linear)][-1]
    with torch.no_grad():
        if norms:
            # Statistics of real activations: with made-up ones the signal fades from layer to
            # layer, and what is left to compare is rounding.
            model.train()(images)
        logits = model.eval()(images)
        head.weight *= 2 / logits.std(dim=0).mean()
    return model


def write_run(folder: Path, data: Path, architecture: str, **changes: Any) -> Path:
    """A finished run of a random network.

    Args:
        folder: The run folder.
        data: Class folders.
        architecture: One of the zoo's.
        **changes: Fields of ``config.json`` to replace or add; ``hyperparameters`` are merged.
    """
    folder.mkdir(parents=True)
    dataset = read_dataset(data)
    splits = split_dataset(dataset)
    write_split_file(splits, dataset.classes, folder / run_folder.SPLIT_NAME)
    model = random_network(architecture, len(dataset.classes))
    run_folder.write_weights(model, folder / run_folder.WEIGHTS_NAME)
    settings = {"architecture": architecture, **changes.pop("hyperparameters", {})}
    run_folder.write_config(
        folder,
        {
            "hyperparameters": {
                name: getattr(Hyperparameters(**settings), name)
                for name in Hyperparameters.__dataclass_fields__
            },
            "architecture": architecture,
            "classes": list(dataset.classes),
            "preprocessing": SPEC.to_dict(),
            "started_from": "random weights",
            "teacher": "",
            "data": str(data),
            "extra": [],
            "extra_repeats": 1,
            "backgrounds": [],
            "split": {"by": splits.by, "seed": splits.seed},
            "command": f"recycle-sorter train --data {data.name}",
            "commit": "0123456789",
            "versions": {"torch": "2"},
            "hardware": {"cpu": "a CPU", "cores": 2, "gpus": []},
            "minutes": 1.5,
            **changes,
        },
    )
    return folder
