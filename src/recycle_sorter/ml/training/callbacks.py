# SPDX-License-Identifier: Apache-2.0
"""What happens around the epochs: checkpoints that survive a kill, the record, lines for people."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint, WeightAveraging
from torch import nn

from recycle_sorter.ml.artifacts import replace_text

EpochReport = Callable[[int, Mapping[str, float]], bool]


class AtomicCheckpoint(Checkpoint):
    """Keeps the newest state in one file; a kill leaves either the old or the new one.

    As a ``Checkpoint`` Lightning calls it after all other callbacks.

    Args:
        path: The checkpoint.
        every_sec: Also amid an epoch, this often; 0 after every step.
    """

    def __init__(self, path: Path, every_sec: float = 120.0) -> None:
        self._path = path
        self._every_sec = every_sec
        self._saved_sec = time.monotonic()
        self._state: dict[str, Any] = {}

    def state_dict(self) -> dict[str, Any]:
        """Keep torch's generator, for dropout, and what ``_save`` has found."""
        return {**self._state, "rng": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the state until training has begun."""
        self._state = state_dict

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the state back: Lightning restores batches neither at an epoch's end nor always."""
        if self._state:
            torch.set_rng_state(self._state["rng"].cpu())
            trainer.should_stop = self._state["should_stop"]
            trainer.train_dataloader.load_state_dict(self._state["batches"])  # type: ignore[union-attr]

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Save amid an epoch once enough time has passed."""
        if trainer.is_last_batch:
            return
        due = time.monotonic() - self._saved_sec >= self._every_sec
        if trainer.world_size > 1:
            # Saving waits for all processes, and their clocks differ.
            due = trainer.strategy.reduce_boolean_decision(due, all=False)
        if due:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after every epoch, its validation included."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        partial = self._path.with_suffix(".partial")
        batches = trainer.train_dataloader
        self._state = {"should_stop": trainer.should_stop, "batches": batches.state_dict()}  # type: ignore[union-attr]
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self._path)
        self._saved_sec = time.monotonic()


def warmed_decay(decay: float, updates: int) -> float:
    """Return the decay of one update of averaged weights.

    A constant one needs several times ``1 / (1 - decay)`` steps to forget the start, and a short
    training has fewer. So it rises as in TensorFlow's ``ExponentialMovingAverage`` with
    ``num_updates``: the average spans about the last tenth of the steps until ``decay`` is reached.

    Args:
        decay: What it rises to.
        updates: How many there were before.
    """
    return min(decay, (1 + updates) / (10 + updates))


class Average(WeightAveraging):
    """Averages the weights over the steps, and leaves the average in the module in any case.

    How many updates there were is a part of the checkpoint, so a resumed run averages alike.

    Args:
        decay: Of the average, once it has warmed up.
    """

    def __init__(self, decay: float) -> None:
        def blend(average: torch.Tensor, now: torch.Tensor, updates: Any) -> torch.Tensor:
            kept = warmed_decay(decay, int(updates))
            return kept * average + (1 - kept) * now

        super().__init__(avg_fn=blend)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put it there also where nothing was left to train: killed between the end and this."""
        self.on_train_end(trainer, pl_module)

    def averaged(self, pl_module: pl.LightningModule) -> pl.LightningModule:
        """Return the module with the averaged weights, which is what validation saw."""
        average = self._average_model
        return pl_module if average is None else cast("pl.LightningModule", average.module)


class BestWeights(Callback):
    """Keeps the weights of the epoch with the least ``val/loss``, and leaves them in the module.

    Early stopping ends so many epochs after its best one: the last weights are those that it
    stopped for. They are a part of the checkpoint, so a resumed run still has them. Goes behind
    ``average`` among the callbacks, which leaves the last average in the module.

    Args:
        average: Whose weights were validated, if they are averaged.

    Attributes:
        epoch: The best epoch, from 0; None as long as no loss was a number.
        since: The first epoch that was compared: not 0 where a version that kept no weights was
            killed, whose best ones are lost.
    """

    def __init__(self, average: Average | None = None) -> None:
        self._average = average
        self._loss = math.inf
        self._weights: dict[str, torch.Tensor] = {}
        self.epoch: int | None = None
        self.since: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch so far: its number, loss and weights."""
        best = {"epoch": self.epoch, "loss": self._loss, "weights": self._weights}
        return {**best, "since": self.since}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the best epoch before the kill."""
        self.epoch, self._loss = state_dict["epoch"], state_dict["loss"]
        self._weights, self.since = state_dict["weights"], state_dict.get("since", 0)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep what was validated just now if nothing before was as good."""
        if self.since is None:
            self.since = trainer.current_epoch
        loss = float(trainer.callback_metrics["val/loss"])
        if loss < self._loss:  # as EarlyStopping compares
            self.epoch, self._loss = trainer.current_epoch, loss
            seen = pl_module if self._average is None else self._average.averaged(pl_module)
            state = cast("nn.Module", seen.model).state_dict()
            self._weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put them into the module, also where nothing was left to train."""
        if self._weights:
            cast("nn.Module", pl_module.model).load_state_dict(self._weights)


class Stopped(Exception):
    """A test wanted the training to end here."""


class StopAfter(Callback):
    """Ends a training in a step as a kill would: its results are lost, no hook is called."""

    def __init__(self, steps: int) -> None:
        self._steps = steps

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """End before this step is saved."""
        if trainer.global_step >= self._steps:
            raise Stopped


class EpochRecord(Callback):
    """Writes a JSON line an epoch and tells whoever listens.

    Args:
        path: ``metrics.jsonl``; lines of epochs that are trained again are replaced.
        report: Told the epoch and its figures; returns whether to stop.
        line: Told one line for people.
    """

    def __init__(self, path: Path, report: EpochReport, line: Callable[[str], None]) -> None:
        self._path = path
        self._report = report
        self._line = line
        self._started_sec = time.monotonic()
        self._rate = math.nan

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started_sec = time.monotonic()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Note the step's learning rate; afterwards it is the next step's, if there is one."""
        self._rate = float(trainer.optimizers[0].param_groups[-1]["lr"])

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the first process write the epoch's line, and all hear whether to stop."""
        # Gathers over all processes, so all must ask.
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        stops = trainer.is_global_zero and self._write(trainer, figures)
        trainer.should_stop |= trainer.strategy.broadcast(stops)

    def _write(self, trainer: pl.Trainer, figures: dict[str, float]) -> bool:
        epoch = trainer.current_epoch
        figures["learn_rate"] = self._rate
        figures["seconds"] = round(time.monotonic() - self._started_sec, 2)
        rows = [row for row in read_metrics(self._path) if row["epoch"] < epoch]
        rows.append({"epoch": epoch, **{k: round(v, 6) for k, v in figures.items()}})
        replace_text(self._path, "".join(json.dumps(row) + "\n" for row in rows))
        weakest = min(
            (value, name.rsplit("/", 1)[1])
            for name, value in figures.items()
            if name.startswith("val/accuracy/")
        )
        self._line(
            f"epoch {epoch + 1}/{trainer.max_epochs}: loss {figures['train/loss']:.3f}, "
            f"val {figures['val/accuracy']:.1%}, weakest {weakest[1]} {weakest[0]:.0%}, "
            f"{figures['seconds']:.0f} s"
        )
        return self._report(epoch, figures)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``; a line that a kill cut short, or that is no epoch, is left out."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(row, dict) and isinstance(row.get("epoch"), int):
                rows.append(row)
    return rows
