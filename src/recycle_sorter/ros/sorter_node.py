# SPDX-License-Identifier: Apache-2.0
"""What our nodes share: freeing what they opened, also when they refuse to start half-way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node


class SorterNode(Node):
    """A node that frees what it opened before it goes.

    rclpy destroys every node of a context at shutdown, those too whose constructor raised, so
    freeing must not depend on attributes that may not be there yet.
    """

    def __init__(self, name: str, **node_options: Any) -> None:
        self.at_destroy = ExitStack()
        super().__init__(name, **node_options)

    def every(self, period_sec: float, callback: Callable[[], None]) -> None:
        """Calls back at a steady rate, whatever becomes of the ROS clock: set back, or paused."""
        self.create_timer(period_sec, callback, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def destroy_node(self) -> None:
        """Frees what ``at_destroy`` holds, last opened first, then the node. Safe to call twice."""
        self.at_destroy.close()
        super().destroy_node()
