# SPDX-License-Identifier: Apache-2.0
"""actuator_node: one diverter command an item, executed in time."""

from __future__ import annotations

import time
from typing import Any

from recycle_sorter.config_files import load_routing
from recycle_sorter.core.diverters import DiverterSnapshot
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.sorter import Sorter, SorterConfig
from recycle_sorter.core.station import StationConfig
from recycle_sorter.core.types import PlannedCommand
from recycle_sorter.drivers.factory import open_driver
from recycle_sorter.paths import share_file
from recycle_sorter.ros import conversions, qos
from recycle_sorter.ros.diagnostics import OK, WARN, Diagnostics, Report
from recycle_sorter.ros.parameters import ACTUATOR, declare, reject_bad_sets
from recycle_sorter.ros.runner import run_node
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter_msgs.msg import DiverterCommand, DiverterState, MaterialClassification
from recycle_sorter_msgs.srv import ReloadRouting, SetEnabled


class ActuatorNode(SorterNode):
    """Feeds classifications to the core's ``Sorter`` and publishes what it says."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("actuator_node", **node_options)
        values = declare(self, ACTUATOR)
        self._routing_file = str(values["routing"] or share_file("config/routing.yaml"))
        routing = load_routing(self._routing_file)
        driver = open_driver(values["driver"], routing.diverters)
        self.sorter = Sorter(routing, driver, _config(values))
        self.at_destroy.callback(self.sorter.close)
        self.received = 0
        self._frame_id = ""
        if not values["enabled"]:
            self.sorter.set_enabled(False, "parameter `enabled`", time.monotonic_ns())
        reject_bad_sets(self, ACTUATOR, self._reconfigure)
        self._commands = self.create_publisher(
            DiverterCommand, "actuator/diverter_command", **qos.overridable(qos.RESULT)
        )
        self._states = self.create_publisher(DiverterState, "actuator/diverter_state", qos.LATCHED)
        self.create_service(SetEnabled, "actuator/set_enabled", self._on_set_enabled)
        self.create_service(ReloadRouting, "actuator/reload_routing", self._on_reload_routing)
        self.create_subscription(
            MaterialClassification,
            "classifier/classification",
            self._on_classification,
            **qos.overridable(qos.RESULT),
        )
        self.every(1.0 / values["tick_hz"], self._on_tick)
        self.every(1.0, self._publish_all)
        Diagnostics(self, self._report_status, f"driver {values['driver']}")
        self._publish_all()
        self.get_logger().info(f"{len(routing.rules)} materials into {len(routing.bins)} bins")

    def _on_classification(self, message: MaterialClassification) -> None:
        self.received += 1
        self._frame_id = message.header.frame_id
        seen = conversions.message_to_classification(message)
        self._publish(self.sorter.on_classification(seen, self._now_ns(), time.monotonic_ns()))

    def finish(self) -> None:
        """Decides the item in view: no more frames will come."""
        self._publish(self.sorter.flush(self._now_ns(), time.monotonic_ns()))

    def _publish(self, commands: list[PlannedCommand]) -> None:
        for command in commands:
            self._commands.publish(conversions.command_to_message(command, self._frame_id))

    def _on_tick(self) -> None:
        was_stale = self.sorter.is_stale
        self._publish_states(self.sorter.tick(time.monotonic_ns()))
        if self.sorter.is_stale and not was_stale:
            self.get_logger().warning("classifications stopped arriving: diverters go neutral")

    def _publish_all(self) -> None:
        self._publish_states(self.sorter.states(time.monotonic_ns()))

    def _publish_states(self, snapshots: list[DiverterSnapshot]) -> None:
        stamp_ns = self._now_ns()
        for snapshot in snapshots:
            self._states.publish(conversions.snapshot_to_message(snapshot, stamp_ns))

    def _on_set_enabled(
        self, request: SetEnabled.Request, response: SetEnabled.Response
    ) -> SetEnabled.Response:
        response.message = self.sorter.set_enabled(
            bool(request.enabled), str(request.reason), time.monotonic_ns()
        )
        response.success = True
        self.get_logger().info(response.message)
        return response

    def _on_reload_routing(
        self, request: ReloadRouting.Request, response: ReloadRouting.Response
    ) -> ReloadRouting.Response:
        path = str(request.path) or self._routing_file
        try:
            response.message = self.sorter.replace_routing(load_routing(path))
            response.success = True
        except InvalidInputError as error:
            response.message = f"{path} refused, the running routing stays: {error}"
        self.get_logger().info(response.message)
        return response

    def _reconfigure(self, values: dict[str, Any]) -> None:
        self.sorter.reconfigure(_config(values))

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _report_status(self) -> Report:
        values = self.sorter.counts()
        if self.sorter.is_stale:
            return WARN, "no classifications arrive: diverters are neutral", values
        if not self.sorter.is_enabled:
            return WARN, "disabled", values
        return OK, "ready", values


def _config(values: dict[str, Any]) -> SorterConfig:
    station = StationConfig(
        enter_frames=values["enter_frames"],
        evidence_frames=values["evidence_frames"],
        min_evidence_frames=values["min_evidence_frames"],
        exit_frames=values["exit_frames"],
        reset_gap_sec=values["reset_gap_sec"],
    )
    # Recorded stamps are of any age: lossless mode keeps them.
    max_age_sec = 0.0 if values["lossless"] else values["max_age_sec"]
    return SorterConfig(station, values["stale_timeout_sec"], max_age_sec)


def main(args: list[str] | None = None) -> int:
    """Runs the node until it is interrupted."""
    return run_node(ActuatorNode, args)
