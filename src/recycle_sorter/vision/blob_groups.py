# SPDX-License-Identifier: Apache-2.0
"""Outlines of items beside each other: which belong together, which touch, which are several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np

from recycle_sorter.vision.masks import Mask, disc

_PIECE: Final = 0.3  # of its neighbour, up to which an outline may be a piece of it


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

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the map that ``mask`` covers."""
        height, width = self.mask.shape
        rows = slice(self.top_px, self.top_px + height)
        return rows, slice(self.left_px, self.left_px + width)


def components(mask: Mask) -> list[Blob]:
    """Splits a mask into what hangs together, without holes, from the top down.

    Outlines are quicker found than labels.
    """
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    found = []
    for outline in reversed(outlines):  # found from the bottom up
        left, top, width, height = cv2.boundingRect(outline)
        own = np.zeros((height, width), np.uint8)
        cv2.drawContours(own, [outline], -1, 1, cv2.FILLED, offset=(-left, -top))
        found.append(Blob(left, top, own))
    return found


def joined(blobs: list[Blob], sizes: BlobSizes) -> list[Blob]:
    """Gives small pieces to a neighbour: a clear or patterned item falls apart.

    Args:
        blobs: In any order.
        sizes: What counts as small and as near.

    Returns:
        The outlines that are left, from the top of the picture down.
    """
    tiny = sizes.min_px**2
    most = 12.0 * tiny
    kept: list[Blob] = []
    for blob in sorted(blobs, key=lambda one: -np.count_nonzero(one.mask)):
        area = np.count_nonzero(blob.mask)
        for index, one in enumerate(kept):
            # Small beside its neighbour, or hardly large enough to be an item at all.
            limit = max(_PIECE * min(np.count_nonzero(one.mask), most), tiny)
            if area < limit and _gap_px(one, blob) <= sizes.part_px:
                kept[index] = united(one, blob)
                break
        else:
            kept.append(blob)
    return sorted(kept, key=lambda one: (one.top_px, one.left_px))


def united(whole: Blob, piece: Blob) -> Blob:
    """Both outlines as one; what else is known of it is known of the first."""
    left, top = min(whole.left_px, piece.left_px), min(whole.top_px, piece.top_px)
    ends = [(b.left_px + b.mask.shape[1], b.top_px + b.mask.shape[0]) for b in (whole, piece)]
    canvas = np.zeros((max(e[1] for e in ends) - top, max(e[0] for e in ends) - left), np.uint8)
    for one in (whole, piece):
        height, width = one.mask.shape
        y, x = one.top_px - top, one.left_px - left
        canvas[y : y + height, x : x + width] |= one.mask
    return Blob(left, top, canvas, whole.is_near, whole.is_several)


def cover(blobs: Iterable[Blob], shape: tuple[int, ...]) -> Mask:
    """Where any of them is, in a map of a shape."""
    canvas = np.zeros(shape[:2], np.uint8)
    for blob in blobs:
        canvas[blob.window] |= blob.mask
    return canvas


def is_within(first: Blob, second: Blob, shape: tuple[int, ...], reach: Mask) -> bool:
    """Whether the first outline, grown by a kernel, meets the second; ``shape`` is the map's."""
    if _gap_px(first, second) > reach.shape[0] // 2:
        return False
    grown = cv2.dilate(cover([first], shape), reach)
    return bool(np.logical_and(grown, cover([second], shape)).any())


def mark_near(blobs: list[Blob], shape: tuple[int, ...], near_px: float) -> None:
    """Sets ``is_near`` where two outlines lie within ``near_px``; ``shape`` is the map's."""
    reach = disc(2 * max(1, round(near_px)) + 1)
    for index, first in enumerate(blobs):
        for second in blobs[index + 1 :]:
            if is_within(first, second, shape, reach):
                first.is_near = second.is_near = True


def _gap_px(first: Blob, second: Blob) -> int:
    """Between the boxes, the larger of the two ways."""
    (height_a, width_a), (height_b, width_b) = first.mask.shape, second.mask.shape
    across = max(second.left_px - first.left_px - width_a, first.left_px - second.left_px - width_b)
    down = max(second.top_px - first.top_px - height_a, first.top_px - second.top_px - height_b)
    return max(across, down)


def is_several(mask: Mask, sizes: BlobSizes) -> bool:
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
