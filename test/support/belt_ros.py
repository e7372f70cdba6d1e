# SPDX-License-Identifier: Apache-2.0
"""Tells a belt's actuator by messages what a line would tell it, and keeps what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.ros import belt_conversions, conversions
from recycle_sorter_msgs.msg import (
    BeltEncoder,
    BeltObservation,
    BeltState,
    DiverterCommand,
    ItemRecord,
    SortDecision,
)
from support.belt_lines import Thing, layout_data, picture
from support.ros import Harness

M_PER_TICK = 0.0005
ENCODER_SEC = 0.005
FRAME_SEC = 1.0 / 30.0


def write_layout(folder: Path, **changes: Any) -> str:
    """A valid layout as a file; ``changes`` at its top."""
    path = folder / "belt.yaml"
    path.write_text(yaml.safe_dump({**layout_data(), **changes}), encoding="utf-8")
    return str(path)


class Talker:
    """A belt with things on it that runs at one speed; says its encoder and what is in view.

    Args:
        ros: Spins.
        things: On the belt; their ``s_m`` is where they are when the belt starts.
        speed_m_per_sec: Of the belt.
        start_ns: Stamp at which it starts.
        motion: ``"encoder"``, or None if the encoder is not to be told.
    """

    def __init__(
        self,
        ros: Harness,
        things: Sequence[Thing],
        start_ns: int,
        speed_m_per_sec: float = 0.5,
        motion: str | None = "encoder",
    ) -> None:
        self.ros = ros
        self.things = things
        self.speed_m_per_sec = speed_m_per_sec
        self.start_ns = start_ns
        self.offset_ns = 0  # of the clock that stamps
        self.decisions = ros.collect(SortDecision, "belt/decision")
        self.records = ros.collect(ItemRecord, "belt/record")
        self.commands = ros.collect(DiverterCommand, "actuator/diverter_command")
        self.states = ros.collect(BeltState, "belt/state")
        self.observations = ros.publisher(BeltObservation, "belt/observation")
        self.encoder = ros.publisher(BeltEncoder, "belt/encoder") if motion else None
        self._counted = self._shown = 0

    def position_m(self, at_sec: float) -> float:
        """Of the belt, after so long."""
        return self.speed_m_per_sec * at_sec

    def observation(self, at_sec: float) -> BeltObservation:
        """What is in view after so long."""
        stamp_ns = self.start_ns + round(at_sec * NS_PER_SEC)
        shift_m = self.speed_m_per_sec * FRAME_SEC if at_sec else None
        seen = picture(self.things, self.position_m(at_sec), stamp_ns, shift_m)
        source = conversions.header(stamp_ns + self.offset_ns, "camera_optical_frame")
        return belt_conversions.observation_to_message(seen, source)

    def say(self, until_sec: float, *, and_wait: bool = True) -> None:
        """Says all that happens until then and was not said yet.

        Args:
            until_sec: Since the start.
            and_wait: Wait for the answer to each picture before going on, as a player does.
        """
        while True:
            counted_sec, shown_sec = self._counted * ENCODER_SEC, self._shown * FRAME_SEC
            if min(counted_sec, shown_sec) > until_sec:
                return
            if counted_sec <= shown_sec:
                self._say_ticks(counted_sec)
                self._counted += 1
            else:
                self._shown += 1
                before = len(self.states)
                self.observations.publish(self.observation(shown_sec))
                if and_wait:
                    self.ros.wait_count(self.states, before + 1, "answers to a picture")

    def _say_ticks(self, at_sec: float) -> None:
        if self.encoder is not None:
            ticks = int(self.position_m(at_sec) / M_PER_TICK + 1e-6)
            stamp_ns = self.start_ns + round(at_sec * NS_PER_SEC) + self.offset_ns
            self.encoder.publish(belt_conversions.ticks_to_message(ticks, stamp_ns))
