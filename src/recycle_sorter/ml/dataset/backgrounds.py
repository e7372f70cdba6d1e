# SPDX-License-Identifier: Apache-2.0
"""What an item can be put in front of: drawn belts and sheets, or pieces of other pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

_PICTURE_SHARE: Final = 0.5


def make_background(
    size: tuple[int, int], others: Sequence[Image], rng: np.random.Generator
) -> Image:
    """Draw a background.

    Args:
        size: Width and height, pixels.
        others: ``[H, W, 3]`` uint8 BGR pictures to cut pieces from; may be empty.
        rng: Source of chance.

    Returns:
        ``[size[1], size[0], 3]`` uint8 BGR.
    """
    if others and rng.random() < _PICTURE_SHARE:
        return _piece(others[int(rng.integers(len(others)))], size, rng)
    return _sheet(size, rng)


def _piece(image: Image, size: tuple[int, int], rng: np.random.Generator) -> Image:
    height, width = image.shape[:2]
    share = rng.uniform(0.4, 1.0)
    cut_h, cut_w = max(2, int(height * share)), max(2, int(width * share))
    top, left = int(rng.integers(height - cut_h + 1)), int(rng.integers(width - cut_w + 1))
    piece = cv2.resize(image[top : top + cut_h, left : left + cut_w], size)
    if rng.random() < 0.5:  # out of focus behind the item
        piece = cv2.GaussianBlur(piece, (0, 0), rng.uniform(1.0, 6.0))
    return np.asarray(piece, dtype=np.uint8)


def _sheet(size: tuple[int, int], rng: np.random.Generator) -> Image:
    """Draw a belt, board or metal sheet: a colour, grain, ribs and uneven light."""
    width, height = size
    saturation = rng.uniform(0.0, 0.25) if rng.random() < 0.7 else rng.uniform(0.2, 0.8)
    hsv = np.array([[[rng.uniform(0, 180), 255 * saturation, 255 * rng.uniform(0.04, 0.95)]]])
    colour = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32)
    tone = np.ones((height, width), dtype=np.float32)
    coarse = rng.normal(0, 1, (int(rng.integers(2, 9)), int(rng.integers(2, 9))))
    tone += rng.uniform(0, 0.25) * cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    grain = rng.normal(0, 1, (height, width)).astype(np.float32)
    if rng.random() < 0.5:  # brushed along one direction
        grain = np.asarray(cv2.blur(grain, (int(rng.integers(5, 40)), 1)), dtype=np.float32)
        grain /= grain.std() + 1e-6
    tone += rng.uniform(0, 0.12) * grain
    if rng.random() < 0.4:  # ribs, hinges or weave
        y, x = np.mgrid[0:height, 0:width]
        turn = rng.uniform(0, np.pi)
        along = x * np.cos(turn) + y * np.sin(turn)
        wave = np.sin(2 * np.pi * along / rng.uniform(4, 60) + rng.uniform(0, 6))
        tone += rng.uniform(0.05, 0.3) * np.where(wave > rng.uniform(-0.9, 0.9), 1.0, -0.3)
    return np.asarray(np.clip(colour * tone[..., None], 0, 255), dtype=np.uint8)
