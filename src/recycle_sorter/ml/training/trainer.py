# SPDX-License-Identifier: Apache-2.0
"""Lightning's trainer as we use it: precision, callbacks, and which warnings are none of ours."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.utilities import rank_zero_only

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.callbacks import (
    AtomicCheckpoint,
    Average,
    BestWeights,
    EpochRecord,
    EpochReport,
    StopAfter,
)
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.job import Say, TrainingJob

_ONE_VALUE: Final = "Expected more than 1 value per channel"  # torch's words


def is_first_process() -> bool:
    """Return whether this process writes; the others of a training only compute."""
    return int(getattr(rank_zero_only, "rank", 0)) == 0


def precision_of(name: str) -> Any:
    """Return Lightning's precision: bf16 where the hardware computes it, fp32 elsewhere."""
    if name == "fp32":
        return "32-true"
    # Emulated bf16 is slower than fp32.
    fast = torch.cuda.is_available() or any(
        getattr(torch.cpu, probe, lambda: False)()
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return "bf16-mixed" if name == "bf16" or fast else "32-true"


def no_report(epoch: int, figures: Mapping[str, float]) -> bool:
    """Do nothing with an epoch's figures, and go on."""
    return False


def make_trainer(
    job: TrainingJob, say: Say, report: EpochReport | None, *, bar: bool
) -> pl.Trainer:
    """Return Lightning's trainer with our callbacks, or without record where none is wanted."""
    settings = job.settings
    callbacks: list[Callback] = []
    average = Average(decay=settings.ema_decay) if settings.ema_decay > 0 else None
    if average is not None:
        callbacks.append(average)
    if settings.early_stop > 0:
        callbacks.append(EarlyStopping("val/loss", patience=settings.early_stop))
        callbacks.append(BestWeights(average))
    if report is not None:
        checkpoint = job.out / run_folder.CHECKPOINT_NAME
        callbacks.append(EpochRecord(job.out / run_folder.METRICS_NAME, report, say))
        callbacks.append(AtomicCheckpoint(checkpoint, job.checkpoint_every_sec))
    if job.stop_after_steps >= 0:
        callbacks.append(StopAfter(job.stop_after_steps))
    with quiet_lightning():
        return pl.Trainer(
            accelerator="auto",
            devices=int(job.devices) if job.devices.isdigit() else job.devices,
            num_nodes=job.num_nodes,
            precision=precision_of(settings.precision),
            max_epochs=settings.epoch_qty,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=bar,
            enable_model_summary=False,
            enable_checkpointing=report is not None,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=job.out,
        )


@contextmanager
def small_batches_named(settings: Hyperparameters) -> Iterator[None]:
    """Says plainly that batch norm cannot train on what torch's error calls one value a channel.

    Raises:
        InvalidInputError: In its place.
    """
    try:
        yield
    except ValueError as error:
        if _ONE_VALUE not in str(error):
            raise
        raise InvalidInputError(
            "--batch_size", settings.batch_size,
            f"batches of two or more: one picture of {settings.size_px} px leaves batch norm "
            "nothing to normalise over",
            "raise --batch_size, or --size_px",
        ) from error  # fmt: skip


class quiet_lightning(warnings.catch_warnings):
    """Leaves out Lightning's advertisements and its advice about loaders of its own kind."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        for words in (
            ".*does not have many workers.*",
            ".*isinstance.*treespec.*",
            ".*litlogger.*",
            ".*LeafSpec.*",
            ".*lr_scheduler.step.*",
            ".*no `val_dataloader`.*",  # the finder has none
            ".*in eval mode at the start of training.*",  # frozen norms are
        ):
            warnings.filterwarnings("ignore", words)
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        return entered
