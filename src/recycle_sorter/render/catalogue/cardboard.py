# SPDX-License-Identifier: Apache-2.0
"""Cardboard: boxes of corrugated board with flaps, flattened, torn; cartons, tubes, pulp."""

from __future__ import annotations

import numpy as np

from recycle_sorter.render import deform, printing, shapes
from recycle_sorter.render import textures as tx
from recycle_sorter.render.catalogue.item import Item, Maker, Part
from recycle_sorter.render.materials import Surface
from recycle_sorter.render.shapes import Array, Mesh


def _board(rng: np.random.Generator) -> Surface:
    return Surface("matte", texture=printing.shipping_board(rng))


def _panel(
    rng: np.random.Generator, outline: Array, thickness_m: float, face: Surface | None = None
) -> list[Part]:
    """Return a piece of board: its faces and its corrugated rim."""
    flat, rim = shapes.slab(outline, thickness_m)
    edge = Surface("matte", texture=tx.corrugated_edge(rng))
    return [Part(flat, face or _board(rng)), Part(rim, edge)]


def _moved(parts: list[Part], matrix: Array, offset: tuple[float, float, float]) -> list[Part]:
    return [Part(part.mesh.turned(matrix).moved(offset), part.surface) for part in parts]


def _box(rng: np.random.Generator, flap_angles: list[float], shape: str) -> Item:
    """Build a box of slabs; a flap's angle is 180 degrees when it closes the box."""
    w, d = float(rng.uniform(0.12, 0.2)), float(rng.uniform(0.1, 0.16))
    h, t = float(rng.uniform(0.05, 0.13)), 0.004
    parts = _moved(_panel(rng, shapes.rectangle(w, d), t), np.eye(3), (-w / 2, 0, 0))
    for side in range(4):
        across, reach = (d, w / 2) if side % 2 == 0 else (w - 2 * t, d / 2)
        turn = deform.rotation("z", side * np.pi / 2)
        out = turn @ np.array([reach, 0.0, 0.0])
        wall = deform.rotation("y", -np.pi / 2)
        face = _board(rng)
        at = (float(out[0]), float(out[1]), 0.0)
        parts += _moved(_panel(rng, shapes.rectangle(h, across), t, face), turn @ wall, at)
        angle = np.radians(flap_angles[side])
        flap = turn @ deform.rotation("y", -float(angle))
        # The long pair closes over the short pair.
        lift = h + (2 * t if side % 2 == 1 else t) * float(angle > 3.0)
        length = (w if side % 2 == 0 else d) / 2 * 0.98
        top = (at[0], at[1], lift)
        bare = Surface("matte", texture=tx.kraft(rng)) if rng.random() < 0.6 else None
        parts += _moved(_panel(rng, shapes.rectangle(length, across), t, bare), flap, top)
    if min(flap_angles) > 178 and rng.random() < 0.8:
        strip = shapes.sheet(w * 1.0, 0.04, 40, 6).moved((0, 0, h + 0.0022 + 2 * t))
        tape = Surface("glossy", colour=(0.42, 0.28, 0.13), roughness=0.25)
        parts.append(Part(strip, tape))
    return Item(shape, tuple(parts), ("standing",))


def open_box(rng: np.random.Generator) -> Item:
    """Return a corrugated box with its flaps open at different angles."""
    return _box(rng, [float(rng.uniform(20, 130)) for _ in range(4)], "open_box")


def closed_box(rng: np.random.Generator) -> Item:
    """Return a closed, mostly taped box."""
    return _box(rng, [180.0] * 4, "closed_box")


def flattened_carton(rng: np.random.Generator) -> Item:
    """Return a box laid flat: crease lines, slots between the flaps, slightly sprung."""
    w, d, slot = float(rng.uniform(0.18, 0.24)), float(rng.uniform(0.12, 0.17)), 0.004
    flap, t = d * 0.24, 0.004
    parts: list[Part] = []
    columns = int(rng.integers(2, 4))
    cell = w / columns
    labelled = int(rng.integers(columns))
    for column in range(columns):
        plain = Surface("matte", texture=tx.kraft(rng))
        face = _board(rng) if column == labelled else plain
        body = _panel(rng, shapes.rectangle(cell, d - 2 * flap), t, face)
        lean = deform.rotation("y", float(rng.uniform(-0.06, 0.06)))
        parts += _moved(body, lean, (column * cell, 0, 0))
        for end in (-1.0, 1.0):
            piece = shapes.rectangle(flap, cell - slot)
            turn = deform.rotation("z", end * np.pi / 2)
            tilt = deform.rotation("y", -float(rng.uniform(0.0, 0.7)))
            at = (column * cell + cell / 2, end * (d / 2 - flap), 0.0005)
            parts += _moved(_panel(rng, piece, t, plain), turn @ tilt, at)
    return Item("flattened_carton", tuple(parts), ("flat",))


def _ragged(rng: np.random.Generator, outline: Array, depth_m: float) -> Array:
    """Make the outline ragged on some of its length, as torn board is."""
    ring = shapes.resampled(np.concatenate([outline, outline[:1]]), 0.002)[:-1]
    angle = np.linspace(0, 2 * np.pi, len(ring), endpoint=False)
    torn = (np.sin(angle + rng.uniform(0, 6.3)) + 0.4 > 0).astype(float)
    coarse = np.interp(angle, np.linspace(0, 2 * np.pi, 40), rng.uniform(0, 1, 40))
    fine = rng.uniform(0, 1, len(ring))
    factor = 1.0 - torn * depth_m * (coarse + 0.16 * fine) / 0.08
    centre = ring.mean(axis=0)
    result: Array = centre + (ring - centre) * factor[:, None]
    return result


def torn_piece(rng: np.random.Generator) -> Item:
    """Return torn corrugated board: liner torn back, flutes bare along one side."""
    w, d = float(rng.uniform(0.1, 0.17)), float(rng.uniform(0.08, 0.13))
    outline = _ragged(rng, shapes.rectangle(w, d), 0.02)
    face = Surface("matte", texture=tx.kraft(rng))
    board = _panel(rng, outline, 0.0045, face)
    # Under the torn liner the fluting shows: a corrugated sheet reaching further out.
    wide, deep = w * 0.3, d * 0.86
    flutes = shapes.sheet(wide, deep, 240, 24)
    vertices = flutes.vertices.copy()
    vertices[:, 2] = 0.003 + 0.0016 * np.sin(vertices[:, 0] * 2 * np.pi / 0.0075)
    vertices[:, 1] *= 0.85 + 0.15 * np.sin(vertices[:, 0] * 90)
    bare = Surface("matte", texture=tx.shaded(tx.kraft(rng), np.full((512, 512), 0.82, np.float32)))
    side = Mesh(vertices, flutes.faces, flutes.uv).moved((w * 0.9, 0, 0))
    parts = [*board, Part(side, bare)]
    meshes = [deform.bent(part.mesh, float(rng.uniform(0.25, 0.8)) * 1.0, "y") for part in parts]
    surfaces = [part.surface for part in parts]
    bent = tuple(Part(mesh, surface) for mesh, surface in zip(meshes, surfaces, strict=True))
    return Item("torn_piece", bent, ("flat",))


def carton(rng: np.random.Generator) -> Item:
    """Return a printed folding carton, its grey-brown inside showing at the open end."""
    w, h, d, t = float(rng.uniform(0.1, 0.15)), float(rng.uniform(0.15, 0.22)), 0.045, 0.0009
    inside = Surface("matte", texture=tx.paper(rng, (176, 162, 140)))
    base = tx.inks(rng, 1)[0]
    front = Surface("glossy", texture=printing.carton(rng), roughness=0.4, back=inside)
    side = Surface("glossy", texture=tx.paper(rng, base), roughness=0.4, back=inside)
    upright = deform.rotation("x", np.pi / 2)
    quarter = deform.rotation("z", np.pi / 2)
    back = shapes.sheet(w, h, 40, 40).turned(upright).flipped().mirrored_print()
    parts = [
        Part(shapes.sheet(w, h, 40, 40).turned(upright).moved((0, -d / 2, h / 2)), front),
        Part(back.moved((0, d / 2, h / 2)), front),
        Part(shapes.sheet(d, h, 10, 40).turned(quarter @ upright).moved((w / 2, 0, h / 2)), side),
        Part(
            shapes.sheet(d, h, 10, 40)
            .turned(quarter @ upright)
            .flipped()
            .moved((-w / 2, 0, h / 2)),
            side,
        ),
        Part(shapes.sheet(w, d, 10, 10).flipped().moved((0, 0, t)), side),
    ]
    flap = shapes.sheet(w, d * 0.9, 10, 10).moved((0, d * 0.45, 0))
    lift = deform.rotation("x", float(rng.uniform(0.3, 1.9)))
    parts.append(
        Part(flap.turned(lift).moved((0, d / 2, h)), Surface("matte", texture=inside.texture))
    )
    meshes = deform.dented([part.mesh for part in parts], rng, int(rng.integers(0, 3)), 0.1)
    dented = tuple(Part(mesh, part.surface) for mesh, part in zip(meshes, parts, strict=True))
    return Item("carton", dented, ("lying", "lying", "standing"))


def tube_core(rng: np.random.Generator) -> Item:
    """Return a paperboard tube with its spiral seam, often squashed."""
    r, h = float(rng.uniform(0.019, 0.023)), float(rng.uniform(0.09, 0.2))
    texture = tx.kraft(rng)
    rows, columns = np.mgrid[0:512, 0:512]
    seam = ((columns + rows * 0.5) % 256 < 3).astype(np.float32)
    surface = Surface("matte", texture=tx.blended(texture, (110, 84, 56), seam * 0.7))
    line = shapes.resampled([(r, 0), (r, h), (r - 0.0012, h), (r - 0.0012, 0), (r, 0)], 0.003)
    mesh = deform.dented([shapes.lathe(line)], rng, int(rng.integers(0, 4)), 0.5)[0]
    return Item("tube_core", (Part(mesh, surface),), ("lying", "standing", "lying"))


def egg_tray(rng: np.random.Generator) -> Item:
    """Return a moulded pulp egg tray with its cups and posts."""
    columns, rows, pitch = int(rng.integers(3, 6)), int(rng.integers(2, 4)), 0.046
    wide, deep = columns * pitch + 0.012, rows * pitch + 0.012
    tray = shapes.sheet(wide, deep, 60 * columns, 60 * rows)
    x, y = tray.vertices[:, 0], tray.vertices[:, 1]
    u = np.cos(2 * np.pi * (x / pitch + (0.5 if columns % 2 == 0 else 0.0)))
    v = np.cos(2 * np.pi * (y / pitch + (0.5 if rows % 2 == 0 else 0.0)))
    cups = np.clip(1.35 * (u + v) / 2, -0.9, 0.75)
    edge = np.maximum(np.abs(x) - wide / 2 + 0.005, np.abs(y) - deep / 2 + 0.005)
    height = np.where(edge > 0, 0.0, -0.02 * cups)
    tones = ((176, 152, 122), (178, 142, 102), (160, 146, 126))
    pulp = tx.speckled(rng, tones[int(rng.integers(3))], 0.25)
    rough = deform.folded_noise(tray.vertices, rng, 0.004, 0.05)
    vertices = np.column_stack([x, y, height + rough])
    mesh = Mesh(vertices, tray.faces, tray.uv)
    return Item("egg_tray", (Part(mesh, Surface("matte", texture=pulp)),), ("flat",))


MAKERS: tuple[Maker, ...] = (
    open_box, torn_piece, closed_box, flattened_carton, carton, tube_core, torn_piece, egg_tray,
)  # fmt: skip
