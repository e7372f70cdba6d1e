# SPDX-License-Identifier: Apache-2.0
"""A picture: item, board, lights and camera drawn from a seed, rendered by Mitsuba 3."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.render import materials, pose, shapes, station
from recycle_sorter.render.catalogue import CATALOGUE, Item, make_item
from recycle_sorter.render.materials import Picture
from recycle_sorter.render.pose import Camera

VARIANT = "scalar_rgb"
PASSES = 4
STATION_CAMERA = Camera()


class MitsubaMissingError(SorterError, ImportError):
    """Mitsuba is not installed."""


@dataclass(frozen=True)
class Shot:
    """Everything that makes one picture.

    Attributes:
        item: the posed item, or None for the empty board.
        pose: the item's pose; empty for the empty board.
        board: the board.
        lights: the lights.
        camera: the camera.
        seed: seed of the renderer's samples.
    """

    item: Item | None
    pose: str
    board: station.Board
    lights: station.Lights
    camera: Camera
    seed: int


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


def draw_shot(material: str | None, seed: int, *, fixed_camera: bool = False) -> Shot:
    """Draw a shot from its seed; the same arguments give the same shot.

    Args:
        material: what is on the board; None leaves it empty.
        seed: at least 0.
        fixed_camera: use the station's camera and its boards instead of drawn ones.
    """
    kind = 0 if material is None else 1 + tuple(CATALOGUE).index(material)
    item_rng = np.random.default_rng([seed, kind, 0])
    rng = np.random.default_rng([seed, kind, 1])
    name = str(rng.choice(station.STATION_BOARDS)) if fixed_camera else None
    board = station.make_board(rng, name)
    lights = station.make_lights(rng, moderate=fixed_camera)
    camera = STATION_CAMERA
    if not fixed_camera:
        camera = Camera(
            distance_m=float(rng.uniform(0.4, 0.9)), tilt_rad=float(rng.uniform(0.08, 0.95))
        )
    if material is None:
        return Shot(None, "", board, lights, camera, seed)
    item, resting = pose.posed(make_item(material, seed, item_rng), rng)
    if not fixed_camera:
        camera = replace(camera, distance_m=float(rng.uniform(2.2, 4.0)) * pose.size_m(item))
    if is_clear(item):
        lights = station.softened(lights)
    target = float(rng.uniform(0.62, 0.8) if fixed_camera else rng.uniform(0.6, 0.97))
    reach = max(0.0, 0.9 - target) * 0.5
    at = (float(rng.uniform(-reach, reach)), float(rng.uniform(-reach, reach)))
    item, camera = pose.framed(item, camera, target, at, fixed_camera)
    return Shot(item, resting, board, lights, camera, seed)


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
    scene = mi.load_dict(_scene_dict(shot, mi, width_px, height_px))
    passes = []
    for index in range(PASSES):
        seed = (shot.seed * PASSES + index) % 2**31
        image = mi.render(scene, spp=samples // PASSES, seed=seed)
        passes.append(np.asarray(image, dtype=np.float32)[..., :3])
    return develop(np.stack(passes), shot)


def develop(passes: NDArray[np.float32], shot: Shot) -> Picture:
    """Turn radiance into a camera's picture: fireflies off, exposure, white balance, tone.

    Args:
        passes: independent renderings ``(P, H, W, 3)``, linear.
        shot: gives the board's albedo and the white of the light.
    """
    # A pixel far above the middle of its passes is one lucky light path, not light.
    middle = np.median(passes, axis=0)
    passes = np.minimum(passes, 2.0 * middle + 0.1 * middle.mean())
    linear = _smoothed(passes.mean(axis=0), passes.var(axis=0, ddof=1) / len(passes))
    rim = max(2, linear.shape[0] // 16)
    border = np.concatenate([linear[:rim].reshape(-1, 3), linear[-rim:].reshape(-1, 3)])
    irradiance = float(np.median(border.mean(axis=1))) / max(shot.board.albedo, 1e-3)
    linear = linear * (0.74 / max(irradiance, 1e-6))
    linear = linear / np.asarray(shot.lights.white, dtype=np.float32) ** 0.8
    shoulder = np.where(linear > 0.6, 0.6 + 0.4 * (1 - np.exp(-(linear - 0.6) / 0.4)), linear)
    curve = np.where(shoulder <= 0.0031308, 12.92 * shoulder, 1.055 * shoulder ** (1 / 2.4) - 0.055)
    return np.clip(curve * 255.0 + 0.5, 0, 255).astype(np.uint8)


def _smoothed(linear: NDArray[np.float32], noise: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average where the passes disagree and keep what they agree on (Lee's filter, 1980).

    Args:
        linear: mean of the passes ``(H, W, 3)``.
        noise: variance of that mean, estimated from the passes, ``(H, W, 3)``.
    """
    size = (5, 5)
    mean = cv2.blur(linear, size)
    spread = np.maximum(cv2.blur(linear * linear, size) - mean * mean, 1e-8).mean(axis=2)
    uncertain = cv2.blur(noise, size).mean(axis=2)
    keep = np.clip(1.0 - 1.2 * uncertain / spread, 0.0, 1.0)[..., None]
    result: NDArray[np.float32] = (mean + keep * (linear - mean)).astype(np.float32)
    return result


def _scene_dict(shot: Shot, mi: Any, width_px: int, height_px: int) -> dict[str, Any]:
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
    key = np.asarray(shot.lights.key_direction) * shot.lights.key_distance_m
    half = shot.lights.key_size_m / 2.0
    lamp = transform().look_at(origin=key.tolist(), target=[0, 0, 0], up=[0.1, 0.9, 0.05])
    flat = shapes.sheet(4.0, 4.0, 2, 2)
    ground = shapes.Mesh(flat.vertices, flat.faces, flat.uv * (4.0 / shot.board.tile_m))
    scene: dict[str, Any] = {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 18 if clear else 6, "rr_depth": 5},
        "sensor": camera,
        "room": {
            "type": "envmap",
            "bitmap": mi.Bitmap(np.ascontiguousarray(shot.lights.room)),
            "to_world": transform().rotate([1, 0, 0], 90),
        },
        "key": {
            "type": "rectangle",
            "to_world": lamp @ transform().scale([half, half, 1.0]),
            "emitter": {
                "type": "area",
                "radiance": {"type": "rgb", "value": list(shot.lights.key_radiance)},
            },
        },
        "board": _mesh(ground, shot.board.surface, mi, "board"),
    }
    for index, part in enumerate(shot.item.parts if shot.item else ()):
        scene[f"part_{index}"] = _mesh(part.mesh, part.surface, mi, f"part_{index}")
    return scene


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
