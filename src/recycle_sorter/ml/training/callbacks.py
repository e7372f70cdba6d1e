# SPDX-License-Identifier: Apache-2.0
"""What happens around the epochs: checkpoints that survive a kill, the record, lines for people."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, Checkpoint

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

    def state_dict(self) -> dict[str, Any]:
        """Keep torch's generator: a resumed run must find dropout as it was."""
        return {"rng": torch.get_rng_state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Remember the generator until training has begun."""
        self._rng = state_dict["rng"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Put the generator back; the sanity check and start-up have drawn from it since."""
        if hasattr(self, "_rng"):
            torch.set_rng_state(self._rng.cpu())

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any
    ) -> None:
        """Save amid an epoch once enough time has passed."""
        last = trainer.is_last_batch
        if not last and time.monotonic() - self._saved_sec >= self._every_sec:
            self._save(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save after every epoch, its validation included."""
        self._save(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        partial = self._path.with_suffix(".partial")
        trainer.save_checkpoint(partial)
        if trainer.is_global_zero:
            partial.replace(self._path)
        self._saved_sec = time.monotonic()


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

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the epoch's clock."""
        self._started_sec = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the epoch's line, once, by the first process."""
        if not trainer.is_global_zero or "val/accuracy" not in trainer.callback_metrics:
            return  # ended amid an epoch
        epoch = trainer.current_epoch
        figures = {name: float(value) for name, value in trainer.callback_metrics.items()}
        figures["learn_rate"] = float(trainer.optimizers[0].param_groups[-1]["lr"])
        figures["seconds"] = round(time.monotonic() - self._started_sec, 2)
        rows = [row for row in read_metrics(self._path) if row["epoch"] < epoch]
        rows.append({"epoch": epoch, **{k: round(v, 6) for k, v in figures.items()}})
        partial = self._path.with_suffix(".partial")
        partial.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        partial.replace(self._path)
        if self._report(epoch, figures):
            trainer.should_stop = True
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


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Read ``metrics.jsonl``; a line that a kill cut short is left out."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:  # noqa: PERF203
                continue
    return rows
