# SPDX-License-Identifier: Apache-2.0
"""Trash: wrappers, crisps bags, tissues, dirty cups, rags, sponges, tubes, broken ceramic."""

from __future__ import annotations

import numpy as np

from recycle_sorter.render import deform, printing, shapes
from recycle_sorter.render import textures as tx
from recycle_sorter.render.catalogue.item import Item, Maker, Part
from recycle_sorter.render.materials import Picture, Surface
from recycle_sorter.render.shapes import Mesh

SILVER = Surface("metal", colour=(0.9, 0.9, 0.9), roughness=0.35)


def _pouch(
    rng: np.random.Generator, wide: float, tall: float, thick: float, print_: Picture, crush: float
) -> tuple[Part, ...]:
    """Build a welded pouch: two films, crimped ends, wrinkles towards the seams."""
    columns, rows = 130, 190
    x, y = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows))
    torn = rng.random() < 0.5
    near_top = np.clip((y - 0.4) / 0.6, 0, 1) if torn else np.zeros_like(y)
    ends = np.clip(1 - np.abs(y) ** 5, 0, 1) ** 0.6
    swell = np.clip(1 - np.abs(x) ** 2.6, 0, 1) ** 0.7 * np.maximum(ends, 0.55 * near_top)
    crimp = 0.0008 * np.sin(y * tall * 900) * (np.abs(y) > 0.92)
    wrinkles = np.sin(x * 26 + 3 * np.sin(7 * y)) * np.abs(y) ** 3 * 0.1 * thick
    zigzag = 0.012 * np.abs(((x * 18) % 2) - 1) * (np.abs(y) > 0.97)
    meshes = []
    for side in (1.0, -1.0):
        own = deform.folded_noise(
            np.stack([x * wide, y * tall, x * 0 + side], -1).reshape(-1, 3), rng, 0.06, 0.16
        ).reshape(rows, columns)
        z = (
            side * (thick / 2 * swell + own * np.minimum(swell * 1.4, 1.0))
            + crimp
            + wrinkles * side
        )
        flat = np.stack(
            [x * wide / 2 * (1 - 0.1 * swell), (y - np.sign(y) * zigzag) * tall / 2, z], -1
        )
        base = shapes.sheet(wide, tall, columns, rows)
        mesh = Mesh(flat.reshape(-1, 3), base.faces, base.uv)
        meshes.append(mesh if side > 0 else mesh.flipped().mirrored_print())
    if crush > 0:
        meshes = deform.dented(meshes, rng, int(rng.integers(3, 9)), crush)
    film = Surface("glossy", texture=print_, roughness=0.24, back=SILVER)
    return tuple(Part(mesh, film) for mesh in meshes)


def crisps_bag(rng: np.random.Generator) -> Item:
    """Return an emptied crisps bag: glossy print, silver inside, crimped ends."""
    wide, tall = float(rng.uniform(0.11, 0.14)), float(rng.uniform(0.15, 0.19))
    parts = _pouch(rng, wide, tall, float(rng.uniform(0.02, 0.045)), printing.wrapper(rng), 0.3)
    return Item("crisps_bag", parts, ("flat",))


def bar_wrapper(rng: np.random.Generator) -> Item:
    """Return a sweet bar's wrapper, long and flat, twisted or bent."""
    print_ = np.ascontiguousarray(np.rot90(printing.wrapper(rng, 640, 320)))
    wide, tall = float(rng.uniform(0.045, 0.06)), float(rng.uniform(0.15, 0.19))
    texture = np.ascontiguousarray(np.rot90(print_, -1))
    parts = _pouch(rng, wide, tall, 0.014, texture, 0.25)
    radius = float(rng.uniform(0.08, 0.4))
    bent = tuple(Part(deform.bent(part.mesh, radius, "x"), part.surface) for part in parts)
    return Item("bar_wrapper", bent, ("flat",))


def crumpled_wrapper(rng: np.random.Generator) -> Item:
    """Return a printed film crushed in the hand, silver showing here and there."""
    sheet = shapes.sheet(0.18, 0.22, 180, 200)
    ball = deform.crumpled(sheet, rng, float(rng.uniform(0.045, 0.065)), int(rng.integers(10, 24)))
    inside = SILVER if rng.random() < 0.25 else Surface("glossy", roughness=0.3)
    film = Surface("glossy", texture=printing.wrapper(rng), roughness=0.22, back=inside)
    return Item("crumpled_wrapper", (Part(ball, film),), ("tumbled",))


def tissue(rng: np.random.Generator) -> Item:
    """Return a used paper towel or tissue: soft folds, embossed, stained; brown or white."""
    brown = rng.random() < 0.55
    tone: tx.Ink = (184, 150, 110) if brown else (236, 233, 226)
    texture = tx.paper(rng, tone)
    rows, columns = np.mgrid[0:512, 0:512]
    emboss = 1.0 + 0.05 * np.sin(rows * 0.4) * np.sin(columns * 0.4)
    texture = tx.dirty(
        tx.shaded(texture, emboss.astype(np.float32)), rng, float(rng.uniform(0.2, 0.5))
    )
    sheet = shapes.sheet(0.24, 0.24, 160, 160)
    folds = int(rng.integers(8, 26))
    crushed = deform.crumpled(sheet, rng, float(rng.uniform(0.05, 0.075)), folds)
    soft = deform.softened(crushed, 160, 160, int(rng.integers(3, 8)))
    return Item("tissue", (Part(soft, Surface("matte", texture=texture)),), ("tumbled",))


def dirty_cup(rng: np.random.Generator) -> Item:
    """Return a used paper cup: coffee run down it, a ring inside, dented, sometimes a lid."""
    r, h = float(rng.uniform(0.038, 0.044)), float(rng.uniform(0.09, 0.125))
    colours = tx.inks(rng, 3)
    colours[0] = ((236, 232, 224), (226, 220, 206), colours[0])[int(rng.integers(3))]
    outside = tx.dirty(
        tx.label(rng, 384, 768, colours), rng, float(rng.uniform(0.55, 0.8)), (86, 54, 26)
    )
    inside = tx.dirty(tx.plain((216, 204, 184), 384, 768), rng, 0.75, (70, 42, 20))
    lining = Surface("glossy", texture=inside, roughness=0.4)
    paper = Surface("glossy", texture=outside, roughness=0.5, back=lining)
    wall = shapes.resampled([(r * 0.7, 0.0), (r * 0.7, 0.004), (r, h)], 0.003)
    base = shapes.resampled([(0.0, 0.006), (r * 0.7, 0.006)], 0.003)
    angle = np.linspace(0, 2 * np.pi, 100)
    rim = np.column_stack([r * np.cos(angle), r * np.sin(angle), 0 * angle + h])
    white = Surface("glossy", colour=(0.75, 0.73, 0.68), roughness=0.4)
    coffee = Surface("glossy", colour=(0.1, 0.05, 0.02), roughness=0.2)
    meshes = [shapes.lathe(wall), shapes.lathe(base), shapes.tube(rim, 0.0018, 10)]
    surfaces = [paper, coffee, white]
    if rng.random() < 0.35:
        lid = [
            (r * 1.05, h - 0.004), (r * 1.05, h + 0.004), (r * 0.93, h + 0.005),
            (r * 0.9, h + 0.014), (r * 0.84, h + 0.014), (r * 0.8, h + 0.009), (0, h + 0.009),
        ]  # fmt: skip
        meshes.append(shapes.lathe(shapes.resampled(shapes.rounded(lid, 2), 0.003)))
        surfaces.append(Surface("glossy", colour=(0.02, 0.02, 0.02), roughness=0.35))
    meshes = deform.dented(meshes, rng, int(rng.integers(2, 6)), 0.24)
    parts = tuple(Part(mesh, surface) for mesh, surface in zip(meshes, surfaces, strict=True))
    return Item("dirty_cup", parts, ("lying", "standing", "lying"))


def broken_plate(rng: np.random.Generator) -> Item:
    """Return shards of a broken glazed plate: glossy glaze, rough pale break."""
    r = float(rng.uniform(0.075, 0.1))
    upper = [(0, 0.004), (r * 0.6, 0.004), (r * 0.68, 0.008), (r * 0.96, 0.017), (r, 0.018)]
    lower = [(r, 0.016), (r * 0.96, 0.013), (r * 0.66, 0.002), (r * 0.6, 0.0), (0, 0.0)]
    line = shapes.resampled(
        np.concatenate([shapes.rounded(upper, 2), shapes.rounded(lower, 2)]), 0.003
    )
    texture = tx.plain(
        ((238, 236, 230), (226, 214, 190), (60, 92, 130))[int(rng.integers(3))], 512, 512
    )
    rings = np.zeros((512, 512), dtype=np.float32)
    rings[int(rng.integers(300, 330)) : 345] = rings[350:356] = 1.0
    texture = tx.blended(texture, tx.inks(rng, 1)[0], rings[::-1])
    glaze = Surface("glossy", texture=tx.dirty(texture, rng, 0.3), roughness=0.1)
    clay = Surface("matte", texture=tx.speckled(rng, (206, 190, 166), 0.3))
    parts: list[Part] = []
    cuts = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 5))))
    missing = int(rng.integers(len(cuts)))
    for index, start in enumerate(cuts):
        end = cuts[(index + 1) % len(cuts)] + (2 * np.pi if index == len(cuts) - 1 else 0.0)
        if index == missing and len(cuts) > 2:
            continue
        mesh = shapes.lathe(line, sweep_rad=float(end - start), segments=48)
        # The break's zigzag: the angle wanders with the radius, the same on both sides.
        v = mesh.vertices
        radius = np.hypot(v[:, 0], v[:, 1])
        jag = 0.18 * (np.abs(((radius / 0.021) % 2) - 1) - 0.5) * np.minimum(radius / r * 3, 1.0)
        turn = np.arctan2(v[:, 1], v[:, 0]) + jag + start
        v = np.column_stack([radius * np.cos(turn), radius * np.sin(turn), v[:, 2]])
        middle = (start + end) / 2
        gap = float(rng.uniform(0.003, 0.014))
        away = (gap * np.cos(middle), gap * np.sin(middle), 0.0)
        # The break face: the profile's polygon at either end of the sweep.
        count = len(line)
        grid = v.reshape(count, 49, 3)
        parts.append(Part(Mesh(v, mesh.faces, mesh.uv).moved(away), glaze))
        breaks = [_strip(grid[:, side]).moved(away) for side in (0, -1)]
        parts += [Part(face, clay) for face in breaks]
    return Item("broken_plate", tuple(parts), ("standing",))


def _strip(ring: shapes.Array) -> Mesh:
    """Close a thin ring of points by a strip from its first half to its second."""
    half = len(ring) // 2
    upper, lower = ring[:half], ring[::-1][:half]
    vertices = np.stack([upper, lower], axis=1).reshape(-1, 3)
    base = shapes.sheet(1.0, 1.0, 2, half)
    return Mesh(vertices, base.faces, base.uv * 4.0, smooth=False)


def sponge(rng: np.random.Generator) -> Item:
    """Return a worn kitchen sponge: porous foam, green scouring pad, grime."""
    w, d, h = float(rng.uniform(0.09, 0.11)), float(rng.uniform(0.06, 0.07)), 0.026
    outline = shapes.superellipse(9.0, 160, d / w)[:-1] * w / 2
    tone: tx.Ink = ((232, 196, 60), (236, 140, 90), (120, 170, 214))[int(rng.integers(3))]
    foam = tx.plain(tone, 512, 512)
    pores = (tx.cloud(rng, 512, 512, 90) > 0.72).astype(np.float32) * 0.55
    foam = tx.dirty(tx.blended(foam, (90, 70, 20), pores), rng, 0.55)
    scour = tx.dirty(tx.speckled(rng, (30, 96, 56), 0.7), rng, 0.4)
    surfaces = (Surface("matte", texture=foam), Surface("matte", texture=scour))
    parts = []
    for surface, low, high in ((surfaces[0], 0.0, h), (surfaces[1], h, h + 0.007)):
        pieces = shapes.slab(outline, high - low)
        parts += [Part(mesh.moved((0, 0, low)), surface) for mesh in pieces]
    radius = float(rng.uniform(0.12, 0.5))
    bent = tuple(Part(deform.bent(part.mesh, radius, "y"), part.surface) for part in parts)
    return Item("sponge", bent, ("flat",))


def squeezed_tube(rng: np.random.Generator) -> Item:
    """Return an emptied toothpaste tube: round shoulder, flat crimped tail, cap."""
    r, length = float(rng.uniform(0.017, 0.021)), float(rng.uniform(0.12, 0.16))
    colours = tx.inks(rng, 3)
    colours[0] = (238, 238, 236)
    texture = np.ascontiguousarray(np.rot90(tx.label(rng, 512, 512, colours)))
    line = shapes.resampled(
        [(r, 0), (r, length), (r * 0.5, length + 0.006), (0.006, length + 0.007)], 0.002
    )
    mesh = shapes.lathe(line, segments=128)
    v = mesh.vertices.copy()
    flat = np.clip(1.0 - v[:, 2] / (length * 0.9), 0.0, 1.0) ** 0.8
    v[:, 0] *= 1.0 + 0.5 * flat
    v[:, 1] *= 1.0 - 0.95 * flat
    v[:, 1] += 0.006 * flat * np.sin(v[:, 2] * 70 + rng.uniform(0, 6))
    v[:, 1] += deform.folded_noise(v, rng, 0.03, 0.14) * (v[:, 2] < length * 0.9)
    body = Surface("glossy", texture=tx.dirty(texture, rng, 0.2), roughness=0.3)
    screw = shapes.lathe(shapes.resampled([(0.0085, 0), (0.0075, 0.017), (0, 0.017)], 0.002))
    white = Surface("glossy", texture=tx.plain(colours[1]), roughness=0.3)
    parts = (
        Part(Mesh(v, mesh.faces, mesh.uv), body),
        Part(screw.moved((0, 0, length + 0.006)), white),
    )
    upright = deform.rotation("x", np.pi / 2)
    laid = tuple(Part(part.mesh.turned(upright), part.surface) for part in parts)
    return Item("squeezed_tube", laid, ("standing",))


def rag(rng: np.random.Generator) -> Item:
    """Return a soiled checked rag."""
    base, line = tx.inks(rng, 2)
    texture = tx.plain((216, 208, 196), 512, 512)
    for start in range(0, 512, 64):
        texture[start : start + 22] = (
            0.5 * texture[start : start + 22] + 0.5 * np.asarray(base)
        ).astype(np.uint8)
        texture[:, start : start + 22] = (
            0.5 * texture[:, start : start + 22] + 0.5 * np.asarray(line)
        ).astype(np.uint8)
    texture = tx.dirty(texture, rng, float(rng.uniform(0.45, 0.7)))
    sheet = deform.crumpled(shapes.sheet(0.24, 0.2, 160, 160), rng, 0.075, int(rng.integers(8, 18)))
    soft = deform.softened(sheet, 160, 160, 10)
    return Item("rag", (Part(soft, Surface("matte", texture=texture)),), ("tumbled",))


MAKERS: tuple[Maker, ...] = (
    crisps_bag, tissue, dirty_cup, bar_wrapper, crumpled_wrapper, broken_plate, tissue,
    squeezed_tube, sponge, rag,
)  # fmt: skip
