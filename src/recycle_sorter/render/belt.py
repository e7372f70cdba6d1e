# SPDX-License-Identifier: Apache-2.0
"""Items on a moving belt or a slide, seen from above, under LED bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import cv2
import numpy as np

from recycle_sorter.render import deform, place, pose
from recycle_sorter.render import textures as tx
from recycle_sorter.render.catalogue.item import Item, Part
from recycle_sorter.render.develop import Sensor
from recycle_sorter.render.materials import Picture, Surface, linear
from recycle_sorter.render.place import Board, Lamp, Lights, Place, vector
from recycle_sorter.render.pose import Camera
from recycle_sorter.render.shapes import Array
from recycle_sorter.render.station import black_body, make_room

LENGTH_M = 3.0
DIRT: tuple[tx.Ink, ...] = ((52, 42, 30), (92, 80, 62), (30, 30, 30), (128, 122, 110))


def scratched(rng: np.random.Generator, picture: Picture, count: int, tone: tx.Ink) -> Picture:
    """Scratch a picture with fine lines, most of them along x."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), dtype=np.float32)
    for _ in range(count):
        start = rng.uniform(0, 1, 2) * (width, height)
        angle = float(rng.normal(0.0, 0.25)) if rng.random() < 0.8 else float(rng.uniform(0, 3.1))
        end = start + rng.uniform(0.03, 0.7) * width * np.array([np.cos(angle), np.sin(angle)])
        first, last = ((int(x), int(y)) for x, y in (start, end))
        cv2.line(mask, first, last, float(rng.uniform(0.1, 0.7)), 1, cv2.LINE_AA)
    return tx.blended(picture, tone, mask)


def soiled(rng: np.random.Generator, picture: Picture) -> Picture:
    """Leave a belt or a wall as clean or as dirty as work leaves it."""
    tone = DIRT[int(rng.integers(len(DIRT)))]
    return tx.dirty(picture, rng, float(rng.uniform(0.0, 0.6)) ** 1.5, tone)


def _rubber(rng: np.random.Generator) -> Surface:
    level = int(rng.integers(24, 62))
    belt = tx.speckled(rng, (level, level, level + int(rng.integers(-2, 5))), 0.25)
    if rng.random() < 0.5:
        rows, columns = np.mgrid[0:512, 0:512]
        step = int(rng.integers(10, 24))
        weave = ((rows + columns) % step < step // 4) | ((rows - columns) % step < step // 4)
        belt = tx.shaded(belt, (1.0 - 0.3 * weave).astype(np.float32))
    belt = scratched(rng, belt, int(rng.integers(0, 60)), (110, 108, 104))
    return Surface("glossy", texture=soiled(rng, belt), roughness=float(rng.uniform(0.35, 0.65)))


def _pvc(rng: np.random.Generator, inks: tuple[tx.Ink, ...]) -> Surface:
    ink = inks[int(rng.integers(len(inks)))]
    belt = tx.speckled(rng, ink, 0.06)
    belt = scratched(rng, belt, int(rng.integers(0, 50)), (150, 160, 160))
    return Surface("glossy", texture=soiled(rng, belt), roughness=float(rng.uniform(0.15, 0.42)))


def _pvc_green(rng: np.random.Generator) -> Surface:
    return _pvc(rng, ((28, 96, 62), (20, 122, 84), (72, 128, 78), (18, 84, 74)))


def _pvc_blue(rng: np.random.Generator) -> Surface:
    return _pvc(rng, ((34, 78, 148), (24, 104, 172), (70, 122, 178), (28, 56, 110)))


def _modular(rng: np.random.Generator) -> Surface:
    return _pvc(
        rng, ((40, 96, 168), (206, 208, 206), (120, 124, 128), (196, 184, 152), (46, 48, 52))
    )


def _slide(rng: np.random.Generator) -> Surface:
    sheet = tx.brushed(rng, int(rng.integers(150, 220)))
    sheet = scratched(rng, sheet, int(rng.integers(60, 260)), (90, 90, 92))
    sheet = scratched(rng, sheet, int(rng.integers(20, 120)), (245, 245, 245))
    return Surface("metal", texture=soiled(rng, sheet), roughness=float(rng.uniform(0.45, 0.7)))


BELTS: Mapping[str, Callable[[np.random.Generator], Surface]] = MappingProxyType(
    {
        "belt_rubber": _rubber,
        "belt_pvc_green": _pvc_green,
        "belt_pvc_blue": _pvc_blue,
        "belt_modular": _modular,
        "slide_metal": _slide,
    }
)
_SHARES = (0.34, 0.16, 0.14, 0.18, 0.18)


def _links(rng: np.random.Generator, width_m: float, tile_m: float) -> Part:
    """Return the links of a modular belt: bars with fingers that mesh at each hinge.

    The links run along y and the belt moves along x; their tops are at z = 0.
    """
    pitch, gap = float(rng.uniform(0.025, 0.051)), float(rng.uniform(0.0015, 0.0035))
    finger, reach = float(rng.uniform(0.012, 0.022)), float(rng.uniform(0.2, 0.34)) * pitch
    open_grid = rng.random() < 0.35
    low: list[tuple[float, float, float]] = []
    high: list[tuple[float, float, float]] = []
    for x in map(float, np.arange(-0.5 * LENGTH_M / 2, 0.5 * LENGTH_M / 2, pitch)):
        body = (x + (reach if open_grid else 0.5 * reach), x + pitch - reach)
        low.append((body[0], -width_m / 2, -0.012))
        high.append((body[1], width_m / 2, 0.0))
        places = np.arange(-width_m / 2, width_m / 2 - finger, finger)
        for number, y in enumerate(map(float, places)):
            # Odd fingers reach ahead, even ones back: neighbours mesh across the hinge.
            ends = (body[1], x + pitch + 0.4 * reach) if number % 2 else (x - 0.4 * reach, body[0])
            low.append((ends[0], y + gap / 2, -0.012))
            high.append((ends[1], y + finger - gap / 2, 0.0))
    return Part(place.boxes(low, high, tile_m), _modular(rng))


def _board(rng: np.random.Generator, turn: Array, beside: Array, reach_m: float) -> Board:
    """Draw a belt that runs along the turned x axis past the item.

    Args:
        rng: source of randomness.
        turn: turn from the belt's axes to the picture's.
        beside: the item's middle.
        reach_m: half the width that the item needs.
    """
    name = tuple(BELTS)[int(rng.choice(len(BELTS), p=_SHARES))]
    surface, tile = BELTS[name](rng), float(rng.uniform(0.25, 0.5))
    width = float(np.clip(rng.uniform(0.3, 0.9), 2.2 * reach_m, None))
    half, slack = width / 2, width / 2 - 1.05 * reach_m
    shift = float(rng.uniform(-slack, slack))
    far = LENGTH_M / 2
    if name == "belt_modular":
        links = _links(rng, width, tile)
        under = Surface("matte", colour=(0.01, 0.01, 0.011))
        bed = place.plane((-far, -half, -0.0125), (2 * far, 0, 0), (0, width, 0), tile)
        parts = [Part(bed, under), links]
        surface = links.surface
    else:
        top = place.plane((-far, -half, 0), (2 * far, 0, 0), (0, width, 0), tile)
        parts = [Part(top, surface)]
    # Rails of bare or painted metal; a slide's are higher. Below, a dark floor.
    rise = float(rng.uniform(0.05, 0.1) if name == "slide_metal" else rng.uniform(0.005, 0.05))
    rails = place.boxes(
        [(-far, -half - 0.03, -0.1), (-far, half, -0.1)],
        [(far, -half, rise), (far, half + 0.03, rise)],
        tile,
    )
    paint = (linear(190, 190, 188), linear(70, 74, 80), linear(200, 150, 30), linear(30, 60, 110))
    bare = name == "slide_metal" or rng.random() < 0.5
    colour = (0.55, 0.55, 0.55) if bare else paint[int(rng.integers(len(paint)))]
    parts.append(Part(rails, Surface("metal" if bare else "glossy", colour=colour, roughness=0.5)))
    ground = place.plane((-far, -far, -0.6), (2 * far, 0, 0), (0, 2 * far, 0), 1.0)
    grey = float(rng.uniform(0.02, 0.15))
    parts.append(Part(ground, Surface("matte", colour=(grey, grey, grey))))
    offset = turn @ (turn.T @ (beside * [1.0, 1.0, 0.0]) * [0.0, 1.0, 0.0] + [0.0, shift, 0.0])
    placed = tuple(Part(part.mesh.turned(turn).moved(offset), part.surface) for part in parts)
    texture = surface.texture
    albedo = 0.1 if texture is None else float(((texture / 255.0) ** 2.2).mean())
    return Board(name, surface, albedo, tile, placed)


def _stand(rng: np.random.Generator, camera: Camera, turn: Array) -> tuple[Array, Array]:
    """Draw where a bar hangs and where it points, out of the camera's view."""
    target = np.asarray(camera.target_m)
    origin, right, _, _ = camera.axes()
    across = turn[:, 1] if rng.random() < 0.65 else turn[:, 0]
    # Half of the bars hang where the belt, were it a mirror, would show them: glare.
    glaring = rng.random() < 0.5
    if glaring:
        across = right
    position = target
    for _ in range(20):
        height = float(rng.uniform(0.35, 0.85))
        aside = np.cross(across, [0.0, 0.0, 1.0])
        middle = target
        if glaring:
            middle = target + (target - origin) * [1.0, 1.0, 0.0] * (height / origin[2])
        reach = 0.1 if glaring else 0.55
        position = middle * [1.0, 1.0, 0.0] + float(rng.uniform(-reach, reach)) * aside
        position = position + [0.0, 0.0, height] + float(rng.uniform(-0.1, 0.1)) * across
        if not _is_seen(camera, position, across):
            return position, across
    # Above the camera it is never in the way.
    return position * [1.0, 1.0, 0.0] + [0.0, 0.0, origin[2] + 0.1], across


def _is_seen(camera: Camera, position: Array, across: Array) -> bool:
    """Tell whether a bar of the largest size would stand between the camera and its frame."""
    origin, _, _, forward = camera.axes()
    wide = np.cross(across, position - np.asarray(camera.target_m))
    wide = wide / max(float(np.linalg.norm(wide)), 1e-9)
    # Steps of 5 mm: just before the lens the frame is not much wider.
    along, over = np.meshgrid(np.linspace(-0.55, 0.55, 221), np.linspace(-0.1, 0.1, 41))
    spots = position + along.reshape(-1, 1) * across + over.reshape(-1, 1) * wide
    ahead = (spots - origin) @ forward > 0.005
    return bool((ahead & (np.abs(camera.project(spots)) < 1.15).all(axis=1)).any())


def _lights(rng: np.random.Generator, camera: Camera, turn: Array, clear: bool) -> Lights:
    """Draw a dim hall and one or two LED bars above the belt, out of the camera's view."""
    temperature = float(rng.uniform(3800.0, 8000.0))
    tint = black_body(temperature) * rng.uniform(0.92, 1.08, 3)
    # Glass shows its inside by light that finds its way by chance: diffusers make that likely.
    hall = float(rng.uniform(0.6, 1.2) if clear else rng.uniform(0.04, 0.5))
    room = make_room(rng, black_body(float(rng.uniform(3200.0, 6500.0)))) * np.float32(hall)
    if clear:
        room = cv2.GaussianBlur(np.minimum(room, 2.0), (0, 0), 1.8)
    lamps = []
    for number in range(int(rng.integers(1, 3))):
        position, across = _stand(rng, camera, turn)
        size = (float(rng.uniform(0.4, 1.0)), float(rng.uniform(0.015, 0.045)))
        power = float(rng.uniform(12.0, 40.0)) * (
            1.0 if number == 0 else float(rng.uniform(0.3, 1))
        )
        if clear:
            size, power = (size[0], 4.0 * size[1]), 0.2 * power
        up = vector(np.cross(across, position - np.asarray(camera.target_m)))
        lamps.append(Lamp(vector(position), camera.target_m, up, size, vector(tint * power)))
    total = place.room_white(room) + sum(lamp.white() for lamp in lamps)
    return Lights(room.astype(np.float32), tuple(lamps), vector(total / total[1]))


def draw_place(rng: np.random.Generator, item: Item | None, clear: bool) -> Place:
    """Lay an item on a moving belt.

    Args:
        rng: source of randomness.
        item: a settled item, or None for the empty belt.
        clear: whether light passes through the item.
    """
    camera = Camera(distance_m=float(rng.uniform(0.6, 1.1)), tilt_rad=float(rng.uniform(0.0, 0.45)))
    if item is not None:
        target = float(rng.uniform(0.5, 0.92))
        reach = max(0.0, 0.92 - target)
        at = (float(rng.uniform(-reach, reach)), float(rng.uniform(-reach, reach)))
        item, camera = pose.framed(item, camera, target, at, fixed=False)
    quarter = float(rng.integers(2)) * np.pi / 2
    angle = quarter + float(rng.normal(0.0, 0.05))
    turn = deform.rotation("z", angle)
    there = place.points(item)
    middle = (there.min(axis=0) + there.max(axis=0)) / 2.0
    reach_m = float(np.abs((there - middle) @ turn[:, 1]).max()) + 0.01
    board = _board(rng, turn, middle, reach_m)
    lights = _lights(rng, camera, turn, clear)
    ahead = np.asarray(camera.target_m) + 0.01 * turn[:, 0]
    step = camera.project(ahead[None])[0] * [camera.aspect, 1.0]
    light = place.room_white(lights.room) + sum(lamp.white() for lamp in lights.lamps)
    white = float(np.mean(light))
    balance = np.asarray(lights.white) ** float(rng.uniform(0.5, 1.0))
    sensor = Sensor(
        gain=float(np.exp(rng.uniform(np.log(0.6), np.log(1.6)))) / white,
        auto=float(rng.uniform(0.0, 0.5)),
        balance=vector(balance * rng.uniform(0.95, 1.05, 3)),
        motion=float(rng.uniform(0.0, 0.022)),
        motion_rad=float(np.arctan2(step[1], step[0])),
        defocus=float(rng.uniform(0.0, 0.002)),
        vignette=float(rng.uniform(0.0, 0.35)),
        read_noise=float(rng.uniform(0.001, 0.006)),
        shot_noise=float(rng.uniform(0.005, 0.03)),
        jpeg_quality=int(rng.integers(70, 98)),
        seed=int(rng.integers(2**31)),
    )
    return Place(item, board, lights, camera, sensor)
