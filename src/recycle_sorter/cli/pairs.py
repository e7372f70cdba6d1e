# SPDX-License-Identifier: Apache-2.0
"""Options that take NAME=VALUE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from recycle_sorter.config_files import parse_yaml
from recycle_sorter.core.errors import InvalidInputError


def parse_pairs(option: str, pairs: Iterable[str]) -> dict[str, Any]:
    """Values by name; each as YAML has it.

    Args:
        option: What the user typed, for errors.
        pairs: ``NAME=VALUE`` each; of a name that comes twice, the last counts.

    Raises:
        InvalidInputError: Naming the option.
    """
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise InvalidInputError(option, pair, "NAME=VALUE")
        try:
            found[name] = parse_yaml(text, option)
        except InvalidInputError as error:
            what = f"a YAML value ({error.value})"
            raise InvalidInputError(f"{option} {name}", text, what) from error
    return found
