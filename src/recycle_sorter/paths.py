# SPDX-License-Identifier: Apache-2.0
"""Where the files that ship with the package are: configuration, model and sample.

They lie in ``share/recycle_sorter`` of an install, and at the top of a checkout.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from recycle_sorter.core.errors import InvalidInputError

PACKAGE: Final = "recycle_sorter"
_SHIPPED_MODEL: Final = "models/resnet50_thin"


def share_roots() -> Iterator[Path]:
    """Folders in which shipped files are looked for, best first; they need not exist.

    A checkout comes before any install, so that an edited file counts without installing again.
    ROS installs are found by the variable that their setup files set (``AMENT_PREFIX_PATH``), so
    that nothing of ROS is imported here.
    """
    # src/recycle_sorter/paths.py -> the checkout. An installed module lies elsewhere, and a link
    # that `colcon build --symlink-install` made leads back into the checkout.
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "package.xml").is_file():
        yield checkout
    for prefix in os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep):
        if prefix:
            yield Path(prefix) / "share" / PACKAGE
    yield Path(sys.prefix) / "share" / PACKAGE


def share_file(relative: str) -> Path:
    """Finds a shipped file or folder.

    Args:
        relative: Path as in the checkout, with slashes, e.g. ``"config/routing.yaml"``.

    Returns:
        Absolute path of the first that exists.

    Raises:
        InvalidInputError: If the path leads outside, or nothing like it is installed.
    """
    parts = PurePosixPath(relative)
    if parts.is_absolute() or ".." in parts.parts or not parts.parts:
        raise InvalidInputError("share file", relative, "a relative path without '..'")
    roots = list(share_roots())
    for root in roots:
        if (root / parts).exists():
            return root / parts
    raise InvalidInputError(
        "share file",
        relative,
        f"to exist in one of {', '.join(map(str, roots))}",
        "install recycle_sorter again, or source the workspace's setup file",
    )


def shipped_model() -> Path:
    """Returns the folder of the model bundle that is used where none is named."""
    return share_file(_SHIPPED_MODEL)
