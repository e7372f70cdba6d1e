# SPDX-License-Identifier: Apache-2.0
"""Our message definitions for bags, read from the installed interface package."""

from __future__ import annotations

from pathlib import Path

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

import recycle_sorter_msgs
from recycle_sorter.core.errors import SorterError

PACKAGE = "recycle_sorter_msgs"


def message_folder() -> Path:
    """Folder of the installed ``.msg`` files.

    Raises:
        SorterError: If the interface package carries none.
    """
    for parent in Path(str(recycle_sorter_msgs.__file__)).parents:
        folder = parent / "share" / PACKAGE / "msg"
        if folder.is_dir():
            return folder
    raise SorterError(
        f"no share/{PACKAGE}/msg above {recycle_sorter_msgs.__file__}; build it again"
    )


def typestore() -> Typestore:
    """ROS 2's own types and ours."""
    store = get_typestore(Stores.ROS2_KILTED)
    for path in sorted(message_folder().glob("*.msg")):
        name = f"{PACKAGE}/msg/{path.stem}"
        store.register(get_types_from_msg(path.read_text(encoding="utf-8"), name))
    return store
