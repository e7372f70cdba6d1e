# SPDX-License-Identifier: Apache-2.0
"""Glass: bottles and jars in clear, green and brown, walls that refract."""

from __future__ import annotations

import numpy as np

from recycle_sorter.render import shapes
from recycle_sorter.render import textures as tx
from recycle_sorter.render.catalogue.item import Item, Maker, Part, cap, wrap
from recycle_sorter.render.materials import Colour, Surface

# Tint at each surface crossed; a ray through a bottle crosses four.
CLEAR: Colour = (0.965, 0.985, 0.97)
GREEN: Colour = (0.52, 0.76, 0.44)
DARK_GREEN: Colour = (0.46, 0.63, 0.30)
BROWN: Colour = (0.70, 0.52, 0.26)


def _glass(colour: Colour) -> Surface:
    return Surface("glass", colour=colour, roughness=0.0)


def _vessel(outer: list[tuple[float, float]], wall_m: float, base_m: float) -> shapes.Mesh:
    line = shapes.resampled(shapes.rounded(outer, 3), 0.003)
    return shapes.lathe(shapes.walled(line, wall_m, base_m), segments=112)


def _paper_label(rng: np.random.Generator) -> Surface:
    colours = tx.inks(rng, 3)
    if rng.random() < 0.5:
        colours[0] = (236, 228, 206)
    return Surface("glossy", texture=tx.label(rng, colours=colours), roughness=0.5)


def _bottle(
    rng: np.random.Generator,
    shape: str,
    colour: Colour,
    radius: float,
    height: float,
    shoulder: float,
    neck: float,
) -> Item:
    """Build a bottle; ``shoulder`` is where the body ends, as a fraction of the height."""
    s = shoulder * height
    rise = (height - s) * float(rng.uniform(0.35, 0.5))
    outer = [
        (0.0, 0.004), (radius * 0.6, 0.003), (radius * 0.8, 0.0), (radius, 0.001),
        (radius, 0.012), (radius, s * 0.5), (radius, s), (radius * 0.85, s + rise * 0.5),
        (neck * 1.1, s + rise), (neck, height - 0.03), (neck, height - 0.018),
        (neck + 0.0025, height - 0.016), (neck + 0.0025, height - 0.003),
        (neck + 0.0015, height), (neck - 0.0005, height),
    ]  # fmt: skip
    parts = [Part(_vessel(outer, 0.0028, 0.007), _glass(colour))]
    if rng.random() < 0.6:
        low, high = s * float(rng.uniform(0.15, 0.3)), s * float(rng.uniform(0.7, 0.95))
        sweep = float(rng.choice([0.45, 0.98]))
        parts.append(wrap(radius, low, high, _paper_label(rng), sweep))
    return Item(shape, tuple(parts))


def beer_bottle(rng: np.random.Generator) -> Item:
    """Return a beer bottle, mostly brown."""
    colour = (BROWN, BROWN, GREEN, CLEAR)[int(rng.integers(4))]
    height = float(rng.uniform(0.19, 0.25))
    return _bottle(
        rng, "beer_bottle", colour, float(rng.uniform(0.029, 0.034)), height, 0.56, 0.0125
    )


def wine_bottle(rng: np.random.Generator) -> Item:
    """Return a wine bottle, mostly green."""
    colour = (DARK_GREEN, GREEN, GREEN, CLEAR)[int(rng.integers(4))]
    return _bottle(rng, "wine_bottle", colour, 0.037, float(rng.uniform(0.27, 0.3)), 0.62, 0.0145)


def juice_bottle(rng: np.random.Generator) -> Item:
    """Return a wide, short bottle of clear glass."""
    height, radius = float(rng.uniform(0.14, 0.19)), float(rng.uniform(0.03, 0.036))
    return _bottle(
        rng, "juice_bottle", CLEAR, radius, height, float(rng.uniform(0.55, 0.68)), 0.018
    )


def jar(rng: np.random.Generator) -> Item:
    """Return a preserving jar with thread, with or without a label and a lid."""
    radius, height = float(rng.uniform(0.032, 0.042)), float(rng.uniform(0.085, 0.135))
    mouth, top = radius * 0.84, height - 0.02
    outer = [
        (0.0, 0.004), (radius * 0.75, 0.003), (radius * 0.85, 0.0), (radius, 0.003),
        (radius, 0.012), (radius, top * 0.5), (radius, top - 0.012), (mouth, top),
        (mouth, top + 0.004), (mouth + 0.0016, top + 0.006), (mouth, top + 0.009),
        (mouth + 0.0016, top + 0.012), (mouth, top + 0.015), (mouth + 0.001, height - 0.001),
        (mouth - 0.0012, height),
    ]  # fmt: skip
    colour = CLEAR if rng.random() < 0.85 else GREEN
    parts = [Part(_vessel(outer, 0.003, 0.006), _glass(colour))]
    if rng.random() < 0.5:
        parts.append(wrap(radius, 0.02, top * 0.78, _paper_label(rng), 0.7))
    if rng.random() < 0.25:
        metal = Surface("glossy", texture=tx.plain(tx.inks(rng, 1)[0]), roughness=0.25)
        lid = cap(mouth + 0.003, 0.014, metal, ribs=20)
        parts.append(Part(lid.mesh.moved((0, 0, height - 0.012)), lid.surface))
    return Item("jar", tuple(parts), ("standing", "lying", "lying"))


def square_bottle(rng: np.random.Generator) -> Item:
    """Return a square spirits or oil bottle: thick walls, thick base."""
    radius, height = float(rng.uniform(0.03, 0.036)), float(rng.uniform(0.17, 0.22))
    s = height * 0.66
    outer = [
        (0.0, 0.003), (radius * 0.85, 0.002), (radius, 0.002), (radius, 0.01), (radius, s),
        (radius * 0.9, s + 0.012), (0.016, s + 0.026), (0.014, height - 0.02),
        (0.0165, height - 0.017), (0.0165, height - 0.002), (0.014, height), (0.0135, height),
    ]  # fmt: skip
    line = shapes.resampled(shapes.rounded(outer, 2), 0.003)
    section = shapes.superellipse(5.0, 112, float(rng.uniform(0.6, 1.0)))
    mesh = shapes.lathe(shapes.walled(line, 0.0034, 0.012), section=section)
    colour = (CLEAR, CLEAR, GREEN, BROWN)[int(rng.integers(4))]
    return Item("square_bottle", (Part(mesh, _glass(colour)),))


def tumbler(rng: np.random.Generator) -> Item:
    """Return a drinking glass, smooth or faceted, with a heavy base."""
    radius, height = float(rng.uniform(0.03, 0.037)), float(rng.uniform(0.09, 0.13))
    outer = [(0.0, 0.002), (radius * 0.78, 0.0), (radius * 0.82, 0.006), (radius, height)]
    line = shapes.resampled(shapes.rounded(outer, 2), 0.003)
    angle = np.linspace(0, 2 * np.pi, 121)
    facets = 1.0 + (0.02 * np.abs(np.sin(6 * angle)) if rng.random() < 0.5 else 0.0 * angle)
    section = np.stack([facets * np.cos(angle), facets * np.sin(angle)], axis=1)
    mesh = shapes.lathe(shapes.walled(line, 0.0025, 0.012), section=section)
    return Item("tumbler", (Part(mesh, _glass(CLEAR)),), ("standing", "lying"))


MAKERS: tuple[Maker, ...] = (
    beer_bottle, wine_bottle, jar, juice_bottle, jar, square_bottle, tumbler,
)  # fmt: skip
