# SPDX-License-Identifier: Apache-2.0
"""From a map of how much each pixel departs from the belt to one outline an item."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.vision.belt_model import Departure
from recycle_sorter.vision.blob_groups import (
    Blob,
    BlobSizes,
    components,
    cover,
    is_several,
    is_within,
    joined,
    mark_near,
    united,
)
from recycle_sorter.vision.masks import Mask, disc, filled

__all__ = ["Blob", "BlobSizes", "find_blobs"]

_LOW: Final = 0.5  # of the threshold: grows an outline from where it is certain
_SOLID: Final = 0.62  # of its smallest rectangle, from which on a fragment is an item of its own
# What holds an outline: so much of it is sure, or so much of it departs clearly. Marks worn into
# a belt, and dirt, depart weakly over wide areas of which only a few pixels are sure.
_SURE_SHARE: Final = 0.2
_CLEAR_SHARE: Final = 0.1
_CLEAR: Final = 1.5
# What is too thin for an item is one all the same if it is no longer than so many shortest sides
# and departs so clearly: a strip. Scratches are thinner, a splice is longer.
_STRIP_SIDES: Final = 8.0
_STRIP_CLEAR: Final = 4.0
_TAIL: Final = 0.5  # of the item, at most
_LEAST_TAIL: Final = 0.25  # of the smallest item's square, at least: less is a rounded corner
_ONE_PX: Final = np.ones((3, 3), np.uint8)
_BRIDGE_PX: Final = 3  # and more: less may be a lens's blur
_HALF: Final = 0.25  # half of the contrast, squared
_STRONG: Final = 60.0  # squared standard deviations, from which on smoothing leaves a rim
_BELT: Final = 4.0  # likewise, up to which a pixel looks like the belt
_OWN: Final = 12.0  # likewise, from which on a pixel is no belt, whatever lies beside it


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
    # The median takes a belt's specks away and leaves edges where they are.
    middle = np.asarray(cv2.medianBlur(departure.raw, 3), np.float32)
    own = np.asarray(middle > _OWN, np.uint8)
    if departure.shade is not None:
        own &= 1 - departure.shade
    grown = _trimmed(departure, middle, own)
    opened = _changed(grown, cv2.MORPH_OPEN, 2)
    # Thin edges are all that a clear film shows: they are closed into outlines before specks go.
    closed = filled(_changed(grown, cv2.MORPH_CLOSE, sizes.join_px))
    body = _changed(closed, cv2.MORPH_OPEN, 0.5 * sizes.min_px)
    blobs: list[Blob] = []
    min_area = 0.5 * sizes.min_px**2
    for whole in components(body):
        for one in _held(whole, sure, departure.score, sizes):
            if np.count_nonzero(one.mask) < min_area:
                continue
            window = one.window
            parts = _parts(one.mask, opened[window], own[window], min_area)
            blobs += [_blob(part, one.left_px, one.top_px) for part in parts]
    thin = _changed(closed, cv2.MORPH_OPEN, 0.3 * sizes.min_px)
    blobs += _strips(thin, blobs, departure.score, sizes)
    blobs = joined(blobs, sizes)
    mark_near(blobs, body.shape, sizes.near_px)
    for blob in blobs:
        blob.is_several = is_several(blob.mask, sizes)
    return _with_tails(blobs, thin, departure.score, sizes)


def _held(whole: Blob, sure: Mask, score: NDArray[np.float32], sizes: BlobSizes) -> list[Blob]:
    """What enough of departs from the belt: all of an outline, parts of it, or nothing."""
    window = whole.window
    own = np.asarray(sure[window] & whole.mask, np.uint8)
    count, area = np.count_nonzero(own), np.count_nonzero(whole.mask)
    if count < 0.125 * sizes.min_px**2:
        return []
    # A clear film shows only by its edges.
    is_clear = np.count_nonzero(score[window][whole.mask > 0] > _CLEAR) >= _CLEAR_SHARE * area
    if is_clear or count >= _SURE_SHARE * area:
        return [whole]
    # An item that lies on a stain is held by what is sure of it.
    core = _changed(filled(own), cv2.MORPH_OPEN, 0.5 * sizes.min_px)
    return [
        Blob(whole.left_px + part.left_px, whole.top_px + part.top_px, part.mask)
        for part in components(np.asarray(core & whole.mask, np.uint8))
    ]


def _strips(
    thin: Mask, blobs: list[Blob], score: NDArray[np.float32], sizes: BlobSizes
) -> list[Blob]:
    """Thin items, such as a drinking straw's paper, that no disc of half an item's side fits in.

    Or only where they are broadest, in so small a part that it is none of the ``blobs``.
    """
    found = []
    taken = cover(blobs, thin.shape)
    for strip in components(thin):
        window, area = strip.window, np.count_nonzero(strip.mask)
        if area < 0.5 * sizes.min_px**2 or np.logical_and(taken[window], strip.mask).any():
            continue
        if max(strip.mask.shape) > _STRIP_SIDES * sizes.min_px:
            continue
        if np.count_nonzero(score[window][strip.mask > 0] > _STRIP_CLEAR) >= 0.5 * area:
            found.append(strip)
    return found


def _with_tails(
    blobs: list[Blob], thin: Mask, score: NDArray[np.float32], sizes: BlobSizes
) -> list[Blob]:
    """Gives items back what is too thin for one and hangs on one alone: a torn end, a handle.

    It tells where an item's middle is; whether an outline is of several items, it does not.
    """
    tails = thin & (score > _STRIP_CLEAR) & (1 - cover(blobs, thin.shape))
    for tail in components(np.asarray(tails, np.uint8)):
        area = np.count_nonzero(tail.mask)
        if area < _LEAST_TAIL * sizes.min_px**2:
            continue
        owners = [n for n, blob in enumerate(blobs) if is_within(tail, blob, thin.shape, _ONE_PX)]
        if len(owners) == 1:
            owner = blobs[owners[0]]
            if area <= _TAIL * np.count_nonzero(owner.mask):
                blobs[owners[0]] = united(owner, tail)
    return blobs


def _changed(mask: Mask, change: int, side_px: float) -> Mask:
    return np.asarray(cv2.morphologyEx(mask, change, disc(round(side_px))), np.uint8)


def _trimmed(departure: Departure, middle: NDArray[np.float32], own: Mask) -> Mask:
    """The low threshold, less the rim that smoothing added around strong contrast.

    What departs by itself (``own``) is no rim, but the dark half of an item beside its bright one.
    """
    grown = departure.score > _LOW
    raw = departure.raw
    wide = cv2.dilate(raw, np.ones((11, 11), np.uint8))
    # Against the neighbours half of the contrast; against what is further off a quarter of it.
    sharp = grown & (raw > _HALF * cv2.dilate(raw, np.ones((5, 5), np.uint8)))
    sharp &= (raw > _HALF**2 * wide) | (own > 0)
    closed = cv2.morphologyEx(sharp.astype(np.uint8), cv2.MORPH_CLOSE, disc(5)) > 0
    # What looks like the belt between two items stays open.
    strong = sharp | (closed & (middle > _BELT))
    # Weak contrast has no rim to speak of, and noise would fray it.
    weak = wide < _STRONG
    return np.asarray((grown & weak) | strong, np.uint8)


def _parts(whole: Mask, opened: Mask, own: Mask, min_area: float) -> list[Mask]:
    """Splits what closing joined, if the pieces are solid enough to be items of their own.

    Between two items the belt shows. Where what is between departs by itself (``own``), it is the
    middle of one.
    """
    pieces = filled(opened & whole)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pieces, connectivity=8)
    if count < 3:  # one of them is what lies around
        return [whole]
    bridged = _changed(pieces | (own & whole), cv2.MORPH_OPEN, _BRIDGE_PX)
    if cv2.connectedComponents(bridged)[0] < 3:
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
