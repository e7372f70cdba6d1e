# SPDX-License-Identifier: Apache-2.0
"""Fields of a configuration: what is right is taken, the rest refused by its path."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.fields import mapping, need, number, only, sequence, text


def refused(check: Callable[..., Any], *args: Any, **options: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        check(*args, **options)
    return caught.value.field


def test_what_is_right_is_taken() -> None:
    entry = {"list": [1], "name": "flap", "angle": 1, "none": None}
    assert mapping(entry, "top") is entry
    assert sequence(entry, "list") == [1]
    assert need(entry, "none", "") is None
    assert text(entry, "name", "top") == "flap"
    assert number(entry, "angle", "top", 0.0, 1.0) == 1.0
    assert number(entry, "speed", "top", 0.0, 1.0, default=0.5) == 0.5
    only(entry, entry, "")


def test_what_is_not_is_refused_by_its_path() -> None:
    assert refused(mapping, [], "top") == "top"
    assert refused(sequence, {"list": "text"}, "list") == "list"
    assert refused(need, {}, "key", "top.") == "top.key"
    assert refused(only, {"key": 1}, {"other"}, "top.") == "top.key"
    assert refused(only, {" ": 1}, {"other"}, "") == "' '"
    for value in (None, "", " ", 7):
        assert refused(text, {"name": value}, "name", "top") == "top.name"


@pytest.mark.parametrize("value", [None, True, "1", math.nan, math.inf, -0.1, 1.1])
def test_what_is_no_number_within_its_bounds_is_refused(value: object) -> None:
    assert refused(number, {"angle": value}, "angle", "top", 0.0, 1.0) == "top.angle"
    assert refused(number, {"angle": value}, "angle", "", 0.0, 1.0, default=0.5) == "angle"
