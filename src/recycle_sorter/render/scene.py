# SPDX-License-Identifier: Apache-2.0
"""A picture: item, board, lights and camera drawn from a seed, rendered by Mitsuba 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType, ModuleType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.render import belt, chute, materials, pose, shapes, station
from recycle_sorter.render.catalogue import CATALOGUE, Item, Part, make_item
from recycle_sorter.render.develop import Sensor, cleaned, exposed, metered
from recycle_sorter.render.materials import Picture
from recycle_sorter.render.place import Board, Lights, Place
from recycle_sorter.render.pose import Camera

VARIANT = "scalar_rgb"
PASSES = 4
STATION_CAMERA = Camera()

# free: any board, room and view; station: its fixed camera and boards; belt: from above, under
# LED bars; chute: in a dark box with one coloured lamp.
SceneKind = Literal["free", "station", "belt", "chute"]
SCENES: tuple[SceneKind, ...] = ("free", "station", "belt", "chute")
PLACES: Mapping[SceneKind, Callable[[np.random.Generator, Item | None, bool], Place]] = (
    MappingProxyType({"belt": belt.draw_place, "chute": chute.draw_place})
)
# Longest light path for items that light does not pass through.
DEPTHS: Mapping[SceneKind, int] = MappingProxyType({"free": 6, "station": 6, "belt": 4, "chute": 4})


class MitsubaMissingError(SorterError, ImportError):
    """Mitsuba is not installed."""


@dataclass(frozen=True)
class Shot:
    """Everything that makes one picture.

    Attributes:
        item: the posed item, or None for the empty board.
        pose: the item's pose; empty for the empty board.
        board: what it lies on, and the walls around.
        lights: the lights.
        camera: the camera.
        seed: seed of the renderer's samples.
        kind: what kind of scene it is.
        sensor: the camera's development; None meters the exposure against the board.
    """

    item: Item | None
    pose: str
    board: Board
    lights: Lights
    camera: Camera
    seed: int
    kind: SceneKind = "free"
    sensor: Sensor | None = None


def load_mitsuba() -> ModuleType:
    """Import Mitsuba and choose the variant that runs anywhere.

    Raises:
        MitsubaMissingError: if it is not installed.
    """
    try:
        import mitsuba
    except ImportError as error:
        raise MitsubaMissingError(
            "mitsuba is not installed; rendering needs the extra: "
            "pip install 'recycle_sorter[render]'"
        ) from error
    module: ModuleType = mitsuba
    if mitsuba.variant() != VARIANT:
        mitsuba.set_variant(VARIANT)
    return module


def limit_threads(count: int) -> None:
    """Let Mitsuba use at most ``count`` threads in this process."""
    load_mitsuba()
    import drjit

    drjit.set_thread_count(count)


def draw_shot(material: str | None, seed: int, kind: SceneKind = "free") -> Shot:
    """Draw a shot from its seed; the same arguments give the same shot.

    Args:
        material: what is in the picture; None leaves the place empty.
        seed: at least 0.
        kind: see `SceneKind`.

    Raises:
        InvalidInputError: if the kind of scene is unknown.
    """
    if kind not in SCENES:
        raise InvalidInputError("scene", kind, f"one of {', '.join(SCENES)}")
    number = 0 if material is None else 1 + tuple(CATALOGUE).index(material)
    item_rng = np.random.default_rng([seed, number, 0])
    if kind in PLACES:
        rng = np.random.default_rng([seed, number, 1 + SCENES.index(kind)])
        item, resting = None, ""
        if material is not None:
            item, resting = pose.posed(make_item(material, seed, item_rng), rng)
        clear = item is not None and is_clear(item)
        drawn = PLACES[kind](rng, item, clear)
        return Shot(
            drawn.item, resting, drawn.board, drawn.lights, drawn.camera, seed, kind, drawn.sensor
        )
    fixed_camera = kind == "station"
    rng = np.random.default_rng([seed, number, 1])
    name = str(rng.choice(station.STATION_BOARDS)) if fixed_camera else None
    board = station.make_board(rng, name)
    lights = station.make_lights(rng, moderate=fixed_camera)
    camera = STATION_CAMERA
    if not fixed_camera:
        camera = Camera(
            distance_m=float(rng.uniform(0.4, 0.9)), tilt_rad=float(rng.uniform(0.08, 0.95))
        )
    if material is None:
        return Shot(None, "", board, lights, camera, seed, kind)
    item, resting = pose.posed(make_item(material, seed, item_rng), rng)
    if not fixed_camera:
        camera = replace(camera, distance_m=float(rng.uniform(2.2, 4.0)) * pose.size_m(item))
    if is_clear(item):
        lights = station.softened(lights)
    target = float(rng.uniform(0.62, 0.8) if fixed_camera else rng.uniform(0.6, 0.97))
    reach = max(0.0, 0.9 - target) * 0.5
    at = (float(rng.uniform(-reach, reach)), float(rng.uniform(-reach, reach)))
    item, camera = pose.framed(item, camera, target, at, fixed_camera)
    return Shot(item, resting, board, lights, camera, seed, kind)


def is_clear(item: Item) -> bool:
    """Tell whether light passes through a part of the item."""
    return any(part.surface.kind in ("glass", "film", "frosted") for part in item.parts)


def render(shot: Shot, width_px: int, height_px: int, samples: int) -> Picture:
    """Render a shot.

    Args:
        shot: what to render.
        width_px: width, at least 8.
        height_px: height, at least 8.
        samples: samples a pixel, at least `PASSES`.

    Returns:
        uint8 ``(height_px, width_px, 3)``, sRGB, channels in RGB order.

    Raises:
        InvalidInputError: if a size or the sample count is too small.
        MitsubaMissingError: if Mitsuba is not installed.
    """
    if width_px < 8 or height_px < 8:
        raise InvalidInputError("size_px", (width_px, height_px), "at least 8 x 8")
    if samples < PASSES:
        raise InvalidInputError("samples", samples, f"at least {PASSES}")
    mi = load_mitsuba()
    scene = mi.load_dict(scene_dict(shot, mi, width_px, height_px))
    passes = []
    for index in range(PASSES):
        seed = (shot.seed * PASSES + index) % 2**31
        image = mi.render(scene, spp=samples // PASSES, seed=seed)
        passes.append(np.asarray(image, dtype=np.float32)[..., :3])
    return develop(np.stack(passes), shot)


def develop(passes: NDArray[np.float32], shot: Shot) -> Picture:
    """Turn radiance into the picture of the shot's camera.

    Args:
        passes: independent renderings ``(P, H, W, 3)``, linear.
        shot: gives the camera's development, or what its exposure is metered against.
    """
    linear = cleaned(passes)
    if shot.sensor is not None:
        return exposed(linear, shot.sensor)
    return metered(linear, shot.board.albedo, shot.lights.white)


def scene_dict(shot: Shot, mi: Any, width_px: int, height_px: int) -> dict[str, Any]:
    """Return the shot as the dictionary that Mitsuba loads."""
    origin, _, up, _ = shot.camera.axes()
    transform = mi.ScalarTransform4f
    clear = shot.item is not None and is_clear(shot.item)
    fov = float(np.degrees(shot.camera.vertical_fov_rad))
    camera = {
        "type": "perspective",
        "fov": fov,
        "fov_axis": "y",
        "near_clip": 0.01,
        "far_clip": 100.0,
        "to_world": transform().look_at(
            origin=origin.tolist(), target=list(shot.camera.target_m), up=up.tolist()
        ),
        "film": {
            "type": "hdrfilm",
            "width": width_px,
            "height": height_px,
            "pixel_format": "rgb",
            "rfilter": {"type": "gaussian"},
        },
        "sampler": {"type": "independent"},
    }
    depth = DEPTHS[shot.kind]
    scene: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 18 if clear else depth, "rr_depth": 5},
        "sensor": camera,
    }
    if shot.lights.room.any():
        scene["room"] = {
            "type": "envmap",
            "bitmap": mi.Bitmap(np.ascontiguousarray(shot.lights.room)),
            "to_world": transform().rotate([1, 0, 0], 90),
        }
    for index, lamp in enumerate(shot.lights.lamps):
        stand = transform().look_at(
            origin=list(lamp.position_m), target=list(lamp.target_m), up=list(lamp.up)
        )
        half = [lamp.size_m[0] / 2.0, lamp.size_m[1] / 2.0, 1.0]
        scene[f"lamp_{index}"] = {
            "type": "rectangle",
            "to_world": stand @ transform().scale(half),
            "emitter": {
                "type": "area",
                "radiance": {"type": "rgb", "value": list(lamp.radiance)},
            },
        }
    for index, part in enumerate(shot.board.parts or (_ground(shot.board),)):
        scene[f"board_{index}"] = _mesh(part.mesh, part.surface, mi, f"board_{index}")
    for index, part in enumerate(shot.item.parts if shot.item else ()):
        scene[f"part_{index}"] = _mesh(part.mesh, part.surface, mi, f"part_{index}")
    return scene


def _ground(board: Board) -> Part:
    flat = shapes.sheet(4.0, 4.0, 2, 2)
    mesh = shapes.Mesh(flat.vertices, flat.faces, flat.uv * (4.0 / board.tile_m))
    return Part(mesh, board.surface)


def _mesh(mesh: shapes.Mesh, surface: materials.Surface, mi: Any, name: str) -> Any:
    """Hand a mesh to Mitsuba."""
    properties = mi.Properties()
    properties["bsdf"] = mi.load_dict(materials.bsdf(surface, mi))
    properties["face_normals"] = not mesh.smooth
    made = mi.Mesh(
        name,
        vertex_count=len(mesh.vertices),
        face_count=len(mesh.faces),
        has_vertex_normals=mesh.smooth,
        has_vertex_texcoords=True,
        props=properties,
    )
    parameters = mi.traverse(made)
    parameters["vertex_positions"] = mesh.vertices.astype(np.float32).ravel()
    parameters["faces"] = mesh.faces.astype(np.uint32).ravel()
    # Mitsuba puts v = 0 at the bitmap's first row, ours is at the bottom.
    uv = np.column_stack([mesh.uv[:, 0], 1.0 - mesh.uv[:, 1]])
    parameters["vertex_texcoords"] = uv.astype(np.float32).ravel()
    if mesh.smooth:
        parameters["vertex_normals"] = mesh.normals().astype(np.float32).ravel()
    parameters.update()
    return made
