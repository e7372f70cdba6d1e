# SPDX-License-Identifier: Apache-2.0
"""Small photographs of printed things on a board, each thing from several sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.ml.dataset.records import Dataset, Picture

WIDTH_PX, HEIGHT_PX = 256, 192


def photograph(thing: int, view: int = 0) -> NDArray[np.uint8]:
    """A BGR photograph ``[192, 256, 3]`` of a print in its own colours, turned and moved.

    Args:
        thing: Which thing; its print and colours follow from the number.
        view: How it lies, how near the camera is, and the camera's noise.
    """
    rng = np.random.default_rng([thing, 0])
    side = 96
    low, high = sorted(rng.uniform(0, 255, (2, 3)).tolist())
    ink = np.kron(rng.random((12, 12)) > 0.5, np.ones((side // 12, side // 12)))[..., None]
    print_bgr = ink * np.array(low) + (1 - ink) * np.array(high)
    rng = np.random.default_rng([thing, 1, view])
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), 0 if view == 0 else rng.uniform(0, 360), 1)
    turn *= 1.0 if view == 0 else rng.uniform(0.9, 1.2)
    turn[:, 2] += (WIDTH_PX - side) / 2 + rng.uniform(-20, 20), (HEIGHT_PX - side) / 2
    board = np.full((HEIGHT_PX, WIDTH_PX, 3), (205, 210, 215), np.float64)
    board += np.linspace(-8, 8, WIDTH_PX)[None, :, None]
    shown = cv2.warpAffine(
        print_bgr, turn, (WIDTH_PX, HEIGHT_PX), dst=board, borderMode=cv2.BORDER_TRANSPARENT
    )
    return (shown + rng.normal(0, 2, shown.shape)).clip(0, 255).astype(np.uint8)


def write_things(root: Path, things: Mapping[str, Sequence[int]], views: int = 3) -> Path:
    """Writes ``views`` photographs of each thing as ``root/<class>/<thing>_<view>.png``."""
    for name, numbers in things.items():
        (root / name).mkdir(parents=True)
        for thing in numbers:
            for view in range(views):
                path = root / name / f"{thing:03}_{view}.png"
                assert cv2.imwrite(str(path), photograph(thing, view))
    return root


def made_up(counts: Mapping[str, int]) -> Dataset:
    """A data set of files that do not exist, for what reads none."""
    root = Path("/nowhere")
    pictures = [
        Picture(f"{name}/{number:05}.png", root / f"{name}/{number:05}.png", label)
        for label, name in enumerate(sorted(counts))
        for number in range(counts[name])
    ]
    return Dataset(root, tuple(sorted(counts)), tuple(sorted(pictures, key=lambda one: one.name)))
