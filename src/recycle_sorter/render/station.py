# SPDX-License-Identifier: Apache-2.0
"""The station around the item: boards, room and lamps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.render import textures as tx
from recycle_sorter.render.materials import Picture, Surface
from recycle_sorter.render.place import Board, Lamp, Lights, Radiance, room_white, vector


def _tone(rng: np.random.Generator, colour: tx.Ink, strength: float) -> Picture:
    shift = int(rng.integers(-12, 13))
    ink = (colour[0] + shift, colour[1] + shift, colour[2] + shift)
    return tx.speckled(rng, ink, strength)


def _light_grey(rng: np.random.Generator) -> Picture:
    return _tone(rng, (196, 197, 199), 0.05)


def _white(rng: np.random.Generator) -> Picture:
    return _tone(rng, (228, 228, 226), 0.03)


def _warm_grey(rng: np.random.Generator) -> Picture:
    return _tone(rng, (190, 182, 170), 0.06)


def _rubber(rng: np.random.Generator) -> Picture:
    belt = _tone(rng, (58, 59, 62), 0.3)
    rows, columns = np.mgrid[0:512, 0:512]
    weave = ((rows + columns) % 16 < 3).astype(np.float32) * 0.25
    return tx.blended(belt, (34, 34, 36), weave)


def _wood(rng: np.random.Generator) -> Picture:
    wood = _tone(rng, (176, 138, 96), 0.04)
    grain = cv2.GaussianBlur(rng.normal(0, 1, (512, 512)).astype(np.float32), (201, 1), 0)
    rows = np.arange(512)[:, None]
    rings = np.sin(rows * 0.12 + 4.0 * tx.cloud(rng, 512, 512, 4))
    return tx.shaded(wood, (1.0 + 0.5 * grain + 0.06 * rings).astype(np.float32))


def _green(rng: np.random.Generator) -> Picture:
    return _tone(rng, (62, 112, 84), 0.1)


def _blue(rng: np.random.Generator) -> Picture:
    return _tone(rng, (92, 120, 156), 0.08)


BOARDS: Mapping[str, Callable[[np.random.Generator], Picture]] = MappingProxyType(
    {
        "light_grey": _light_grey,
        "white": _white,
        "warm_grey": _warm_grey,
        "rubber": _rubber,
        "wood": _wood,
        "green": _green,
        "blue": _blue,
    }
)
STATION_BOARDS = ("light_grey", "white", "warm_grey")
_SHARES = (0.27, 0.27, 0.14, 0.12, 0.08, 0.06, 0.06)


def make_board(rng: np.random.Generator, name: str | None = None) -> Board:
    """Draw a board; ``name`` chooses its kind.

    Raises:
        InvalidInputError: if the name is not a key of `BOARDS`.
    """
    if name is None:
        name = tuple(BOARDS)[int(rng.choice(len(BOARDS), p=_SHARES))]
    if name not in BOARDS:
        raise InvalidInputError("board", name, f"one of {', '.join(BOARDS)}")
    texture = BOARDS[name](rng)
    albedo = float(((texture / 255.0) ** 2.2).mean())
    gloss = rng.random() < 0.3 and name not in ("wood", "light_grey")
    surface = Surface("glossy" if gloss else "matte", texture=texture, roughness=0.55)
    return Board(name, surface, albedo, float(rng.uniform(0.25, 0.45)))


def black_body(temperature_k: float) -> NDArray[np.float32]:
    """Return linear RGB of a black body, green = 1, within 1000 K to 15000 K.

    Fit of Kim et al. (2002) for the Planckian locus, then XYZ to linear sRGB.
    """
    t = float(np.clip(temperature_k, 1667.0, 15000.0))
    if t < 4000.0:
        x = -0.2661239e9 / t**3 - 0.2343589e6 / t**2 + 0.8776956e3 / t + 0.179910
    else:
        x = -3.0258469e9 / t**3 + 2.1070379e6 / t**2 + 0.2226347e3 / t + 0.240390
    if t < 2222.0:
        y = -1.1063814 * x**3 - 1.34811020 * x**2 + 2.18555832 * x - 0.20219683
    elif t < 4000.0:
        y = -0.9549476 * x**3 - 1.37418593 * x**2 + 2.09137015 * x - 0.16748867
    else:
        y = 3.0817580 * x**3 - 5.87338670 * x**2 + 3.75112997 * x - 0.37001483
    xyz = np.array([x / y, 1.0, (1.0 - x - y) / y])
    to_rgb = np.array(
        [[3.2406, -1.5372, -0.4986], [-0.9689, 1.8758, 0.0415], [0.0557, -0.2040, 1.0570]]
    )
    rgb = np.clip(to_rgb @ xyz, 0.02, None)
    tint: NDArray[np.float32] = (rgb / rgb[1]).astype(np.float32)
    return tint


def make_room(rng: np.random.Generator, tint: NDArray[np.float32]) -> Radiance:
    """Draw a room: light ceiling with soft boxes, walls with a window and dark furniture.

    Metal and glass look like what they mirror, hence the contrast.
    """
    height, width = 96, 192
    polar = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None]
    tone = np.where(polar < 0.3, rng.uniform(0.5, 0.9), rng.uniform(0.2, 0.5)) * np.ones((1, width))
    tone = tone.astype(np.float32) * (0.7 + 0.6 * tx.cloud(rng, height, width, 8))
    for _ in range(int(rng.integers(3, 7))):
        x, wide = int(rng.integers(0, width)), int(rng.integers(8, 36))
        top = int(rng.integers(30, 46))
        cv2.rectangle(tone, (x, top), (x + wide, 60), float(rng.uniform(0.02, 0.12)), -1)
    room = np.repeat(tone[..., None], 3, axis=2) * tint
    for _ in range(int(rng.integers(2, 5))):
        x, y = int(rng.integers(0, width - 30)), int(rng.integers(4, 24))
        size = (x + int(rng.integers(10, 34)), y + int(rng.integers(4, 12)))
        glow = float(rng.uniform(3.0, 8.0))
        cv2.rectangle(room, (x, y), size, tuple(float(c) * glow for c in tint), -1)
    if rng.random() < 0.6:
        x = int(rng.integers(0, width - 30))
        sky = black_body(float(rng.uniform(5500, 8000))) * float(rng.uniform(2.0, 5.0))
        corner = (x + int(rng.integers(12, 26)), 46)
        cv2.rectangle(room, (x, int(rng.integers(22, 32))), corner, tuple(map(float, sky)), -1)
    soft: Radiance = cv2.GaussianBlur(room, (0, 0), 1.2).astype(np.float32)
    return soft


def softened(lights: Lights) -> Lights:
    """Return the lights with a wide, weak key and no glare in the room.

    What lies behind glass is lit only by chance paths; broad lamps keep those from sparkling.
    """
    room = np.minimum(lights.room, 4.0).astype(np.float32)
    room = cv2.GaussianBlur(room, (0, 0), 1.8, borderType=cv2.BORDER_REFLECT).astype(np.float32)
    lamps = tuple(
        replace(
            lamp,
            size_m=(2.0 * lamp.size_m[0], 2.0 * lamp.size_m[1]),
            radiance=vector([0.2 * part for part in lamp.radiance]),
        )
        for lamp in lights.lamps
    )
    return replace(lights, room=room, lamps=lamps)


def make_lights(rng: np.random.Generator, moderate: bool = False) -> Lights:
    """Draw room and key lamp; ``moderate`` keeps them near a sorting station's."""
    low, high = (4200.0, 6200.0) if moderate else (2900.0, 7000.0)
    temperature = float(rng.uniform(low, high))
    tint = black_body(temperature)
    room = make_room(rng, black_body(temperature * float(rng.uniform(0.9, 1.15))))
    elevation = float(rng.uniform(0.85, 1.35) if moderate else rng.uniform(0.55, 1.4))
    azimuth = float(rng.uniform(0, 2 * np.pi))
    direction = (
        float(np.cos(elevation) * np.cos(azimuth)),
        float(np.cos(elevation) * np.sin(azimuth)),
        float(np.sin(elevation)),
    )
    power = float(rng.uniform(4.0, 12.0) if moderate else rng.uniform(1.0, 16.0))
    key = tuple(float(c) * power for c in tint)
    size, distance = float(rng.uniform(0.3, 0.7)), float(rng.uniform(1.0, 1.5))
    from_key = np.asarray(key) * size**2 / distance**2 * np.sin(elevation) / np.pi
    total = room_white(room) + from_key
    position = vector(np.asarray(direction) * distance)
    lamp = Lamp(position, (0.0, 0.0, 0.0), (0.1, 0.9, 0.05), (size, size), vector(key))
    return Lights(room, (lamp,), vector(total / total[1]))
