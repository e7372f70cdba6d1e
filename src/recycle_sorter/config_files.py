# SPDX-License-Identifier: Apache-2.0
"""Reads the project's YAML files strictly: a key given twice is an error, not the last one's win."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.routing import Routing
from recycle_sorter.core.routing_file import parse_routing


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses doubled keys, which YAML forbids and PyYAML lets pass."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise InvalidInputError(
                    str(key), f"twice (line {key_node.start_mark.line + 1})", "each key once",
                    "remove one",
                )  # fmt: skip
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load_yaml(path: str | Path) -> Any:
    """Reads a YAML file.

    Args:
        path: The file.

    Returns:
        What it holds: mappings, lists, text, numbers.

    Raises:
        InvalidInputError: If it cannot be read, is not YAML, or gives a key twice.
    """
    try:
        text = Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(str(path), str(error), "a readable YAML file") from error
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except yaml.YAMLError as error:
        raise InvalidInputError(str(path), str(error), "valid YAML") from error


def load_routing(path: str | Path) -> Routing:
    """Reads and checks a routing file (see ``config/routing.yaml``).

    Raises:
        InvalidInputError: Naming the faulty key.
    """
    return parse_routing(load_yaml(path))
