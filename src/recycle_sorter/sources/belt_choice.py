# SPDX-License-Identifier: Apache-2.0
"""Which node shows a belt: the twin, a bag of a belt, or a camera."""

from __future__ import annotations

from pathlib import Path

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.sources.bag import is_bag


def belt_source(source: str, uri: str) -> str:
    """Which node shows a belt.

    Args:
        source: What was asked for: ``"twin"``, or a kind of source; empty or ``"auto"``: by
            the ``uri``.
        uri: Of the source.

    Returns:
        ``"twin"``, ``"bag"``, or ``"camera"`` for all that ``camera_node`` opens.

    Raises:
        InvalidInputError: If the twin is asked for something.
    """
    if source == "twin":
        if uri:
            fix = "leave it out, or set `source:=bag`"
            raise InvalidInputError("uri", uri, "nothing: the twin is its own source", fix)
        return "twin"
    if source == "bag" or (source in ("", "auto") and uri and is_bag(Path(uri).expanduser())):
        return "bag"
    return "camera"
