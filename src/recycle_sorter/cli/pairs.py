# SPDX-License-Identifier: Apache-2.0
"""Options that take NAME=VALUE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import yaml

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
            found[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InvalidInputError(f"{option} {name}", text, "a YAML value") from error
    return found
