# SPDX-License-Identifier: Apache-2.0
"""The two loops of the training benchmark; each runs alone in a process and prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from torch import nn

BATCH = 32
_WARM_UP_STEPS = 3
_PICTURES = 640


def plain(folder: Path, steps: int, size_px: int) -> dict[str, Any]:
    """The loop of torchvision's tutorials."""
    from torchvision import datasets, models, transforms

    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(size_px, scale=(0.4, 1.0)),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    pictures = datasets.ImageFolder(str(folder), transform)
    loader = torch.utils.data.DataLoader(pictures, BATCH, shuffle=True, num_workers=2)
    model = models.resnet18(num_classes=len(pictures.classes))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    loss_of = nn.CrossEntropyLoss()
    times: list[float] = []
    while True:
        started = time.perf_counter()
        for images, labels in loader:
            loss = loss_of(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            times.append(time.perf_counter() - started)
            if len(times) >= steps + _WARM_UP_STEPS:
                return _result(times, "fp32", 0.0)
            started = time.perf_counter()


def ours(folder: Path, steps: int, size_px: int) -> dict[str, Any]:
    """Our trainer as ``recycle-sorter train`` runs it."""
    import lightning.pytorch as pl

    from recycle_sorter.ml.dataset.records import read_dataset
    from recycle_sorter.ml.dataset.splits import Splits
    from recycle_sorter.ml.training.hyperparameters import Hyperparameters
    from recycle_sorter.ml.training.job import TrainingJob, class_counts, spec_of
    from recycle_sorter.ml.training.loader import ValidationBatches
    from recycle_sorter.ml.training.module import Classifier
    from recycle_sorter.ml.training.run import fresh_model, make_batches
    from recycle_sorter.ml.training.trainer import make_trainer

    dataset = read_dataset(folder)
    settings = Hyperparameters(
        epoch_qty=1000, batch_size=BATCH, size_px=size_px, transform_crop=0.4, transform_horz=True
    )
    chosen = dataset.pictures[:: max(1, len(dataset.pictures) // _PICTURES)]
    splits = Splits(chosen, dataset.pictures[:1], (), by="picture", seed=0)
    times: list[float] = []

    class Clock(pl.Callback):
        def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
            times.append(time.perf_counter())
            if len(times) > steps + _WARM_UP_STEPS:
                trainer.should_stop = True

    with tempfile.TemporaryDirectory() as scratch:
        job = TrainingJob(folder, splits, dataset.classes, Path(scratch), settings)
        started = time.perf_counter()
        batches = make_batches(job, spec_of(settings), lambda line: None)
        once_sec = time.perf_counter() - started
        module = Classifier(fresh_model(job), settings, dataset.classes, class_counts(job))
        trainer = make_trainer(job, lambda line: None, None, bar=False)
        trainer.callbacks.append(Clock())  # type: ignore[attr-defined]
        trainer.limit_val_batches = 0
        trainer.fit_loop.min_epochs = 0
        trainer.fit(module, batches, ValidationBatches(batches.store, 1, spec_of(settings)))
        precision = str(trainer.precision)
    return _result([b - a for a, b in pairwise(times)], precision, once_sec)


def _result(times: list[float], precision: str, once_sec: float) -> dict[str, Any]:
    kilobytes = sum(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    return {
        "step_ms": [round(1000 * value, 2) for value in times[_WARM_UP_STEPS:]],
        "batch": BATCH,
        "precision": precision,
        "once_sec": round(once_sec, 2),
        "peak_mb": round(kilobytes / 1024),
        "threads": torch.get_num_threads(),
    }


def main() -> None:
    """``python -m benchmarks.training_roles plain|ours FOLDER STEPS SIZE_PX``."""
    warnings.filterwarnings("ignore")
    role, folder, steps, size_px = sys.argv[1:]
    run = {"plain": plain, "ours": ours}[role]
    print(json.dumps(run(Path(folder), int(steps), int(size_px))))


if __name__ == "__main__":
    main()
