# SPDX-License-Identifier: Apache-2.0
"""Metal: drink cans, tins, lids, foil and trays."""

from __future__ import annotations

import numpy as np

from recycle_sorter.render import deform, shapes
from recycle_sorter.render import textures as tx
from recycle_sorter.render.catalogue.item import Item, Maker, Part, wrap
from recycle_sorter.render.materials import Surface

ALUMINIUM = Surface("metal", colour=(0.95, 0.95, 0.95), roughness=0.32)
TINPLATE = Surface("metal", colour=(0.86, 0.86, 0.84), roughness=0.36, conductor="Cr")
DARK = Surface("matte", colour=(0.015, 0.015, 0.015))


def _tab(height_m: float) -> Part:
    """Return a ring-pull's tab: a flat oval ring."""
    angle = np.linspace(0, 2 * np.pi, 40)
    path = np.stack([0.012 * np.cos(angle) - 0.002, 0.0065 * np.sin(angle), 0 * angle], axis=1)
    ring = shapes.tube(path, 0.0018, 10)
    return Part(ring.turned(np.diag([1.0, 1.0, 0.5])).moved((0, 0, height_m)), ALUMINIUM)


def _can(rng: np.random.Generator, dents: int, depth: float, shape: str) -> Item:
    slim = rng.random() < 0.25
    r, h = (0.0265, 0.145) if slim else (0.033, float(rng.choice([0.115, 0.15])))
    body = [(r * 0.82, 0.004), (r, 0.012), (r, h * 0.5), (r, h - 0.016), (r * 0.83, h - 0.003)]
    bottom = [(0.0, 0.012), (r * 0.5, 0.009), (r * 0.7, 0.0), (r * 0.76, 0.0), (r * 0.82, 0.004)]
    top = [
        (r * 0.83, h - 0.003), (r * 0.85, h), (r * 0.8, h + 0.0005), (r * 0.77, h - 0.006),
        (r * 0.74, h - 0.005), (0.0, h - 0.005),
    ]  # fmt: skip
    wide = tx.label(rng, 384, 768)
    print_ = Surface("printed_metal", texture=wide, roughness=0.22)
    lines = (shapes.rounded(body, 2), shapes.rounded(bottom, 2), shapes.rounded(top, 2))
    meshes = [shapes.lathe(shapes.resampled(line, 0.0025), segments=128) for line in lines]
    surfaces = [print_, ALUMINIUM, ALUMINIUM]
    angle = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    mouth = np.stack([0.009 * np.cos(angle) + 0.0155, 0.0075 * np.sin(angle)], axis=1)
    hole = shapes.slab(mouth, 0.0002)[0].moved((0, 0, h - 0.0048))
    tab = _tab(h - 0.0035)
    meshes += [hole, tab.mesh]
    surfaces += [DARK, ALUMINIUM]
    meshes = deform.dented(meshes, rng, dents, depth) if dents else meshes
    parts = tuple(Part(mesh, surface) for mesh, surface in zip(meshes, surfaces, strict=True))
    return Item(shape, parts, ("standing", "lying", "lying"))


def drink_can(rng: np.random.Generator) -> Item:
    """Return a printed aluminium can, whole or with a few dents."""
    return _can(rng, int(rng.integers(0, 4)), 0.12, "drink_can")


def crushed_can(rng: np.random.Generator) -> Item:
    """Return a can that was squeezed."""
    return _can(rng, int(rng.integers(7, 13)), 0.42, "crushed_can")


def tin(rng: np.random.Generator) -> Item:
    """Return a food tin: beads around, open with its lid up or closed, bare or labelled."""
    r, h = float(rng.uniform(0.034, 0.05)), float(rng.uniform(0.06, 0.12))
    z = np.linspace(0.006, h - 0.006, 120)
    inside = (z > h * 0.25) & (z < h * 0.75)
    beads = np.where(inside, 0.0007 * np.sin(z * 2 * np.pi / 0.0055), 0.0)
    side = np.column_stack([r + beads, z])
    rim = 0.0016
    base = [
        (0, 0.003), (r * 0.7, 0.003), (r * 0.72, 0.002), (r * 0.9, 0.002), (r * 0.92, 0.003),
        (r - 0.001, 0.003), (r - 0.001, 0.0), (r + rim, 0.0), (r + rim, 0.004),
    ]  # fmt: skip
    outer = np.concatenate([base, side, [(r + rim, h - 0.004), (r + rim, h), (r - 0.001, h)]])
    is_open = rng.random() < 0.55
    if is_open:
        inner = np.column_stack([r - 0.0008 + beads, z])[::-1]
        line = np.concatenate([outer, inner, [(r - 0.001, 0.004), (0.0, 0.004)]])
    else:
        rings = [
            (r * f, h - 0.004 + 0.0006 * (i % 2))
            for i, f in enumerate((0.93, 0.86, 0.8, 0.7, 0.3, 0.0))
        ]
        line = np.concatenate([outer, rings])
    meshes = [shapes.lathe(shapes.resampled(line, 0.002), segments=128)]
    surfaces = [TINPLATE]
    if rng.random() < 0.5:
        print_ = Surface("glossy", texture=tx.label(rng, 320, 960), roughness=0.35)
        meshes.append(wrap(r + 0.0008, 0.008, h - 0.008, print_).mesh)
        surfaces.append(print_)
    if is_open and rng.random() < 0.6:
        lid = _disc(r * 0.95).turned(deform.rotation("y", -float(rng.uniform(1.0, 1.9))))
        meshes.append(lid.moved((r * 0.98, 0, h + 0.95 * r - 0.002)))
        surfaces.append(TINPLATE)
    elif not is_open and rng.random() < 0.6:
        meshes.append(_tab(h - 0.001).mesh.moved((r * 0.55, 0, 0)))
        surfaces.append(ALUMINIUM)
    if rng.random() < 0.4:
        meshes = deform.dented(meshes, rng, int(rng.integers(1, 4)), 0.14)
    parts = tuple(Part(mesh, surface) for mesh, surface in zip(meshes, surfaces, strict=True))
    return Item("tin", parts, ("standing", "lying"))


def _disc(radius_m: float) -> shapes.Mesh:
    rings = np.linspace(0, radius_m, 60)
    height = 0.0007 * np.sign(np.sin(rings / radius_m * 17)) * (rings > radius_m * 0.35)
    top = np.column_stack([rings, height + 0.0006])
    return shapes.lathe(np.concatenate([top[::-1], np.column_stack([rings, height])])[::-1])


def lid(rng: np.random.Generator) -> Item:
    """Return a jar's screw lid or a tin's lid, either side up."""
    r = float(rng.uniform(0.032, 0.045))
    if rng.random() < 0.35:
        mesh = deform.bent(_disc(r), float(rng.uniform(0.08, 0.4)))
        return Item("lid", (Part(mesh, TINPLATE),), ("flat",))
    h = 0.012
    profile = [
        (0, h - 0.001), (r * 0.75, h - 0.001), (r * 0.8, h), (r * 0.94, h), (r, h - 0.002),
        (r, 0.001), (r + 0.001, 0.0), (r - 0.002, 0.0), (r - 0.002, h - 0.003), (0, h - 0.003),
    ]  # fmt: skip
    line = shapes.resampled(shapes.rounded(profile, 1), 0.0015)
    ink = tx.shaded(tx.plain(tx.inks(rng, 1)[0], 64, 64), tx.cloud(rng, 64, 64, 6) * 0.05 + 0.97)
    gold = Surface("metal", colour=(1.0, 0.95, 0.85), roughness=0.35, conductor="Au")
    paint = Surface("printed_metal", texture=ink, roughness=0.25)
    surface = (gold, paint, TINPLATE)[int(rng.integers(3))]
    back = Surface("metal", colour=(0.95, 0.85, 0.6), roughness=0.4)
    outer = np.argmax(line[:, 1] < 1e-4)
    parts = (
        Part(shapes.lathe(line[: outer + 1]), surface),
        Part(shapes.lathe(line[outer:][::-1]), Surface("metal", roughness=0.35, back=back)),
    )
    return Item("lid", parts, ("flat",))


def foil_ball(rng: np.random.Generator) -> Item:
    """Return aluminium foil crushed into a loose ball."""
    foil = Surface("metal", colour=(0.97, 0.97, 0.97), roughness=float(rng.uniform(0.24, 0.34)))
    sheet = shapes.sheet(0.3, float(rng.uniform(0.2, 0.3)), 220, 220)
    radius = float(rng.uniform(0.03, 0.055))
    ball = deform.crumpled(sheet, rng, radius, int(rng.integers(60, 110)))
    return Item("foil_ball", (Part(ball, foil),), ("tumbled",))


def foil_sheet(rng: np.random.Generator) -> Item:
    """Return a creased piece of foil lying open."""
    shiny = Surface("metal", colour=(0.97, 0.97, 0.97), roughness=0.25)
    dull = Surface("metal", colour=(0.9, 0.9, 0.9), roughness=0.4)
    wide, deep = float(rng.uniform(0.14, 0.2)), float(rng.uniform(0.1, 0.16))
    sheet = deform.creased(shapes.sheet(wide, deep, 200, 160), rng, 0.025, 0.35)
    folded = deform.folded_over(
        sheet, wide * float(rng.uniform(0.1, 0.4)), float(rng.uniform(1, 2.8))
    )
    back = Surface("metal", colour=shiny.colour, roughness=0.25, back=dull)
    return Item("foil_sheet", (Part(folded, back),), ("flat",))


def foil_tray(rng: np.random.Generator) -> Item:
    """Return a fluted aluminium food tray, a little bent."""
    a, h = float(rng.uniform(0.055, 0.075)), float(rng.uniform(0.025, 0.04))
    line = shapes.resampled(
        [
            (0, 0),
            (a * 0.82, 0),
            (a * 0.86, 0.003),
            (a, h),
            (a * 1.02, h),
            (a * 1.1, h),
            (a * 1.1, h - 0.003),
        ],
        0.003,
    )
    section = shapes.superellipse(4.5, 512, float(rng.uniform(0.65, 1.0)))
    ripple = 1.0 + 0.012 * np.sign(np.sin(np.linspace(0, 2 * np.pi, 513) * 64))
    rows = (line[:, 1] > 0.002) & (line[:, 0] < a)
    mesh = shapes.lathe(line, section=section, smooth=False)
    vertices = mesh.vertices.reshape(len(line), 513, 3).copy()
    vertices[rows, :, :2] *= ripple[None, :, None]
    mesh = shapes.Mesh(vertices.reshape(-1, 3), mesh.faces, mesh.uv, smooth=False)
    mesh = deform.dented([mesh], rng, int(rng.integers(0, 5)), 0.15)[0]
    mesh = deform.creased(mesh, rng, 0.02, 0.05)
    foil = Surface("metal", colour=(0.96, 0.96, 0.96), roughness=0.3)
    return Item("foil_tray", (Part(mesh, foil),), ("flat",))


MAKERS: tuple[Maker, ...] = (
    drink_can, tin, foil_ball, crushed_can, lid, tin, foil_sheet, drink_can, foil_tray,
)  # fmt: skip
