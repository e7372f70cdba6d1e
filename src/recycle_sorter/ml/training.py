# SPDX-License-Identifier: Apache-2.0
"""A small training loop that stops and resumes at any epoch without a trace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
from rich.console import Console
from rich.progress import Progress
from torch import Tensor, nn

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.augment import AugmentConfig, augment
from recycle_sorter.ml.data import UNLABELLED, PictureStore
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess_batch

_BATCHES_AHEAD = 3


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage of training.

    Attributes:
        epochs: Passes over the pictures.
        batch_size: Pictures a step.
        learning_rate: Peak of the schedule (short linear warm-up, then a cosine to zero).
        size_px: Side of the square input; the last third of the epochs uses ``final_size_px``.
        final_size_px: Side of the input near the end.
        weight_decay: AdamW's, on weights with more than one dimension.
        warmup: Share of the steps that warm up.
        mixup_probability: Share of the batches whose pictures are mixed (Zhang et al. 2018).
        seed: Of order, augmentation and dropout.
        precision: ``bf16`` computes under autocast; weights stay fp32.
        augment: How far pictures may stray.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    size_px: int
    final_size_px: int
    weight_decay: float = 0.02
    warmup: float = 0.05
    mixup_probability: float = 0.5
    seed: int = 0
    precision: Literal["bf16", "fp32"] = "bf16"
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "size_px", "final_size_px"):
            if getattr(self, name) < 1:
                raise InvalidInputError(name, getattr(self, name), "a whole number from 1")
        if not self.learning_rate > 0:
            raise InvalidInputError("learning_rate", self.learning_rate, "a number > 0")

    def size_at(self, epoch: int) -> int:
        """Return the side of the input in an epoch, pixels."""
        return self.final_size_px if 3 * epoch >= 2 * self.epochs else self.size_px


@dataclass(frozen=True, slots=True)
class Batch:
    """One step's input.

    Attributes:
        images: ``[N, 3, H, W]`` float32, normalised.
        targets: ``[N, classes]`` float32, the shares of each label; zeros where unlabelled.
    """

    images: Tensor
    targets: Tensor


def _make_batch(
    store: PictureStore,
    picks: list[int],
    classes: int,
    spec: PreprocessingSpec,
    config: StageConfig,
    seed: tuple[int, ...],
) -> Batch:
    rng = np.random.default_rng(seed)
    size = (spec.width_px, spec.height_px)
    views = [augment(store.images[pick], size, config.augment, rng) for pick in picks]
    images = torch.from_numpy(preprocess_batch(views, spec))
    targets = torch.zeros(len(picks), classes)
    for row, label in enumerate(store.labels[picks]):
        if label != UNLABELLED:
            targets[row, int(label)] = 1.0
    if rng.random() < config.mixup_probability:
        share = float(rng.random())
        order = torch.from_numpy(rng.permutation(len(picks)))
        images = share * images + (1 - share) * images[order]
        targets = share * targets + (1 - share) * targets[order]
    return Batch(images.contiguous(memory_format=torch.channels_last), targets)


def batches(
    store: PictureStore, classes: int, spec: PreprocessingSpec, config: StageConfig, epoch: int
) -> Iterator[Batch]:
    """Yield an epoch's batches, made ahead in a thread; a function of seed and epoch alone."""
    size = config.size_at(epoch)
    spec = replace(spec, width_px=size, height_px=size)
    order = np.random.default_rng([config.seed, epoch]).permutation(len(store)).tolist()
    steps = [order[i : i + config.batch_size] for i in range(0, len(order), config.batch_size)]
    # Batch normalisation cannot learn from a lone picture.
    steps = [picks for picks in steps if len(picks) > 1 or len(steps) == 1]
    with ThreadPoolExecutor(max_workers=1) as pool:
        ahead: list[Future[Batch]] = []
        for number, picks in enumerate(steps):
            seed = (config.seed, epoch, number)
            ahead.append(pool.submit(_make_batch, store, picks, classes, spec, config, seed))
            if len(ahead) > _BATCHES_AHEAD:
                yield ahead.pop(0).result()
        for future in ahead:
            yield future.result()


def autocast(config: StageConfig) -> AbstractContextManager[Any]:
    """Return the context that computes in the stage's precision."""
    if config.precision == "fp32":
        return nullcontext()
    return torch.autocast("cpu", dtype=torch.bfloat16)


def _optimizer(trained: nn.Module, config: StageConfig) -> torch.optim.Optimizer:
    weights = [p for p in trained.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=True)


def learning_rate_at(config: StageConfig, progress: float) -> float:
    """Return the learning rate at a share of the whole stage, 0 to 1."""
    if progress < config.warmup:
        return config.learning_rate * progress / config.warmup
    rest = (progress - config.warmup) / (1 - config.warmup)
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * rest))


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint so that a kill leaves either the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    partial.replace(path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint; tensors and plain values only, nothing is unpickled."""
    return cast("dict[str, Any]", torch.load(path, weights_only=True))


def fit(
    trained: nn.Module,
    loss_of: Callable[[Batch], Tensor],
    store: PictureStore,
    classes: int,
    spec: PreprocessingSpec,
    config: StageConfig,
    checkpoint: Path,
    *,
    describe: Callable[[], str] | None = None,
    stop_after: int | None = None,
) -> None:
    """Train a module in place; go on from ``checkpoint`` where there is one.

    Args:
        trained: Everything that learns.
        loss_of: The loss of one batch, computed under autocast.
        store: The pictures.
        classes: Width of the target vectors.
        spec: Preprocessing; its size is replaced by the stage's.
        config: The stage.
        checkpoint: Written after every epoch, atomically.
        describe: Measures something to print after an epoch, for people only.
        stop_after: Return after this many epochs as if interrupted.

    Raises:
        InvalidInputError: If the checkpoint was written under another configuration.
    """
    optimizer = _optimizer(trained, config)
    first = 0
    if checkpoint.is_file():
        state = load_checkpoint(checkpoint)
        if state["config"] != asdict(config):
            raise InvalidInputError(
                str(checkpoint),
                state["config"],
                "the configuration of this run",
                "choose another output folder or delete the checkpoint",
            )
        trained.load_state_dict(state["trained"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["epoch"]
    # Lines in a pipe keep their length, whatever a terminal's would be.
    console = Console(soft_wrap=True, highlight=False)
    last = config.epochs if stop_after is None else min(config.epochs, stop_after)
    for epoch in range(first, last):
        # Dropout draws from torch's generator: a resumed run must find it as it was.
        torch.manual_seed(config.seed * 100_003 + epoch)
        started = time.monotonic()
        loss_sum, steps = 0.0, math.ceil(len(store) / config.batch_size)
        trained.train()
        with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
            task = progress.add_task(f"epoch {epoch + 1}/{config.epochs}", total=steps)
            for step, batch in enumerate(batches(store, classes, spec, config, epoch)):
                rate = learning_rate_at(config, (epoch + step / steps) / config.epochs)
                for group in optimizer.param_groups:
                    group["lr"] = rate
                with autocast(config):
                    loss = loss_of(batch)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                loss_sum += loss.item()
                progress.advance(task)
        save_checkpoint(
            checkpoint,
            {
                "epoch": epoch + 1,
                "config": asdict(config),
                "trained": trained.state_dict(),
                "optimizer": optimizer.state_dict(),
            },
        )
        line = f"{checkpoint.stem} epoch {epoch + 1}/{config.epochs} loss {loss_sum / steps:.4f}"
        note = f" {describe()}" if describe else ""
        console.print(f"{line} {time.monotonic() - started:.0f} s{note}")
