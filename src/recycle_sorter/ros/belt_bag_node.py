# SPDX-License-Identifier: Apache-2.0
"""belt_bag_node: plays the recording of a belt: pictures, encoder or speed, and truth."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros.belt_parameters import BELT_BAG
from recycle_sorter.ros.line_player import Entry
from recycle_sorter.ros.line_source import LineSourceNode
from recycle_sorter.ros.parameters import declare
from recycle_sorter.ros.runner import run_node
from recycle_sorter.sources.bag import BagSource
from recycle_sorter.sources.belt_bag import BeltRecording, read_belt


class BeltBagNode(LineSourceNode):
    """Publishes what was recorded; not where items fell, for this time they may fall elsewhere."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("belt_bag_node", **node_options)
        values = declare(self, BELT_BAG)
        if not values["uri"]:
            raise InvalidInputError("uri", "", "the recording of a belt", "set `uri:=BAG`")
        path = Path(str(values["uri"])).expanduser()
        self._source = BagSource(path, values["topic"])
        self.at_destroy.callback(self._source.close)
        self.recording: BeltRecording = read_belt(path, self._source.topic)
        for notice in self.recording.notices:
            self.get_logger().warning(f"{path}: {notice}")
        self.open_camera(values)
        self.begin(
            str(path), values,
            self._ticks(), self._speed_entries(), self._truth_entries(), self._frames(),
        )  # fmt: skip

    def _frames(self) -> Iterator[Entry]:
        while (frame := self._source.read()) is not None:
            yield self.frame_entry(frame)

    def _ticks(self) -> Iterator[Entry]:
        for one in self.recording.encoder:
            yield self.ticks_entry(one.ticks, one.stamp_ns)

    def _speed_entries(self) -> Iterator[Entry]:
        for one in self.recording.speeds:
            yield self.speed_entry(one.speed_m_per_sec, one.stamp_ns)

    def _truth_entries(self) -> Iterator[Entry]:
        for one in self.recording.truths:
            yield self.entry(self._truths, convert.truth_to_message(one), one.stamp_ns)


def main(args: list[str] | None = None) -> int:
    """Runs the node until the recording has ended or it is interrupted."""
    return run_node(BeltBagNode, args, lambda node: node.finished, linger_sec=0.5)
