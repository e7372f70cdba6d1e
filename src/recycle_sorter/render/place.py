# SPDX-License-Identifier: Apache-2.0
"""What is around an item: ground, walls, lamps, and how the camera develops what it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recycle_sorter.render.catalogue.item import Item, Part
from recycle_sorter.render.develop import Sensor
from recycle_sorter.render.materials import Surface
from recycle_sorter.render.pose import Camera
from recycle_sorter.render.shapes import Array, Mesh

Radiance = NDArray[np.float32]
Vector = tuple[float, float, float]


@dataclass(frozen=True)
class Board:
    """What the item rests on.

    Attributes:
        name: what it is called in the truth.
        surface: its surface.
        albedo: mean linear reflectance in [0, 1]; the station's exposure is metered against it.
        tile_m: width of one repeat of the texture.
        parts: its shape and the walls around; empty is a plain plane of `surface`.
    """

    name: str
    surface: Surface
    albedo: float
    tile_m: float
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Lamp:
    """A rectangle that gives light to one side.

    Attributes:
        position_m: its middle.
        target_m: the point it faces.
        up: where its height points, roughly.
        size_m: width and height.
        radiance: linear RGB.
    """

    position_m: Vector
    target_m: Vector
    up: Vector
    size_m: tuple[float, float]
    radiance: Vector

    def white(self) -> NDArray[np.float64]:
        """Return the linear RGB of a white board lying at the target in this light alone."""
        way = np.asarray(self.position_m) - np.asarray(self.target_m)
        square = float(way @ way)
        solid_angle = self.size_m[0] * self.size_m[1] / square
        falling = solid_angle * max(float(way[2]), 0.0) / np.sqrt(square) / np.pi
        return np.asarray(self.radiance, dtype=np.float64) * float(falling)


@dataclass(frozen=True)
class Lights:
    """All the light there is.

    Attributes:
        room: radiance all around, float32 ``(H, W, 3)``, latitude by longitude, zenith first;
            all zero where no room is seen.
        lamps: the lamps.
        white: linear RGB of a white board in this light, green = 1.
    """

    room: Radiance
    lamps: tuple[Lamp, ...]
    white: Vector


@dataclass(frozen=True)
class Place:
    """An item in its surroundings, as one camera sees it.

    Attributes:
        item: the item where it lies, or None.
        board: what it lies on, and the walls.
        lights: the light.
        camera: the camera.
        sensor: the camera's development.
    """

    item: Item | None
    board: Board
    lights: Lights
    camera: Camera
    sensor: Sensor


def room_white(room: Radiance) -> NDArray[np.float64]:
    """Return the linear RGB of a white board in the light of the room's upper half."""
    polar = (np.arange(room.shape[0]) + 0.5) / room.shape[0] * np.pi
    weight = np.where(polar < np.pi / 2, np.sin(polar) * np.cos(polar), 0.0)
    mean: NDArray[np.float64] = (room * weight[:, None, None]).sum(axis=(0, 1))
    return mean / float(weight.sum() * room.shape[1])


def vector(values: ArrayLike) -> Vector:
    """Return three numbers as a tuple of floats."""
    x, y, z = (float(value) for value in np.asarray(values))
    return x, y, z


def points(item: Item | None) -> Array:
    """Return the item's vertices ``(N, 3)``; one point at the origin for no item."""
    if item is None:
        return np.zeros((1, 3))
    found: Array = np.concatenate([part.mesh.vertices for part in item.parts])
    return found


def plane(corner: ArrayLike, along: ArrayLike, across: ArrayLike, tile_m: float) -> Mesh:
    """Return a parallelogram from its corner and two edges; its texture repeats each tile."""
    start, u, v = (np.asarray(each, dtype=np.float64) for each in (corner, along, across))
    vertices = np.stack([start, start + u, start + u + v, start + v])
    wide, high = float(np.linalg.norm(u)) / tile_m, float(np.linalg.norm(v)) / tile_m
    uv = np.array([[0.0, 0.0], [wide, 0.0], [wide, high], [0.0, high]])
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    return Mesh(vertices, faces, uv, smooth=False)


def boxes(low: ArrayLike, high: ArrayLike, tile_m: float) -> Mesh:
    """Return boxes without their undersides as one mesh.

    Args:
        low: ``(N, 3)`` lower corners.
        high: ``(N, 3)`` upper corners.
        tile_m: width of one repeat of the texture, which runs over all boxes from above.
    """
    lower, upper = np.atleast_2d(low), np.atleast_2d(high)
    ends = np.stack([lower, upper], axis=1)
    pick = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    # Eight corners a box, the bottom four first.
    corners = np.stack(
        [[ends[:, i, 0], ends[:, j, 1], ends[:, k, 2]] for k in (0, 1) for i, j in pick], axis=0
    ).transpose(2, 0, 1)
    quads: Sequence[tuple[int, int, int, int]] = (
        (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7),
    )  # fmt: skip
    one = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], dtype=np.int32)
    faces = (one[None] + 8 * np.arange(len(lower), dtype=np.int32)[:, None, None]).reshape(-1, 3)
    vertices = corners.reshape(-1, 3)
    # The height slants the texture a little, so that sides are not streaks.
    uv = (vertices[:, :2] + vertices[:, 2:]) / tile_m
    return Mesh(vertices, faces.astype(np.int32), uv, smooth=False)
