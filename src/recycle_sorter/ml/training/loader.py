# SPDX-License-Identifier: Apache-2.0
"""Training batches: made ahead in a thread, each a function of seed, epoch and step alone.

So a run that was killed goes on with the very batch it stopped at, and several processes share an
epoch without talking to each other. OpenCV releases the interpreter's lock, so a thread is enough
and nothing is copied between processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.augment.pipeline import augment, mix
from recycle_sorter.ml.dataset.records import UNLABELLED
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess_batch

_BATCHES_AHEAD: Final = 3


class Batch(NamedTuple):
    """One step's input.

    Attributes:
        images: ``[N, 3, H, W]`` float32, normalised, channels last.
        targets: ``[N, classes]`` float32, the share of each label; zeros where unlabelled.
    """

    images: Tensor
    targets: Tensor


def shown_order(labels: npt.NDArray[np.int64], *, repeat_rare: bool) -> npt.NDArray[np.int64]:
    """Return an epoch's indices before shuffling; rare classes repeat up to half of the top."""
    if not repeat_rare:
        return np.arange(len(labels))
    kinds, counts = np.unique(labels[labels != UNLABELLED], return_counts=True)
    wanted = counts.max(initial=0) / 2
    times = {int(k): max(1, round(wanted / c)) for k, c in zip(kinds, counts, strict=True)}
    return np.repeat(np.arange(len(labels)), [times.get(int(label), 1) for label in labels])


@dataclass
class TrainingBatches:
    """An iterable of one epoch's batches that knows where it is.

    Attributes:
        store: The pictures.
        masks: Where the item is, one a picture, or None; empty for no background replacement.
        others: Pictures that backgrounds may be cut from.
        classes: Width of the target vectors.
        spec: Preprocessing; its size is replaced by the epoch's.
        settings: What to do with the pictures.
        rank: This process among ``world``.
        world: Number of processes that share an epoch.
    """

    store: PictureStore
    masks: Sequence[npt.NDArray[np.uint8] | None]
    others: Sequence[npt.NDArray[np.uint8]]
    classes: int
    spec: PreprocessingSpec
    settings: Hyperparameters
    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if self.masks and len(self.masks) != len(self.store):
            raise InvalidInputError("masks", len(self.masks), f"{len(self.store)}, one a picture")
        shown = shown_order(self.store.labels, repeat_rare=self.settings.repeat_rare)
        is_unlabelled = self.store.labels[shown] == UNLABELLED
        self._shown, self._unlabelled = shown[~is_unlabelled], shown[is_unlabelled]
        self._unlabelled_qty = len(self._unlabelled)
        if self.settings.unlabelled_qty:
            self._unlabelled_qty = min(self._unlabelled_qty, self.settings.unlabelled_qty)
        self._epoch = 0
        self._step = 0

    def __len__(self) -> int:
        """Return the steps of an epoch in this process."""
        each = (len(self._shown) + self._unlabelled_qty) // self.world
        full, rest = divmod(each, self.settings.batch_size)
        # Batch normalisation cannot learn from a lone picture.
        return max(1, full + (rest > 1))

    def state_dict(self) -> dict[str, int]:
        """Return where the next batch is."""
        return {"epoch": self._epoch, "step": self._step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where ``state_dict`` was taken; an iterator that has not begun yet, too."""
        self._epoch, self._step = int(state["epoch"]), int(state["step"])

    def __iter__(self) -> Iterator[Batch]:
        epoch, steps = self._epoch, len(self)
        rng = np.random.default_rng([self.settings.seed, epoch])
        order = rng.permutation(self._shown)
        if self._unlabelled_qty:
            others = rng.choice(self._unlabelled, self._unlabelled_qty, replace=False)
            order = rng.permutation(np.concatenate([order, others]))
        if self.world > 1:  # every process gets as many, so that none waits for the others
            order = order[: len(order) // self.world * self.world][self.rank :: self.world]
        size = self.settings.batch_size
        with ThreadPoolExecutor(max_workers=1) as pool:
            ahead: list[Future[Batch]] = []
            waiting = iter(range(self._step, steps))
            while True:
                for step in waiting:
                    picks = order[step * size : (step + 1) * size]
                    ahead.append(pool.submit(self._make, picks, epoch, step))
                    if len(ahead) > _BATCHES_AHEAD:
                        break
                if not ahead:
                    break
                batch = ahead.pop(0).result()
                # Before the batch is handed out: whoever counts batches never asks for one more.
                self._step += 1
                if self._step == steps:
                    self._epoch, self._step = epoch + 1, 0
                yield batch

    def _make(self, picks: npt.NDArray[np.int64], epoch: int, step: int) -> Batch:
        rng = np.random.default_rng([self.settings.seed, epoch, step, self.rank])
        side = self.settings.size_at(epoch)
        spec = replace(self.spec, width_px=side, height_px=side)
        views = []
        for pick in picks:
            mask = self.masks[pick] if self.masks else None
            image = self.store.images[pick]
            views.append(augment(image, mask, (side, side), self.settings, rng, self.others))
        images = torch.from_numpy(preprocess_batch(views, spec))
        targets = torch.zeros(len(picks), self.classes)
        for row, label in enumerate(self.store.labels[picks]):
            if label != UNLABELLED:
                targets[row, int(label)] = 1.0
        images, targets = mix(images, targets, self.settings, rng)
        return Batch(images.contiguous(memory_format=torch.channels_last), targets)


@dataclass(frozen=True)
class ValidationBatches:
    """Pictures as the node sees them: the preprocessing and nothing else.

    Attributes:
        store: The pictures.
        classes: Width of the target vectors.
        spec: Preprocessing.
        batch_size: Pictures a step.
        rank: This process among ``world``.
        world: Number of processes.
    """

    store: PictureStore
    classes: int
    spec: PreprocessingSpec
    batch_size: int = 32
    rank: int = 0
    world: int = 1

    def __len__(self) -> int:
        """Return the number of batches in this process."""
        return max(
            1, math.ceil(len(range(self.rank, len(self.store), self.world)) / self.batch_size)
        )

    def __iter__(self) -> Iterator[Batch]:
        mine = list(range(self.rank, len(self.store), self.world))
        for start in range(0, len(mine), self.batch_size):
            picks = mine[start : start + self.batch_size]
            images = preprocess_batch([self.store.images[pick] for pick in picks], self.spec)
            targets = torch.nn.functional.one_hot(
                torch.from_numpy(self.store.labels[picks]), self.classes
            )
            tensor = torch.from_numpy(images).contiguous(memory_format=torch.channels_last)
            yield Batch(tensor, targets.float())
