# SPDX-License-Identifier: Apache-2.0
"""Finds a learning rate by Lightning's range test (Smith 2017) and draws what it saw."""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from lightning.pytorch.tuner.tuning import Tuner

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.training.loader import ValidationBatches
from recycle_sorter.ml.training.module import Classifier
from recycle_sorter.ml.training.run import (
    Say,
    TrainingJob,
    class_counts,
    fresh_model,
    make_batches,
    make_trainer,
    quiet_lightning,
    spec_of,
)

PLOT_NAME: Final = "learn_rate.png"
DATA_NAME: Final = "learn_rate.json"
_LOW, _HIGH = 1e-6, 1.0


def find_learn_rate(job: TrainingJob, say: Say, steps: int = 80) -> float:
    """Raise the learning rate step by step, suggest one, and write a plot into the run folder.

    Args:
        job: The training it is meant for; nothing of it is kept but the plot and the numbers.
        say: Told lines for people.
        steps: How many steps to take.

    Returns:
        Where the loss falls fastest.

    Raises:
        InvalidInputError: If the loss fell nowhere, so that there is no suggestion.
    """
    spec = spec_of(job.settings)
    batches = make_batches(job, spec, say)
    val = PictureStore.load(job.splits.val[:1], report=say)
    classes = len(job.classes)
    module = Classifier(fresh_model(job), job.settings, job.classes, class_counts(job)).train()
    job.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch, quiet_lightning():
        # Enough epochs for the steps; no average and no checkpoints of what is thrown away.
        epochs = steps // len(batches) + 1
        settings = replace(job.settings, ema_decay=0.0, early_stop=0, epoch_qty=epochs)
        trial = replace(job, out=Path(scratch), settings=settings, devices="1", num_nodes=1)
        trainer = make_trainer(trial, say, None, bar=False)
        found = Tuner(trainer).lr_find(
            module, batches, ValidationBatches(val, classes, spec),
            min_lr=_LOW, max_lr=_HIGH, num_training=steps, attr_name="learn_rate",
            early_stop_threshold=4.0, update_attr=False,
        )  # fmt: skip
    results: dict[str, list[float]] = {} if found is None else found.results
    rate = None if found is None else found.suggestion()
    if rate is None:
        raise InvalidInputError(
            "learn_rate", None, "a rate at which the loss falls", "give more pictures or steps"
        )
    content = {"suggestion": rate, "learn_rate": results["lr"], "loss": results["loss"]}
    (job.out / DATA_NAME).write_text(json.dumps(content) + "\n", encoding="utf-8")
    _draw(results, rate, job.out / PLOT_NAME)
    return float(rate)


def _draw(results: dict[str, list[float]], rate: float, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes: Any = figure.subplots()
    axes.plot(results["lr"], results["loss"], color="#2a6f97")
    axes.axvline(rate, color="#c1121f", linestyle="--", label=f"suggestion {rate:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
    axes.set_title("Learning-rate range test")
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
