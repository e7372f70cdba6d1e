# SPDX-License-Identifier: Apache-2.0
"""Finds the item on a plain board, so that training can put it in front of something else.

The board's brightness is a smooth surface, fitted to the picture's rim; the item is what departs
from it. No mask is better than a wrong one: whatever is not clearly one item on a board gives None.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

_WORK_WIDTH_PX: Final = 160
_WORK_MIN_PX, _WORK_MAX_PX = 16, 640  # heights of pictures that are strips
_RIM: Final = 0.06  # share of the shorter side that is taken for board
_MIN_AREA: Final = 0.04
_MAX_AREA: Final = 0.75
_MAX_RIM_COVER: Final = 0.25
_MAX_RIM_SPREAD: Final = 7.0  # Lab units; more, and the rim is not one plain board
_MIN_STEP: Final = 9.0  # Lab units; smaller differences are the board's own


def item_mask(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8] | None:
    """Return where the item is.

    Args:
        image: ``[H, W, 3]`` uint8 BGR, an item on a plain board.

    Returns:
        ``[H, W]`` uint8, 0 for board to 255 for item with soft edges; None if there is no
        trustworthy answer (the item fills the picture or looks like the board).
    """
    height, width = image.shape[:2]
    factor = _WORK_WIDTH_PX / width
    size = (_WORK_WIDTH_PX, min(max(_WORK_MIN_PX, round(height * factor)), _WORK_MAX_PX))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_BGR2Lab)
    rim = _rim(small.shape[0], small.shape[1])
    board, spread = _board(np.asarray(lab, dtype=np.float32), rim)
    if spread > _MAX_RIM_SPREAD:
        return None
    distance = np.linalg.norm(lab - board, axis=2)
    distance = cv2.GaussianBlur(distance.astype(np.float32), (0, 0), 1.0)
    noise = float(np.median(distance[rim]))
    scaled = np.clip(distance * 4, 0, 255).astype(np.uint8)
    otsu = cv2.threshold(scaled, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0] / 4
    found = (distance > max(_MIN_STEP, 3 * noise, 0.6 * otsu)).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    found = cv2.morphologyEx(found, cv2.MORPH_CLOSE, kernel)
    found = cv2.morphologyEx(found, cv2.MORPH_OPEN, kernel[1:-1, 1:-1])
    outlines, _ = cv2.findContours(found, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    if not outlines:
        return None
    largest = max(cv2.contourArea(outline) for outline in outlines)
    solid = np.zeros_like(found)
    kept = [outline for outline in outlines if cv2.contourArea(outline) > 0.1 * largest]
    cv2.drawContours(solid, kept, -1, 255, cv2.FILLED)
    if not _MIN_AREA <= (solid > 0).mean() <= _MAX_AREA or (solid[rim] > 0).mean() > _MAX_RIM_COVER:
        return None
    soft = cv2.GaussianBlur(cv2.resize(solid, (width, height)), (0, 0), 0.6 / factor)
    return np.asarray(soft, dtype=np.uint8)


def _rim(height: int, width: int) -> npt.NDArray[np.bool_]:
    edge = max(2, round(_RIM * min(height, width)))
    rim = np.ones((height, width), dtype=np.bool_)
    rim[edge:-edge, edge:-edge] = False
    return rim


def _board(
    lab: npt.NDArray[np.float32], rim: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.float64], float]:
    """Fit a quadratic surface to the rim, twice, the second time without what stands out.

    Returns:
        The surface ``[H, W, 3]`` and how far three quarters of the rim are from it at most.
    """
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], axis=2)
    basis, values = terms[rim], lab[rim].astype(np.float64)
    use = np.ones(len(values), dtype=np.bool_)
    for _ in range(2):
        fit = np.linalg.lstsq(basis[use], values[use], rcond=None)[0]
        error = np.linalg.norm(basis @ fit - values, axis=1)
        use = error <= np.quantile(error, 0.7)
    return np.asarray(terms @ fit, dtype=np.float64), float(np.quantile(error, 0.75))
