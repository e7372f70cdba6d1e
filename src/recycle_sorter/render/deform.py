# SPDX-License-Identifier: Apache-2.0
"""Bending, denting and crumpling of meshes, by mirror folds and folded noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from recycle_sorter.render.shapes import Array, Mesh


def rotation(axis: str, angle_rad: float) -> Array:
    """Return the 3x3 rotation about the axis ``x``, ``y`` or ``z``."""
    c, s = float(np.cos(angle_rad)), float(np.sin(angle_rad))
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = c
    matrix[first, second], matrix[second, first] = -s, s
    return matrix


def random_unit(rng: np.random.Generator) -> Array:
    """Return a direction, uniform on the sphere."""
    vector = rng.normal(size=3)
    unit: Array = vector / np.linalg.norm(vector)
    return unit


def mirror_fold(vertices: Array, normal: Array, offset_m: float, strength: float = 1.0) -> Array:
    """Reflect what lies beyond the plane ``normal . p = offset_m`` back through it.

    Reflection keeps every length within the surface, so a sheet creases as paper does and a
    shell gets the dents of a crushed can (Pogorelov's mirror buckling). ``strength`` below 1
    pushes less far, which squeezes the surface a little.
    """
    beyond = np.maximum(vertices @ normal - offset_m, 0.0)
    return vertices - 2.0 * strength * beyond[:, None] * normal


def crumpled(mesh: Mesh, rng: np.random.Generator, radius_m: float, folds: int = 60) -> Mesh:
    """Crush a sheet into a ball of about ``radius_m`` by random mirror folds; facets stay."""
    vertices = mesh.vertices - mesh.vertices.mean(axis=0)
    size = float(np.ptp(vertices[:, 0]) + np.ptp(vertices[:, 1]))
    vertices = vertices + folded_noise(vertices, rng, size * 0.05, slope=0.5)[:, None] * [0, 0, 1]
    for step in range(folds):
        normal = random_unit(rng)
        reach = float((vertices @ normal).max())
        goal = radius_m * float(rng.uniform(0.55, 1.1))
        offset = goal + (reach - goal) * (1.0 - (step + 1) / folds) * float(rng.uniform(0.2, 0.9))
        vertices = mirror_fold(vertices, normal, offset)
        vertices = vertices - 0.2 * vertices.mean(axis=0)
    return replace(mesh, vertices=vertices, smooth=False)


def folded_noise(
    points: Array, rng: np.random.Generator, wavelength_m: float, slope: float, waves: int = 14
) -> Array:
    """Sum triangle waves of random direction: a creased height of flat facets, ``(V,)`` m."""
    height = np.zeros(len(points))
    for _ in range(waves):
        length = wavelength_m * float(np.exp(rng.uniform(-0.9, 0.9)))
        warp = 0.25 * length * np.sin(points @ (random_unit(rng) * 4.0 / length))
        phase = (points @ random_unit(rng) + warp) / length + float(rng.uniform(0, 1))
        height += length * np.abs(2.0 * (phase - np.floor(phase + 0.5)))
    centred: Array = slope * (height - height.mean()) / np.sqrt(waves)
    return centred


def creased(mesh: Mesh, rng: np.random.Generator, wavelength_m: float, slope: float) -> Mesh:
    """Push a sheet's vertices along z by folded noise: crumpled once, then opened again."""
    vertices = mesh.vertices.copy()
    vertices[:, 2] += folded_noise(mesh.vertices, rng, wavelength_m, slope)
    return replace(mesh, vertices=vertices, smooth=False)


def wavy(mesh: Mesh, rng: np.random.Generator, wavelength_m: float, height_m: float) -> Mesh:
    """Push a sheet's vertices along z by a few long sine waves: paper that does not lie flat."""
    vertices = mesh.vertices.copy()
    for _ in range(4):
        direction = rng.normal(size=2)
        direction /= np.linalg.norm(direction)
        phase = 2 * np.pi * (vertices[:, :2] @ direction) / (wavelength_m * rng.uniform(0.7, 1.6))
        vertices[:, 2] += 0.25 * height_m * np.sin(phase + rng.uniform(0, 6.3))
    return replace(mesh, vertices=vertices)


def softened(mesh: Mesh, columns: int, rows: int, passes: int = 4) -> Mesh:
    """Smooth a sheet's grid (``rows`` x ``columns``) by averaging neighbours: cloth, tissue."""
    grid: Array = mesh.vertices.reshape(rows, columns, 3)
    for _ in range(passes):
        padded = np.pad(grid, ((1, 1), (1, 1), (0, 0)), mode="edge")
        around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
        grid = 0.4 * grid + 0.15 * around
    return replace(mesh, vertices=np.ascontiguousarray(grid.reshape(-1, 3)), smooth=True)


def bent(mesh: Mesh, radius_m: float, axis: str = "x") -> Mesh:
    """Roll a flat sheet around a cylinder of ``radius_m`` along ``axis``; heights go outward."""
    vertices = mesh.vertices.copy()
    across = 1 if axis == "x" else 0
    angle = vertices[:, across] / radius_m
    height = radius_m - vertices[:, 2]
    vertices[:, across] = height * np.sin(angle)
    vertices[:, 2] = radius_m - height * np.cos(angle)
    return replace(mesh, vertices=vertices)


def folded_over(mesh: Mesh, offset_m: float, angle_rad: float, axis: str = "x") -> Mesh:
    """Fold the part of a flat sheet beyond ``offset_m`` along ``axis`` up by ``angle_rad``.

    The crease is a roll of 1.5 mm radius, so that folded layers do not coincide.
    """
    along = 0 if axis == "x" else 1
    vertices = mesh.vertices.copy()
    radius = 0.0015
    beyond = np.maximum(vertices[:, along] - offset_m, 0.0)
    turn = np.clip(beyond / radius, 0.0, angle_rad)
    rest = beyond - turn * radius
    height = vertices[:, 2].copy()
    run = radius * np.sin(turn) + rest * np.cos(turn) - height * np.sin(turn)
    rise = radius * (1 - np.cos(turn)) + rest * np.sin(turn) + height * np.cos(turn)
    bending = beyond > 0
    vertices[bending, along] = offset_m + run[bending]
    vertices[bending, 2] = rise[bending]
    return replace(mesh, vertices=vertices)


def dented(
    meshes: Sequence[Mesh], rng: np.random.Generator, dents: int, depth: float
) -> list[Mesh]:
    """Dent parts that touch with the same planes, from the side.

    Args:
        meshes: parts in one coordinate system.
        rng: source of randomness.
        dents: number of dents.
        depth: greatest depth of a dent as a fraction of the half extent.
    """
    vertices = np.concatenate([mesh.vertices for mesh in meshes])
    centre = (vertices.min(axis=0) + vertices.max(axis=0)) / 2.0
    vertices = vertices - centre
    for _ in range(dents):
        normal = random_unit(rng) * [1.0, 1.0, 0.35]
        normal /= np.linalg.norm(normal)
        reach = float((vertices @ normal).max())
        offset = reach * (1.0 - depth * float(rng.uniform(0.25, 1.0)))
        vertices = mirror_fold(vertices, normal, offset, strength=0.85)
    vertices = vertices + centre
    ends = np.cumsum([len(mesh.vertices) for mesh in meshes])[:-1]
    parts = np.split(vertices, ends)
    return [replace(mesh, vertices=part) for mesh, part in zip(meshes, parts, strict=True)]
