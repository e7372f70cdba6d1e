# SPDX-License-Identifier: Apache-2.0
"""What a catalogue entry makes: an item of parts, each a mesh with a surface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from recycle_sorter.render import shapes
from recycle_sorter.render.materials import Surface
from recycle_sorter.render.shapes import Mesh

Pose = Literal["standing", "lying", "flat", "tumbled"]


@dataclass(frozen=True)
class Part:
    """A mesh and what it is made of."""

    mesh: Mesh
    surface: Surface


@dataclass(frozen=True)
class Item:
    """One recyclable in its own coordinates.

    Attributes:
        shape: the catalogue's name of the shape.
        parts: at least one part.
        poses: poses it may rest in: ``standing`` (z up), ``lying`` (z turned to the board),
            ``flat`` (z up or down), ``tumbled`` (any).
    """

    shape: str
    parts: tuple[Part, ...]
    poses: tuple[Pose, ...] = ("standing", "lying")


Maker = Callable[[np.random.Generator], Item]


def cap(radius_m: float, height_m: float, surface: Surface, ribs: int = 48) -> Part:
    """Return a ribbed screw cap standing on z = 0."""
    profile = shapes.rounded(
        [(0, height_m), (radius_m * 0.96, height_m), (radius_m, height_m * 0.9), (radius_m, 0)], 1
    )
    angle = np.linspace(0.0, 2.0 * np.pi, 4 * ribs + 1)
    radius = 1.0 + 0.02 * np.sign(np.sin(ribs * angle))
    section = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    inner = [(radius_m * 0.9, 0.0), (radius_m * 0.9, height_m * 0.85), (0.0, height_m * 0.85)]
    line = shapes.resampled(np.concatenate([profile, inner]), 0.002)
    return Part(shapes.lathe(line, section=section), surface)


def wrap(
    radius_m: float, bottom_m: float, top_m: float, surface: Surface, sweep: float = 1.0
) -> Part:
    """Return a label around a cylinder, a third of a millimetre off it."""
    line = shapes.resampled([(radius_m + 0.0003, bottom_m), (radius_m + 0.0003, top_m)], 0.004)
    return Part(shapes.lathe(line, sweep_rad=2 * np.pi * sweep), surface)
