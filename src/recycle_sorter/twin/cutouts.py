# SPDX-License-Identifier: Apache-2.0
"""Makes cut-outs out of pictures of single items on a plain board, given where the item is."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.twin.library import COLUMNS, INDEX, Cutout
from recycle_sorter.vision.masks import filled

# Shortest and longest that such items commonly are, metres; a picture does not tell.
LENGTHS_M: Mapping[str, tuple[float, float]] = {
    "cardboard": (0.12, 0.22),
    "glass": (0.11, 0.22),
    "metal": (0.07, 0.15),
    "paper": (0.11, 0.21),
    "plastic": (0.09, 0.22),
    "trash": (0.08, 0.17),
}
OTHER_M: Final = (0.08, 0.20)
# Through how much of an item one sees what it lies on, at most.
_CLEAR: Mapping[str, float] = {"glass": 0.7, "plastic": 0.35}
_MIN_AREA, _MAX_AREA = 0.02, 0.85  # of the picture
# Of the convex outline; less, and shadows or another item hang on it, or what is as pale as the
# board went with it.
_MIN_SOLIDITY = 0.75
_MIN_KEPT = 0.6  # of the mask, once shadow is taken off it
_EVEN, _TINT = 0.035, 0.09  # how even and how grey a shadow on the board is
_MIN_LENGTH_PX = 40.0
_MAX_SIDE_PX = 224  # of a stored cut-out: more than a belt's camera sees of an item
_MARGIN_PX = 2
_QUALITY = 88
_BOARD_LIKE = 26.0  # Lab units within which a pixel may be the board seen through the item

Mask = NDArray[np.uint8]
Masker = Callable[[NDArray[np.uint8]], "Mask | None"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a picture gave no cut-out."""

    source: str
    why: str


def cut_out(
    pixels: NDArray[np.uint8],
    mask: Mask | None,
    material: str,
    source: str,
    length_m: float,
    is_exact: bool = False,
) -> Cutout | Refusal:
    """Cuts an item out of its picture.

    Args:
        pixels: ``(height, width, 3)`` uint8, BGR: one item on a plain board.
        mask: ``(height, width)`` uint8, 0 for board to 255 for item; None if nobody knows.
        is_exact: Whether the mask was drawn, not found: it then holds neither shadow nor board.
        material: What it is made of. Glass and plastic become as clear as they look.
        source: Where the picture came from.
        length_m: Its length, metres.

    Returns:
        The cut-out, or why there is none.
    """
    if mask is None:
        return Refusal(source, "no item stands out from a plain board")
    share = float((mask >= 128).mean())
    if not _MIN_AREA <= share <= _MAX_AREA:
        return Refusal(source, f"the item covers {share:.0%} of the picture")
    solid = (mask >= 128).astype(np.uint8)
    if not is_exact:
        whole = int(solid.sum())
        solid = _unshaded(pixels, solid)
        if solid.sum() < _MIN_KEPT * whole:
            return Refusal(source, "too much of it looks like the board in shade")
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid)
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    if count > 2 and stats[largest, cv2.CC_STAT_AREA] < 0.8 * solid.sum():
        return Refusal(source, "the item falls apart")
    outlines, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    solidity = cv2.contourArea(outline) / max(1.0, cv2.contourArea(cv2.convexHull(outline)))
    if solidity < _MIN_SOLIDITY:
        return Refusal(source, f"the outline is ragged (solidity {solidity:.2f})")
    height, width = solid.shape
    left, top, wide, high = cv2.boundingRect(outline)
    if left == 0 or top == 0 or left + wide == width or top + high == height:
        return Refusal(source, "the picture's edge cuts the item")
    _, sides, _ = cv2.minAreaRect(outline)
    if max(sides) < _MIN_LENGTH_PX:
        return Refusal(source, f"the item is {max(sides):.0f} px long")
    item = cv2.dilate((labels == largest).astype(np.uint8), np.ones((3, 3), np.uint8))
    edge = mask.astype(np.float32) / 255.0 if is_exact else _tightened(labels == largest)
    alpha = np.asarray(item * edge, np.float32)
    rgba = _matted(pixels, alpha, solid, _CLEAR.get(material, 0.0))
    rows = slice(max(0, top - _MARGIN_PX), top + high + _MARGIN_PX)
    columns = slice(max(0, left - _MARGIN_PX), left + wide + _MARGIN_PX)
    return Cutout(_shrunk(rgba[rows, columns]), material, source, length_m)


def length_of(material: str, source: str, seed: int) -> float:
    """A plausible length, metres: by chance from the material's range, but always the same."""
    low, high = LENGTHS_M.get(material, OTHER_M)
    rng = np.random.default_rng([seed, zlib.crc32(f"{material}/{source}".encode())])
    return round(float(rng.uniform(low, high)), 3)


def write_library(folder: Path, cutouts: Sequence[Cutout]) -> int:
    """Writes cut-outs and their index, for ``load_library``.

    Args:
        folder: Where to; must not hold a library, or files of the names that it writes.
        cutouts: What to write.

    Returns:
        How many bytes the pictures take.

    Raises:
        InvalidInputError: If the folder holds a library, or such a file.
        SorterError: If it cannot be written.
    """
    index = folder / INDEX
    if index.exists():
        raise InvalidInputError("out", str(folder), "a folder without an index", "choose another")
    total = 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        numbers: dict[str, int] = {}
        for cutout in cutouts:
            number = numbers[cutout.material] = numbers.get(cutout.material, 0) + 1
            name = f"{cutout.material}/{number:03d}.webp"
            settings = [cv2.IMWRITE_WEBP_QUALITY, _QUALITY]
            good, data = cv2.imencode(".webp", cutout.pixels, settings)
            if not good:
                raise SorterError(f"cannot encode the cut-out of {cutout.source}")
            target = folder / name
            target.parent.mkdir(exist_ok=True)
            with target.open("xb") as picture:  # never over a photograph
                picture.write(data.tobytes())
            total += data.size
            rows.append((name, cutout.material, cutout.source, f"{cutout.length_m:.3f}"))
        with index.open("x", encoding="utf-8", newline="") as table:
            writer = csv.writer(table, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    except FileExistsError as error:
        raise InvalidInputError(
            "out", str(error.filename), "a folder without such a file", "choose another"
        ) from error
    except OSError as error:
        raise SorterError(f"cannot write below {folder}: {error}") from error
    return total


def _unshaded(pixels: NDArray[np.uint8], solid: Mask) -> Mask:
    """The mask without the item's shadow: board, only darker, that reaches in from outside."""
    size = max(solid.shape)
    smooth = cv2.GaussianBlur(pixels.astype(np.float32), (0, 0), max(0.8, size / 400.0))
    ratio = smooth / _board(pixels, solid)
    level = ratio.mean(axis=2)
    tint = np.ptp(ratio, axis=2) / np.maximum(level, 1e-3)
    grey = np.asarray(level, np.float32)
    width = max(3, round(size / 60)) | 1
    spread = cv2.blur(grey * grey, (width, width)) - cv2.blur(grey, (width, width)) ** 2
    is_even = np.sqrt(np.maximum(spread, 0.0)) < _EVEN * np.maximum(grey, 0.1)
    like = (level > 0.4) & (level < 1.04) & (tint < _TINT)
    # At the edges of shadow and item nothing is even: there, what is grey enough goes too.
    around = np.ones((2 * width + 1, 2 * width + 1), np.uint8)
    free = solid == 0
    near = cv2.dilate(free.astype(np.uint8), around) > 0
    free = _hanging_on(like & (is_even | near), free)
    near = cv2.dilate(free.astype(np.uint8), around) > 0
    free = _hanging_on(like & near, free)
    kept = (~free).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (width, width))
    opened = cv2.morphologyEx(kept, cv2.MORPH_OPEN, kernel)
    closed = cv2.morphologyEx(opened, cv2.MORPH_CLOSE, kernel)
    return filled(closed)


def _hanging_on(some: NDArray[np.bool_], base: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The base and what touches it; a shadow inside a cup stays the cup's."""
    _, labels = cv2.connectedComponents((some | base).astype(np.uint8), connectivity=4)
    touched = np.unique(labels[base])
    return np.asarray(base | np.isin(labels, touched[touched > 0]), np.bool_)


def _tightened(solid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """A soft edge, drawn in by about a pixel, so that no board hangs on it."""
    soft = cv2.GaussianBlur(solid.astype(np.float32), (0, 0), max(0.8, max(solid.shape) / 400.0))
    return np.asarray(np.clip(soft * 2.0 - 1.0, 0.0, 1.0), np.float32)


def _matted(
    pixels: NDArray[np.uint8], alpha: NDArray[np.float32], solid: Mask, clear: float
) -> NDArray[np.uint8]:
    """Takes the board out of what is half item and half board; BGRA."""
    board = _board(pixels, solid)
    if clear > 0.0:
        scale = np.float32(1.0 / 255.0)
        lab = cv2.cvtColor(pixels.astype(np.float32) * scale, cv2.COLOR_BGR2Lab)
        under = cv2.cvtColor(board * scale, cv2.COLOR_BGR2Lab)
        off = cv2.GaussianBlur(np.linalg.norm(lab - under, axis=2), (0, 0), 1.0)
        alpha = alpha * (1.0 - clear * np.clip(1.0 - off / _BOARD_LIKE, 0.0, 1.0))
    share = np.maximum(alpha, 0.15)[..., None]
    item = (pixels.astype(np.float32) - (1.0 - share) * board) / share
    bgr = np.clip(item, 0, 255)
    return np.dstack([np.rint(bgr), np.rint(alpha * 255.0)]).astype(np.uint8)


def _board(pixels: NDArray[np.uint8], solid: Mask) -> NDArray[np.float32]:
    """The board as it would be without the item, a plane of colour; float32 BGR 0 to 255."""
    height, width = solid.shape
    size = max(3, round(0.04 * max(height, width))) | 1
    free = cv2.dilate(solid, np.ones((size, size), np.uint8)) == 0
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y], axis=2)
    if int(free.sum()) < 16:
        free = solid == 0
    fit = np.linalg.lstsq(terms[free], pixels[free].astype(np.float64), rcond=None)[0]
    return np.asarray(np.clip(terms @ fit, 1.0, 255.0), np.float32)


def _shrunk(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """At most so large as is stored; colour weighted by alpha, so that no rim turns dark."""
    height, width = rgba.shape[:2]
    factor = min(1.0, _MAX_SIDE_PX / max(height, width))
    if factor == 1.0:
        return np.ascontiguousarray(rgba)
    size = (max(8, round(width * factor)), max(8, round(height * factor)))
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    # A trace of weight everywhere keeps colour where nothing is seen.
    weight = np.maximum(alpha, 1e-3)
    colour = cv2.resize(rgba[..., :3] * weight, size, interpolation=cv2.INTER_AREA)
    weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)[..., None]
    small = cv2.resize(rgba[..., 3], size, interpolation=cv2.INTER_AREA)
    colour = np.clip(np.rint(colour / weight), 0, 255)
    return np.dstack([colour, small]).astype(np.uint8)
