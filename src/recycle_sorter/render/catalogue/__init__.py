# SPDX-License-Identifier: Apache-2.0
"""The catalogue: several shapes a material, each drawn from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.render.catalogue import cardboard, glass, metal, paper, plastic, trash
from recycle_sorter.render.catalogue.item import Item, Maker, Part, Pose

CATALOGUE: Mapping[str, tuple[Maker, ...]] = MappingProxyType(
    {
        "cardboard": cardboard.MAKERS,
        "glass": glass.MAKERS,
        "metal": metal.MAKERS,
        "paper": paper.MAKERS,
        "plastic": plastic.MAKERS,
        "trash": trash.MAKERS,
    }
)


def make_item(material: str, seed: int, rng: np.random.Generator) -> Item:
    """Make the item of a material: successive seeds walk through its shapes.

    Args:
        material: a key of `CATALOGUE`.
        seed: chooses the shape.
        rng: draws everything else.

    Raises:
        InvalidInputError: if the material is not in the catalogue.
    """
    makers = CATALOGUE.get(material)
    if makers is None:
        raise InvalidInputError("material", material, f"one of {', '.join(CATALOGUE)}")
    return makers[seed % len(makers)](rng)


__all__ = ["CATALOGUE", "Item", "Maker", "Part", "Pose", "make_item"]
