# SPDX-License-Identifier: Apache-2.0
"""Where a belt's decisions, commands, records and states leave the actuator."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from rclpy.node import Node
from std_msgs.msg import Header

from recycle_sorter.core.belt.line import BeltLine
from recycle_sorter.core.belt.types import LineEvents, TrackedItem
from recycle_sorter.core.diverters import DiverterSnapshot
from recycle_sorter.core.ports import BeltMotion
from recycle_sorter.core.types import SortDecision
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros import conversions, qos
from recycle_sorter.ros.line_clock import LineClock
from recycle_sorter_msgs.msg import (
    BeltState,
    DiverterCommand,
    DiverterState,
    ItemRecord,
)
from recycle_sorter_msgs.msg import SortDecision as SortDecisionMessage


class BeltOutlet:
    """Publishes what the line says, with steady times as stamps.

    Args:
        node: The actuator.
        clock: Of the line.
        motion: Of the belt.
    """

    def __init__(self, node: Node, clock: LineClock, motion: BeltMotion) -> None:
        self._clock = clock
        self._motion = motion
        self.frame_id = ""
        result = qos.RESULT
        self._commands = node.create_publisher(
            DiverterCommand, "actuator/diverter_command", **qos.overridable(result)
        )
        self._states = node.create_publisher(DiverterState, "actuator/diverter_state", qos.LATCHED)
        self._decisions = node.create_publisher(
            SortDecisionMessage, "belt/decision", **qos.overridable(result)
        )
        self._records = node.create_publisher(ItemRecord, "belt/record", **qos.overridable(result))
        self._belt = node.create_publisher(BeltState, "belt/state", **qos.overridable(result))

    def publish(self, events: LineEvents) -> None:
        """Publishes what one call to the line led to; commands first, they are in a hurry."""
        for command in events.commands:
            due = replace(command, fire_ns=self._clock.to_stamp(command.fire_ns))
            message = conversions.command_to_message(due, self.frame_id)
            self._commands.publish(message)
        for decision, item in zip(events.decisions, events.items, strict=True):
            self._decisions.publish(self._decision(decision, item))
        for record in events.records:
            self._records.publish(convert.record_to_message(record, self._clock.to_stamp))
        if events.states:
            self.publish_states(events.states)

    def publish_states(self, snapshots: Iterable[DiverterSnapshot]) -> None:
        """Publishes diverters' states."""
        stamp_ns = self._clock.to_stamp(self._clock.now_ns())
        for snapshot in snapshots:
            self._states.publish(conversions.snapshot_to_message(snapshot, stamp_ns))

    def publish_belt(self, source: Header, line: BeltLine, steady_ns: int) -> None:
        """Publishes where the belt was when a picture was taken, under the picture's header."""
        position_m = self._motion.position_m(steady_ns)
        prediction = self._motion.predict(steady_ns)
        self._belt.publish(
            BeltState(
                header=source,
                source=self._motion.name,
                position_m=math.nan if position_m is None else position_m,
                speed_m_per_sec=prediction.speed_m_per_sec if prediction else math.nan,
                is_stale=line.is_motion_lost,
                is_enabled=line.is_enabled,
                items=line.in_flight,
            )
        )

    def _decision(self, decision: SortDecision, item: TrackedItem) -> SortDecisionMessage:
        position_m = self._motion.position_m(item.last_ns) or 0.0
        return convert.decision_to_message(
            decision, item, item.s_m + position_m, self.frame_id, self._clock.to_stamp
        )
