# SPDX-License-Identifier: Apache-2.0
"""One training, from folders of pictures to a run folder; the same call resumes a killed one."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import cv2
import lightning.pytorch as pl
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, EMAWeightAveraging
from torch import nn

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.manifest import make_manifest
from recycle_sorter.ml.dataset.masks import item_mask
from recycle_sorter.ml.dataset.records import Picture, read_dataset, read_unlabelled
from recycle_sorter.ml.dataset.splits import Splits, write_split_file
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.models.zoo import STARTED_FROM, build_model, set_dropout
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.callbacks import AtomicCheckpoint, EpochRecord, read_metrics
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.loader import TrainingBatches, ValidationBatches
from recycle_sorter.ml.training.module import Classifier
from recycle_sorter.ml.training.probe import fit_head
from recycle_sorter.ml.training.teacher import load_teacher
from recycle_sorter.vision.preprocessing import PreprocessingSpec

_BACKGROUND_PICTURES: Final = 1500
_BACKGROUND_SHORTER_PX: Final = 160

Say = Callable[[str], None]
EpochReport = Callable[[int, Mapping[str, float]], bool]


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What to train, on what, and where to leave it.

    Attributes:
        data: The data set (see ``read_dataset``).
        splits: Who is trained on, validated and tested.
        classes: Names of the outputs.
        out: The run folder.
        settings: The hyperparameters.
        extra: Class folders of more training pictures, such as renderings.
        extra_repeats: How often each of those is shown in an epoch.
        backgrounds: Folders of any pictures to put items in front of.
        command: The command line, for the record.
        devices: Lightning's ``devices``.
        num_nodes: Lightning's ``num_nodes``.
        checkpoint_every_sec: Time between checkpoints amid an epoch.
        stop_after_steps: End as if killed, for tests; -1 never.
    """

    data: Path
    splits: Splits
    classes: tuple[str, ...]
    out: Path
    settings: Hyperparameters
    extra: Sequence[Path] = ()
    extra_repeats: int = 1
    backgrounds: Sequence[Path] = ()
    command: str = ""
    devices: str = "auto"
    num_nodes: int = 1
    checkpoint_every_sec: float = 120.0
    stop_after_steps: int = -1
    details: dict[str, Any] = field(default_factory=dict)


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


def training_pictures(job: TrainingJob) -> list[Picture]:
    """Return what is trained on: the split's part, then the extra folders."""
    pictures = list(job.splits.train)
    for folder in job.extra:
        found = read_dataset(folder, job.classes).pictures
        pictures += list(found) * job.extra_repeats
    return pictures


def make_batches(job: TrainingJob, spec: PreprocessingSpec, say: Say) -> TrainingBatches:
    """Decode the training pictures, find their items, and return the batches."""
    settings = job.settings
    # A little larger than the network's input, so that crops still have detail.
    shorter_px = round(max(settings.size_px, settings.first_size_px) * 1.15)
    store = PictureStore.load(training_pictures(job), shorter_px, say)
    masks: list[Any] = []
    others: list[Any] = []
    if settings.transform_background > 0:
        masks = [item_mask(image) for image in store.images]
        found = sum(mask is not None for mask in masks)
        say(f"found the item on its board in {found} of {len(masks)} pictures")
        pictures = [p for folder in job.backgrounds for p in read_unlabelled(folder)]
        if pictures:
            rng = np.random.default_rng(settings.seed)
            picks = rng.permutation(len(pictures))[:_BACKGROUND_PICTURES]
            chosen = [pictures[int(i)] for i in sorted(picks)]
            others = PictureStore.load(chosen, _BACKGROUND_SHORTER_PX, say).images
    return TrainingBatches(store, masks, others, len(job.classes), spec, settings)


def class_counts(job: TrainingJob) -> list[int]:
    """Return how many training pictures each class has."""
    labels = [picture.label for picture in job.splits.train]
    return [labels.count(label) for label in range(len(job.classes))]


def fresh_model(job: TrainingJob) -> nn.Module:
    """Build the network where it starts; the same seed gives the same weights."""
    torch.manual_seed(job.settings.seed)
    model = build_model(job.settings.architecture, len(job.classes), job.settings.weights)
    set_dropout(model, job.settings.dropout)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def spec_of(settings: Hyperparameters) -> PreprocessingSpec:
    """Return the preprocessing that the network is trained for and shipped with."""
    return PreprocessingSpec(width_px=settings.size_px, height_px=settings.size_px)


def train(
    job: TrainingJob,
    say: Say = print,
    report: EpochReport = lambda epoch, figures: False,
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
        InvalidInputError: For bad data, or a run folder of other settings.
    """
    _open_folder(job)
    if (job.out / run_folder.WEIGHTS_NAME).is_file():
        say(f"{job.out} is finished already")
        return job.out
    cv2.setNumThreads(1)  # OpenCV's own threads would only fight torch's
    started_sec = time.monotonic()
    spec = spec_of(job.settings)
    batches = make_batches(job, spec, say)
    val = PictureStore.load(job.splits.val, report=say)
    model = fresh_model(job)
    checkpoint = job.out / run_folder.CHECKPOINT_NAME
    resumes = checkpoint.is_file()
    if job.settings.probe and not resumes:
        clean = PictureStore.load(job.splits.train, round(spec.height_px * 1.15), say)
        right = fit_head(model, clean, len(job.classes), spec)
        say(f"linear probe: {right:.1%} of train right")
    if not resumes:
        run_folder.write_weights(model, job.out / run_folder.UNTRAINED_NAME)
    teacher = None
    if job.settings.teacher:
        teacher = load_teacher(Path(job.settings.teacher), job.classes)
    module = Classifier(model, job.settings, job.classes, class_counts(job), teacher)
    trainer = make_trainer(job, say, report, bar=bar)
    batches.rank, batches.world = trainer.global_rank, trainer.world_size
    validation = ValidationBatches(
        val, len(job.classes), spec, rank=trainer.global_rank, world=trainer.world_size
    )
    if resumes:
        say(f"going on from {checkpoint}")
    with quiet_lightning():
        trainer.fit(module, batches, validation, ckpt_path=checkpoint if resumes else None)
    if job.stop_after_steps >= 0 and trainer.global_step >= job.stop_after_steps:
        return job.out
    if trainer.interrupted:
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        _finish(job, module.model, started_sec)
    return job.out


def make_trainer(
    job: TrainingJob, say: Say, report: EpochReport | None, *, bar: bool
) -> pl.Trainer:
    """Return Lightning's trainer with our callbacks, or without record where none is wanted."""
    settings = job.settings
    callbacks: list[Callback] = []
    if settings.ema_decay > 0:
        callbacks.append(EMAWeightAveraging(decay=settings.ema_decay))
    if settings.early_stop > 0:
        callbacks.append(EarlyStopping("val/loss", patience=settings.early_stop))
    if report is not None:
        checkpoint = job.out / run_folder.CHECKPOINT_NAME
        callbacks.append(EpochRecord(job.out / run_folder.METRICS_NAME, report, say))
        callbacks.append(AtomicCheckpoint(checkpoint, job.checkpoint_every_sec))
    with quiet_lightning():
        return pl.Trainer(
            accelerator="auto",
            devices=int(job.devices) if job.devices.isdigit() else job.devices,
            num_nodes=job.num_nodes,
            precision=precision_of(settings.precision),
            max_epochs=settings.epoch_qty,
            max_steps=job.stop_after_steps,
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=bar,
            enable_model_summary=False,
            enable_checkpointing=report is not None,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            default_root_dir=job.out,
        )


class quiet_lightning(warnings.catch_warnings):
    """Leaves out Lightning's advertisements and its advice about loaders of its own kind."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        for words in (
            ".*does not have many workers.*",
            ".*isinstance.*treespec.*",
            ".*litlogger.*",
        ):
            warnings.filterwarnings("ignore", words)
        warnings.filterwarnings("ignore", ".*LeafSpec.*")
        warnings.filterwarnings("ignore", ".*lr_scheduler.step.*")
        for name in ("lightning.pytorch", "lightning.fabric"):
            logging.getLogger(name).setLevel(logging.WARNING)
        return entered


def _open_folder(job: TrainingJob) -> None:
    """Write ``config.json`` and ``split.csv``; an older folder must be of the same settings."""
    job.out.mkdir(parents=True, exist_ok=True)
    settings = asdict(job.settings)
    if (job.out / run_folder.CONFIG_NAME).is_file():
        former = run_folder.read_config(job.out)["hyperparameters"]
        other = sorted(name for name in settings if former.get(name) != settings[name])
        if other:
            raise InvalidInputError(
                "--out", str(job.out), f"a folder of the same settings ({', '.join(other)} differ)",
                "choose another folder, or delete this one",
            )  # fmt: skip
        return
    write_split_file(job.splits, job.classes, job.out / run_folder.SPLIT_NAME)
    make_manifest(job.splits).write(job.out / run_folder.MANIFEST_NAME)
    start = job.settings.weights
    known = STARTED_FROM.get(job.settings.architecture) if start in ("packaged", "imagenet") else ""
    config = {
        "hyperparameters": settings,
        "architecture": job.settings.architecture,
        "classes": list(job.classes),
        "preprocessing": spec_of(job.settings).to_dict(),
        "started_from": known or {"none": "random weights"}.get(start, start),
        "teacher": job.settings.teacher,
        "data": str(job.data),
        "extra": [str(folder) for folder in job.extra],
        "extra_repeats": job.extra_repeats,
        "backgrounds": [str(folder) for folder in job.backgrounds],
        "split": {
            "by": job.splits.by,
            "seed": job.splits.seed,
            "train": len(job.splits.train),
            "val": len(job.splits.val),
            "test": len(job.splits.test),
        },
        "command": job.command,
        "commit": run_folder.commit(),
        "versions": run_folder.versions(),
        "hardware": run_folder.hardware(),
        "minutes": None,
        **job.details,
    }
    run_folder.write_config(job.out, config)


def _finish(job: TrainingJob, model: nn.Module, started_sec: float) -> None:
    config = run_folder.read_config(job.out)
    rows = read_metrics(job.out / run_folder.METRICS_NAME)
    config["minutes"] = round(sum(row.get("seconds", 0.0) for row in rows) / 60, 2)
    config["minutes_this_call"] = round((time.monotonic() - started_sec) / 60, 2)
    run_folder.write_config(job.out, config)
    run_folder.write_weights(model, job.out / run_folder.WEIGHTS_NAME)
