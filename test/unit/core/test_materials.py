# SPDX-License-Identifier: Apache-2.0
"""Lists of material names, as models and routing files give them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS, require_materials


def test_the_six_materials_are_in_trashnets_order() -> None:
    assert MATERIALS == ("cardboard", "glass", "metal", "paper", "plastic", "trash")


def test_any_order_and_number_of_names_is_taken_as_it_is() -> None:
    assert require_materials(["wood", "glass"]) == ("wood", "glass")


@pytest.mark.parametrize(
    ("names", "field"),
    [
        ([], "labels"),
        ("glass", "labels"),
        (None, "labels"),
        ({"glass": 1}, "labels"),
        (7, "labels"),
        (["glass", ""], "labels[1]"),
        (["glass", "  "], "labels[1]"),
        ([None], "labels[0]"),
        (["glass", 3], "labels[1]"),
        (["glass", "metal", "glass"], "labels[2]"),
        (b"glass", "labels[0]"),
    ],
)
def test_bad_lists_are_refused_by_name(names: Any, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        require_materials(names, "labels")
    assert caught.value.field == field


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, unique=True))
def test_distinct_names_always_pass_and_a_doubled_one_never(names: list[str]) -> None:
    assert require_materials(names) == tuple(names)
    with pytest.raises(InvalidInputError) as caught:
        require_materials([*names, names[0]])
    assert caught.value.field == f"materials[{len(names)}]"
