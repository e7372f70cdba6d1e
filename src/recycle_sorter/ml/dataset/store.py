# SPDX-License-Identifier: Apache-2.0
"""Pictures in memory: JPEG decoding is paid once, not every epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.ml.dataset.records import Picture
from recycle_sorter.sources.pictures import load_picture
from recycle_sorter.vision.preprocessing import PreprocessingSpec, resize_image

_DECODERS = 2


def decode(path: Path, shorter_px: int | None = None) -> npt.NDArray[np.uint8] | None:
    """Decode a picture, turned as its EXIF data says, shrunk to ``shorter_px`` if it is larger.

    Args:
        path: The picture file.
        shorter_px: Longest allowed shorter side; None keeps the size.

    Returns:
        ``[H, W, 3]`` uint8 in BGR order, or None if the file is no readable picture: missing,
        damaged, cut off or smaller than 16 px, as ``data check`` says.
    """
    try:
        image = load_picture(path)
    except SourceError:
        return None
    factor = 1.0 if shorter_px is None else shorter_px / min(image.shape[:2])
    if factor < 1.0:
        size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return image


@dataclass(frozen=True, slots=True)
class PictureStore:
    """Decoded pictures with their labels.

    Attributes:
        images: ``[H, W, 3]`` uint8 BGR pictures of any sizes.
        labels: ``[N]`` int64 indices into the classes, or ``UNLABELLED``.
        names: The pictures' names in their data set.
        unreadable: Names of the pictures that could not be read and were left out.
    """

    images: list[npt.NDArray[np.uint8]]
    labels: npt.NDArray[np.int64]
    names: list[str]
    unreadable: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field, count in (("labels", len(self.labels)), ("names", len(self.names))):
            if count != len(self.images):
                raise InvalidInputError(field, count, f"{len(self.images)}, one a picture")

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def load(
        cls,
        pictures: Iterable[Picture],
        shorter_px: int | None = None,
        report: Callable[[str], None] = print,
        spec: PreprocessingSpec | None = None,
    ) -> PictureStore:
        """Decode every picture; unreadable ones are left out, counted and reported.

        Args:
            pictures: Which.
            shorter_px: Longest allowed shorter side; None keeps the size.
            report: Told which are unreadable.
            spec: Keep each at the size of the network's input, resized as the node does. Where
                resizing twice is not resizing once (``center_crop``) they keep their size.

        Raises:
            InvalidInputError: If no picture can be read.
        """
        fitted = None if spec is None or spec.resize == "center_crop" else spec

        def read(picture: Picture) -> npt.NDArray[np.uint8] | None:
            image = decode(picture.path, shorter_px)
            return image if image is None or fitted is None else resize_image(image, fitted)

        wanted = list(pictures)
        with ThreadPoolExecutor(_DECODERS) as pool:
            decoded = list(pool.map(read, wanted))
        broken = tuple(p.name for p, image in zip(wanted, decoded, strict=True) if image is None)
        if broken:
            names = ", ".join(broken[:5])
            report(f"left out {len(broken)} unreadable pictures: {names}")
        kept = [(p, image) for p, image in zip(wanted, decoded, strict=True) if image is not None]
        if not kept:
            raise InvalidInputError("data", len(wanted), "at least one readable picture")
        return cls(
            [image for _, image in kept],
            np.asarray([picture.label for picture, _ in kept], dtype=np.int64),
            [picture.name for picture, _ in kept],
            broken,
        )
