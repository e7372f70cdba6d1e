# SPDX-License-Identifier: Apache-2.0
"""A folder of cut-outs: pictures of single items with nothing around them, and their index."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.paths import share_file
from recycle_sorter.vision.masks import filled

SHIPPED: Final = "samples/cutouts"
INDEX: Final = "index.csv"
COLUMNS: Final = ("file", "material", "source", "length_m")
_MAX_FILES: Final = 100_000
_MAX_BYTES: Final = 8 << 20
_MIN_SIDE_PX: Final = 8
_MAX_SIDE_PX: Final = 4096
_MAX_NAME: Final = 100
_SOLID: Final = 96  # alpha from which a pixel counts to the outline


@dataclass(frozen=True, slots=True, eq=False)
class Cutout:
    """One item's picture.

    Attributes:
        pixels: ``(height, width, 4)`` uint8, blue, green, red, alpha (0: not the item).
        material: What it is made of.
        source: Where it came from, for people.
        length_m: Length of the smallest rectangle around it, metres.
        centre_px: Middle of its outline's area, ``(x, y)`` with 0 at the picture's left and top
            edge.
        hull: ``(n, 2)`` float64, the convex outline around that middle, in units of the length;
            x to the right, y down.
        aspect: Width of the smallest rectangle in units of its length, above 0 to 1.
    """

    pixels: NDArray[np.uint8]
    material: str
    source: str
    length_m: float
    centre_px: tuple[float, float] = field(init=False)
    hull: NDArray[np.float64] = field(init=False)
    aspect: float = field(init=False)
    length_px: float = field(init=False)

    def __post_init__(self) -> None:
        """Measures the outline.

        Raises:
            InvalidInputError: If the picture has no alpha, shows nothing, the length is not
                within 0.005 to 2 m, or the material cannot be a folder's name.
        """
        pixels = self.pixels
        if not _is_folder_name(self.material):
            expected = "a material's name, without slashes or a leading dot"
            raise InvalidInputError(f"{self.source} material", self.material, expected)
        if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype != np.uint8:
            raise InvalidInputError(self.source, pixels.shape, "a picture with transparency, RGBA")
        if not math.isfinite(self.length_m) or not 0.005 <= self.length_m <= 2.0:
            raise InvalidInputError(f"{self.source} length_m", self.length_m, "0.005 to 2 metres")
        solid = np.ascontiguousarray((pixels[..., 3] >= _SOLID).astype(np.uint8))
        area = int(solid.sum())
        if area < _MIN_SIDE_PX**2:
            raise InvalidInputError(self.source, f"{area} pixels", "an item that can be seen")
        # Clear glass lets the belt through, and is all the same no less of the item.
        moments = cv2.moments(filled(solid), binaryImage=True)
        x, y = (moments[name] / moments["m00"] + 0.5 for name in ("m10", "m01"))
        rows, columns = np.nonzero(solid)
        # Outer edges of pixels, not their middles.
        ends = np.stack([columns, rows], axis=1).astype(np.float32)
        steps = np.array([(0, 0), (1, 0), (0, 1), (1, 1)], np.float32)
        corners = (ends[:, None] + steps).reshape(-1, 2)
        hull = cv2.convexHull(corners.astype(np.float32)).reshape(-1, 2)
        _, sides, _ = cv2.minAreaRect(hull)
        length, width = max(sides), min(sides)
        object.__setattr__(self, "centre_px", (x, y))
        object.__setattr__(self, "hull", (hull.astype(np.float64) - (x, y)) / length)
        object.__setattr__(self, "aspect", max(width / length, 1e-3))
        object.__setattr__(self, "length_px", float(length))


@dataclass(frozen=True, slots=True)
class Library:
    """Cut-outs to choose from.

    Attributes:
        cutouts: All of them, in the order of the index.
    """

    cutouts: tuple[Cutout, ...]

    def __post_init__(self) -> None:
        if not self.cutouts:
            raise InvalidInputError("library", "no cut-out", "one or more")

    @property
    def materials(self) -> tuple[str, ...]:
        """Names of the materials, sorted."""
        return tuple(sorted({cutout.material for cutout in self.cutouts}))

    def of(self, material: str) -> tuple[Cutout, ...]:
        """The cut-outs of one material."""
        return tuple(cutout for cutout in self.cutouts if cutout.material == material)


def load_library(folder: str | Path | None = None) -> Library:
    """Reads a folder of cut-outs (see ``recycle-sorter cutouts``).

    Args:
        folder: Holds ``index.csv`` and the pictures; None for the shipped one.

    Raises:
        InvalidInputError: Naming the file, row or column that is not as it must be.
    """
    root = share_file(SHIPPED) if folder is None else Path(folder).expanduser()
    rows = _rows(root / INDEX)
    return Library(tuple(_cutout(root, index, row) for index, row in enumerate(rows, start=2)))


def _is_folder_name(material: str) -> bool:
    """Whether a material can name the folder of its pictures: what it is used for."""
    return (
        0 < len(material) <= _MAX_NAME
        and material.isprintable()
        and not material.startswith(".")
        and not set(material) & set("/\\:")
    )


def _rows(path: Path) -> Sequence[dict[str, str | None]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            reader = csv.DictReader(table)
            columns = tuple(reader.fieldnames or ())
            if not set(COLUMNS) <= set(columns):
                raise InvalidInputError(f"{path.name} columns", columns, ", ".join(COLUMNS))
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        fix = "make a library with `recycle-sorter cutouts`"
        raise InvalidInputError(str(path), str(error), "a readable index", fix) from error
    if len(rows) > _MAX_FILES:
        raise InvalidInputError(str(path), f"{len(rows)} rows", f"at most {_MAX_FILES}")
    return rows


def _cutout(root: Path, line: int, row: dict[str, str | None]) -> Cutout:
    where = f"{INDEX} line {line}"
    name, material = row["file"] or "", (row["material"] or "").strip()
    inner = PurePosixPath(name)
    if not inner.parts or inner.is_absolute() or ".." in inner.parts or "\\" in name:
        raise InvalidInputError(f"{where} file", name, "a path within the folder")
    if not _is_folder_name(material):
        expected = "a material's name, without slashes or a leading dot"
        raise InvalidInputError(f"{where} material", row["material"], expected)
    try:
        length_m = float(row["length_m"] or "")
    except ValueError as error:
        raise InvalidInputError(f"{where} length_m", row["length_m"], "metres") from error
    return Cutout(_pixels(root / inner), material, row["source"] or name, length_m)


def _pixels(path: Path) -> NDArray[np.uint8]:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        raise InvalidInputError(str(path), str(error), "a readable picture") from error
    pixels = None
    if 0 < len(data) <= _MAX_BYTES:
        try:
            pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise InvalidInputError(str(path), str(error), "a picture") from error
    if pixels is None:
        expected = f"a picture that OpenCV decodes, at most {_MAX_BYTES} bytes"
        raise InvalidInputError(str(path), f"{len(data)} bytes", expected)
    if not all(_MIN_SIDE_PX <= side <= _MAX_SIDE_PX for side in pixels.shape[:2]):
        expected = f"sides of {_MIN_SIDE_PX} to {_MAX_SIDE_PX} px"
        raise InvalidInputError(str(path), pixels.shape[:2], expected)
    return np.asarray(pixels)
