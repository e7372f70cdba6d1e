# SPDX-License-Identifier: Apache-2.0
"""Items turned, scaled and shaded for the belt, ready to be drawn onto it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.twin.world import TwinItem

# The lamp stands upstream and to the left, so shadows fall downstream and to the right.
_SHADOW_AWAY = (0.5, 0.35)  # of the item's height
_HEIGHT = 0.22  # of the item's width
_MAX_HEIGHT_M = 0.03
_SHADOW = 0.34
_CONTACT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """An item in the belt's pixels.

    Attributes:
        left_px: Its first column in the belt's own coordinate.
        top_px: Its first row in the picture.
        colour: ``(h, w, 3)`` uint8, BGR, times how much of the pixel is the item.
        rest: ``(h, w, 3)`` uint8, how much of what lies below shows, shadow included, of 255.
    """

    left_px: int
    top_px: int
    colour: NDArray[np.uint8]
    rest: NDArray[np.uint8]

    def draw(self, strip: NDArray[np.uint8], begin_px: int) -> None:
        """Draws what of it lies on a strip of the belt.

        Args:
            strip: ``(h, w, 3)`` uint8, BGR; changed.
            begin_px: The strip's first column in the belt's own coordinate.
        """
        height, width = strip.shape[:2]
        x, y = self.left_px - begin_px, self.top_px
        left, right = max(0, x), min(width, x + self.colour.shape[1])
        top, bottom = max(0, y), min(height, y + self.colour.shape[0])
        if left >= right or top >= bottom:
            return
        own = (slice(top - y, bottom - y), slice(left - x, right - x))
        below = strip[top:bottom, left:right]
        shown = cv2.multiply(below, self.rest[own], scale=1.0 / 255.0)
        strip[top:bottom, left:right] = cv2.add(shown, self.colour[own])


def make_sprite(item: TwinItem, px_per_m: float, across_px: int) -> Sprite:
    """Turns an item's picture as it lies and gives it a shadow.

    Args:
        item: The item.
        px_per_m: Pixels a metre of belt.
        across_px: Rows of the picture; the belt's middle is between the middle ones.
    """
    cutout = item.cutout
    scale = item.length_m * px_per_m / cutout.length_px
    height_px = min(_HEIGHT * item.width_m, _MAX_HEIGHT_M) * px_per_m
    away = (_SHADOW_AWAY[0] * height_px, _SHADOW_AWAY[1] * height_px)
    margin = math.ceil(3.0 + 2.2 * height_px)
    x, y = item.s_m * px_per_m, across_px / 2.0 - item.y_m * px_per_m
    outline = item.outline_m * (px_per_m, -px_per_m)
    left, top = (math.floor(v) - margin for v in np.add(outline.min(axis=0), (x, y)))
    right, bottom = (math.ceil(v) + margin for v in np.add(outline.max(axis=0), (x, y)))
    size = (right - left, bottom - top)
    alpha = cutout.pixels[..., 3:].astype(np.float32) / 255.0
    source = np.dstack([cutout.pixels[..., :3].astype(np.float32) * alpha, alpha * 255.0])
    if scale < 1.0:
        # As a lens does before the pixels: no finer detail than they can show.
        source = cv2.GaussianBlur(source, (0, 0), max(0.01, 0.45 * (1.0 / scale - 0.6)))
    cos, sin = math.cos(item.angle_rad) * scale, math.sin(item.angle_rad) * scale
    # Picture to sprite; rows go down, so a turn counter-clockwise looks mirrored. Pixel middles
    # are half a pixel from their edges.
    cx, cy = cutout.centre_px
    matrix = np.array([[cos, sin, 0.0], [-sin, cos, 0.0]])
    matrix[:, 2] = np.array([x - left, y - top]) - matrix[:, :2] @ (cx, cy)
    matrix[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
    warped = cv2.warpAffine(source, matrix, size, flags=cv2.INTER_LINEAR)
    cover = np.clip(warped[..., 3] / 255.0, 0.0, 1.0)
    shadow = _shadow(cover, away, height_px)
    rest = (1.0 - cover) * (1.0 - shadow)
    return Sprite(
        left,
        top,
        np.asarray(np.clip(np.rint(warped[..., :3]), 0, 255), np.uint8),
        np.repeat(np.rint(rest * 255.0).astype(np.uint8)[..., None], 3, axis=2),
    )


def _shadow(
    cover: NDArray[np.float32], away: tuple[float, float], height_px: float
) -> NDArray[np.float32]:
    """How much light an item takes from what is around it, 0 to 1."""
    soft = cv2.warpAffine(
        cover, np.array([[1.0, 0.0, away[0]], [0.0, 1.0, away[1]]]), cover.shape[::-1]
    )
    soft = cv2.GaussianBlur(soft, (0, 0), max(0.8, 0.42 * height_px))
    close = cv2.GaussianBlur(cover, (0, 0), max(0.8, 0.12 * height_px))
    light = (1.0 - _SHADOW * soft) * (1.0 - _CONTACT * close)
    return np.asarray(1.0 - light, np.float32)
