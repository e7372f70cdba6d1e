# SPDX-License-Identifier: Apache-2.0
"""belt_actuator_node: follows a belt's items, decides each once, fires its diverter in time."""

from __future__ import annotations

import time
from typing import Any

from recycle_sorter.config_files import load_layout
from recycle_sorter.core.belt.line import BeltLine, LineConfig
from recycle_sorter.core.belt.motion_choice import choose_motion
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.drivers.factory import open_driver
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros import qos
from recycle_sorter.ros.belt_outlet import BeltOutlet
from recycle_sorter.ros.belt_parameters import BELT_ACTUATOR
from recycle_sorter.ros.diagnostics import OK, WARN, Diagnostics, Report
from recycle_sorter.ros.line_clock import LineClock
from recycle_sorter.ros.motion_intake import MotionIntake
from recycle_sorter.ros.parameters import declare
from recycle_sorter.ros.runner import run_node
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter_msgs.msg import BeltObservation
from recycle_sorter_msgs.srv import SetEnabled

_SILENCE_SEC = 1.0


class BeltActuatorNode(SorterNode):
    """Feeds observations and the belt's motion to the core's ``BeltLine``."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("belt_actuator_node", **node_options)
        values = declare(self, BELT_ACTUATOR)
        layout = load_layout(values["layout"])
        self._motion = choose_motion(layout)
        driver = open_driver(values["driver"], layout.routing.diverters)
        self.line = BeltLine(layout, self._motion, driver, LineConfig(values["tick_hz"]))
        self.at_destroy.callback(self.line.close)
        self.counts = {"observations": 0, "refused": 0}
        self._problem = ""
        self._heard_ns = time.monotonic_ns()
        ages = (values["max_age_sec"], values["own_clock"], values["lossless"])
        self._steady = LineClock(self._now_ns, *ages, 1.0 / values["tick_hz"])
        self._outlet = BeltOutlet(self, self._steady, self._motion)
        self._was_lost = False
        if not values["enabled"]:
            self.line.set_enabled(False, "parameter `enabled`", self._steady.now_ns())
        self.create_service(SetEnabled, "actuator/set_enabled", self._on_set_enabled)
        self.create_subscription(
            BeltObservation,
            "belt/observation",
            self._on_observation,
            **qos.overridable(qos.RESULT),
        )
        self.intake = MotionIntake(self, self._motion, layout.motion, self._accept, self._refuse)
        # Twice as often as commands need it: a tick that other threads hold up is seldom too late.
        self.every(0.5 / values["tick_hz"], self._on_tick)
        self.every(1.0, self._publish_all)
        Diagnostics(self, self._report_status, f"driver {values['driver']}")
        self._publish_all()
        places = ", ".join(f"{p.name} at {p.position_m:g} m" for p in layout.places) or "none"
        self.get_logger().info(f"motion by {self._motion.name}; diverters: {places}")

    @property
    def received(self) -> int:
        """How many observations have come."""
        return self.counts["observations"]

    def finish(self) -> None:
        """Ends every item that is still on the belt: no more frames will come."""
        self._outlet.publish(self.line.flush(self._steady.now_ns()))

    def _on_observation(self, message: BeltObservation) -> None:
        self.counts["observations"] += 1
        self._heard_ns = time.monotonic_ns()
        self._outlet.frame_id = message.header.frame_id
        try:
            seen = convert.message_to_observation(message)
        except InvalidInputError as error:
            self._refuse(f"observation refused: {error}")
        else:
            steady_ns = self._accept(seen.stamp_ns, "picture")
            if steady_ns is None:
                self.line.on_refused(seen)
            else:
                now_ns = self._steady.now_ns()
                self._outlet.publish(self.line.on_observation(seen, steady_ns, now_ns))
                self._outlet.publish_belt(message.header, self.line, steady_ns)

    def _accept(self, stamp_ns: int, stream: str) -> int | None:
        """When a message's thing happened, after the ticks before it; None if it is refused."""
        steady_ns = self._steady.accept(stamp_ns, stream)
        if steady_ns is None:
            self._refuse(f"stamp refused ({stream}): {stamp_ns} ns")
            return None
        for tick_ns in self._steady.ticks_before(steady_ns):
            self._outlet.publish(self.line.tick(tick_ns))
        return steady_ns

    def _refuse(self, text: str) -> None:
        self.counts["refused"] += 1
        self._problem = text
        self.get_logger().error(text, throttle_duration_sec=1.0)

    def _on_tick(self) -> None:
        now_ns = self._steady.tick_ns()
        if now_ns is not None:
            self._outlet.publish(self.line.tick(now_ns))
        if self.line.is_motion_lost and not self._was_lost:
            self.get_logger().warning("nothing tells of the belt's motion: diverters go neutral")
        self._was_lost = self.line.is_motion_lost

    def _publish_all(self) -> None:
        self._outlet.publish_states(self.line.states(self._steady.now_ns()))

    def _on_set_enabled(
        self, request: SetEnabled.Request, response: SetEnabled.Response
    ) -> SetEnabled.Response:
        response.message = self.line.set_enabled(
            bool(request.enabled), str(request.reason), self._steady.now_ns()
        )
        response.success = True
        self.get_logger().info(response.message)
        return response

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _report_status(self) -> Report:
        stamps = {"stamps_refused": self._steady.refused, "clock_resets": self._steady.resets}
        values = {**self.line.counts(), **self.counts, **self.intake.counts(), **stamps}
        problem, self._problem = self._problem, ""
        if self.line.is_motion_lost:
            return WARN, "the belt's motion is unknown: diverters are neutral", values
        if not self.line.is_enabled:
            return WARN, "disabled", values
        if time.monotonic_ns() - self._heard_ns > _SILENCE_SEC * 1e9:
            return WARN, "no observations arrive: items pass unseen", values
        if not problem and (speed := self.line.over_speed.speed_m_per_sec) is not None:
            limit = self.line.layout.speed.max_m_per_sec
            problem = f"the belt runs at {speed:.2f} m/s, speed.max_m_per_sec is {limit:g}"
        return (WARN, problem, values) if problem else (OK, "ready", values)


def main(args: list[str] | None = None) -> int:
    """Runs the node until it is interrupted."""
    return run_node(BeltActuatorNode, args, at_end=BeltActuatorNode.finish)
