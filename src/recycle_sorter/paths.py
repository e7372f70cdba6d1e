# SPDX-License-Identifier: Apache-2.0
"""Finds the files that ship with the package: in a checkout or in an install."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from recycle_sorter.core.errors import InvalidInputError

PACKAGE = "recycle_sorter"


def share_file(name: str) -> Path:
    """Path of a shipped file or folder.

    Args:
        name: Relative path, e.g. ``"models/resnet18"`` or ``"config/routing.yaml"``.

    Returns:
        The first that exists: in the checkout this module lies in, in an ament prefix, or in the
        Python environment.

    Raises:
        InvalidInputError: If it exists nowhere.
    """
    looked = []
    for root in _share_roots():
        path = root / name
        if path.exists():
            return path
        looked.append(str(root))
    raise InvalidInputError(
        "shipped file",
        name,
        f"a file under one of: {', '.join(looked)}",
        "install the package again",
    )


def _share_roots() -> Iterator[Path]:
    here = Path(__file__).resolve()
    checkout = here.parents[2]
    if (checkout / "package.xml").is_file():
        yield checkout
    prefixes = [Path(p) for p in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if p]
    # An install without its set-up sourced: lib/python3.X/site-packages lies under its prefix.
    prefixes += [parent for parent in here.parents if (parent / "share" / PACKAGE).is_dir()]
    prefixes.append(Path(sys.prefix))
    for prefix in prefixes:
        yield prefix / "share" / PACKAGE
