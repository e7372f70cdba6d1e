# SPDX-License-Identifier: Apache-2.0
"""Draws a calibration's grid over a picture, so that a person can check it."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.vision.belt_calibration import BeltCalibration

_LINE_BGR: Final = (80, 220, 80)
_MIDDLE_BGR: Final = (60, 160, 255)
_MAX_LINES: Final = 200


def draw_grid(
    pixels: NDArray[np.uint8], calibration: BeltCalibration, step_m: float = 0.05
) -> NDArray[np.uint8]:
    """Draws lines of equal x and y, the belt's middle line and an arrow along the travel.

    Args:
        pixels: ``(height, width, 3)`` BGR uint8 of the calibration's size; is not changed.
        calibration: What to show.
        step_m: Between lines, metres; doubled until there are at most 200.

    Returns:
        The picture with the grid.
    """
    canvas = np.ascontiguousarray(pixels).copy()
    outline = calibration.outline_m()
    low, high = outline.min(axis=0), outline.max(axis=0)
    while float((high - low).max()) / step_m > _MAX_LINES:
        step_m *= 2
    for axis in (0, 1):
        first, last = math.ceil(low[axis] / step_m), math.floor(high[axis] / step_m)
        for number in range(first, last + 1):
            ends = np.array([low, high])
            ends[:, axis] = number * step_m
            is_middle = axis == 1 and number == 0
            _line(canvas, calibration, ends, _MIDDLE_BGR if is_middle else _LINE_BGR)
    length_m = calibration.view_m[0]
    tail, tip = calibration.to_image_px([[0.1 * length_m, 0.0], [0.35 * length_m, 0.0]])
    cv2.arrowedLine(canvas, _point(tail), _point(tip), _MIDDLE_BGR, 3, cv2.LINE_AA, 0, 0.2)
    label = f"{step_m * 1000:g} mm"
    cv2.putText(canvas, label, (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, _MIDDLE_BGR, 2, cv2.LINE_AA)
    return canvas


def _line(
    canvas: NDArray[np.uint8],
    calibration: BeltCalibration,
    ends_m: NDArray[np.float64],
    colour: tuple[int, int, int],
) -> None:
    start, end = calibration.to_image_px(ends_m)
    cv2.line(canvas, _point(start), _point(end), colour, 1, cv2.LINE_AA)


def _point(place_px: NDArray[np.float64]) -> tuple[int, int]:
    # The calibration's 0 is the picture's edge, OpenCV's the middle of the first pixel. Far
    # outside, OpenCV's whole numbers would overflow.
    x, y = np.clip(np.round(place_px - 0.5), -30000, 30000).astype(int)
    return int(x), int(y)
