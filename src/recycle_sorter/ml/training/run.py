# SPDX-License-Identifier: Apache-2.0
"""One training, from folders of pictures to a run folder; the same call resumes a killed one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import nn

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.augment.pipeline import keeps_places
from recycle_sorter.ml.dataset.masks import item_mask
from recycle_sorter.ml.dataset.records import read_unlabelled
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.models.zoo import build_model, set_dropout
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.callbacks import BestWeights, EpochReport, Stopped, read_metrics
from recycle_sorter.ml.training.job import (
    Say,
    TrainingJob,
    class_counts,
    is_trained,
    open_folder,
    spec_of,
    training_pictures,
)
from recycle_sorter.ml.training.loader import TrainingBatches, ValidationBatches
from recycle_sorter.ml.training.module import Classifier
from recycle_sorter.ml.training.probe import fit_head
from recycle_sorter.ml.training.teacher import load_teachers
from recycle_sorter.ml.training.trainer import (
    is_first_process,
    make_trainer,
    no_report,
    quiet_lightning,
    small_batches_named,
)
from recycle_sorter.vision.preprocessing import PreprocessingSpec

__all__ = [
    "Say",
    "TrainingJob",
    "class_counts",
    "fresh_model",
    "make_batches",
    "make_module",
    "make_trainer",
    "quiet_lightning",
    "spec_of",
    "train",
]

_BACKGROUND_PICTURES: Final = 1500
_BACKGROUND_SHORTER_PX: Final = 160
# Above it the network without norms loses what it starts with: 66.7 % right at 1e-4, 20.8 at 1e-3.
_THIN_RATE_MAX: Final = 5e-4


def make_batches(job: TrainingJob, spec: PreprocessingSpec, say: Say) -> TrainingBatches:
    """Decode the training pictures, find their items, and return the batches."""
    settings = job.settings
    pictures = training_pictures(job)
    pictures += [one for folder in job.unlabelled for one in read_unlabelled(folder)]
    if keeps_places(settings):
        store = PictureStore.load(pictures, report=say, spec=spec)
    else:
        # A little larger than the network's input, so that crops still have detail.
        shorter_px = round(max(settings.size_px, settings.first_size_px) * 1.15)
        store = PictureStore.load(pictures, shorter_px, say)
    for label, name in enumerate(job.classes):
        if label not in store.labels:
            raise InvalidInputError(
                f"data: {name}", 0, "a readable training picture of every class",
                "add pictures, or leave the class out",
            )  # fmt: skip
    masks: list[Any] = []
    others: list[Any] = []
    if settings.transform_background > 0:
        masks = [item_mask(image) for image in store.images]
        found = sum(mask is not None for mask in masks)
        say(f"found the item on its board in {found} of {len(masks)} pictures")
        found_others = [p for folder in job.backgrounds for p in read_unlabelled(folder)]
        if found_others:
            rng = np.random.default_rng(settings.seed)
            picks = rng.permutation(len(found_others))[:_BACKGROUND_PICTURES]
            chosen = [found_others[int(i)] for i in sorted(picks)]
            others = PictureStore.load(chosen, _BACKGROUND_SHORTER_PX, say).images
    return TrainingBatches(store, masks, others, len(job.classes), spec, settings)


def fresh_model(job: TrainingJob) -> nn.Module:
    """Build the network where it starts; the same seed gives the same weights."""
    torch.manual_seed(job.settings.seed)
    model = build_model(job.settings.architecture, len(job.classes), job.settings.weights)
    set_dropout(model, job.settings.dropout)
    return model.to(memory_format=torch.channels_last)


def make_module(
    job: TrainingJob, spec: PreprocessingSpec, say: Say, *, is_fresh: bool
) -> Classifier:
    """Return what is trained, in training mode: Lightning leaves the modes as they are.

    Args:
        job: The training.
        spec: Preprocessing.
        say: Told lines for people.
        is_fresh: Whether it starts here; otherwise a checkpoint will fill it, and no probe is fit.
    """
    model = fresh_model(job)
    if job.settings.probe and is_fresh:
        clean = PictureStore.load(job.splits.train, report=say, spec=spec)
        right = fit_head(model, clean, len(job.classes), spec)
        say(f"linear probe: {right:.1%} of train right")
    teacher = load_teachers(job.settings.teacher, job.classes, spec)
    return Classifier(model, job.settings, job.classes, class_counts(job), teacher).train()


def train(
    job: TrainingJob,
    say: Say = print,
    report: EpochReport = no_report,
    *,
    bar: bool = False,
) -> Path:
    """Train, or go on with a run that was killed; return the run folder.

    Args:
        job: What to do.
        say: Told lines for people.
        report: Told every epoch's figures; returns whether to stop.
        bar: Show Lightning's progress bar.

    Raises:
        InvalidInputError: For bad data, a run folder of other settings, a damaged checkpoint, or
            batches too small for batch norm.
    """
    is_first = is_first_process()
    say = say if is_first else _silent
    open_folder(job, writes=is_first)
    if is_trained(job):
        say(f"{job.out} is finished already")
        return job.out
    if job.settings.architecture == "resnet50_thin" and job.settings.learn_rate > _THIN_RATE_MAX:
        say(
            f"learn_rate {job.settings.learn_rate:g} is likely to wreck resnet50_thin, which has "
            "no batch norms: 0.0001 to 0.0003 are known to work, --find-learn-rate suggests one"
        )
    cv2.setNumThreads(1)  # OpenCV's own threads would only fight torch's
    started_sec = time.monotonic()
    spec = spec_of(job.settings)
    checkpoint = job.out / run_folder.CHECKPOINT_NAME
    resumes = checkpoint.is_file()
    if resumes:
        run_folder.check_checkpoint(checkpoint)
    batches = make_batches(job, spec, say)
    val = PictureStore.load(job.splits.val, report=say, spec=spec)
    absent = [name for label, name in enumerate(job.classes) if label not in val.labels]
    if absent:
        say(f"val has no picture of {', '.join(absent)}: no epoch tells how well they are known")
    module = make_module(job, spec, say, is_fresh=not resumes)
    if not resumes and is_first:
        run_folder.write_weights(module.model, job.out / run_folder.UNTRAINED_NAME)
    trainer = make_trainer(job, say, report, bar=bar)
    batches.rank, batches.world = trainer.global_rank, trainer.world_size
    validation = ValidationBatches(
        val, len(job.classes), spec, rank=trainer.global_rank, world=trainer.world_size
    )
    if resumes:
        say(f"going on from {checkpoint}")
    try:
        with quiet_lightning(), small_batches_named(job.settings):
            trainer.fit(module, batches, validation, ckpt_path=checkpoint if resumes else None)
    except Stopped:
        return job.out
    if trainer.is_global_zero:
        best = [one for one in trainer.callbacks if isinstance(one, BestWeights)]  # type: ignore[attr-defined]
        _finish(job, module.model, started_sec, best[0] if best else None, say)
    return job.out


def _silent(line: str) -> None:
    """One process speaks for all."""


def _finish(
    job: TrainingJob, model: nn.Module, started_sec: float, best: BestWeights | None, say: Say
) -> None:
    config = run_folder.read_config(job.out)
    rows = read_metrics(job.out / run_folder.METRICS_NAME)
    config["minutes"] = round(sum(row.get("seconds", 0.0) for row in rows) / 60, 2)
    kept = None if best is None else best.epoch
    # Whose weights these are, as `metrics.jsonl` counts epochs: from 0.
    config["shipped_epoch"] = rows[-1]["epoch"] if kept is None and rows else kept
    if best is not None and kept is not None:
        of = f"{len(rows)} epochs"
        if best.since:
            of = f"the epochs from {best.since + 1}: nothing was kept of those before"
        say(f"kept the weights of epoch {kept + 1}, the least val/loss of {of}")
    config["minutes_this_call"] = round((time.monotonic() - started_sec) / 60, 2)
    run_folder.write_config(job.out, config)
    run_folder.write_weights(model, job.out / run_folder.WEIGHTS_NAME)
