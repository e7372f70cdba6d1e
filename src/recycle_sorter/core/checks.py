# SPDX-License-Identifier: Apache-2.0
"""Checks of single values of a configuration; errors name the field."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from recycle_sorter.core.errors import InvalidInputError


def is_finite(value: object) -> bool:
    """Whether it is a number that a float holds: no bool, NaN, infinity or endless integer."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # `math.isfinite` turns integers into floats first, which fails for those of 400 digits.
    return abs(value) <= sys.float_info.max


def number(field: str, value: object, low: float, high: float) -> float:
    """Returns a number within its range, whose bounds are finite.

    Raises:
        InvalidInputError: If it is none.
    """
    # NaN fails the comparison, and so do infinity and integers that no float holds.
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidInputError(field, value, f"a number from {low:g} to {high:g}")
    return float(value)


def whole(field: str, value: object, low: int, high: int) -> int:
    """Returns a whole number within its range.

    Raises:
        InvalidInputError: If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInputError(field, value, f"a whole number from {low} to {high}")
    return value


def one_of(field: str, value: object, known: Sequence[str]) -> str:
    """Returns one of several names.

    Raises:
        InvalidInputError: If it is none.
    """
    if not isinstance(value, str) or value not in known:
        raise InvalidInputError(field, value, f"one of {', '.join(known)}")
    return value


def numbers(field: str, value: object, count: int, low: float, high: float) -> tuple[float, ...]:
    """Returns a list of so many numbers.

    Raises:
        InvalidInputError: If it is none.
    """
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != count:
        raise InvalidInputError(field, value, f"{count} numbers in a list")
    return tuple(number(f"{field}[{i}]", each, low, high) for i, each in enumerate(value))


def within(config: object, bounds: Mapping[str, tuple[float, float]], prefix: str = "") -> None:
    """Checks fields of a configuration; bounds that are whole numbers ask for one.

    Args:
        config: Has all fields of ``bounds``.
        bounds: Lowest and highest value by name.
        prefix: Goes before the name in errors.

    Raises:
        InvalidInputError: Naming the field, its value and its bounds.
    """
    for name, (low, high) in bounds.items():
        value = getattr(config, name)
        if isinstance(low, int) and isinstance(high, int):
            whole(f"{prefix}{name}", value, low, high)
        else:
            number(f"{prefix}{name}", value, low, high)
