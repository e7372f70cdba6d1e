# SPDX-License-Identifier: Apache-2.0
"""Tiny data sets of any classes, and trainings of them that end within seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.ml.dataset.store import PictureStore
from support.pictures import picture

__all__ = ["CLASSES", "make_job", "make_store", "picture", "scene", "tiny_network", "write_folders"]

CLASSES = ("glass", "metal", "paper")


def scene(seed: int, height: int = 48, width: int = 64) -> NDArray[np.uint8]:
    """A picture without any symmetry: smooth colour everywhere, no two places alike."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(40, 215, (5, 6, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC))


def make_store(each: int = 2, classes: int = len(CLASSES), **shape: int) -> PictureStore:
    """``each`` pictures of every class, in memory."""
    labels = np.repeat(np.arange(classes), each).astype(np.int64)
    images = [picture(int(label), seed, **shape) for seed, label in enumerate(labels)]
    return PictureStore(images, labels, [f"{label}/{n}.png" for n, label in enumerate(labels)])


def write_folders(
    root: Path, each: int = 10, classes: Sequence[str] = CLASSES, first: int = 0
) -> Path:
    """The same on disk, in one folder a class; counted from ``first``, which has other pictures."""
    for label, name in enumerate(classes):
        folder = root / name
        folder.mkdir(parents=True)
        for number in range(first, first + each):
            cv2.imwrite(str(folder / f"{number}.png"), picture(label, 100 * label + number))
    return root


def tiny_network(architecture: str, classes: int, weights: str | Path = "none") -> Any:
    """A network with the parts of a ResNet and 3000 weights, in place of ``build_model``.

    For what a trainer does with any network: it learns hues within a second.
    """
    from torch import Tensor, nn

    from recycle_sorter.ml.models.zoo import read_weights

    def layer(channels: int, out: int, stride: int) -> nn.Module:
        convolution = nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())

    class TinyNetwork(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
            self.relu, self.maxpool = nn.ReLU(), nn.MaxPool2d(2)
            self.layer1, self.layer2 = layer(8, 8, 1), layer(8, 8, 2)
            self.layer3, self.layer4 = layer(8, 8, 1), layer(8, 12, 2)
            self.avgpool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(12, classes)

        def forward(self, images: Tensor) -> Tensor:
            hidden = self.maxpool(self.relu(self.bn1(self.conv1(images))))
            hidden = self.layer4(self.layer3(self.layer2(self.layer1(hidden))))
            return self.fc(self.avgpool(hidden).flatten(1))  # type: ignore[no-any-return]

    network = TinyNetwork()
    if Path(weights).is_file():
        network.load_state_dict(read_weights(Path(weights)))
    return network


def make_job(data: Path, out: Path, settings: dict[str, Any] | None = None, **changes: Any) -> Any:
    """A training of 32 px pictures, alike on every machine: fp32, one process."""
    from recycle_sorter.ml.dataset.records import read_dataset
    from recycle_sorter.ml.dataset.splits import split_dataset
    from recycle_sorter.ml.training.hyperparameters import Hyperparameters
    from recycle_sorter.ml.training.run import TrainingJob

    dataset = read_dataset(data)
    chosen = {
        "architecture": "resnet18", "epoch_qty": 2, "batch_size": 6, "size_px": 32,
        "precision": "fp32", **(settings or {}),
    }  # fmt: skip
    return TrainingJob(
        data=data,
        splits=split_dataset(dataset),
        classes=dataset.classes,
        out=out,
        settings=Hyperparameters(**chosen),
        devices="1",
        **changes,
    )
