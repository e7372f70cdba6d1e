# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.render.catalogue import CATALOGUE, Item, Maker, make_item
from recycle_sorter.render.materials import Surface

MAKERS = [
    pytest.param(maker, id=f"{material}-{maker.__name__}")
    for material, makers in CATALOGUE.items()
    for maker in dict.fromkeys(makers)
]


def _vertices(item: Item) -> np.ndarray:
    return np.concatenate([part.mesh.vertices for part in item.parts])


def test_catalogue_knows_the_materials_in_their_order() -> None:
    assert tuple(CATALOGUE) == MATERIALS


@pytest.mark.parametrize("material", MATERIALS)
def test_every_material_has_several_shapes(material: str) -> None:
    assert len(set(CATALOGUE[material])) >= 3


@pytest.mark.parametrize("maker", MAKERS)
def test_item_is_sound(maker: Maker) -> None:
    item = maker(np.random.default_rng(11))
    vertices = _vertices(item)
    assert np.isfinite(vertices).all()
    # Metres: nothing in the catalogue is smaller than a cap or larger than a wine bottle.
    assert 0.04 < np.ptp(vertices, axis=0).max() < 0.4
    for part in item.parts:
        mesh = part.mesh
        assert mesh.faces.min() >= 0
        assert mesh.faces.max() < len(mesh.vertices) == len(mesh.uv)
        assert np.isfinite(mesh.uv).all()
        if part.surface.kind == "glass":
            assert mesh.is_watertight()
            assert mesh.volume_m3() > 0


@pytest.mark.parametrize("maker", MAKERS)
def test_same_seed_same_item(maker: Maker) -> None:
    first, again, other = (maker(np.random.default_rng(seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(_vertices(first), _vertices(again))
    for one, two in zip(first.parts, again.parts, strict=True):
        assert one.surface.colour == two.surface.colour
        if one.surface.texture is not None:
            np.testing.assert_array_equal(one.surface.texture, two.surface.texture)
    same_size = len(_vertices(first)) == len(_vertices(other))
    assert not same_size or not np.array_equal(_vertices(first), _vertices(other))


def test_successive_seeds_walk_through_the_shapes() -> None:
    shapes = {make_item("metal", seed, np.random.default_rng(seed)).shape for seed in range(9)}
    assert shapes == {
        "drink_can", "tin", "foil_ball", "crushed_can", "lid", "foil_sheet", "foil_tray",
    }  # fmt: skip


def test_unknown_material_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"material: got 'wood', expected one of cardboard"):
        make_item("wood", 1, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", (0.5, 1.2, 0.5)),
        ("roughness", -0.1),
        ("texture", np.zeros((4, 4, 3), dtype=np.float32)),
        ("texture", np.zeros((4, 4), dtype=np.uint8)),
    ],
)
def test_surface_refuses_what_no_surface_can_be(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError, match=f"^{field}: "):
        Surface("matte", **{field: value})  # type: ignore[arg-type]
