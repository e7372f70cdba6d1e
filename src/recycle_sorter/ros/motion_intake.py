# SPDX-License-Identifier: Apache-2.0
"""What tells a belt's actuator how the belt moves: the encoder's topic, or that of its speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from geometry_msgs.msg import TwistStamped

from recycle_sorter.core.belt.layout import MotionLayout
from recycle_sorter.core.belt.motion import EncoderMotion, SpeedMotion
from recycle_sorter.core.belt.motion_choice import Motion
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros import qos
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter_msgs.msg import BeltEncoder


class MotionIntake:
    """Subscribes to what the motion needs and feeds it.

    Attributes:
        received: How many messages have come.
        stream: What is listened to: ``"encoder"``, ``"speed"``, or nothing.

    Args:
        node: The actuator.
        motion: Of the belt; one by pictures is fed by the line, a constant speed by nobody.
        layout: What it was made of.
        accept: Maps a stamp of a stream onto the steady clock; None refuses it.
        refuse: Told of a message that cannot be.
    """

    def __init__(
        self,
        node: SorterNode,
        motion: Motion,
        layout: MotionLayout,
        accept: Callable[[int, str], int | None],
        refuse: Callable[[str], None],
    ) -> None:
        self._motion = motion
        self._accept = accept
        self._refuse = refuse
        self.received = 0
        self.stream = ""
        self._taken = 0
        topic: tuple[Any, str, Callable[[Any], None]]
        if layout.source == "encoder":
            topic = BeltEncoder, "belt/encoder", self._on_encoder
        elif layout.source == "speed" and layout.speed_m_per_sec is None:
            topic = TwistStamped, "belt/speed", self._on_speed
        else:
            return
        self.stream = layout.source
        node.create_subscription(*topic, **qos.overridable(qos.RESULT))

    def counts(self) -> dict[str, object]:
        """What came of the messages, for diagnostics."""
        motion = self._motion
        return {"motion": motion.name, "motions": self._taken, "motions_refused": motion.refused}

    def _on_encoder(self, message: BeltEncoder) -> None:
        self.received += 1
        steady_ns = self._accept(time_to_ns(message.header.stamp), self.stream)
        if steady_ns is not None and isinstance(self._motion, EncoderMotion):
            self._taken += self._motion.on_ticks(int(message.ticks), steady_ns)

    def _on_speed(self, message: TwistStamped) -> None:
        self.received += 1
        try:
            speed_m_per_sec = convert.speed_of(float(message.twist.linear.x))
        except InvalidInputError as error:
            self._refuse(f"speed refused: {error}")
            return
        steady_ns = self._accept(time_to_ns(message.header.stamp), self.stream)
        if steady_ns is not None and isinstance(self._motion, SpeedMotion):
            self._taken += self._motion.on_speed(speed_m_per_sec, steady_ns)
