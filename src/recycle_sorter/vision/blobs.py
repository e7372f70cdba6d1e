# SPDX-License-Identifier: Apache-2.0
"""From a map of how much each pixel departs from the belt to one outline an item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.vision.belt_model import Departure

Mask = NDArray[np.uint8]

_LOW: Final = 0.5  # of the threshold: grows an outline from where it is certain
_SOLID: Final = 0.62  # of its smallest rectangle, from which on a fragment is an item of its own
_PIECE: Final = 0.3  # of its neighbour, up to which an outline may be a piece of it
# What holds an outline: so much of it is sure, or so much of it departs clearly. Marks worn into
# a belt, and dirt, depart weakly over wide areas of which only a few pixels are sure.
_SURE_SHARE: Final = 0.2
_CLEAR_SHARE: Final = 0.1
_CLEAR: Final = 1.5
# What is too thin for an item is one all the same if it is no longer than so many shortest sides
# and departs so clearly: a strip. Scratches are thinner, a splice is longer.
_STRIP_SIDES: Final = 8.0
_STRIP_CLEAR: Final = 4.0
_HALF: Final = 0.25  # half of the contrast, squared
_STRONG: Final = 60.0  # squared standard deviations, from which on smoothing leaves a rim


@dataclass(frozen=True, slots=True)
class BlobSizes:
    """Lengths in pixels of the map.

    Attributes:
        min_px: Shortest side of an item.
        join_px: Fragments of one item lie no further apart.
        near_px: Items that lie no further apart touch.
        part_px: Small pieces no further from another outline are of it.
        deep_px: One item's outline has no deeper bay.
        notch_px: Nor two bays deeper than this.
        broad_px: Nor an area above this, squared.
    """

    min_px: float
    join_px: float
    near_px: float
    part_px: float
    deep_px: float
    notch_px: float
    broad_px: float


@dataclass(slots=True)
class Blob:
    """One item's outline.

    Attributes:
        left_px: Where ``mask`` lies in the map.
        top_px: The same, down.
        mask: ``(height, width)`` uint8, 0 or 1, just around the item.
        is_near: Whether another blob lies within ``near_px``.
        is_several: Whether its shape is rather that of two items than of one.
    """

    left_px: int
    top_px: int
    mask: Mask
    is_near: bool = False
    is_several: bool = False


def find_blobs(departure: Departure, sizes: BlobSizes) -> list[Blob]:
    """Finds the items in a map.

    Args:
        departure: From the belt's model.
        sizes: What counts as an item and as near.

    Returns:
        The items, from the top of the picture down.
    """
    sure = (departure.score > 1.0).astype(np.uint8)
    if not sure.any():
        return []
    grown = _trimmed(departure)
    opened = _changed(grown, cv2.MORPH_OPEN, 2)
    # Thin edges are all that a clear film shows: they are closed into outlines before specks go.
    filled = _filled(_changed(grown, cv2.MORPH_CLOSE, sizes.join_px))
    body = _changed(filled, cv2.MORPH_OPEN, 0.5 * sizes.min_px)
    blobs: list[Blob] = []
    min_area = 0.5 * sizes.min_px**2
    for whole in _components(body):
        for one in _held(whole, sure, departure.score, sizes):
            if np.count_nonzero(one.mask) < min_area:
                continue
            parts = _parts(one.mask, opened[_window(one)] & one.mask, min_area)
            blobs += [_blob(part, one.left_px, one.top_px) for part in parts]
    blobs += _strips(filled, body, departure.score, sizes)
    blobs = _joined(blobs, sizes)
    _mark_near(blobs, body.shape, sizes.near_px)
    for blob in blobs:
        blob.is_several = _is_several(blob.mask, sizes)
    return blobs


def _components(mask: Mask) -> list[Blob]:
    """What hangs together, without holes; outlines are quicker found than labels."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for outline in reversed(outlines):  # found from the bottom up
        left, top, width, height = cv2.boundingRect(outline)
        own = np.zeros((height, width), np.uint8)
        cv2.drawContours(own, [outline], -1, 1, cv2.FILLED, offset=(-left, -top))
        found.append(Blob(left, top, own))
    return found


def _window(blob: Blob) -> tuple[slice, slice]:
    height, width = blob.mask.shape
    rows = slice(blob.top_px, blob.top_px + height)
    return rows, slice(blob.left_px, blob.left_px + width)


def _held(whole: Blob, sure: Mask, score: NDArray[np.float32], sizes: BlobSizes) -> list[Blob]:
    """What enough of departs from the belt: all of an outline, parts of it, or nothing."""
    window = _window(whole)
    own = np.asarray(sure[window] & whole.mask, np.uint8)
    count, area = np.count_nonzero(own), np.count_nonzero(whole.mask)
    if count < 0.125 * sizes.min_px**2:
        return []
    # A clear film shows only by its edges.
    is_clear = np.count_nonzero(score[window][whole.mask > 0] > _CLEAR) >= _CLEAR_SHARE * area
    if is_clear or count >= _SURE_SHARE * area:
        return [whole]
    # An item that lies on a stain is held by what is sure of it.
    core = _changed(_filled(own), cv2.MORPH_OPEN, 0.5 * sizes.min_px)
    return [
        Blob(whole.left_px + part.left_px, whole.top_px + part.top_px, part.mask)
        for part in _components(np.asarray(core & whole.mask, np.uint8))
    ]


def _strips(filled: Mask, body: Mask, score: NDArray[np.float32], sizes: BlobSizes) -> list[Blob]:
    """Thin items, such as a drinking straw's paper, that no disc of half an item's side fits in."""
    found = []
    for strip in _components(_changed(filled, cv2.MORPH_OPEN, 0.3 * sizes.min_px)):
        window, area = _window(strip), np.count_nonzero(strip.mask)
        if area < 0.5 * sizes.min_px**2 or np.logical_and(body[window], strip.mask).any():
            continue
        if max(strip.mask.shape) > _STRIP_SIDES * sizes.min_px:
            continue
        if np.count_nonzero(score[window][strip.mask > 0] > _STRIP_CLEAR) >= 0.5 * area:
            found.append(strip)
    return found


def _changed(mask: Mask, change: int, side_px: float) -> Mask:
    return np.asarray(cv2.morphologyEx(mask, change, _disc(round(side_px))), np.uint8)


def _trimmed(departure: Departure) -> Mask:
    """The low threshold, less the rim that smoothing added around strong contrast."""
    grown = departure.score > _LOW
    raw = departure.raw
    wide = cv2.dilate(raw, np.ones((11, 11), np.uint8))
    # Against the neighbours half of the contrast; against what is further off a quarter of it.
    sharp = grown & (raw > _HALF * cv2.dilate(raw, np.ones((5, 5), np.uint8)))
    sharp &= raw > _HALF**2 * wide
    strong = cv2.morphologyEx(sharp.astype(np.uint8), cv2.MORPH_CLOSE, _disc(5))
    # Weak contrast has no rim to speak of, and noise would fray it.
    weak = wide < _STRONG
    return np.asarray((grown & weak) | (strong > 0), np.uint8)


def _disc(side_px: int) -> Mask:
    side = max(1, side_px) | 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _filled(mask: NDArray[Any]) -> Mask:
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(mask.copy(), outlines, -1, 1, cv2.FILLED), np.uint8)


def _parts(whole: Mask, opened: Mask, min_area: float) -> list[Mask]:
    """Splits what closing joined, if the pieces are solid enough to be items of their own."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(_filled(opened), connectivity=8)
    if count < 3:  # one of them is what lies around
        return [whole]
    solid = []
    for label in range(1, count):
        area = int(stats[label, cv2.CC_STAT_AREA])
        if area >= max(min_area, 0.1 * np.count_nonzero(whole)):
            piece = (labels == label).astype(np.uint8)
            if area >= _SOLID * _rectangle_area(piece):
                solid.append(piece)
    covered = sum(int(np.count_nonzero(piece)) for piece in solid)
    if len(solid) < 2 or covered < 0.8 * np.count_nonzero(whole):
        return [whole]
    return solid


def _rectangle_area(mask: Mask) -> float:
    points = cv2.findNonZero(mask)
    _, (width, height), _ = cv2.minAreaRect(points)
    return (float(width) + 1.0) * (float(height) + 1.0)


def _blob(mask: Mask, left: int, top: int) -> Blob:
    x, y, width, height = cv2.boundingRect(mask)
    return Blob(left + x, top + y, np.ascontiguousarray(mask[y : y + height, x : x + width]))


def _joined(blobs: list[Blob], sizes: BlobSizes) -> list[Blob]:
    """Gives small pieces to a neighbour: a clear or patterned item falls apart."""
    tiny = sizes.min_px**2
    most = 12.0 * tiny
    kept: list[Blob] = []
    for blob in sorted(blobs, key=lambda one: -np.count_nonzero(one.mask)):
        area = np.count_nonzero(blob.mask)
        for index, one in enumerate(kept):
            # Small beside its neighbour, or hardly large enough to be an item at all.
            limit = max(_PIECE * min(np.count_nonzero(one.mask), most), tiny)
            if area < limit and _gap_px(one, blob) <= sizes.part_px:
                kept[index] = _united(one, blob)
                break
        else:
            kept.append(blob)
    return sorted(kept, key=lambda one: (one.top_px, one.left_px))


def _united(whole: Blob, piece: Blob) -> Blob:
    left, top = min(whole.left_px, piece.left_px), min(whole.top_px, piece.top_px)
    ends = [(b.left_px + b.mask.shape[1], b.top_px + b.mask.shape[0]) for b in (whole, piece)]
    canvas = np.zeros((max(e[1] for e in ends) - top, max(e[0] for e in ends) - left), np.uint8)
    for one in (whole, piece):
        height, width = one.mask.shape
        y, x = one.top_px - top, one.left_px - left
        canvas[y : y + height, x : x + width] |= one.mask
    return Blob(left, top, canvas)


def _mark_near(blobs: list[Blob], shape: tuple[int, ...], near_px: float) -> None:
    reach = max(1, round(near_px))
    for index, first in enumerate(blobs):
        for second in blobs[index + 1 :]:
            if _gap_px(first, second) > reach:
                continue
            grown = cv2.dilate(_placed(first, shape), _disc(2 * reach + 1))
            if np.logical_and(grown, _placed(second, shape)).any():
                first.is_near = second.is_near = True


def _gap_px(first: Blob, second: Blob) -> int:
    """Between the boxes, the larger of the two ways."""
    (height_a, width_a), (height_b, width_b) = first.mask.shape, second.mask.shape
    across = max(second.left_px - first.left_px - width_a, first.left_px - second.left_px - width_b)
    down = max(second.top_px - first.top_px - height_a, first.top_px - second.top_px - height_b)
    return max(across, down)


def _placed(blob: Blob, shape: tuple[int, ...]) -> Mask:
    canvas = np.zeros(shape[:2], np.uint8)
    height, width = blob.mask.shape
    canvas[blob.top_px : blob.top_px + height, blob.left_px : blob.left_px + width] = blob.mask
    return canvas


def _is_several(mask: Mask, sizes: BlobSizes) -> bool:
    """Whether the shape is rather that of two items: a deep bay, two bays, or a great area."""
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    outline = max(outlines, key=cv2.contourArea)
    if cv2.contourArea(outline) > sizes.broad_px**2:
        return True
    # A simple curve keeps the hull's points in order, which noise around one pixel does not.
    outline = cv2.approxPolyDP(outline, 0.7, closed=True)
    if len(outline) < 4:
        return False
    try:
        bays: Any = cv2.convexityDefects(outline, cv2.convexHull(outline, returnPoints=False))
    except cv2.error:  # the curve crosses itself
        return False
    if bays is None:
        return False
    depths = sorted((float(bay[0][3]) / 256.0 for bay in bays), reverse=True)
    return depths[0] > sizes.deep_px or (len(depths) > 1 and depths[1] > sizes.notch_px)
