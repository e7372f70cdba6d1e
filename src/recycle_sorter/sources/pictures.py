# SPDX-License-Identifier: Apache-2.0
"""Folders of pictures: which there are, what they show, and reading them safely."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError, SourceError

SUFFIXES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
ORDERS: Final = ("shuffle", "round_robin", "given")
MIN_SIDE_PX: Final = 16
_SPLIT_COLUMNS: Final = ("path", "split")


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture of a folder.

    Attributes:
        path: Where it is.
        label: Its path within the folder, for people.
        material: What it shows; empty if nobody said.
    """

    path: Path
    label: str
    material: str = ""


def find_pictures(folder: Path) -> list[Picture]:
    """Lists the pictures of a folder, sorted by path.

    ``<folder>/<material>/<file>`` tells the material; a file in the folder itself has none.

    Args:
        folder: The folder; a single picture will do as well.

    Raises:
        SourceError: If there is no such folder or it holds no picture.
    """
    if folder.is_file():
        return [Picture(folder, folder.name)]
    if not folder.is_dir():
        raise SourceError(f"{folder} is not a folder. Fix: give a folder of pictures")
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            found += [
                Picture(inner, f"{path.name}/{inner.name}", path.name)
                for inner in sorted(path.iterdir())
                if _may_be_picture(inner)
            ]
        elif _may_be_picture(path):
            found.append(Picture(path, path.name))
    if not found:
        raise SourceError(
            f"{folder} holds no picture ({', '.join(SUFFIXES)}). "
            "Fix: put pictures into it, or into one folder a material"
        )
    return found


def pick_split(pictures: Sequence[Picture], split_file: Path, split: str) -> list[Picture]:
    """Keeps the pictures that a table counts to one split.

    Args:
        pictures: From ``find_pictures``.
        split_file: CSV with columns ``path`` (as ``Picture.label``), ``split`` and perhaps
            ``material``, which then overrides the folder's name.
        split: Which split, e.g. ``"val"``.

    Raises:
        InvalidInputError: If the table lacks a column, the split, or names absent pictures.
        SourceError: If it cannot be read.
    """
    try:
        with split_file.open(encoding="utf-8-sig", newline="") as table:
            rows = csv.DictReader(table)
            columns = tuple(rows.fieldnames or ())
            if not set(_SPLIT_COLUMNS) <= set(columns):
                raise InvalidInputError(
                    f"{split_file.name} columns", columns, "path, split and perhaps material"
                )
            listed = [(row["path"], row["split"], row.get("material") or "") for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SourceError(f"{split_file} cannot be read: {error}") from error
    wanted = {path: material for path, name, material in listed if name == split}
    if not wanted:
        splits = sorted({str(name) for _, name, _ in listed})
        raise InvalidInputError("split", split, f"one of {', '.join(splits)} (in {split_file})")
    kept = [
        Picture(picture.path, picture.label, wanted[picture.label] or picture.material)
        for picture in pictures
        if picture.label in wanted
    ]
    if len(kept) < len(wanted):
        absent = sorted(set(wanted) - {picture.label for picture in kept})
        raise InvalidInputError(
            "split_file",
            f"{len(absent)} pictures, first {absent[0]}",
            "paths within the folder of pictures",
            "give the folder that the table belongs to",
        )
    return kept


def choose(pictures: Sequence[Picture], count: int, seed: int) -> list[Picture]:
    """Chooses some pictures by chance, each material in proportion to its share.

    Args:
        pictures: Out of which.
        count: How many, from 1 to all.
        seed: Same seed, same choice.

    Returns:
        The chosen ones in their original order.

    Raises:
        InvalidInputError: If there are not so many.
    """
    if not 1 <= count <= len(pictures):
        raise InvalidInputError("count", count, f"1 to {len(pictures)}, the pictures there are")
    by_material = _by_material(pictures)
    # Largest remainder: quotas sum to exactly `count`.
    exact = {name: count * len(group) / len(pictures) for name, group in by_material.items()}
    quota = {name: int(share) for name, share in exact.items()}
    by_remainder = sorted(exact, key=lambda name: (quota[name] - exact[name], name))
    for name in by_remainder[: count - sum(quota.values())]:
        quota[name] += 1
    rng = np.random.default_rng([seed, 1])
    chosen: set[int] = set()
    for name, group in by_material.items():
        chosen.update(group[i] for i in rng.permutation(len(group))[: quota[name]].tolist())
    return [picture for index, picture in enumerate(pictures) if index in chosen]


def arrange(pictures: Sequence[Picture], order: str, seed: int) -> list[Picture]:
    """Puts pictures into the order in which they are shown.

    Args:
        pictures: What to show.
        order: ``shuffle``; ``round_robin``: one of each material in turn, shuffled within; or
            ``given``.
        seed: Same seed, same order.

    Raises:
        InvalidInputError: If there is no such order.
    """
    if order not in ORDERS:
        raise InvalidInputError("order", order, f"one of {', '.join(ORDERS)}")
    if order == "given":
        return list(pictures)
    rng = np.random.default_rng([seed, 2])
    shuffled = [pictures[i] for i in rng.permutation(len(pictures)).tolist()]
    if order == "shuffle":
        return shuffled
    groups = _by_material(shuffled)
    turns = zip_longest(*([shuffled[i] for i in groups[name]] for name in sorted(groups)))
    return [picture for turn in turns for picture in turn if picture is not None]


def load_picture(path: Path) -> NDArray[np.uint8]:
    """Reads a picture.

    Returns:
        ``(height, width, 3)`` uint8, BGR, turned upright as its EXIF data says.

    Raises:
        SourceError: If it is missing, damaged or smaller than 16 px; the text says which.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}") from error
    return decode_picture(data, cv2.IMREAD_COLOR)


def decode_picture(data: bytes | memoryview, flags: int) -> NDArray[np.uint8]:
    """Decodes a compressed picture.

    Args:
        data: JPEG, PNG or whatever else OpenCV decodes.
        flags: As for ``cv2.imdecode``; must give three channels.

    Returns:
        ``(height, width, 3)`` uint8, BGR.

    Raises:
        SourceError: If it is empty, damaged, cut off or smaller than 16 px.
    """
    if len(data) == 0:
        raise SourceError("is empty")
    if is_cut_jpeg(data):
        raise SourceError("is a JPEG that was cut off")
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise SourceError(f"cannot be decoded: {error.err or error}") from error
    if pixels is None:
        raise SourceError("is no picture that OpenCV decodes")
    height, width = pixels.shape[:2]
    if min(height, width) < MIN_SIDE_PX:
        raise SourceError(f"is {width} x {height} px, smaller than {MIN_SIDE_PX} px")
    return np.asarray(pixels, np.uint8)


def is_jpeg(data: bytes | memoryview) -> bool:
    """Whether the data begins as a JPEG does."""
    return bytes(data[:3]) == b"\xff\xd8\xff"


def is_cut_jpeg(data: bytes | memoryview) -> bool:
    """Whether a JPEG lacks its end, which decoders only fill with grey.

    The end mark is looked for in the second half: cameras append data behind it, and the preview
    in front has one of its own.
    """
    return is_jpeg(data) and b"\xff\xd9" not in bytes(data[len(data) // 2 :])


def _may_be_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


def _by_material(pictures: Sequence[Picture]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        groups[picture.material].append(index)
    return dict(groups)
