# SPDX-License-Identifier: Apache-2.0
"""Procedural triangle meshes: lathes, sheets, slabs and tubes. Metres, z up, numpy only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Faces = NDArray[np.int32]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: float64 ``(V, 3)``, metres.
        faces: int32 ``(F, 3)``, counter-clockwise seen from outside.
        uv: float64 ``(V, 2)``, texture coordinates; v points up in the picture.
        smooth: whether the shading normals are averaged over neighbouring faces.
    """

    vertices: Array
    faces: Faces
    uv: Array
    smooth: bool = True

    def moved(self, offset_m: ArrayLike) -> Mesh:
        """Return the mesh translated by ``offset_m`` (x, y, z)."""
        return replace(self, vertices=self.vertices + np.asarray(offset_m, dtype=np.float64))

    def turned(self, matrix: Array) -> Mesh:
        """Return the mesh with the 3x3 ``matrix`` applied to every vertex."""
        return replace(self, vertices=self.vertices @ np.asarray(matrix).T)

    def flipped(self) -> Mesh:
        """Return the mesh turned inside out."""
        return replace(self, faces=np.ascontiguousarray(self.faces[:, ::-1]))

    def mirrored_print(self) -> Mesh:
        """Return the mesh with its texture mirrored left to right (print on a back side)."""
        return replace(self, uv=np.column_stack([1.0 - self.uv[:, 0], self.uv[:, 1]]))

    def bounds_m(self) -> tuple[Array, Array]:
        """Return the lower and the upper corner of the bounding box."""
        return self.vertices.min(axis=0), self.vertices.max(axis=0)

    def welded_faces(self) -> Faces:
        """Return the faces with vertices at one place merged (a texture seam is one place)."""
        keys = np.round(self.vertices * 1e7).astype(np.int64)
        _, inverse = np.unique(keys, axis=0, return_inverse=True)
        faces = inverse.reshape(-1)[self.faces].astype(np.int32)
        a, b, c = faces.T
        kept: Faces = faces[(a != b) & (b != c) & (c != a)]
        return kept

    def is_watertight(self) -> bool:
        """Tell whether every edge is shared by exactly two faces that run it in opposite ways."""
        faces = self.welded_faces().astype(np.int64)
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        base = int(faces.max()) + 1
        there, back = edges[:, 0] * base + edges[:, 1], edges[:, 1] * base + edges[:, 0]
        unique = np.unique(there)
        return bool(unique.size == there.size and np.array_equal(unique, np.unique(back)))

    def volume_m3(self) -> float:
        """Return the signed volume; meaningful for watertight meshes."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)

    def normals(self) -> Array:
        """Return unit vertex normals ``(V, 3)``, weighted by area, shared across seams."""
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        face_normals = np.cross(b - a, c - a)
        keys = np.round(self.vertices * 1e7).astype(np.int64)
        _, inverse = np.unique(keys, axis=0, return_inverse=True)
        inverse = inverse.reshape(-1)
        sums = np.zeros((int(inverse.max()) + 1, 3))
        for corner in range(3):
            np.add.at(sums, inverse[self.faces[:, corner]], face_normals)
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        normals = np.where(length > 1e-20, sums / np.maximum(length, 1e-20), [0.0, 0.0, 1.0])
        return np.ascontiguousarray(normals[inverse])


def _grid_faces(rows: int, columns: int) -> Faces:
    """Return the triangles of a ``rows`` x ``columns`` grid of vertices, row by row."""
    index = np.arange(rows * columns, dtype=np.int32).reshape(rows, columns)
    a, b = index[:-1, :-1].ravel(), index[:-1, 1:].ravel()
    c, d = index[1:, 1:].ravel(), index[1:, :-1].ravel()
    return np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)


def rounded(points: ArrayLike, passes: int = 3) -> Array:
    """Round a polyline's corners by Chaikin's corner cutting (1974); the ends stay."""
    line = np.asarray(points, dtype=np.float64)
    for _ in range(passes):
        near = 0.75 * line[:-1] + 0.25 * line[1:]
        far = 0.25 * line[:-1] + 0.75 * line[1:]
        middle = np.stack([near, far], axis=1).reshape(-1, line.shape[1])
        line = np.concatenate([line[:1], middle, line[-1:]])
    return line


def resampled(points: ArrayLike, step_m: float) -> Array:
    """Split every segment of a polyline so that none is longer than ``step_m``."""
    line = np.asarray(points, dtype=np.float64)
    pieces = []
    for start, end in pairwise(line):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / step_m)))
        pieces.append(start + (end - start) * (np.arange(count) / count)[:, None])
    return np.concatenate([*pieces, line[-1:]])


def walled(profile: ArrayLike, wall_m: float, base_m: float | None = None) -> Array:
    """Give an open outer profile a wall: outer line up, inner line back down to the axis.

    Args:
        profile: ``(N, 2)`` of (radius, height), from the axis at the base to the mouth.
        wall_m: wall thickness.
        base_m: thickness of the base; the wall's when not given.
    """
    outer = np.asarray(profile, dtype=np.float64)
    tangent = np.gradient(outer, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    inner = outer + wall_m * np.stack([-tangent[:, 1], tangent[:, 0]], axis=1)
    floor = outer[0, 1] + (wall_m if base_m is None else base_m)
    inner[-1] = (outer[-1, 0] - wall_m, outer[-1, 1])
    # Below the floor there is no inside; from its middle it runs straight out to the wall.
    inner = inner[(inner[:, 1] > floor) & (outer[:, 1] > floor) & (inner[:, 0] > 0.0)]
    return np.concatenate([outer, inner[::-1], [(0.0, floor)]])


def superellipse(exponent: float, segments: int = 96, aspect: float = 1.0) -> Array:
    """Return a lathe section between a circle (2) and a square (8): ``(segments + 1, 2)``."""
    angle = np.linspace(0.0, 2.0 * np.pi, segments + 1)
    x, y = np.cos(angle), np.sin(angle)
    radius = (np.abs(x) ** exponent + np.abs(y) ** exponent) ** (-1.0 / exponent)
    return np.stack([x * radius, aspect * y * radius], axis=1)


def lathe(
    profile: ArrayLike,
    *,
    section: Array | None = None,
    segments: int = 96,
    sweep_rad: float = 2.0 * np.pi,
    smooth: bool = True,
) -> Mesh:
    """Turn a profile of (radius, height) around z.

    Args:
        profile: ``(N, 2)``, metres. Starting and ending on the axis (or closing on itself)
            with a full sweep gives a watertight mesh whose volume is positive.
        section: closed unit cross-section ``(S + 1, 2)``; a circle when not given.
        segments: corners of the circle.
        sweep_rad: angle turned; less than a full turn leaves an open patch (a label).
        smooth: see `Mesh`.
    """
    line = np.asarray(profile, dtype=np.float64)
    if section is None:
        angle = np.linspace(0.0, sweep_rad, segments + 1)
        section = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    if np.allclose(section[0], section[-1]):
        section = np.concatenate([section[:-1], section[:1]])
    rows, columns = len(line), len(section)
    vertices = np.empty((rows, columns, 3))
    vertices[..., :2] = line[:, None, :1] * section[None]
    vertices[..., 2] = line[:, None, 1]
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    uv = np.empty((rows, columns, 2))
    uv[..., 0] = np.linspace(0.0, 1.0, columns)
    uv[..., 1] = (length / max(length[-1], 1e-12))[:, None]
    mesh = Mesh(vertices.reshape(-1, 3), _grid_faces(rows, columns), uv.reshape(-1, 2), smooth)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    keep = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-16
    mesh = replace(mesh, faces=np.ascontiguousarray(mesh.faces[keep]))
    return mesh.flipped() if mesh.volume_m3() < 0.0 else mesh


def sheet(width_m: float, depth_m: float, columns: int = 96, rows: int = 96) -> Mesh:
    """Return a flat sheet in z = 0, centred; ``rows`` x ``columns`` vertices, row by row."""
    x, y = np.meshgrid(np.linspace(-0.5, 0.5, columns), np.linspace(-0.5, 0.5, rows))
    vertices = np.stack([x * width_m, y * depth_m, np.zeros_like(x)], axis=-1)
    uv = np.stack([x + 0.5, y + 0.5], axis=-1)
    return Mesh(vertices.reshape(-1, 3), _grid_faces(rows, columns), uv.reshape(-1, 2))


def slab(outline: ArrayLike, thickness_m: float) -> tuple[Mesh, Mesh]:
    """Extrude a star-shaped outline into a board; return its two faces and its rim apart.

    The rim's u runs along the outline in metres / 0.05, so that an edge texture keeps scale.
    Together the two meshes are watertight (see `joined`).

    Args:
        outline: ``(N, 2)``, counter-clockwise, metres, seen whole from its mean point.
        thickness_m: height above z = 0.
    """
    ring = np.asarray(outline, dtype=np.float64)
    count = len(ring)
    low, span = ring.min(axis=0), np.maximum(np.ptp(ring, axis=0), 1e-9)
    plane = np.concatenate([ring.mean(axis=0, keepdims=True), ring])
    index = np.arange(count, dtype=np.int32)
    fan = np.stack([np.zeros_like(index), index + 1, (index + 1) % count + 1], axis=1)
    top = np.column_stack([plane, np.full(count + 1, thickness_m)])
    bottom = np.column_stack([plane, np.zeros(count + 1)])
    uv = (plane - low) / span
    faces = np.concatenate([fan, fan[:, ::-1] + count + 1]).astype(np.int32)
    face = Mesh(np.concatenate([top, bottom]), faces, np.concatenate([uv, uv]), smooth=False)
    closed = np.concatenate([ring, ring[:1]])
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    lower = np.column_stack([closed, np.zeros(count + 1)])
    upper = np.column_stack([closed, np.full(count + 1, thickness_m)])
    u = run / 0.05
    rim_uv = np.concatenate([np.column_stack([u, u * 0.0]), np.column_stack([u, u * 0.0 + 1.0])])
    rim = Mesh(np.concatenate([lower, upper]), _grid_faces(2, count + 1), rim_uv, smooth=False)
    return face, rim


def rectangle(width_m: float, depth_m: float) -> Array:
    """Return a rectangle's outline for `slab`: x from 0, y centred."""
    half = depth_m / 2.0
    return np.array([[0.0, -half], [width_m, -half], [width_m, half], [0.0, half]])


def tube(path: ArrayLike, radius_m: float, segments: int = 16) -> Mesh:
    """Sweep a circle along a path ``(N, 3)``; the ends stay open."""
    line = np.asarray(path, dtype=np.float64)
    tangent = np.gradient(line, axis=0)
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-12)
    helper = np.array([0.0, 1.0, 0.0]) if abs(tangent[0, 1]) < 0.8 else np.array([1.0, 0.0, 0.0])
    side = np.cross(tangent, helper)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
    up = np.cross(tangent, side)
    angle = np.linspace(0.0, 2.0 * np.pi, segments + 1)[None, :, None]
    rings = line[:, None] + radius_m * (np.cos(angle) * side[:, None] + np.sin(angle) * up[:, None])
    u, v = np.meshgrid(np.linspace(0, 1, segments + 1), np.linspace(0, 1, len(line)))
    uv = np.stack([u, v], axis=-1).reshape(-1, 2)
    return Mesh(rings.reshape(-1, 3), _grid_faces(len(line), segments + 1), uv)


def joined(*meshes: Mesh) -> Mesh:
    """Return the meshes as one (texture coordinates kept, smoothness of the first)."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    faces = [mesh.faces + int(start) for mesh, start in zip(meshes, starts, strict=True)]
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate(faces).astype(np.int32),
        np.concatenate([mesh.uv for mesh in meshes]),
        meshes[0].smooth,
    )
