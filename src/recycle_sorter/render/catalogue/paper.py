# SPDX-License-Identifier: Apache-2.0
"""Paper: sheets, newspaper, magazine pages, envelopes, booklets; flat, folded, crumpled."""

from __future__ import annotations

import numpy as np

from recycle_sorter.render import deform, printing, shapes
from recycle_sorter.render import textures as tx
from recycle_sorter.render.catalogue.item import Item, Maker, Part
from recycle_sorter.render.materials import Picture, Surface


def _page(rng: np.random.Generator) -> Picture:
    """Return what is on a sheet: print, ruled lines or nothing."""
    kind = rng.random()
    if kind < 0.4:
        return printing.text_page(rng)
    if kind < 0.65:
        return printing.notebook_page(rng)
    tones = ((245, 245, 243), (240, 240, 238), (246, 240, 190), (190, 222, 240), (244, 206, 214))
    return tx.paper(rng, tones[int(rng.choice(5, p=[0.45, 0.25, 0.1, 0.1, 0.1]))])


def _two_sided(rng: np.random.Generator, front: Picture) -> Surface:
    tone = (232, 231, 227)
    return Surface("matte", texture=front, back=Surface("matte", texture=tx.paper(rng, tone)))


def flat_sheet(rng: np.random.Generator) -> Item:
    """Return one printed or written sheet that does not lie quite flat; sometimes folded."""
    wide = float(rng.uniform(0.12, 0.15))
    sheet = shapes.sheet(wide, wide * 1.41, 140, 160)
    if rng.random() < 0.5:
        sheet = deform.creased(sheet, rng, 0.06, 0.02)
    sheet = deform.wavy(sheet, rng, wide, 0.008)
    if rng.random() < 0.5:
        angle = float(rng.uniform(0.4, 2.9))
        sheet = deform.folded_over(sheet, wide * float(rng.uniform(0.0, 0.5)), angle, "y")
    return Item("flat_sheet", (Part(sheet, _two_sided(rng, _page(rng))),), ("flat",))


def paper_ball(rng: np.random.Generator) -> Item:
    """Return a sheet crushed into a ball."""
    front = printing.newsprint(rng) if rng.random() < 0.3 else _page(rng)
    sheet = shapes.sheet(0.21, 0.29, 200, 240)
    ball = deform.crumpled(sheet, rng, float(rng.uniform(0.035, 0.05)), int(rng.integers(45, 80)))
    return Item("paper_ball", (Part(ball, _two_sided(rng, front)),), ("tumbled",))


def crumpled_sheet(rng: np.random.Generator) -> Item:
    """Return a sheet that was crumpled and opened again."""
    wide, deep = float(rng.uniform(0.13, 0.19)), float(rng.uniform(0.12, 0.17))
    sheet = shapes.sheet(wide, deep, 200, 180)
    sheet = deform.creased(
        sheet, rng, float(rng.uniform(0.03, 0.06)), float(rng.uniform(0.25, 0.45))
    )
    vertices = sheet.vertices * (1.0 + 0.12 * np.sin(8 * sheet.vertices[:, [1, 0, 2]] / wide))
    sheet = shapes.Mesh(vertices, sheet.faces, sheet.uv, smooth=False)
    return Item("crumpled_sheet", (Part(sheet, _two_sided(rng, _page(rng))),), ("flat",))


def newspaper(rng: np.random.Generator) -> Item:
    """Return a newspaper folded over, its inner pages a little out of line."""
    wide, deep = float(rng.uniform(0.15, 0.18)), float(rng.uniform(0.2, 0.24))
    parts = []
    for layer in range(3):
        page = Surface("matte", texture=printing.newsprint(rng))
        sheet = shapes.sheet(wide * (1 - 0.012 * layer), deep * (1 - 0.02 * layer), 60, 180)
        if layer == 0:
            sheet = sheet.moved((0, 0, 0.0))
        sheet = deform.folded_over(sheet, 0.004 * layer, np.pi - 0.12 - 0.05 * layer, "y")
        sheet = deform.wavy(sheet, np.random.default_rng(layer), wide, 0.002)
        parts.append(Part(sheet.moved((0.003 * layer, 0, 0.0012 * layer)), page))
    roll = rng.random() < 0.4
    if roll:
        radius = float(rng.uniform(0.05, 0.1))
        parts = [Part(deform.bent(part.mesh, radius, "y"), part.surface) for part in parts]
    return Item("newspaper", tuple(parts), ("flat",))


def crumpled_newspaper(rng: np.random.Generator) -> Item:
    """Return a loosely crumpled newspaper page."""
    sheet = shapes.sheet(0.26, 0.32, 220, 240)
    ball = deform.crumpled(sheet, rng, float(rng.uniform(0.06, 0.085)), int(rng.integers(18, 36)))
    surface = Surface("matte", texture=printing.newsprint(rng))
    return Item("crumpled_newspaper", (Part(ball, surface),), ("tumbled",))


def envelope(rng: np.random.Generator) -> Item:
    """Return an envelope, address or flap up; sometimes torn open and gaping."""
    wide = float(rng.uniform(0.16, 0.21))
    deep = wide * float(rng.uniform(0.48, 0.68))
    x = np.linspace(-1, 1, 100)
    bulge = 0.0025 * np.outer((1 - x**2), (1 - x**2)).reshape(-1)
    sides = []
    for front in (True, False):
        sheet = shapes.sheet(wide, deep, 100, 100)
        vertices = sheet.vertices.copy()
        vertices[:, 2] += bulge + 0.0002
        if front and rng.random() < 0.3:
            top = np.maximum(vertices[:, 1] - deep * 0.3, 0.0)
            vertices[:, 2] += 6.0 * top**1.5 * (1 + 0.3 * np.sin(vertices[:, 0] * 60))
        mesh = deform.creased(shapes.Mesh(vertices, sheet.faces, sheet.uv), rng, 0.05, 0.006)
        turn = np.diag([1.0, 1.0, 1.0]) if front else np.diag([-1.0, 1.0, -1.0])
        sides.append(
            Part(mesh.turned(turn), Surface("matte", texture=printing.envelope(rng, front)))
        )
    return Item("envelope", tuple(sides), ("flat",))


def magazine_page(rng: np.random.Generator) -> Item:
    """Return a glossy page or a leaflet folded in three."""
    wide = float(rng.uniform(0.13, 0.16))
    sheet = deform.wavy(shapes.sheet(wide, wide * 1.3, 120, 160), rng, wide, 0.012)
    if rng.random() < 0.5:
        sheet = deform.folded_over(sheet, wide * 0.18, float(rng.uniform(0.3, 1.4)))
    if rng.random() < 0.4:
        sheet = deform.creased(sheet, rng, 0.05, 0.12)
    back = Surface("glossy", texture=printing.flyer(rng), roughness=0.45)
    surface = Surface("glossy", texture=printing.flyer(rng), roughness=0.45, back=back)
    return Item("magazine_page", (Part(sheet, surface),), ("flat",))


def booklet(rng: np.random.Generator) -> Item:
    """Return an open booklet or a small stack of printed sheets."""
    wide, deep = float(rng.uniform(0.1, 0.13)), float(rng.uniform(0.14, 0.17))
    parts = []
    if rng.random() < 0.5:
        for half in (-1.0, 1.0):
            sheet = shapes.sheet(wide, deep, 80, 40)
            vertices = sheet.vertices.copy()
            run = vertices[:, 0] / wide + 0.5
            vertices[:, 2] = 0.016 * np.sin(np.pi * run**0.6) * (1 - 0.5 * run) + 0.001
            page = shapes.Mesh(vertices, sheet.faces, sheet.uv).moved((wide / 2, 0, 0))
            if half < 0:
                page = page.turned(deform.rotation("z", np.pi))
                uv = 1.0 - page.uv
                page = shapes.Mesh(page.vertices, page.faces, uv)
            parts.append(Part(page, Surface("matte", texture=printing.text_page(rng))))
        return Item("booklet", tuple(parts), ("standing",))
    for layer in range(5):
        sheet = deform.wavy(shapes.sheet(wide, deep, 60, 80), rng, wide, 0.002)
        turn = deform.rotation("z", float(rng.normal(0, 0.12)))
        at = (float(rng.normal(0, 0.006)), float(rng.normal(0, 0.006)), 0.0025 * layer)
        surface = _two_sided(rng, _page(rng))
        parts.append(Part(sheet.turned(turn).moved(at), surface))
    return Item("booklet", tuple(parts), ("standing",))


MAKERS: tuple[Maker, ...] = (
    flat_sheet, paper_ball, newspaper, envelope, crumpled_sheet, magazine_page,
    crumpled_newspaper, booklet,
)  # fmt: skip
