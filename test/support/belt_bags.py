# SPDX-License-Identifier: Apache-2.0
"""The twin as a recording: pictures, encoder and truth of a belt, as a line would leave them."""

from __future__ import annotations

from pathlib import Path

from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.sources.belt_bag_writer import BeltBagWriter
from recycle_sorter.twin.twin import Twin

ENCODER_HZ = 200


def write_belt_bag(path: Path, twin: Twin) -> Path:
    """Writes all that the twin shows.

    Args:
        path: Folder to make.
        twin: Nobody commands its diverters.
    """
    with BeltBagWriter(path) as bag:
        for index in range((twin.end_ns - twin.start_ns) * ENCODER_HZ // NS_PER_SEC):
            stamp_ns = twin.start_ns + index * NS_PER_SEC // ENCODER_HZ
            bag.write_ticks(twin.encoder_ticks(stamp_ns), stamp_ns)
        for item in twin.items:
            bag.write_truth(twin.entering(item))
        for frame in twin.frames():
            bag.write(frame)
    return path
