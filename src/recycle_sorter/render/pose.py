# SPDX-License-Identifier: Apache-2.0
"""Where an item rests on the board and how it fills the camera's frame."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from recycle_sorter.render import deform
from recycle_sorter.render.catalogue.item import Item, Part, Pose
from recycle_sorter.render.shapes import Array


@dataclass(frozen=True)
class Camera:
    """A pinhole camera looking at a point of the board.

    Attributes:
        distance_m: from the target to the camera.
        tilt_rad: angle between the optical axis and the vertical; 0 looks straight down.
        turn_rad: direction the camera stands in, about the vertical.
        target_m: the point looked at.
        vertical_fov_rad: angle the frame's height spans.
        aspect: width of the frame by its height.
    """

    distance_m: float = 0.62
    tilt_rad: float = 0.62
    turn_rad: float = 0.0
    target_m: tuple[float, float, float] = (0.0, 0.0, 0.02)
    vertical_fov_rad: float = 0.48
    aspect: float = 4.0 / 3.0

    def axes(self) -> tuple[Array, Array, Array, Array]:
        """Return the origin (m) and the unit right, up and forward vectors."""
        turn = deform.rotation("z", self.turn_rad)
        away = turn @ np.array([0.0, -np.sin(self.tilt_rad), np.cos(self.tilt_rad)])
        up = turn @ np.array([0.0, np.cos(self.tilt_rad), np.sin(self.tilt_rad)])
        origin = np.asarray(self.target_m) + self.distance_m * away
        return origin, np.cross(-away, up), up, -away

    def project(self, points: Array) -> Array:
        """Project ``(N, 3)`` points to the frame; both axes run from -1 to 1 across it."""
        origin, right, up, forward = self.axes()
        local = points - origin
        depth = np.maximum(local @ forward, 1e-3)
        half = np.tan(self.vertical_fov_rad / 2.0)
        return np.column_stack(
            [local @ right / depth / half / self.aspect, local @ up / depth / half]
        )


def fill(camera: Camera, points: Array) -> float:
    """Return the fraction of the frame's height that the points span.

    A span across counts by three quarters, so that a long item lying across still fits.
    """
    span = np.ptp(camera.project(points), axis=0) / 2.0
    return float(max(span[1], span[0]))


def size_m(item: Item) -> float:
    """Return the diagonal of the item's bounding box."""
    return float(np.linalg.norm(np.ptp(_points(item), axis=0)))


def _points(item: Item) -> Array:
    return np.concatenate([part.mesh.vertices for part in item.parts])


def _apply(item: Item, matrix: Array, offset: Array) -> Item:
    parts = tuple(Part(part.mesh.turned(matrix).moved(offset), part.surface) for part in item.parts)
    return replace(item, parts=parts)


def _level(points: Array, axis: str) -> Array:
    """Return the turn about ``axis`` that lays the hull's edge under the middle on the board."""
    along = 1 if axis == "x" else 0
    plane = points[:, [along, 2]]
    plane = plane[np.lexsort((plane[:, 1], plane[:, 0]))]
    hull: list[Array] = []
    for point in plane:
        while len(hull) > 1:
            (ax, ay), (bx, by) = hull[-2], hull[-1]
            if (bx - ax) * (point[1] - ay) - (by - ay) * (point[0] - ax) > 0:
                break
            hull.pop()
        hull.append(point)
    middle = float(plane[:, 0].mean())
    for left, right in pairwise(hull):
        if left[0] <= middle <= right[0] and right[0] - left[0] > 1e-6:
            slope = float(np.arctan2(right[1] - left[1], right[0] - left[0]))
            return deform.rotation(axis, -slope if axis == "x" else slope)
    return np.eye(3)


def settled(item: Item) -> Item:
    """Return the item resting on z = 0, tipped until it stands on three points, centred."""
    for _ in range(3):
        for axis in ("x", "y"):
            points = _points(item)
            sample = points[:: max(1, len(points) // 6000)]
            low = points[np.argsort(points[:, 2])[:400]]
            item = _apply(item, _level(np.concatenate([sample, low]), axis), np.zeros(3))
    points = _points(item)
    centre = (points.min(axis=0) + points.max(axis=0)) / 2.0
    # 0.2 mm of air keeps coplanar faces apart.
    return _apply(item, np.eye(3), np.array([-centre[0], -centre[1], 0.0002 - points[:, 2].min()]))


def posed(item: Item, rng: np.random.Generator) -> tuple[Item, Pose]:
    """Draw one of the item's poses and let the item settle in it."""
    pose = item.poses[int(rng.integers(len(item.poses)))]
    matrix = np.eye(3)
    if pose == "lying":
        roll = deform.rotation("z", float(rng.uniform(0, 2 * np.pi)))
        matrix = deform.rotation("x", np.pi / 2) @ roll
    elif pose == "flat" and rng.random() < 0.25:
        matrix = deform.rotation("x", np.pi)
    elif pose == "tumbled":
        q, r = np.linalg.qr(rng.normal(size=(3, 3)))
        matrix = q * np.sign(np.diag(r))
        matrix = matrix * np.sign(np.linalg.det(matrix))
    item = settled(_apply(item, matrix, np.zeros(3)))
    yaw = float(rng.uniform(0, 2 * np.pi))
    if pose == "standing":
        tilt = deform.rotation("x", float(rng.normal(0, 0.01)))
        item = _apply(item, tilt, np.zeros(3))
    turned = _apply(item, deform.rotation("z", yaw), np.zeros(3))
    low = _points(turned)[:, 2].min()
    return _apply(turned, np.eye(3), np.array([0.0, 0.0, 0.0002 - low])), pose


def framed(
    item: Item, camera: Camera, target: float, at: tuple[float, float], fixed: bool
) -> tuple[Item, Camera]:
    """Fit the item into the frame.

    Args:
        item: a settled item.
        camera: the camera to start from.
        target: wanted `fill`.
        at: where the item's middle goes in the frame, each axis from -1 to 1.
        fixed: scale the item instead of zooming the camera.
    """
    for _ in range(6):
        ratio = target / max(fill(camera, _points(item)), 1e-3)
        if fixed:
            item = _apply(item, np.eye(3) * float(np.clip(ratio, 0.7, 1.4)), np.zeros(3))
        else:
            half = np.tan(camera.vertical_fov_rad / 2.0) / ratio
            camera = replace(camera, vertical_fov_rad=float(2.0 * np.arctan(half)))
        picture = camera.project(_points(item))
        off = np.asarray(at) - (picture.min(axis=0) + picture.max(axis=0)) / 2.0
        half = np.tan(camera.vertical_fov_rad / 2.0) * camera.distance_m
        _, right, up, _ = camera.axes()
        ahead = up * [1.0, 1.0, 0.0] / max(float(np.hypot(up[0], up[1])) ** 2, 0.2)
        item = _apply(item, np.eye(3), half * (off[0] * camera.aspect * right + off[1] * ahead))
    return item, camera
