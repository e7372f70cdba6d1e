# SPDX-License-Identifier: Apache-2.0
"""Finds a learning rate by a range test (Smith 2017) and draws what it saw.

Lightning's own sets all weights to one rate, which is not what ``layer_decay`` trains with, and
takes the slope against the rate instead of its logarithm, which favours the smallest.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import lightning.pytorch as pl
import numpy as np
from lightning.pytorch.callbacks import Callback

from recycle_sorter.ml.training.run import (
    Say,
    TrainingJob,
    make_batches,
    make_module,
    make_trainer,
    quiet_lightning,
    spec_of,
)
from recycle_sorter.ml.training.trainer import small_batches_named
from recycle_sorter.output_files import require_folder

PLOT_NAME: Final = "learn_rate.png"
DATA_NAME: Final = "learn_rate.json"
_LOW, _HIGH = 1e-6, 1.0
_SMOOTHING: Final = 0.9
_SKIPPED: Final = 8  # steps at the start, whose average is of too few
_DIVERGED: Final = 4.0  # times the least loss


class RangeTest(Callback):
    """Raises the learning rate from step to step until the loss diverges.

    Attributes:
        rates: The learning rate of each step.
        losses: The smoothed loss of each step.
    """

    def __init__(self, steps: int) -> None:
        self._plan = np.geomspace(_LOW, _HIGH, steps)
        self._shares: list[float] = []
        self._average = 0.0
        self.rates: list[float] = []
        self.losses: list[float] = []

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Set the step's learning rate, each stage in its proportion."""
        groups = trainer.optimizers[0].param_groups
        if not self._shares:
            top = max(group["lr"] for group in groups)
            self._shares = [group["lr"] / top for group in groups]
        self.rates.append(float(self._plan[len(self.rates)]))
        for group, share in zip(groups, self._shares, strict=True):
            group["lr"] = self.rates[-1] * share

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *_: Any
    ) -> None:
        """Note the loss; end at the last rate, or where training fell apart."""
        self._average = _SMOOTHING * self._average + (1 - _SMOOTHING) * float(outputs["loss"])
        self.losses.append(self._average / (1 - _SMOOTHING ** len(self.rates)))
        fell_apart = not self.losses[-1] <= _DIVERGED * min(self.losses)
        trainer.should_stop = fell_apart or len(self.rates) == len(self._plan)


def find_learn_rate(job: TrainingJob, say: Say, steps: int = 80) -> float | None:
    """Raise the learning rate step by step, suggest one, and write a plot into the run folder.

    Args:
        job: The training it is meant for; nothing of it is kept but the plot and the numbers.
        say: Told lines for people.
        steps: How many steps to take.

    Returns:
        Where the loss falls fastest on its way to its least; None, which is also said, if it falls
        nowhere.

    Raises:
        InvalidInputError: If the run folder cannot be written.
    """
    require_folder("--out", job.out)
    settings = replace(job.settings, schedule="constant", ema_decay=0.0, early_stop=0)
    spec = spec_of(settings)
    test = RangeTest(steps)
    with tempfile.TemporaryDirectory() as scratch:
        # As many epochs as there are steps will do; the test ends itself.
        settings = replace(settings, epoch_qty=max(steps, settings.epoch_qty))
        trial = replace(job, out=Path(scratch), settings=settings, devices="1", num_nodes=1)
        batches = make_batches(trial, spec, say)
        module = make_module(trial, spec, say, is_fresh=True)
        trainer = make_trainer(trial, say, None, bar=False)
        trainer.callbacks.append(test)  # type: ignore[attr-defined]
        with quiet_lightning(), small_batches_named(settings):
            trainer.fit(module, batches)
    rate = steepest(test.rates, test.losses)
    if rate is None:
        say("no suggestion: the loss never falls as the learning rate rises; give more pictures")
    job.out.mkdir(parents=True, exist_ok=True)
    content = {"suggestion": rate, "learn_rate": test.rates, "loss": test.losses}
    (job.out / DATA_NAME).write_text(json.dumps(content) + "\n", encoding="utf-8")
    _draw(test.rates, test.losses, rate, job.out / PLOT_NAME)
    return rate


def steepest(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """Return the rate at which the loss falls fastest against its logarithm; None if nowhere.

    Only the way down to the least loss counts. Behind it training diverges, and there the loss,
    far above any that is of use, falls steeply now and then.

    Args:
        rates: The learning rate of each step, rising.
        losses: The smoothed loss of each step.
    """
    finite = [(r, loss) for r, loss in zip(rates, losses, strict=True) if math.isfinite(loss)]
    if len(finite) < _SKIPPED + 3:
        return None
    values = np.array([loss for _, loss in finite])
    end = _SKIPPED + int(values[_SKIPPED:].argmin())
    if end == _SKIPPED:  # it only rises
        return None
    slopes = np.gradient(values[: end + 1], np.log([r for r, _ in finite[: end + 1]]))
    slopes[:_SKIPPED] = 0
    pick = int(slopes.argmin())
    return float(finite[pick][0]) if slopes[pick] < 0 else None


def _draw(rates: Sequence[float], losses: Sequence[float], rate: float | None, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes: Any = figure.subplots()
    axes.plot(rates, losses, color="#2a6f97")
    if rate is not None:
        axes.axvline(rate, color="#c1121f", linestyle="--", label=f"suggestion {rate:.2g}")
        axes.legend(frameon=False)
    axes.set(xscale="log", xlabel="learning rate", ylabel="loss (smoothed)")
    axes.set_title("Learning-rate range test")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)
