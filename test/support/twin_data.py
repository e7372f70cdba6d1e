# SPDX-License-Identifier: Apache-2.0
"""Small libraries and scenarios of the digital twin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.twin.library import Cutout, Library
from recycle_sorter.twin.scenario import CameraSpec, ItemsSpec, LightSpec, MachineSpec, Scenario
from recycle_sorter.twin.scenario_file import changed

# A camera without whims: what it shows is what is there.
STILL = Scenario(
    seed=3,
    duration_sec=None,
    camera=CameraSpec(160, 120, 30.0, 200.0, exposure_sec=0.0, focus_blur_px=0.0, noise_levels=0.0),
    items=ItemsSpec(count=4, per_min=60.0, empty_sec=0.5),
    light=LightSpec(glare=0.0, drift=0.0, flicker=0.0),
    machine=MachineSpec(end_m=1.5),
)


def scenario(base: Scenario = STILL, **changes: object) -> Scenario:
    """The still scenario with other values; ``__`` stands for the point in a name."""
    return changed(base, {key.replace("__", "."): value for key, value in changes.items()})


def cutout(
    material: str = "metal",
    length_m: float = 0.1,
    size_px: tuple[int, int] = (80, 40),
    bgr: tuple[int, int, int] = (20, 20, 230),
) -> Cutout:
    """A plain rectangle of one colour, wide by high, with a see-through rim."""
    width, height = size_px
    pixels: NDArray[np.uint8] = np.zeros((height + 8, width + 8, 4), np.uint8)
    pixels[..., :3] = bgr
    pixels[4:-4, 4:-4, 3] = 255
    return Cutout(pixels, material, f"{material}.png", length_m)


def library(**lengths_m: float) -> Library:
    """One rectangle a material; without any, three of them."""
    named = lengths_m or {"glass": 0.12, "metal": 0.08, "paper": 0.1}
    return Library(tuple(cutout(name, length) for name, length in named.items()))


def seeded(seed: int, **changes: Any) -> Scenario:
    """The still scenario under another seed."""
    return replace(scenario(**changes), seed=seed)
