# SPDX-License-Identifier: Apache-2.0
"""Items in a dark chute: walls close by, one weak lamp beside the camera, no white balance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import cv2
import numpy as np

from recycle_sorter.render import deform, place, pose, shapes
from recycle_sorter.render import textures as tx
from recycle_sorter.render.belt import scratched, soiled
from recycle_sorter.render.catalogue.item import Item, Part
from recycle_sorter.render.develop import Sensor
from recycle_sorter.render.materials import Picture, Surface
from recycle_sorter.render.place import Board, Lamp, Lights, Place, vector
from recycle_sorter.render.pose import Camera
from recycle_sorter.render.shapes import Array
from recycle_sorter.render.station import black_body

# Linear RGB of LEDs as a camera's colour filters see them: narrow, yet never one channel alone.
COLOURS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "red": (1.0, 0.07, 0.05),
        "green": (0.08, 1.0, 0.16),
        "blue": (0.05, 0.14, 1.0),
        "magenta": (1.0, 0.1, 0.8),
        "amber": (1.0, 0.45, 0.06),
        "cyan": (0.06, 0.85, 1.0),
    }
)
NO_ROOM = np.zeros((1, 1, 3), dtype=np.float32)


def _spangle(rng: np.random.Generator) -> Picture:
    """Return hot-dip galvanised sheet: crystals of different greys."""
    seeds = np.ones((512, 512), dtype=np.uint8)
    count = int(rng.integers(80, 500))
    seeds[rng.integers(0, 512, count), rng.integers(0, 512, count)] = 0
    _, cell = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    tone = rng.uniform(0.72, 1.05, int(cell.max()) + 1).astype(np.float32)
    return tx.shaded(tx.plain((196, 199, 202), 512, 512), cv2.GaussianBlur(tone[cell], (0, 0), 1.0))


def _galvanised(rng: np.random.Generator) -> Surface:
    sheet = scratched(rng, _spangle(rng), int(rng.integers(10, 120)), (110, 110, 112))
    return Surface("metal", texture=soiled(rng, sheet), roughness=float(rng.uniform(0.5, 0.75)))


def _steel(rng: np.random.Generator) -> Surface:
    sheet = tx.brushed(rng, int(rng.integers(120, 200)))
    sheet = scratched(rng, sheet, int(rng.integers(20, 160)), (70, 68, 66))
    return Surface("metal", texture=soiled(rng, sheet), roughness=float(rng.uniform(0.45, 0.7)))


def _painted(rng: np.random.Generator) -> Surface:
    level = int(rng.integers(70, 160))
    sheet = tx.speckled(rng, (level, level + 2, level + 5), 0.08)
    sheet = scratched(rng, sheet, int(rng.integers(0, 80)), (180, 180, 180))
    return Surface("glossy", texture=soiled(rng, sheet), roughness=float(rng.uniform(0.4, 0.7)))


def _black(rng: np.random.Generator) -> Surface:
    level = int(rng.integers(20, 52))
    sheet = tx.speckled(rng, (level, level, level), 0.15)
    sheet = scratched(rng, sheet, int(rng.integers(0, 80)), (95, 95, 95))
    return Surface("glossy", texture=soiled(rng, sheet), roughness=float(rng.uniform(0.35, 0.65)))


def _plastic(rng: np.random.Generator) -> Surface:
    inks = ((150, 152, 150), (190, 190, 184), (96, 98, 100), (50, 70, 96), (60, 84, 66))
    sheet = tx.speckled(rng, inks[int(rng.integers(len(inks)))], 0.05)
    sheet = scratched(rng, sheet, int(rng.integers(0, 80)), (120, 120, 118))
    return Surface("glossy", texture=soiled(rng, sheet), roughness=float(rng.uniform(0.3, 0.6)))


WALLS: Mapping[str, Callable[[np.random.Generator], Surface]] = MappingProxyType(
    {
        "chute_galvanised": _galvanised,
        "chute_steel": _steel,
        "chute_painted": _painted,
        "chute_black": _black,
        "chute_plastic": _plastic,
    }
)
_SHARES = (0.24, 0.12, 0.24, 0.24, 0.16)


def _floor(
    rng: np.random.Generator, wall: Surface, low: Array, high: Array, tile_m: float
) -> list[Part]:
    """Return a floor over x and y of ``low`` to ``high``: one sheet, or two flaps and a gap."""
    surface = wall if rng.random() < 0.5 else WALLS[str(rng.choice(tuple(WALLS)))](rng)
    gap = float(rng.uniform(0.003, 0.008)) if rng.random() < 0.3 else 0.0
    middle = float(rng.uniform(0.35, 0.65)) * (high[0] - low[0]) + low[0]
    depth = (0.0, float(high[1] - low[1]), 0.0)
    if gap == 0.0:
        whole = place.plane((low[0], low[1], 0), (high[0] - low[0], 0, 0), depth, tile_m)
        return [Part(whole, surface)]
    left = place.plane((low[0], low[1], 0), (middle - gap / 2 - low[0], 0, 0), depth, tile_m)
    right = place.plane(
        (middle + gap / 2, low[1], 0), (high[0] - middle - gap / 2, 0, 0), depth, tile_m
    )
    pit = place.plane((low[0], low[1], -0.05), (high[0] - low[0], 0, 0), depth, tile_m)
    dark = Surface("matte", colour=(0.01, 0.01, 0.01))
    return [Part(left, surface), Part(right, surface), Part(pit, dark)]


def _board(rng: np.random.Generator, inside: Array, height_m: float) -> Board:
    """Draw a square or a round chute that holds the points ``inside``, each ``(x, y, z)``."""
    name = tuple(WALLS)[int(rng.choice(len(WALLS), p=_SHARES))]
    surface, tile = WALLS[name](rng), float(rng.uniform(0.2, 0.45))
    low, high = inside.min(axis=0), inside.max(axis=0)
    if rng.random() < 0.25:
        middle = (low + high) / 2.0
        reach = float(np.linalg.norm((inside - middle)[:, :2], axis=1).max())
        radius = reach + float(rng.uniform(0.01, 0.06))
        line = shapes.resampled([(radius, 0.0), (radius, height_m)], 0.1)
        pipe = shapes.lathe(line, segments=72)
        repeats = np.array([2 * np.pi * radius, height_m]) / tile
        pipe = shapes.Mesh(pipe.vertices, pipe.faces, pipe.uv * repeats, smooth=False)
        around = np.array([radius, radius, 0.0])
        parts = _floor(rng, surface, middle - around, middle + around, tile)
        parts.append(Part(pipe.moved(middle * [1.0, 1.0, 0.0]), surface))
    else:
        low = low - rng.uniform(0.008, 0.09, 3)
        high = high + rng.uniform(0.008, 0.09, 3)
        wide, deep, up = (high[0] - low[0], 0, 0), (0, high[1] - low[1], 0), (0, 0, height_m)
        parts = _floor(rng, surface, low, high, tile)
        for corner, along in (
            ((low[0], low[1], 0.0), wide),
            ((low[0], high[1], 0.0), wide),
            ((low[0], low[1], 0.0), deep),
            ((high[0], low[1], 0.0), deep),
        ):
            parts.append(Part(place.plane(corner, along, up, tile), surface))
    texture = surface.texture
    albedo = 0.1 if texture is None else float(((texture / 255.0) ** 2.2).mean())
    return Board(name, surface, albedo, tile, tuple(parts))


def _colour(rng: np.random.Generator) -> Array:
    """Draw the colour of a lamp, its strongest channel 1: one LED in five is white."""
    if rng.random() < 0.2:
        tint = black_body(float(rng.uniform(2800.0, 9000.0))).astype(np.float64)
    else:
        pure = np.asarray(COLOURS[str(rng.choice(tuple(COLOURS)))])
        pale = float(rng.uniform(0.0, 0.4)) ** 1.5
        tint = (pure * rng.uniform(0.8, 1.2, 3)) * (1.0 - pale) + pale
    strongest: Array = tint / tint.max()
    return strongest


def _lamps(
    rng: np.random.Generator, camera: Camera, middle: Array, clear: bool
) -> tuple[Lamp, ...]:
    """Draw one lamp, sometimes two, beside the camera and out of its view."""
    origin, right, up, forward = camera.axes()
    lamps = []
    for number in range(1 if rng.random() < 0.7 else 2):
        far = 0.06 if number == 0 else 0.14
        aside = far * float(rng.uniform(0.3, 1.0))
        angle = float(rng.uniform(0, 2 * np.pi))
        position = origin + aside * (np.cos(angle) * right + np.sin(angle) * up) - 0.004 * forward
        position[2] = max(position[2], 0.06)
        aim = middle + rng.normal(0.0, 0.02, 3)
        # Glass shows its inside by light that finds its way by chance: a panel makes that likely.
        size = float(rng.uniform(0.2, 0.3) if clear else np.exp(rng.uniform(-4.6, -2.6)))
        power = 1.0 if number == 0 else float(rng.uniform(0.15, 0.6))
        lamp = Lamp(vector(position), vector(aim), (0.1, 0.9, 0.05), (size, size), (1.0, 1.0, 1.0))
        strength = power / max(float(lamp.white().max()), 1e-9)
        lamps.append(
            Lamp(lamp.position_m, lamp.target_m, lamp.up, lamp.size_m,
                 vector(_colour(rng) * strength))
        )  # fmt: skip
    return tuple(lamps)


def _framed(
    item: Item, camera: Camera, target: float, at: tuple[float, float]
) -> tuple[Item, Camera]:
    """Frame the item from as near as asked for, or from where a tall one fits in."""
    for _ in range(8):
        laid, zoomed = pose.framed(item, camera, target, at, fixed=False)
        there = place.points(laid)
        origin, _, _, forward = zoomed.axes()
        nearest = float(((there - origin) @ forward).min())
        if nearest > 0.08 and np.abs(zoomed.project(there)).max() < 1.04:
            break
        camera = replace(camera, distance_m=1.25 * camera.distance_m)
    return laid, zoomed


def draw_place(rng: np.random.Generator, item: Item | None, clear: bool) -> Place:
    """Drop an item into a dark chute.

    Args:
        rng: source of randomness.
        item: a settled item, or None for the empty chute.
        clear: whether light passes through the item.
    """
    size = 0.2 if item is None else pose.size_m(item)
    camera = Camera(
        distance_m=float(np.clip(rng.uniform(1.1, 1.9) * size, 0.2, 0.6)),
        tilt_rad=float(rng.uniform(0.0, 0.65)),
        vertical_fov_rad=0.8,
    )
    if item is not None:
        target = float(rng.uniform(0.5, 0.95))
        reach = max(0.0, 0.92 - target)
        at = (float(rng.uniform(-reach, reach)), float(rng.uniform(-reach, reach)))
        item, camera = _framed(item, camera, target, at)
    there = place.points(item)
    middle = (there.min(axis=0) + there.max(axis=0)) / 2.0
    lamps = _lamps(rng, camera, middle, clear)
    origin = camera.axes()[0]
    stands = [
        np.asarray(lamp.position_m) + sign * 0.45 * lamp.size_m[0] * np.array([1.0, 1.0, 0.0])
        for lamp in lamps
        for sign in (-1.0, 1.0)
    ]
    inside = np.concatenate([there, origin[None], np.stack(stands)])
    turn = deform.rotation("z", float(rng.normal(0.0, 0.08)))
    board = _board(rng, inside @ turn, float(inside[:, 2].max()) + 0.1)
    parts = tuple(Part(part.mesh.turned(turn), part.surface) for part in board.parts)
    board = Board(board.name, board.surface, board.albedo, board.tile_m, parts)
    total = sum((np.asarray(lamp.radiance) for lamp in lamps), np.zeros(3))
    sensor = Sensor(
        # The lamps make a white board 1; the exposure stays below what it would need.
        gain=float(np.exp(rng.uniform(np.log(0.35), np.log(1.2)))),
        auto=float(rng.uniform(0.2, 0.7)),
        balance=(1.0, 1.0, 1.0),
        motion=float(rng.uniform(0.0, 0.015)) if rng.random() < 0.4 else 0.0,
        motion_rad=float(rng.uniform(0, np.pi)),
        defocus=float(rng.uniform(0.0, 0.004)),
        vignette=float(rng.uniform(0.0, 0.5)),
        read_noise=float(np.exp(rng.uniform(np.log(0.0015), np.log(0.01)))),
        shot_noise=float(rng.uniform(0.01, 0.05)),
        jpeg_quality=int(rng.integers(60, 96)),
        seed=int(rng.integers(2**31)),
    )
    lights = Lights(NO_ROOM, lamps, vector(total / max(float(total[1]), 1e-6)))
    return Place(item, board, lights, camera, sensor)
