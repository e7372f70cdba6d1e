# SPDX-License-Identifier: Apache-2.0
"""actuator_node: one command an item; diverters move, come home, and never by accident."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from rclpy.publisher import Publisher
from support.ros import LATCHED, Harness, stamp_ns, status_values

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.paths import share_file
from recycle_sorter.ros.actuator_node import ActuatorNode
from recycle_sorter.ros.conversions import header
from recycle_sorter_msgs.msg import DiverterCommand, DiverterState, MaterialClassification
from recycle_sorter_msgs.srv import ReloadRouting, SetEnabled

pytestmark = pytest.mark.node

PERIOD_NS = 33_000_000
HOUR_NS = 3600 * NS_PER_SEC


class Lane:
    """An actuator node, with a classifier's and a listener's side of its topics."""

    def __init__(self, ros: Harness, **parameters: Any) -> None:
        self.ros = ros
        # Silence is normal in most tests: they say what arrives, and when.
        self.node = ros.start(ActuatorNode, **{"stale_timeout_sec": 0.0, **parameters})
        self.commands = ros.collect(DiverterCommand, "actuator/diverter_command")
        self.states: list[DiverterState] = ros.collect(
            DiverterState, "actuator/diverter_state", LATCHED
        )
        self._publisher: Publisher[Any] = ros.publisher(
            MaterialClassification, "classifier/classification"
        )
        self._sent = 0
        self._base_ns = self.now_ns()
        self._steps = itertools.count()

    def now_ns(self) -> int:
        return int(self.ros.node.get_clock().now().nanoseconds)

    def stamp_ns(self) -> int:
        """The next stamp of a camera that runs in real time."""
        return self._base_ns + next(self._steps) * PERIOD_NS

    def send(
        self,
        material: str = "",
        stamp: int | None = None,
        *,
        confidence: float = 0.95,
        labels: Sequence[str] = MATERIALS,
        **changes: Any,
    ) -> MaterialClassification:
        """Publishes one classification; without a material that of an empty board."""
        message = MaterialClassification(
            header=header(self.stamp_ns() if stamp is None else stamp, "optical"),
            item_present=bool(material),
            materials=list(labels),
            model_id="test",
        )
        if material:
            rest = (1.0 - confidence) / (len(labels) - 1)
            message.material, message.confidence = material, confidence
            message.probabilities = [confidence if m == material else rest for m in labels]
        for name, value in changes.items():
            setattr(message, name, value)
        self._publisher.publish(message)
        self._sent += 1
        return message

    def arrived(self) -> None:
        """Waits until the node has taken everything that was sent."""
        self.ros.wait_for(lambda: self.received() >= self._sent, "the node to take what was sent")

    def received(self) -> int:
        counts = self.counts()
        return sum(counts[name] for name in ("frames", "stamps_refused", "malformed", "too_old"))

    def counts(self) -> dict[str, int]:
        return self.node.sorter.counts()

    def show(self, material: str, frames: int = 7, gap: int = 3, **more: Any) -> list[Any]:
        """Lets an item pass; returns the messages that showed it."""
        shown = [self.send(material, **more) for _ in range(frames)]
        for _ in range(gap):
            self.send()
        self.arrived()
        return shown

    def history(self, diverter: str) -> list[int]:
        """The states that a diverter took, without repeats."""
        states = [int(m.state) for m in self.states if m.diverter == diverter]
        return [state for state, _ in itertools.groupby(states)]

    def wait_for_state(self, state: int, diverter: str = "flap_1") -> DiverterState:
        def found() -> DiverterState | None:
            return next(
                (m for m in self.states if m.diverter == diverter and m.state == state), None
            )

        message = self.ros.wait_for(found, f"{diverter} in state {state}")
        assert message is not None
        return message


@pytest.fixture
def lane(ros: Harness) -> Lane:
    return Lane(ros)


def edited_routing(path: Path, **changes: Any) -> str:
    """The shipped routing with some of its top-level entries replaced."""
    routing = yaml.safe_load(share_file("config/routing.yaml").read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({**routing, **changes}), encoding="utf-8")
    return str(path)


def with_diverters(path: Path, **changes: Any) -> str:
    """The shipped routing with other figures for every diverter."""
    routing = yaml.safe_load(share_file("config/routing.yaml").read_text(encoding="utf-8"))
    return edited_routing(path, diverters=[{**d, **changes} for d in routing["diverters"]])


def test_each_item_gets_one_command_however_many_frames_show_it(lane: Lane) -> None:
    expected = {
        "cardboard": ("fibre", "flap_1", -0.6),
        "glass": ("glass", "flap_1", 0.6),
        "metal": ("metal", "flap_2", -0.6),
        "paper": ("fibre", "flap_1", -0.6),
        "plastic": ("plastic", "flap_2", 0.6),
        "trash": ("residue", "", 0.0),
    }
    for frames, material in enumerate(expected, start=5):
        lane.show(material, frames=frames)
    lane.ros.wait_count(lane.commands, len(expected), "commands")
    assert [m.item_id for m in lane.commands] == [1, 2, 3, 4, 5, 6]
    for command, (material, (bin_name, diverter, angle_rad)) in zip(
        lane.commands, expected.items(), strict=True
    ):
        assert command.material == material
        assert (command.bin, command.diverter) == (bin_name, diverter)
        assert command.position_rad == pytest.approx(angle_rad)
        assert command.reason == DiverterCommand.REASON_ACCEPTED
        assert command.confidence == pytest.approx(0.95)
        assert command.evidence_frames == 5
        assert command.detail


def test_a_command_carries_the_header_of_the_picture_that_decided(lane: Lane) -> None:
    shown = lane.show("glass")
    (command,) = lane.ros.wait_count(lane.commands, 1, "command")
    assert command.header == shown[4].header
    assert command.fire_time == command.header.stamp


def test_a_delayed_diverter_fires_that_much_after_the_picture(ros: Harness, tmp_path: Path) -> None:
    routing = with_diverters(tmp_path / "routing.yaml", delay_sec=0.2)
    lane = Lane(ros, routing=routing)
    lane.show("glass")
    (command,) = ros.wait_count(lane.commands, 1, "command")
    fire_ns = command.fire_time.sec * NS_PER_SEC + command.fire_time.nanosec
    assert fire_ns - stamp_ns(command) == 200_000_000
    assert lane.counts()["refused"] == 0
    lane.wait_for_state(DiverterState.STATE_DIVERTING)


@pytest.mark.parametrize(
    ("confidence", "frames", "reason", "detail"),
    [
        (0.35, 7, DiverterCommand.REASON_LOW_CONFIDENCE, "confidence 0.35 < 0.40 for glass"),
        (0.95, 2, DiverterCommand.REASON_TOO_FEW_FRAMES, "seen in 2 frames, fewer than 4"),
    ],
)
def test_an_unsure_item_goes_to_the_reject_bin_and_says_why(
    ros: Harness, confidence: float, frames: int, reason: int, detail: str
) -> None:
    lane = Lane(ros, min_evidence_frames=4)
    lane.show("glass", frames=frames, confidence=confidence)
    (command,) = ros.wait_count(lane.commands, 1, "command")
    assert command.reason == reason
    assert command.detail == detail
    assert (command.material, command.bin, command.diverter) == ("glass", "residue", "")
    assert lane.counts()["rejected"] == 1


def test_a_close_runner_up_is_rejected(lane: Lane) -> None:
    probabilities = [0.0, 0.52, 0.48, 0.0, 0.0, 0.0]
    lane.show("glass", probabilities=probabilities)
    (command,) = lane.ros.wait_count(lane.commands, 1, "command")
    assert command.reason == DiverterCommand.REASON_LOW_MARGIN
    assert command.detail == "margin 0.04 < 0.10 (glass over metal)"


def test_a_material_without_a_rule_is_rejected(lane: Lane) -> None:
    lane.show("wood", labels=("wood", "glass"))
    (command,) = lane.ros.wait_count(lane.commands, 1, "command")
    assert command.reason == DiverterCommand.REASON_UNKNOWN_MATERIAL
    assert (command.material, command.bin) == ("wood", "residue")


def test_a_diverter_goes_out_holds_and_comes_home(lane: Lane) -> None:
    lane.ros.wait_count(lane.states, 2, "states")
    assert {(m.diverter, m.state) for m in lane.states} == {
        ("flap_1", DiverterState.STATE_NEUTRAL),
        ("flap_2", DiverterState.STATE_NEUTRAL),
    }
    lane.show("glass")
    out_and_back = [
        DiverterState.STATE_NEUTRAL,
        DiverterState.STATE_MOVING,
        DiverterState.STATE_DIVERTING,
        DiverterState.STATE_MOVING,
        DiverterState.STATE_NEUTRAL,
    ]
    lane.ros.wait_for(lambda: len(lane.history("flap_1")) >= 5, "the whole movement")
    assert lane.history("flap_1") == out_and_back
    assert lane.history("flap_2") == [DiverterState.STATE_NEUTRAL]
    held = lane.wait_for_state(DiverterState.STATE_DIVERTING)
    assert held.position_rad == pytest.approx(0.6)
    assert (held.item_id, held.actuations) == (1, 1)
    home = [m for m in lane.states if m.diverter == "flap_1"][-1]
    assert (home.position_rad, home.item_id, home.actuations) == (0.0, 0, 1)
    assert home.detail


def test_the_latest_states_reach_who_comes_late(lane: Lane) -> None:
    lane.show("glass")
    lane.wait_for_state(DiverterState.STATE_DIVERTING)
    late = lane.ros.collect(DiverterState, "actuator/diverter_state", LATCHED)
    lane.ros.wait_for(
        lambda: any(m.state == DiverterState.STATE_DIVERTING for m in late), "the latched state"
    )


def test_silence_sends_diverters_home_and_says_why_until_frames_come_again(ros: Harness) -> None:
    lane = Lane(ros, stale_timeout_sec=0.3)
    diagnostics = ros.diagnostics()
    # Before the first classification the node waits; it does not complain.
    lane.send("glass")
    lane.arrived()
    assert DiverterState.STATE_STALE not in lane.history("flap_1")
    stale = lane.wait_for_state(DiverterState.STATE_STALE)
    assert stale.position_rad == 0.0
    assert "no usable classification for 0.3 s" in stale.detail
    lane.wait_for_state(DiverterState.STATE_STALE, "flap_2")
    ros.wait_for(
        lambda: any("no classifications arrive" in m.status[0].message for m in diagnostics),
        "a warning on /diagnostics",
    )
    assert diagnostics[-1].status[0].level == diagnostics[-1].status[0].WARN
    assert status_values(diagnostics[-1])["stale_periods"] == "1"

    lane.send(stamp=lane.now_ns())
    ros.wait_for(lambda: lane.history("flap_1")[-1] == DiverterState.STATE_NEUTRAL, "the way back")
    again = [m for m in lane.states if m.diverter == "flap_1"][-1]
    assert again.detail == "classifications arrive again"
    assert not lane.node.sorter.is_stale


def test_disabled_diverters_stay_home_and_items_are_rejected(lane: Lane) -> None:
    request = SetEnabled.Request(enabled=False, reason="cleaning")
    response = lane.ros.call(SetEnabled, "actuator/set_enabled", request)
    assert response.success
    assert "cleaning" in response.message
    state = lane.wait_for_state(DiverterState.STATE_DISABLED)
    assert "cleaning" in state.detail
    lane.show("glass")
    (command,) = lane.ros.wait_count(lane.commands, 1, "command")
    assert command.reason == DiverterCommand.REASON_DISABLED
    assert command.diverter == ""

    request = SetEnabled.Request(enabled=True, reason="done")
    assert lane.ros.call(SetEnabled, "actuator/set_enabled", request).message == "enabled: done"
    lane.show("glass")
    lane.ros.wait_count(lane.commands, 2, "commands")
    assert lane.commands[1].reason == DiverterCommand.REASON_ACCEPTED
    lane.wait_for_state(DiverterState.STATE_DIVERTING)


def test_it_can_start_disabled(ros: Harness) -> None:
    lane = Lane(ros, enabled=False)
    assert "parameter `enabled`" in lane.wait_for_state(DiverterState.STATE_DISABLED).detail


def test_another_routing_counts_from_the_next_item(lane: Lane, tmp_path: Path) -> None:
    lane.show("glass")
    materials = {name: {"bin": "residue"} for name in MATERIALS}
    path = edited_routing(tmp_path / "routing.yaml", materials=materials)
    response = lane.ros.call(
        ReloadRouting, "actuator/reload_routing", ReloadRouting.Request(path=path)
    )
    assert response.success
    assert response.message
    lane.show("glass")
    lane.ros.wait_count(lane.commands, 2, "commands")
    assert [m.bin for m in lane.commands] == ["glass", "residue"]


def test_the_routing_file_of_the_start_is_read_again(ros: Harness, tmp_path: Path) -> None:
    path = tmp_path / "routing.yaml"
    lane = Lane(ros, routing=edited_routing(path))
    edited_routing(path, materials={name: {"bin": "residue"} for name in MATERIALS})
    assert ros.call(ReloadRouting, "actuator/reload_routing", ReloadRouting.Request()).success
    lane.show("glass")
    assert ros.wait_count(lane.commands, 1, "command")[0].bin == "residue"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"materials": {"glass": {"bin": "nowhere"}}}, "nowhere"),
        ({"reject_bin": "glass"}, "reject_bin"),
        ({"diverters": []}, "diverter"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_routing_file_leaves_the_running_one(
    lane: Lane, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    path = edited_routing(tmp_path / "routing.yaml", **change)
    response = lane.ros.call(
        ReloadRouting, "actuator/reload_routing", ReloadRouting.Request(path=path)
    )
    assert not response.success
    assert "the running routing stays" in response.message
    assert message in response.message
    lane.show("glass")
    assert lane.ros.wait_count(lane.commands, 1, "command")[0].bin == "glass"


def test_reloading_may_not_change_diverters(lane: Lane, tmp_path: Path) -> None:
    path = with_diverters(tmp_path / "routing.yaml", stroke_sec=1.0)
    response = lane.ros.call(
        ReloadRouting, "actuator/reload_routing", ReloadRouting.Request(path=path)
    )
    assert not response.success
    assert "restart the actuator node" in response.message


def test_a_missing_routing_file_is_named(lane: Lane) -> None:
    request = ReloadRouting.Request(path="/nowhere/routing.yaml")
    response = lane.ros.call(ReloadRouting, "actuator/reload_routing", request)
    assert not response.success
    assert "/nowhere/routing.yaml" in response.message


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("evidence_frames", 0, "evidence_frames"),
        ("evidence_frames", 1001, "evidence_frames"),
        ("evidence_frames", 1, "enter_frames (2) or more"),
        ("enter_frames", 6, "evidence_frames: got 5, expected enter_frames (6) or more"),
        ("evidence_frames", 2.5, "Wrong parameter type"),
        ("evidence_frames", "many", "Wrong parameter type"),
        ("reset_gap_sec", 0.0, "reset_gap_sec"),
        ("stale_timeout_sec", -1.0, "stale_timeout_sec"),
        ("stale_timeout_sec", float("nan"), "stale_timeout_sec"),
        ("max_age_sec", float("inf"), "max_age_sec"),
        ("driver", "simulated", "read-only"),
        ("routing", "/tmp/x.yaml", "read-only"),
        ("tick_hz", 50.0, "read-only"),
        ("lossless", True, "read-only"),
        ("no_such_parameter", 1, "undeclared"),
    ],
)
def test_a_bad_parameter_is_rejected_with_the_reason(
    lane: Lane, name: str, value: object, reason: str
) -> None:
    before = lane.node.sorter.config
    successful, text = lane.ros.set_parameter("actuator_node", name, value)
    assert not successful
    assert reason in text
    assert lane.node.sorter.config == before


def test_a_good_parameter_counts_at_once(lane: Lane) -> None:
    assert lane.ros.set_parameter("actuator_node", "evidence_frames", 3) == (True, "")
    lane.show("glass")
    (command,) = lane.ros.wait_count(lane.commands, 1, "command")
    assert command.evidence_frames == 3


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"routing": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"driver": "pneumatic"}, "driver: got 'pneumatic', expected one of: simulated"),
        ({"enter_frames": 3, "evidence_frames": 2}, "evidence_frames: got 2"),
        ({"tick_hz": 0.0}, "tick_hz"),
        ({"tick_hz": 100}, "tick_hz"),
        ({"enabled": "yes"}, "enabled"),
    ],
)
def test_it_refuses_to_start(ros: Harness, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        ros.start(ActuatorNode, **parameters)


def test_zero_doubled_and_past_stamps_are_counted_and_change_nothing(ros: Harness) -> None:
    lane = Lane(ros, max_age_sec=0.0)
    first = lane.stamp_ns()
    lane.send("glass", first)
    for stamp in (0, first, first, first - 1, first - NS_PER_SEC):
        lane.send("glass", stamp)
    lane.arrived()
    assert lane.counts()["stamps_refused"] == 5
    assert lane.counts()["items"] == 0
    lane.show("glass", frames=4)
    (command,) = ros.wait_count(lane.commands, 1, "command")
    assert command.evidence_frames == 5


def test_an_old_picture_moves_nothing(lane: Lane) -> None:
    for step in range(7):
        lane.send("glass", lane.now_ns() - 2 * NS_PER_SEC + step)
    lane.arrived()
    assert lane.counts()["too_old"] == 7
    assert lane.commands == []


@pytest.mark.parametrize("jump_ns", [HOUR_NS, -HOUR_NS])
def test_a_clock_that_jumps_an_hour_decides_nothing_twice(ros: Harness, jump_ns: int) -> None:
    lane = Lane(ros, max_age_sec=0.0)
    for _ in range(7):
        lane.send("glass")
    jumped = [lane.send("glass", lane.stamp_ns() + jump_ns) for _ in range(7)]
    for _ in range(3):
        lane.send(stamp=lane.stamp_ns() + jump_ns)
    lane.arrived()
    ros.wait_for(lambda: DiverterState.STATE_DIVERTING in lane.history("flap_1"), "the diverter")
    if jump_ns < 0:  # the same scene under another clock
        assert len(lane.commands) == 1
        assert lane.counts()["clock_resets"] == 1
    else:  # an hour without a frame: whatever lies there is another item
        assert [m.item_id for m in lane.commands] == [1, 2]
        assert lane.commands[1].header == jumped[4].header
    assert lane.counts()["refused"] == 0
    # And back again: the lane goes on as if nothing had been.
    known = len(lane.commands)
    lane.show("metal")
    ros.wait_count(lane.commands, known + 1, "commands")
    assert lane.commands[-1].material == "metal"


def test_a_camera_an_hour_ahead_does_not_delay_the_diverter(lane: Lane) -> None:
    for _ in range(5):
        lane.send("glass", lane.stamp_ns() + HOUR_NS)
    lane.arrived()
    lane.wait_for_state(DiverterState.STATE_DIVERTING)
    assert len(lane.commands) == 1


def test_the_last_stamp_that_a_message_can_carry_is_survived(ros: Harness, tmp_path: Path) -> None:
    lane = Lane(ros, routing=with_diverters(tmp_path / "routing.yaml", delay_sec=1.0))
    last_ns = 2**31 * NS_PER_SEC - 1
    for step in range(5, 0, -1):
        lane.send("glass", last_ns - step)
    lane.arrived()
    (command,) = ros.wait_count(lane.commands, 1, "command")
    assert stamp_ns(command) == last_ns - 1
    assert command.fire_time.sec > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"probabilities": []},
        {"probabilities": [1.0]},
        {"probabilities": [0.9] * 6},
        {"probabilities": [float("nan")] * 6},
        {"probabilities": [float("inf"), 0.0, 0.0, 0.0, 0.0, 0.0]},
        {"probabilities": [2.0, -1.0, 0.0, 0.0, 0.0, 0.0]},
        {"materials": []},
        {"materials": ["glass"] * 6},
    ],
)
def test_a_malformed_classification_is_counted_and_left_out(
    lane: Lane, changes: dict[str, Any]
) -> None:
    for _ in range(7):
        lane.send("glass", **changes)
    lane.arrived()
    assert lane.counts()["malformed"] == 7
    assert lane.commands == []
    lane.show("glass")
    lane.ros.wait_count(lane.commands, 1, "command")


def test_finishing_decides_the_item_in_view(lane: Lane) -> None:
    for _ in range(3):
        lane.send("glass")
    lane.arrived()
    assert lane.commands == []
    lane.node.finish()
    (command,) = lane.ros.wait_count(lane.commands, 1, "command")
    assert command.evidence_frames == 3
    assert command.header.frame_id == "optical"
