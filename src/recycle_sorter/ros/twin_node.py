# SPDX-License-Identifier: Apache-2.0
"""twin_node: a belt that is not there, for people without hardware."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from recycle_sorter.belt_run.parts import twin_diverters
from recycle_sorter.belt_run.twin_fit import check_fits
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros import qos
from recycle_sorter.ros.belt_parameters import TWIN
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter.ros.line_player import Entry
from recycle_sorter.ros.line_source import LineSourceNode
from recycle_sorter.ros.parameters import declare
from recycle_sorter.ros.runner import run_node
from recycle_sorter.twin.commands import TwinCommands
from recycle_sorter.twin.library import load_library
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin
from recycle_sorter_msgs.msg import BeltLanding, DiverterCommand

# Commands take their time to come; what lands is told so much later.
_LAG_NS = NS_PER_SEC // 5


class TwinNode(LineSourceNode):
    """Publishes pictures, encoder and truth; lets items fall where diverters stand."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("twin_node", **node_options)
        values = declare(self, TWIN)
        layout = load_layout(values["layout"])
        # The diverters are the line's: they take their time however fast the belt is shown.
        diverters = twin_diverters(layout, self.rate)
        scenario = load_scenario(values["scenario"] or None, _changes(values))
        check_fits(scenario, layout, self.rate)
        machine = scenario.machine
        machine = replace(machine, jitter_sec=machine.jitter_sec * self.rate)
        library = load_library(values["cutouts"] or None)
        shown = replace(scenario, machine=machine)
        self.twin = Twin(shown, library, diverters, layout.routing.reject_bin)
        self._commands = TwinCommands(self.twin, diverters, self.rate)
        self.refused = 0
        self._encoder_hz = float(values["encoder_hz"])
        motion = layout.motion
        self._tells_speed = motion.source == "speed" and motion.speed_m_per_sec is None
        self._landings = self.publisher(BeltLanding, "belt/landing")
        self.open_camera(values)
        self.create_subscription(
            DiverterCommand,
            "actuator/diverter_command",
            self._on_command,
            **qos.overridable(qos.RESULT),
        )
        name = f"twin of seed {scenario.seed}, {len(self.twin.items)} items"
        self.begin(name, values, self._motions(), self._truth_entries(), self._frames())

    def _frames(self) -> Iterator[Entry]:
        return map(self.frame_entry, self.twin.frames())

    def _motions(self) -> Iterator[Entry]:
        twin, index = self.twin, 0
        while True:
            stamp_ns = twin.start_ns + round(index * NS_PER_SEC / self._encoder_hz)
            if stamp_ns >= twin.end_ns:
                return
            yield self.ticks_entry(twin.encoder_ticks(stamp_ns), stamp_ns)
            if self._tells_speed:
                yield self.speed_entry(twin.speed_m_per_sec(stamp_ns), stamp_ns)
            index += 1

    def _truth_entries(self) -> Iterator[Entry]:
        for item in sorted(self.twin.items, key=lambda each: each.enter_ns):
            if 0 < item.enter_ns < self.twin.end_ns:
                message = convert.truth_to_message(self.twin.entering(item))
                yield self.entry(self._truths, message, item.enter_ns)

    def _on_command(self, message: DiverterCommand) -> None:
        at_ns: int | None = time_to_ns(message.fire_time)
        if not self.is_lossless:
            at_ns = self.pump.recorded_ns(self.now_ns())
        if at_ns is None:
            return
        try:
            self._commands.command(
                str(message.diverter), float(message.position_rad), float(message.dwell_sec), at_ns
            )
        except InvalidInputError as error:
            self.refused += 1
            self.get_logger().error(f"command refused: {error}", throttle_duration_sec=1.0)

    def on_frame(self, recorded_ns: int) -> None:
        """Tells what has landed meanwhile."""
        until_ns = recorded_ns
        if not self.is_lossless:
            until_ns -= round(_LAG_NS * self.rate)
        for landing in self._commands.landed(until_ns):
            stamp_ns = self.pump.clock_ns_of(landing.stamp_ns)
            self._landings.publish(convert.landing_to_message(landing, stamp_ns))


def _changes(values: dict[str, Any]) -> dict[str, object]:
    changes: dict[str, object] = {}
    if values["seed"] >= 0:
        changes["seed"] = values["seed"]
    if values["duration_sec"] > 0:
        changes["duration_sec"] = values["duration_sec"]
    return changes


def main(args: list[str] | None = None) -> int:
    """Runs the node until the belt stops or it is interrupted."""
    return run_node(TwinNode, args, lambda node: node.finished, linger_sec=0.5)
