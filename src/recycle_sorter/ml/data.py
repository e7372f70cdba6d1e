# SPDX-License-Identifier: Apache-2.0
"""Folders of labelled pictures, read, validated and decoded once."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")
UNLABELLED = -1
_SPLIT_COLUMNS = ("path", "material", "split")


@dataclass(frozen=True, slots=True)
class Record:
    """One picture on disk.

    Attributes:
        path: The picture file.
        label: Index into ``MATERIALS``, or ``UNLABELLED``.
    """

    path: Path
    label: int


def _pictures_below(root: Path) -> list[Path]:
    if not root.is_dir():
        raise InvalidInputError("data", str(root), "a folder of pictures", "check the path")
    return sorted(p for p in root.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)


def read_unlabelled(root: Path) -> list[Record]:
    """List every picture below ``root``, sorted, without labels.

    Raises:
        InvalidInputError: If the folder is missing or holds no picture.
    """
    records = [Record(path, UNLABELLED) for path in _pictures_below(root)]
    if not records:
        raise InvalidInputError("data", str(root), "at least one .jpg or .png below it")
    return records


def read_class_folders(root: Path, materials: Sequence[str] = MATERIALS) -> list[Record]:
    """List the pictures of ``root/<material>/``, sorted; other folders are an error.

    Raises:
        InvalidInputError: For a missing folder, an unknown material or no picture at all.
    """
    records = []
    for path in _pictures_below(root):
        material = path.relative_to(root).parts[0]
        if material not in materials:
            raise InvalidInputError(
                "data", str(path), f"a folder named {', '.join(materials)}", "rename or move it"
            )
        records.append(Record(path, materials.index(material)))
    if not records:
        raise InvalidInputError("data", str(root), "pictures in one folder a material")
    return records


def read_split(root: Path, split: str, materials: Sequence[str] = MATERIALS) -> list[Record]:
    """List one split of a data set with ``root/split.csv`` and ``root/images/``.

    The CSV has the columns ``path`` (below ``images``), ``material`` and ``split``.

    Raises:
        InvalidInputError: For a missing file or column, an unknown material, a path that leaves
            the folder or does not exist, a picture listed twice, or an empty split.
    """
    table = root / "split.csv"
    if not table.is_file():
        raise InvalidInputError("data", str(table), "a CSV of path, material, split")
    records: list[Record] = []
    seen: set[str] = set()
    with table.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if not set(_SPLIT_COLUMNS) <= set(reader.fieldnames or ()):
            raise InvalidInputError(
                f"{table.name} columns", reader.fieldnames, ", ".join(_SPLIT_COLUMNS)
            )
        for row in reader:
            field = f"{table.name} line {reader.line_num}"
            if row["material"] not in materials:
                raise InvalidInputError(field, row["material"], f"one of {', '.join(materials)}")
            if row["path"] in seen:
                raise InvalidInputError(field, row["path"], "every picture once", "remove one")
            seen.add(row["path"])
            if row["split"] != split:
                continue
            path = root / "images" / row["path"]
            if ".." in Path(row["path"]).parts or not path.is_file():
                raise InvalidInputError(field, row["path"], "a picture below images/")
            records.append(Record(path, materials.index(row["material"])))
    if not records:
        raise InvalidInputError("split", split, f"a split that {table.name} names")
    return records


def repeat_rare(records: Sequence[Record]) -> list[Record]:
    """Repeat the pictures of rare labels until each has about half as many as the commonest."""
    counts = Counter(record.label for record in records)
    wanted = max(counts.values(), default=0) / 2
    repeats = {label: max(1, round(wanted / count)) for label, count in counts.items()}
    return [record for record in records for _ in range(repeats[record.label])]


def decode(path: Path, shorter_px: int | None = None) -> npt.NDArray[np.uint8] | None:
    """Decode a picture to BGR, shrunk so that its shorter side is at most ``shorter_px``.

    Returns:
        ``[H, W, 3]`` uint8 in BGR order, or None if the file is no readable picture.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        return None
    factor = 1.0 if shorter_px is None else shorter_px / min(image.shape[:2])
    if factor < 1.0:
        size = (round(image.shape[1] * factor), round(image.shape[0] * factor))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(image, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class PictureStore:
    """Decoded pictures in memory: JPEG decoding is paid once, not every epoch.

    Attributes:
        images: ``[H, W, 3]`` uint8 BGR pictures of any sizes.
        labels: ``[N]`` int64 indices into the materials, or ``UNLABELLED``.
    """

    images: list[npt.NDArray[np.uint8]]
    labels: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.images) != len(self.labels):
            raise InvalidInputError("labels", len(self.labels), f"{len(self.images)} labels")

    def __len__(self) -> int:
        return len(self.images)

    @classmethod
    def load(
        cls,
        records: Iterable[Record],
        shorter_px: int | None = None,
        report: Callable[[str], None] = print,
    ) -> PictureStore:
        """Decode every record; unreadable files are left out, counted and reported.

        Raises:
            InvalidInputError: If no picture can be read.
        """
        images, labels, broken = [], [], []
        for record in records:
            image = decode(record.path, shorter_px)
            if image is None:
                broken.append(record.path)
            else:
                images.append(image)
                labels.append(record.label)
        if broken:
            names = ", ".join(path.name for path in broken[:5])
            report(f"left out {len(broken)} unreadable pictures: {names}")
        if not images:
            raise InvalidInputError("data", len(broken), "at least one readable picture")
        return cls(images, np.asarray(labels, dtype=np.int64))

    def __add__(self, other: PictureStore) -> PictureStore:
        return PictureStore(self.images + other.images, np.concatenate([self.labels, other.labels]))
