# SPDX-License-Identifier: Apache-2.0
"""What a network says about labelled pictures, by the way that the node takes too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import numpy.typing as npt

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.inference.classifier import softmax
from recycle_sorter.sources.pictures import decode_picture
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess_batch

if TYPE_CHECKING:
    from torch import nn

    from recycle_sorter.ml.dataset.records import Picture
    from recycle_sorter.ml.dataset.store import PictureStore

Network = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]
Progress = Callable[[int], None]

_READERS: Final = 2  # decoding releases the interpreter: two threads fill the cores of a small PC
_DIGEST_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """Answers to labelled pictures.

    Attributes:
        names: Unique name of each picture, its path below the data root.
        labels: ``[N]`` int64, index into ``classes``.
        logits: ``[N, C]`` float32, before the temperature.
        classes: Materials in the order of the logits.
        temperature: Divides the logits before the softmax.
        digests: First 16 hex digits of each file's sha256, or empty if nobody read the files. They
            tell whether two runs saw the same pictures.
    """

    names: tuple[str, ...]
    labels: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    classes: tuple[str, ...]
    temperature: float = 1.0
    digests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.names)
        if count == 0:
            raise InvalidInputError("pictures", 0, "at least one labelled picture")
        if self.logits.shape != (count, len(self.classes)):
            raise InvalidInputError(
                "logits shape", self.logits.shape, f"({count}, {len(self.classes)})"
            )
        if self.labels.shape != (count,):
            raise InvalidInputError("labels shape", self.labels.shape, f"({count},)")
        wrong = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if len(wrong):
            raise InvalidInputError(
                f"label of {self.names[wrong[0]]}",
                int(self.labels[wrong[0]]),
                f"0 to {len(self.classes) - 1}, a material for every picture",
            )
        lost = np.flatnonzero(~np.isfinite(self.logits).all(axis=1))
        if len(lost):
            raise InvalidInputError(
                f"logits of {self.names[lost[0]]}",
                self.logits[lost[0]].tolist(),
                f"finite numbers for every picture ({len(lost)} have others)",
                "train with a smaller learning rate, or export the bundle again",
            )
        if not (np.isfinite(self.temperature) and self.temperature > 0):
            raise InvalidInputError("temperature", self.temperature, "a number greater than 0")
        if len(self.digests) not in (0, count):
            raise InvalidInputError("digests", len(self.digests), f"none or {count}")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def probabilities(self) -> npt.NDArray[np.float64]:
        """``[N, C]``, after the temperature; each row's sum is 1."""
        return softmax(self.logits, self.temperature)

    @property
    def predicted(self) -> npt.NDArray[np.int64]:
        """``[N]``, index of the most probable class."""
        best: npt.NDArray[np.int64] = self.logits.argmax(axis=1)
        return best

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """``[N]``, whether the most probable class is the picture's."""
        return np.asarray(self.predicted == self.labels)

    @property
    def confidence(self) -> npt.NDArray[np.float64]:
        """``[N]``, probability of the most probable class."""
        best: npt.NDArray[np.float64] = self.probabilities.max(axis=1)
        return best

    @property
    def losses(self) -> npt.NDArray[np.float64]:
        """``[N]``, negative log-likelihood of the picture's own class in nats."""
        return losses(self.logits, self.labels, self.temperature)

    def worst(self, count: int) -> list[int]:
        """Indices of the wrong answers with the greatest loss, greatest first."""
        order = np.argsort(-self.losses, kind="stable")
        wrong = ~self.right
        return [int(i) for i in order if wrong[i]][:count]


@dataclass(frozen=True, slots=True)
class Failure:
    """A picture that could not be read.

    Attributes:
        name: As in ``Predictions.names``.
        reason: What is wrong with it, to follow the name: ``"is empty"``.
    """

    name: str
    reason: str


def losses(
    logits: npt.NDArray[np.float32], labels: npt.NDArray[np.int64], temperature: float = 1.0
) -> npt.NDArray[np.float64]:
    """Negative log-likelihood of each label, ``[N]``, exact where the probability rounds to 0."""
    scaled = logits.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    own: npt.NDArray[np.float64] = scaled[np.arange(len(labels)), labels]
    total: npt.NDArray[np.float64] = np.log(np.exp(scaled).sum(axis=1))
    return total - own


def torch_network(model: nn.Module, *, bf16: bool = False) -> Network:
    """Wraps a torch model as a function from an input batch to logits.

    Args:
        model: Takes ``[N, 3, H, W]``; runs where its parameters are, and is left in its own mode.
        bf16: Compute in bfloat16 where autocast knows how.
    """
    import torch

    def run(batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        was_training = model.training
        model.eval()
        try:
            images = torch.from_numpy(batch).to(device, memory_format=torch.channels_last)
            with (
                torch.inference_mode(),
                torch.autocast(device.type, dtype=torch.bfloat16, enabled=bf16),
            ):
                logits = model(images).float().cpu().numpy()
        finally:
            model.train(was_training)
        return np.asarray(logits, dtype=np.float32)

    return run


def predict(
    network: Network,
    store: PictureStore,
    classes: Sequence[str],
    spec: PreprocessingSpec,
    temperature: float = 1.0,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Predictions:
    """Asks a network about whole pictures in memory, preprocessed as the node does it.

    Args:
        network: From ``[N, 3, H, W]`` float32 to logits ``[N, C]``.
        store: The pictures with their labels.
        classes: Materials in the order of the logits.
        spec: How a picture becomes the network's input.
        temperature: Divides the logits.
        batch_size: Pictures at a time.
        progress: Called with the number of pictures done.
    """
    rows = []
    for start in range(0, len(store.images), batch_size):
        images = store.images[start : start + batch_size]
        rows.append(network(preprocess_batch(images, spec)))
        if progress is not None:
            progress(start + len(images))
    return Predictions(
        tuple(store.names),
        np.asarray(store.labels, dtype=np.int64),
        np.concatenate(rows) if rows else np.zeros((0, len(classes)), np.float32),
        tuple(classes),
        temperature,
    )


def predict_files(
    network: Network,
    pictures: Sequence[Picture],
    classes: Sequence[str],
    spec: PreprocessingSpec,
    temperature: float = 1.0,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> tuple[Predictions, tuple[Failure, ...]]:
    """Asks a network about files, of which only one batch is in memory.

    Args:
        network: From ``[N, 3, H, W]`` float32 to logits ``[N, C]``.
        pictures: Files with their labels.
        classes: Materials in the order of the logits.
        spec: How a picture becomes the network's input.
        temperature: Divides the logits.
        batch_size: Pictures at a time.
        progress: Called with the number of pictures done.

    Returns:
        The answers, and the pictures that could not be read.

    Raises:
        InvalidInputError: If there is no picture, or none could be read.
    """
    if not pictures:
        raise InvalidInputError("pictures", 0, "at least one labelled picture")
    kept: list[Picture] = []
    digests: list[str] = []
    failed: list[Failure] = []
    rows = []
    with ThreadPoolExecutor(_READERS) as readers:
        for start in range(0, len(pictures), batch_size):
            chunk = pictures[start : start + batch_size]
            images = []
            for picture, found in zip(chunk, readers.map(_read, chunk), strict=True):
                if isinstance(found, Failure):
                    failed.append(found)
                    continue
                image, digest = found
                images.append(image)
                digests.append(digest)
                kept.append(picture)
            if images:
                rows.append(network(preprocess_batch(images, spec)))
            if progress is not None:
                progress(start + len(chunk))
    if not kept:
        raise InvalidInputError(
            "pictures",
            f"{failed[0].name} {failed[0].reason}",
            f"at least one that can be read; none of {len(failed)} can",
            "give JPEG, PNG or other pictures of at least 16 x 16 px",
        )
    predictions = Predictions(
        tuple(picture.name for picture in kept),
        np.array([picture.label for picture in kept], dtype=np.int64),
        np.concatenate(rows),
        tuple(classes),
        temperature,
        tuple(digests),
    )
    return predictions, tuple(failed)


def read_bytes(path: Path) -> bytes:
    """Reads a file; raises `SourceError` if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from error


def _read(picture: Picture) -> tuple[npt.NDArray[np.uint8], str] | Failure:
    """The picture as the sources read it (upright, three channels), and its digest."""
    try:
        data = read_bytes(picture.path)
        image = decode_picture(data, cv2.IMREAD_COLOR)
    except SourceError as error:
        return Failure(picture.name, str(error))
    return image, hashlib.sha256(data).hexdigest()[:_DIGEST_DIGITS]
