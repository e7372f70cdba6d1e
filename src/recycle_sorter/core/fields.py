# SPDX-License-Identifier: Apache-2.0
"""Checks of the fields of a configuration file; errors name the key by its path."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from recycle_sorter.core import checks
from recycle_sorter.core.errors import InvalidInputError


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Takes a mapping; anything else is an ``InvalidInputError`` naming ``where``."""
    if not isinstance(value, Mapping):
        raise InvalidInputError(where, value, "a mapping (key: value)")
    return value


def sequence(entry: Mapping[str, Any], key: str) -> Sequence[object]:
    """Takes the list under a key that must be there."""
    value = need(entry, key, "")
    if isinstance(value, str | bytes) or not isinstance(value, Sequence):
        raise InvalidInputError(key, value, "a list")
    return value


def need(entry: Mapping[str, Any], key: str, prefix: str) -> Any:
    """Takes what stands under a key that must be there; ``prefix`` ends in a dot or is empty."""
    if key not in entry:
        raise InvalidInputError(f"{prefix}{key}", "nothing", "a value", f"add the key `{key}`")
    return entry[key]


def only(entry: Mapping[str, Any], known: Collection[str], prefix: str) -> None:
    """Refuses every key that is not known."""
    for key in entry:
        if key not in known:
            expected = f"one of the keys {', '.join(sorted(known))}"
            shown = key if isinstance(key, str) and key.strip() else repr(key)
            raise InvalidInputError(f"{prefix}{shown}", entry[key], expected, "remove it")


def text(entry: Mapping[str, Any], key: str, where: str) -> str:
    """Takes a text that is not blank."""
    value = need(entry, key, f"{where}.")
    if not isinstance(value, str) or not value.strip():
        raise InvalidInputError(f"{where}.{key}", value, "a name")
    return value


def number(
    entry: Mapping[str, Any],
    key: str,
    where: str,
    low: float,
    high: float,
    default: float | None = None,
) -> float:
    """Takes a number from ``low`` to ``high``; a key that is not there takes the default.

    ``where`` is the path of the entry; empty for the file's top.
    """
    prefix = f"{where}." if where else ""
    value = entry.get(key, default) if default is not None else need(entry, key, prefix)
    return checks.number(f"{prefix}{key}", value, low, high)
