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
            position_m = twin.position_m(item.enter_ns)
            bag.write_truth(
                item.enter_ns,
                item.item_id,
                item.material,
                x_m=item.s_m + position_m,
                y_m=item.y_m,
                size_m=(item.along_m, item.across_m),
                position_m=position_m,
                is_overlapping=item.is_overlapping,
                source=item.source,
            )
        for frame in twin.frames():
            bag.write(frame)
    return path
