# SPDX-License-Identifier: Apache-2.0
"""Plastic: PET bottles, detergent bottles, jugs, tubs, cups, trays and caps."""

from __future__ import annotations

import numpy as np

from recycle_sorter.render import deform, shapes
from recycle_sorter.render import textures as tx
from recycle_sorter.render.catalogue.item import Item, Maker, Part, cap, wrap
from recycle_sorter.render.materials import Colour, Surface, linear

BRIGHT: tuple[tx.Ink, ...] = (
    (214, 30, 36), (20, 96, 190), (30, 150, 70), (246, 200, 30), (240, 240, 240), (240, 120, 20),
    (20, 60, 130), (232, 84, 150), (110, 50, 150),
)  # fmt: skip


def _bright(rng: np.random.Generator) -> Colour:
    return linear(*BRIGHT[int(rng.integers(len(BRIGHT)))])


def _solid(rng: np.random.Generator, roughness: float = 0.35) -> Surface:
    return Surface("glossy", colour=_bright(rng), roughness=roughness)


def _with(parts: list[Part], meshes: list[shapes.Mesh]) -> tuple[Part, ...]:
    return tuple(Part(mesh, part.surface) for mesh, part in zip(meshes, parts, strict=True))


def pet_bottle(rng: np.random.Generator) -> Item:
    """Return a clear or bluish PET bottle: ribs, wrap label, coloured cap; often dented."""
    r, h = float(rng.uniform(0.029, 0.036)), float(rng.uniform(0.19, 0.25))
    z = np.linspace(0.012, h * 0.7, 160)
    ribs = int(rng.integers(5, 10))
    wave = np.clip(np.sin(z / (h * 0.7) * 2 * np.pi * ribs), -0.6, 0.6)
    smooth = (z > h * 0.38) & (z < h * 0.6)
    body = np.column_stack([r - 0.0011 + np.where(smooth, 0.0, 0.0016 * wave), z])
    foot = [(0.0, 0.008), (r * 0.45, 0.006), (r * 0.65, 0.0), (r * 0.85, 0.0), (r * 0.98, 0.009)]
    neck = [
        (r * 0.97, h * 0.73), (r * 0.8, h * 0.8), (0.0165, h * 0.88), (0.0125, h * 0.91),
        (0.0125, h * 0.93), (0.0165, h * 0.932), (0.0165, h * 0.937), (0.0125, h * 0.94),
        (0.0125, h),
    ]  # fmt: skip
    outer = np.concatenate([shapes.rounded(foot, 2), body, shapes.rounded(neck, 2)])
    line = shapes.resampled(outer, 0.003)
    tints: tuple[Colour, ...] = (
        (0.97, 0.98, 0.98),
        (0.97, 0.98, 0.98),
        (0.72, 0.87, 0.97),
        (0.7, 0.9, 0.74),
    )
    film = Surface("film", colour=tints[int(rng.choice(4, p=[0.4, 0.25, 0.25, 0.1]))])
    shell = shapes.lathe(line, segments=128)
    # Petals under the foot, and a wall that is never quite round.
    v = shell.vertices.copy()
    theta = np.arctan2(v[:, 1], v[:, 0])
    v[:, 2] += (
        0.004 * (1 + np.cos(5 * theta)) * (v[:, 2] < 0.007) * (np.hypot(v[:, 0], v[:, 1]) > r * 0.3)
    )
    v[:, :2] *= 1.0 + 0.6 * deform.folded_noise(v, rng, 0.05, 0.2)[:, None]
    parts = [Part(shapes.Mesh(v, shell.faces, shell.uv), film)]
    # The wall's second face, as real walls have: doubles the highlights.
    inner = shapes.Mesh(v * [0.985, 0.985, 0.998] + [0, 0, 0.0006], shell.faces, shell.uv)
    parts.append(Part(inner, film))
    if rng.random() < 0.75:
        print_ = Surface("glossy", texture=tx.label(rng), roughness=0.2)
        parts.append(wrap(r * 0.995, h * 0.36, h * 0.6, print_))
    if rng.random() < 0.85:
        top = cap(0.0148, 0.016, _solid(rng))
        parts.append(Part(top.mesh.moved((0, 0, h - 0.013)), top.surface))
    dents = int(rng.integers(0, 6))
    meshes = deform.dented([part.mesh for part in parts], rng, dents, 0.13)
    return Item("pet_bottle", _with(parts, meshes), ("standing", "lying", "lying"))


def detergent_bottle(rng: np.random.Generator) -> Item:
    """Return an opaque bottle with a handle, a label and a big cap."""
    r, h = float(rng.uniform(0.045, 0.055)), float(rng.uniform(0.17, 0.22))
    colour = _solid(rng, 0.4)
    outer = [
        (0, 0.002), (r * 0.9, 0), (r, 0.006), (r, h * 0.5), (r * 0.95, h * 0.68),
        (r * 0.55, h * 0.83), (0.018, h * 0.86), (0.018, h * 0.9),
    ]  # fmt: skip
    section = shapes.superellipse(2.8, 112, 0.58)
    body = shapes.lathe(shapes.resampled(shapes.rounded(outer, 2), 0.004), section=section)
    angle = np.linspace(-1.75, 1.75, 40)
    path = np.column_stack(
        [0.032 * np.cos(angle) + r * 0.62, 0 * angle, h * 0.6 + h * 0.2 * np.sin(angle)]
    )
    top = cap(0.022, 0.026, _solid(rng), ribs=36)
    front = shapes.lathe(
        shapes.resampled([(r + 0.0006, h * 0.12), (r + 0.0006, h * 0.48)], 0.004), section=section
    )
    sticker = Surface("glossy", texture=tx.label(rng, 256, 640), roughness=0.25)
    parts = (
        Part(body, colour),
        Part(shapes.tube(path, 0.0115, 20), colour),
        Part(top.mesh.moved((0, 0, h * 0.875)), top.surface),
        Part(front, sticker),
    )
    return Item("detergent_bottle", parts, ("standing", "lying"))


def milk_jug(rng: np.random.Generator) -> Item:
    """Return a frosted HDPE bottle whose wall lets light through."""
    r, h = float(rng.uniform(0.036, 0.044)), float(rng.uniform(0.15, 0.2))
    outer = [
        (0, 0.003), (r * 0.9, 0), (r, 0.006), (r, h * 0.4), (r * 0.97, h * 0.44), (r, h * 0.48),
        (r, h * 0.66), (r * 0.75, h * 0.8), (0.019, h * 0.9), (0.018, h),
    ]  # fmt: skip
    section = shapes.superellipse(3.6, 112)
    white = Surface("frosted", colour=(0.86, 0.87, 0.86), roughness=0.45)
    body = shapes.lathe(shapes.resampled(shapes.rounded(outer, 2), 0.004), section=section)
    body = deform.dented([body], rng, int(rng.integers(0, 4)), 0.12)[0]
    top = cap(0.0205, 0.014, _solid(rng), ribs=40)
    parts = [Part(body, white), Part(top.mesh.moved((0, 0, h - 0.01)), top.surface)]
    if rng.random() < 0.6:
        line = shapes.resampled([(r * 1.01, h * 0.12), (r * 1.01, h * 0.38)], 0.004)
        sticker = Surface("glossy", texture=tx.label(rng), roughness=0.3)
        parts.append(Part(shapes.lathe(line, section=section), sticker))
    return Item("milk_jug", tuple(parts), ("standing", "lying"))


def tub(rng: np.random.Generator) -> Item:
    """Return an open margarine or ice-cream tub of opaque plastic, printed outside."""
    a, h = float(rng.uniform(0.05, 0.065)), float(rng.uniform(0.04, 0.065))
    section = shapes.superellipse(float(rng.uniform(2.0, 5.0)), 128, float(rng.uniform(0.7, 1.0)))
    outer = [
        (0, 0.003), (a * 0.8, 0.002), (a * 0.84, 0), (a * 0.86, 0.004), (a * 0.97, h * 0.93),
        (a * 1.03, h * 0.94), (a * 1.03, h),
    ]  # fmt: skip
    line = shapes.walled(shapes.resampled(shapes.rounded(outer, 1), 0.003), 0.0014)
    white = Surface("glossy", colour=(0.78, 0.78, 0.76), roughness=0.3)
    body = white if rng.random() < 0.6 else _solid(rng)
    shell = shapes.lathe(line, section=section)
    band = [(a * 0.882, h * 0.15), (a * 0.972, h * 0.86)]
    sticker = Surface("glossy", texture=tx.label(rng, 200, 900), roughness=0.25)
    strip = shapes.lathe(shapes.resampled(np.add(band, [0.0009, 0]), 0.003), section=section)
    return Item("tub", (Part(shell, body), Part(strip, sticker)), ("standing",))


def yoghurt_cup(rng: np.random.Generator) -> Item:
    """Return a small conical cup of white plastic with a printed band."""
    r, h = float(rng.uniform(0.03, 0.037)), float(rng.uniform(0.065, 0.1))
    outer = [
        (0, 0.003), (r * 0.7, 0.003), (r * 0.74, 0), (r * 0.78, 0.004), (r, h * 0.96),
        (r * 1.09, h * 0.965), (r * 1.09, h),
    ]  # fmt: skip
    line = shapes.walled(shapes.resampled(shapes.rounded(outer, 1), 0.002), 0.0009)
    white = Surface("glossy", colour=(0.82, 0.82, 0.8), roughness=0.28)
    band = shapes.resampled([(r * 0.8 + 0.0007, h * 0.1), (r * 0.985 + 0.0007, h * 0.88)], 0.003)
    sticker = Surface("glossy", texture=tx.label(rng), roughness=0.28)
    parts = [Part(shapes.lathe(line), white), Part(shapes.lathe(band), sticker)]
    meshes = deform.dented([part.mesh for part in parts], rng, int(rng.integers(0, 3)), 0.15)
    return Item("yoghurt_cup", _with(parts, meshes), ("standing", "lying"))


def clear_tray(rng: np.random.Generator) -> Item:
    """Return a transparent ribbed fruit tray."""
    a, h = float(rng.uniform(0.055, 0.07)), float(rng.uniform(0.03, 0.055))
    section = shapes.superellipse(6.0, 240, float(rng.uniform(0.65, 1.0)))
    ripple = 1.0 + 0.012 * np.sin(np.linspace(0, 2 * np.pi, 241) * 40)
    outer = [
        (0, 0.004), (a * 0.6, 0.004), (a * 0.64, 0), (a * 0.8, 0), (a * 0.84, 0.004),
        (a * 0.95, h * 0.95), (a * 1.08, h * 0.96), (a * 1.08, h * 0.9),
    ]  # fmt: skip
    line = shapes.resampled(shapes.rounded(outer, 2), 0.003)
    film = Surface("film", colour=(0.95, 0.97, 0.97))
    shell = shapes.lathe(line, section=section * ripple[:, None])
    inner = shapes.Mesh(shell.vertices * [0.98, 0.98, 1.0] + [0, 0, 0.0007], shell.faces, shell.uv)
    parts = [Part(shell, film), Part(inner, film)]
    if rng.random() < 0.5:
        tag = shapes.sheet(a * 0.8, a * 0.5, 8, 8).moved((0, 0, 0.006))
        parts.append(Part(tag, Surface("glossy", texture=tx.label(rng, 200, 320), roughness=0.3)))
    return Item("clear_tray", tuple(parts), ("flat",))


def caps(rng: np.random.Generator) -> Item:
    """Return one big cap or lid, either side up."""
    r = float(rng.uniform(0.03, 0.05))
    surface = _solid(rng, 0.35)
    if rng.random() < 0.5:
        return Item("cap", (cap(r, r * 0.5, surface, ribs=44),), ("flat",))
    outer = [(0, 0.009), (r * 0.7, 0.009), (r * 0.74, 0.012), (r * 0.97, 0.012), (r, 0.009), (r, 0)]
    line = shapes.resampled(shapes.rounded(outer, 2), 0.002)
    rim = np.concatenate([line, [(r - 0.0015, 0), (r - 0.0015, 0.008), (0, 0.007)]])
    return Item("cap", (Part(shapes.lathe(rim), surface),), ("flat",))


def shampoo_bottle(rng: np.random.Generator) -> Item:
    """Return an oval bottle with a flip cap."""
    r, h = float(rng.uniform(0.033, 0.04)), float(rng.uniform(0.15, 0.19))
    section = shapes.superellipse(2.3, 112, 0.6)
    outer = [
        (0, 0.001),
        (r * 0.95, 0),
        (r, 0.005),
        (r, h * 0.45),
        (r * 0.94, h * 0.65),
        (r * 0.5, h * 0.8),
    ]
    line = shapes.resampled(shapes.rounded(outer, 2), 0.004)
    lid = shapes.rounded([(r * 0.52, h * 0.8), (r * 0.56, h * 0.9), (r * 0.5, h), (0, h)], 2)
    band = [(r * 1.008, h * 0.12), (r * 1.008, h * 0.42)]
    sticker = Surface("glossy", texture=tx.label(rng, 320, 640), roughness=0.22)
    parts = (
        Part(shapes.lathe(line, section=section), _solid(rng, 0.3)),
        Part(shapes.lathe(shapes.resampled(lid, 0.004), section=section), _solid(rng, 0.3)),
        Part(shapes.lathe(shapes.resampled(band, 0.004), section=section), sticker),
    )
    return Item("shampoo_bottle", parts, ("standing", "lying"))


MAKERS: tuple[Maker, ...] = (
    pet_bottle, tub, detergent_bottle, pet_bottle, yoghurt_cup, clear_tray, milk_jug,
    pet_bottle, caps, shampoo_bottle,
)  # fmt: skip
