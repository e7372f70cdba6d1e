# SPDX-License-Identifier: Apache-2.0
"""Single values of a configuration: taken within their range, else refused by name."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from recycle_sorter.core import checks
from recycle_sorter.core.errors import InvalidInputError


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, -math.inf, 10**400, -(10**400), 1.1, -0.1, True, "0.5", None, [0.5]],
)
def test_what_is_no_number_within_the_range_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match="share: "):
        checks.number("share", value, 0.0, 1.0)


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 1, 1.0])
def test_numbers_within_the_range_are_taken(value: float) -> None:
    found = checks.number("share", value, 0.0, 1.0)
    assert found == value
    assert isinstance(found, float)


@pytest.mark.parametrize("value", [0, -3, 1.5, 10**300, -1e300])
def test_what_a_float_holds_is_finite(value: object) -> None:
    assert checks.is_finite(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, -(10**400), True, "1", None])
def test_what_no_float_holds_is_not_finite(value: object) -> None:
    assert not checks.is_finite(value)


@pytest.mark.parametrize("value", [0.5, 1.0, True, "1", 4, -(10**400)])
def test_what_is_no_whole_number_within_the_range_is_refused(value: object) -> None:
    with pytest.raises(InvalidInputError, match="whole number from 0 to 3"):
        checks.whole("count", value, 0, 3)


def test_lists_name_the_number_that_is_wrong() -> None:
    assert checks.numbers("size", [1, 2.5], 2, 0.0, 3.0) == (1.0, 2.5)
    with pytest.raises(InvalidInputError, match=r"size\[1\]"):
        checks.numbers("size", [1, 4], 2, 0.0, 3.0)
    for value in ("12", [1], None, {1: 2}):
        with pytest.raises(InvalidInputError, match="2 numbers"):
            checks.numbers("size", value, 2, 0.0, 3.0)


def test_names_are_told() -> None:
    assert checks.one_of("rule", "first", ("first", "last")) == "first"
    for value in ("second", None, 1):
        with pytest.raises(InvalidInputError, match="first, last"):
            checks.one_of("rule", value, ("first", "last"))


@dataclass
class _Config:
    share: float = 0.5
    count: int = 3


_BOUNDS: dict[str, tuple[float, float]] = {"share": (0.0, 1.0), "count": (1, 9)}


def test_a_configuration_within_its_bounds_passes() -> None:
    checks.within(_Config(), _BOUNDS)
    checks.within(_Config(share=1, count=9), _BOUNDS)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("share", 1.1), ("share", float("nan")), ("share", "half"), ("share", True),
        ("count", 0), ("count", 2.0), ("count", None),
    ],
)  # fmt: skip
def test_a_field_out_of_its_bounds_is_named_with_its_prefix(field: str, value: object) -> None:
    config = _Config(**{field: value})  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=rf"lane\.{field}"):
        checks.within(config, _BOUNDS, "lane.")
