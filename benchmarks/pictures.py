# SPDX-License-Identifier: Apache-2.0
"""Pictures to measure with: drawn ones that cost no download, and real photographs if there are."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.sources.pictures import Picture, find_pictures, pick_split

WIDTH_PX, HEIGHT_PX = 640, 480
_BOARD_GREY = 205


def draw_item(seed: int) -> NDArray[np.uint8]:
    """Draws a shape with some texture on a light board: ``(480, 640, 3)`` uint8 BGR.

    What it shows does not matter for durations; that it has the size and detail of a photograph
    does (JPEG decoding, board comparison).
    """
    rng = np.random.default_rng(seed)
    image = np.full((HEIGHT_PX, WIDTH_PX, 3), _BOARD_GREY, np.uint8)
    colour = [int(value) for value in rng.integers(20, 170, 3)]
    center = (WIDTH_PX // 2, HEIGHT_PX // 2)
    axes = (int(rng.integers(90, 200)), int(rng.integers(60, 170)))
    cv2.ellipse(image, center, axes, float(rng.uniform(0, 180)), 0, 360, colour, -1, cv2.LINE_AA)
    texture = rng.normal(0.0, 6.0, image.shape)
    return np.clip(image + texture, 0, 255).astype(np.uint8)


def draw_items(count: int) -> list[NDArray[np.uint8]]:
    """Draws so many, all different."""
    return [draw_item(seed) for seed in range(count)]


def write_items(folder: Path, count: int) -> Path:
    """Writes a folder of JPEGs, one subfolder a material, for the ``images`` source."""
    for index in range(count):
        path = folder / MATERIALS[index % len(MATERIALS)] / f"item{index:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw_item(index))
    return folder


def find_photos(folder: Path) -> list[Picture]:
    """Finds labelled photographs: TrashNet's ``val`` split, or all of one folder a material.

    Raises:
        SourceError: If there are none.
    """
    if not folder.is_dir():
        raise SourceError(f"no photographs: there is no folder {folder.name}; name one by --photos")
    if (folder / "split.csv").is_file():
        return pick_split(find_pictures(folder / "images"), folder / "split.csv", "val")
    return [picture for picture in find_pictures(folder) if picture.material]
