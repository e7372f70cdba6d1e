# SPDX-License-Identifier: Apache-2.0
"""Tiny synthetic data sets: every material is one colour, so a network can learn them at once."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.materials import MATERIALS

_HUES = np.linspace(0, 150, len(MATERIALS)).astype(np.uint8)


def picture(label: int, seed: int, height: int = 30, width: int = 40) -> NDArray[np.uint8]:
    """A noisy BGR picture in the colour of a material."""
    hsv = np.full((height, width, 3), (_HUES[label], 200, 200), np.uint8)
    colour = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR).astype(np.float64)
    noise = np.random.default_rng(seed).normal(0, 12, colour.shape)
    return (colour + noise).clip(0, 255).astype(np.uint8)


def write_dataset(root: Path, train_each: int = 3, val_each: int = 1) -> Path:
    """Pictures of every material on disk with a split.csv, as TrashNet lies there."""
    rows = ["path,material,split"]
    for label, material in enumerate(MATERIALS):
        folder = root / "images" / material
        folder.mkdir(parents=True)
        for number in range(train_each + val_each):
            name = f"{material}{number}.png"
            cv2.imwrite(str(folder / name), picture(label, 100 * label + number))
            split = "train" if number < train_each else "val"
            rows.append(f"{material}/{name},{material},{split}")
    (root / "split.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root
