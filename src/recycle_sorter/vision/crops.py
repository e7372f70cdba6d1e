# SPDX-License-Identifier: Apache-2.0
"""Cuts found items out of the picture, as the classifier wants them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final, Literal, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.item_finder import FoundItem

Background = Literal["keep", "plain"]
BACKGROUNDS: Final[tuple[Background, ...]] = ("keep", "plain")
TURNS: Final = 8  # ways to show a square: four quarter turns, each mirrored and not
_MAX_MARGIN: Final = 2.0
_BOARD_LEVEL: Final = 205.0  # of a white posterboard in a photograph
_BOARD_FALL: Final = 0.08  # darker by so much in the corners
# The rim of the mask, as a share of the crop's side.
_GROWN: Final = 0.012
_SOFT: Final = 0.008


def crop_item(
    pixels_bgr: NDArray[np.uint8],
    found: FoundItem,
    margin: float = 0.15,
    background: str = "keep",
) -> NDArray[np.uint8]:
    """Cuts one item out, square, with some of its surroundings.

    Args:
        pixels_bgr: ``(height, width, 3)`` BGR or ``(height, width)`` grey, uint8: the picture that
            it was found in.
        found: The item.
        margin: Added on each side, as a share of the longer side, 0 to 2.
        background: ``keep`` what lies around it, or ``plain``: a smooth light board instead, as in
            a photograph on white posterboard.

    Returns:
        ``(side, side, 3)`` uint8 BGR. What would lie outside of the picture is mirrored from
        inside of it.

    Raises:
        InvalidInputError: Naming the argument.
    """
    _check(pixels_bgr, found, margin, background)
    left, top, width, height = found.detection.box_px
    side = max(1, math.ceil(max(width, height) * (1 + 2 * margin)))
    x, y = left + (width - side) // 2, top + (height - side) // 2
    crop = _cut(pixels_bgr, x, y, side)
    if crop.ndim == 2:
        crop = np.asarray(cv2.cvtColor(crop, cv2.COLOR_GRAY2BGR), np.uint8)
    if background == "keep":
        return crop
    mask = np.zeros((side, side), np.uint8)
    # A margin of 0 or more holds the whole box.
    mask[top - y : top - y + height, left - x : left - x + width] = found.mask
    return _on_board(crop, mask)


def crop_items(
    pixels_bgr: NDArray[np.uint8],
    found: Sequence[FoundItem],
    margin: float = 0.15,
    background: str = "keep",
) -> list[NDArray[np.uint8]]:
    """Cuts all items out; see :func:`crop_item`."""
    return [crop_item(pixels_bgr, item, margin, background) for item in found]


def turned(crop: NDArray[np.uint8], turn: int) -> NDArray[np.uint8]:
    """A square crop, shown another way.

    Args:
        crop: ``(side, side, 3)`` uint8.
        turn: Which way, 0 to 7; 0 leaves it as it is, from 4 on it is mirrored.

    Returns:
        Of that shape; contiguous.
    """
    shown = crop if turn < TURNS // 2 else crop[:, ::-1]
    return np.ascontiguousarray(np.rot90(shown, turn % (TURNS // 2)))


def _check(pixels: object, found: FoundItem, margin: object, background: object) -> None:
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        kind = str(getattr(pixels, "dtype", type(pixels).__name__))
        raise InvalidInputError("picture dtype", kind, "a numpy array of uint8")
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or not pixels.size:
        raise InvalidInputError("picture shape", pixels.shape, "(height, width, 3) or two sides")
    number = isinstance(margin, (int, float)) and not isinstance(margin, bool)
    if not number or not 0 <= cast(float, margin) <= _MAX_MARGIN:
        raise InvalidInputError("margin", margin, f"a number from 0 to {_MAX_MARGIN:g}")
    if background not in BACKGROUNDS:
        raise InvalidInputError("background", background, f"one of {', '.join(BACKGROUNDS)}")
    left, top, width, height = found.detection.box_px
    inside = min(left, top) >= 0 and min(width, height) > 0
    if not inside or left + width > pixels.shape[1] or top + height > pixels.shape[0]:
        raise InvalidInputError("box_px", found.detection.box_px, "a box inside of the picture")
    if found.mask.shape != (height, width):
        raise InvalidInputError("mask", found.mask.shape, f"({height}, {width}), as its box")


def _cut(pixels: NDArray[np.uint8], x: int, y: int, side: int) -> NDArray[np.uint8]:
    rows, columns = pixels.shape[:2]
    before_x, before_y = max(0, -x), max(0, -y)
    after_x, after_y = max(0, x + side - columns), max(0, y + side - rows)
    part = pixels[max(0, y) : min(rows, y + side), max(0, x) : min(columns, x + side)]
    border = (before_y, after_y, before_x, after_x)
    return np.asarray(cv2.copyMakeBorder(part, *border, cv2.BORDER_REFLECT), np.uint8)


def _on_board(crop: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = crop.shape[0]
    grown = max(1, round(_GROWN * side)) * 2 + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (grown, grown))
    share = cv2.GaussianBlur(cv2.dilate(mask, kernel), (0, 0), max(0.6, _SOFT * side))
    cover = (share.astype(np.float32) / 255.0)[..., None]
    board = _board(side, _light(crop, mask))
    return np.asarray((board + cover * (crop - board)).round().clip(0, 255), np.uint8)


def _light(crop: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """How bright a white board would be here, told from the item's brightest parts."""
    values = crop.max(axis=2)[mask > 0]
    if not values.size:
        return _BOARD_LEVEL
    # A dark item says nothing about the light; a bright one says that the board is no darker.
    return float(np.clip(np.quantile(values, 0.95), 0.9 * _BOARD_LEVEL, 1.1 * _BOARD_LEVEL))


def _board(side: int, level: float) -> NDArray[np.float32]:
    line = np.linspace(-1, 1, side, dtype=np.float32)
    fall = 1 - _BOARD_FALL / 2 * (line[:, None] ** 2 + line[None, :] ** 2)
    return np.asarray(level * fall[..., None] * np.array([0.985, 1.0, 1.0]), np.float32)
