# SPDX-License-Identifier: Apache-2.0
"""The six materials and their order, which TrashNet's labels set."""

from __future__ import annotations

from collections.abc import Sequence

from recycle_sorter.core.errors import InvalidInputError

MATERIALS: tuple[str, ...] = ("cardboard", "glass", "metal", "paper", "plastic", "trash")


def require_materials(names: Sequence[str], field: str = "materials") -> tuple[str, ...]:
    """Checks a list of material names as a model or a routing file gives it.

    Args:
        names: One or more names, any order; a model may know more than ``MATERIALS``.
        field: How errors call the list.

    Returns:
        The names as a tuple.

    Raises:
        InvalidInputError: If the list is empty or has an empty, non-text or doubled name.
    """
    if isinstance(names, str) or not isinstance(names, Sequence) or not names:
        raise InvalidInputError(field, names, "a list of one or more material names")
    seen: set[str] = set()
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name.strip():
            raise InvalidInputError(f"{field}[{index}]", name, "a material name")
        if name in seen:
            raise InvalidInputError(f"{field}[{index}]", name, "each name once", "remove one")
        seen.add(name)
    return tuple(names)
