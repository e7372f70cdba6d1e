# SPDX-License-Identifier: Apache-2.0
"""The belt's actuator alone: what is seen and moves in, one decision and one record an item out."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
from geometry_msgs.msg import TwistStamped
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy
from support.belt_lines import Thing
from support.belt_ros import Talker, write_layout
from support.ros import LATCHED, Harness, stamp_ns, status_values

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.ros import conversions
from recycle_sorter.ros.belt_actuator_node import BeltActuatorNode
from recycle_sorter_msgs.msg import BeltEncoder, BeltObservation, DiverterState, ItemRecord
from recycle_sorter_msgs.srv import SetEnabled

pytestmark = pytest.mark.node

START_NS = 1_700_000_000 * NS_PER_SEC
# Upstream of the view when the belt starts; 0.5 m/s.
THINGS = (Thing(-0.1, "glass"), Thing(-0.35, "metal"), Thing(-0.6, "trash"))


def lockstep(ros: Harness, folder: Path, **parameters: Any) -> BeltActuatorNode:
    layout = parameters.pop("layout", None) or write_layout(folder)
    return ros.start(BeltActuatorNode, layout=layout, lossless=True, **parameters)


def test_each_item_is_decided_once_and_fired_where_it_passes(ros: Harness, tmp_path: Path) -> None:
    lockstep(ros, tmp_path)
    talker = Talker(ros, THINGS, START_NS)
    talker.say(6.0)
    ros.wait_count(talker.records, 3, "records")
    assert [m.item_id for m in talker.decisions] == [1, 2, 3]
    assert [m.material for m in talker.decisions] == ["glass", "metal", "trash"]
    assert [m.bin for m in talker.decisions] == ["glass", "metal", "residue"]
    for decision in talker.decisions:
        assert decision.evidence_frames > 10
        assert len(decision.probabilities) == len(decision.materials) == 6
        assert decision.best_material == decision.material
        assert decision.best_confidence == pytest.approx(0.9, abs=1e-5)
        assert START_NS < conversions.time_to_ns(decision.best_time) <= stamp_ns(decision)
        assert decision.x_m == pytest.approx(0.7, abs=0.03), "about the decision line"
    by_id = {m.item_id: m for m in talker.records}
    assert sorted(by_id) == [1, 2, 3]
    assert [by_id[i].outcome for i in (1, 2, 3)] == [
        ItemRecord.OUTCOME_FIRED, ItemRecord.OUTCOME_FIRED, ItemRecord.OUTCOME_PASSED,
    ]  # fmt: skip
    assert {m.cause for m in talker.records} == {ItemRecord.CAUSE_NONE}
    assert [(m.item_id, m.diverter) for m in talker.commands] == [(1, "flap_1"), (2, "flap_2")]
    for command, thing, place_m in zip(talker.commands, THINGS, (1.0, 1.3), strict=False):
        there_ns = START_NS + round((place_m - thing.s_m) / 0.5 * NS_PER_SEC)
        fire_ns = conversions.time_to_ns(command.fire_time)
        assert abs(there_ns - fire_ns - 0.04 * NS_PER_SEC) < 0.005 * NS_PER_SEC
        assert command.dwell_sec == pytest.approx(0.05)
        record = by_id[command.item_id]
        issued_ns = conversions.time_to_ns(record.issued_time)
        assert conversions.time_to_ns(record.scheduled_time) == fire_ns
        assert abs(issued_ns - fire_ns) <= 0.002 * NS_PER_SEC, "the nearest tick of 250 a second"


def test_the_same_messages_give_the_same_answers(ros: Harness, tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        node = lockstep(ros, tmp_path)
        talker = Talker(ros, THINGS[:2], START_NS)
        talker.say(4.5)
        ros.wait_count(talker.records, 2, "records")
        found.append((talker.decisions[:], talker.records[:], talker.commands[:]))
        ros.stop(node)
        ros.renew_executor()
    assert found[0] == found[1]


def test_the_belts_state_follows_every_picture(ros: Harness, tmp_path: Path) -> None:
    lockstep(ros, tmp_path)
    talker = Talker(ros, (), START_NS)
    talker.say(1.0)
    last = talker.states[-1]
    assert len(talker.states) == 31
    assert stamp_ns(last) == pytest.approx(START_NS + NS_PER_SEC, abs=NS_PER_SEC / 30)
    assert (last.source, last.is_stale, last.is_enabled, last.items) == ("encoder", False, True, 0)
    assert last.position_m == pytest.approx(0.5, abs=0.001)
    assert last.speed_m_per_sec == pytest.approx(0.5, abs=0.02)


def test_pictures_with_refused_stamps_still_move_the_belt(ros: Harness, tmp_path: Path) -> None:
    motion = {"source": "picture", "timeout_sec": 0.5}
    lockstep(ros, tmp_path, layout=write_layout(tmp_path, motion=motion))
    talker = Talker(ros, THINGS[:1], START_NS, motion=None)
    talker.say(1.0)
    talker.offset_ns = -3600 * NS_PER_SEC  # the camera's clock was set, for three pictures
    talker.say(1.1, and_wait=False)
    talker.offset_ns = 0
    talker.say(2.0)
    last = talker.states[-1]
    assert last.position_m == pytest.approx(0.5 * (stamp_ns(last) - START_NS) / NS_PER_SEC)
    assert len(talker.states) < 61
    assert [m.item_id for m in talker.decisions] == [1]


def test_a_run_that_ends_leaves_a_record_of_each(ros: Harness, tmp_path: Path) -> None:
    node = lockstep(ros, tmp_path)
    talker = Talker(ros, THINGS[:2], START_NS)
    talker.say(1.8)  # one past the line, the other in view
    node.finish()
    ros.wait_count(talker.records, 2, "records")
    assert len(talker.decisions) == 2
    assert {m.cause for m in talker.records} == {ItemRecord.CAUSE_RUN_ENDED}
    assert not talker.commands


def test_disabled_diverters_stay_and_items_are_missed(ros: Harness, tmp_path: Path) -> None:
    lockstep(ros, tmp_path, enabled=False)
    states = ros.collect(DiverterState, "actuator/diverter_state", LATCHED)
    talker = Talker(ros, THINGS[:1], START_NS)
    talker.say(3.0)
    (record,) = ros.wait_count(talker.records, 1, "a record")
    assert (record.outcome, record.cause) == (
        ItemRecord.OUTCOME_MISSED, ItemRecord.CAUSE_DISABLED,
    )  # fmt: skip
    assert not talker.commands
    assert talker.states[-1].is_enabled is False
    assert {m.diverter for m in states} == {"flap_1", "flap_2", "flap_3"}
    request = SetEnabled.Request(enabled=True, reason="test")
    assert ros.call(SetEnabled, "actuator/set_enabled", request).success
    talker.say(3.2)
    assert talker.states[-1].is_enabled is True


def test_a_speed_topic_moves_the_belt(ros: Harness, tmp_path: Path) -> None:
    layout = write_layout(tmp_path, motion={"source": "speed", "timeout_sec": 0.5})
    lockstep(ros, tmp_path, layout=layout)
    talker = Talker(ros, THINGS[:1], START_NS, motion=None)
    speeds = ros.publisher(TwistStamped, "belt/speed")
    for step in range(90):
        message = TwistStamped(header=conversions.header(START_NS + step * NS_PER_SEC // 30, ""))
        message.twist.linear.x = 0.5
        speeds.publish(message)
        talker.say(step / 30)
    (record,) = ros.wait_count(talker.records, 1, "a record")
    assert record.outcome == ItemRecord.OUTCOME_FIRED


def test_pictures_alone_can_tell_the_motion(ros: Harness, tmp_path: Path) -> None:
    layout = write_layout(tmp_path, motion={"source": "picture", "timeout_sec": 0.5})
    lockstep(ros, tmp_path, layout=layout)
    talker = Talker(ros, THINGS[:1], START_NS, motion=None)
    talker.say(3.0)
    (record,) = ros.wait_count(talker.records, 1, "a record")
    assert record.outcome == ItemRecord.OUTCOME_FIRED
    assert talker.states[-1].source == "picture"


def spoil(message: BeltObservation, **changes: Any) -> BeltObservation:
    """Changes fields; ``0__x_m`` that of the first detection."""
    for name, value in changes.items():
        target: Any = message
        if name.startswith("first_"):
            target, name = message.detections[0], name.removeprefix("first_")  # noqa: PLW2901
        setattr(target, name, value)
    return message


@pytest.mark.parametrize(
    "changes",
    [
        {"first_x_m": math.nan},
        {"first_y_m": math.inf},
        {"first_from_m": -math.inf},
        {"first_length_m": 0.0},
        {"first_area_m2": -1.0},
        {"first_width_px": 0},
        {"first_probabilities": [0.5, 0.5]},
        {"first_probabilities": [math.nan] * 6},
        {"first_probabilities": [1.0] * 6},
        {"first_probabilities": [2.0, -1.0, 0.0, 0.0, 0.0, 0.0]},
        {"materials": []},
        {"materials": ["glass"] * 6},
        {"materials": ["", "a", "b", "c", "d", "e"]},
        {"shift_m": math.inf},
        {"inference_time_sec": math.nan},
        {"header": conversions.header(0, "")},
    ],
)
def test_a_malformed_observation_is_refused_and_counted(
    ros: Harness, tmp_path: Path, changes: dict[str, Any]
) -> None:
    node = lockstep(ros, tmp_path)
    talker = Talker(ros, [Thing(0.3)], START_NS, speed_m_per_sec=0.0)
    talker.say(0.3)
    before = node.line.counts()["observations"]
    talker.observations.publish(spoil(talker.observation(0.32), **changes))
    ros.wait_for(lambda: node.counts["refused"] == 1, "a refusal")
    assert node.line.counts()["observations"] == before
    talker.say(0.4)
    assert node.line.counts()["observations"] > before


def test_wild_motion_is_refused(ros: Harness, tmp_path: Path) -> None:
    node = lockstep(ros, tmp_path)
    talker = Talker(ros, [], START_NS)
    talker.say(0.3)
    encoder = ros.publisher(BeltEncoder, "belt/encoder")
    encoder.publish(BeltEncoder(header=conversions.header(0, ""), ticks=3))
    ros.wait_for(lambda: node.counts["refused"] == 1, "a refusal of a stamp of zero")
    later = conversions.header(START_NS + NS_PER_SEC // 2, "")
    encoder.publish(BeltEncoder(header=later, ticks=2**63 - 1))
    arrays = ros.diagnostics()
    ros.wait_for(
        lambda: arrays and status_values(arrays[-1])["motions_refused"] == "1", "the count of it"
    )
    talker.say(0.6)
    assert talker.states[-1].position_m == pytest.approx(0.3, abs=0.02)


def test_a_speed_that_is_no_number_is_refused(ros: Harness, tmp_path: Path) -> None:
    layout = write_layout(tmp_path, motion={"source": "speed", "timeout_sec": 0.5})
    node = lockstep(ros, tmp_path, layout=layout)
    speeds = ros.publisher(TwistStamped, "belt/speed")
    message = TwistStamped(header=conversions.header(START_NS, ""))
    message.twist.linear.x = math.nan
    speeds.publish(message)
    ros.wait_for(lambda: node.counts["refused"] == 1, "a refusal")


def test_doubled_and_reordered_pictures_change_nothing(ros: Harness, tmp_path: Path) -> None:
    node = lockstep(ros, tmp_path)
    talker = Talker(ros, THINGS[:1], START_NS)
    for step in range(1, 31):
        talker.say(step / 10)
        talker.observations.publish(talker.observation(step / 10 - 0.1))
        ros.wait_for(lambda count=step: node.counts["refused"] >= count, "a refusal")
    ros.wait_count(talker.records, 1, "a record")
    assert len(talker.decisions) == len(talker.records) == len(talker.commands) == 1


def test_qualities_of_service(ros: Harness, tmp_path: Path) -> None:
    lockstep(ros, tmp_path)
    Talker(ros, [], START_NS)
    node = ros.node
    for topic in ("belt/decision", "belt/record", "belt/state", "actuator/diverter_command"):
        (info,) = node.get_publishers_info_by_topic(topic)
        assert info.qos_profile.reliability is ReliabilityPolicy.RELIABLE
    (info,) = node.get_publishers_info_by_topic("actuator/diverter_state")
    assert info.qos_profile.durability is DurabilityPolicy.TRANSIENT_LOCAL
    for topic in ("belt/observation", "belt/encoder"):
        (info,) = node.get_subscriptions_info_by_topic(topic)
        assert info.qos_profile.reliability is ReliabilityPolicy.RELIABLE


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"layout": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"driver": "none"}, "driver"),
        ({"tick_hz": 10.0}, "tick_sec"),
        ({"max_age_sec": 0.0}, "max_age_sec"),
    ],
)
def test_what_cannot_be_is_refused_at_the_start(
    ros: Harness, tmp_path: Path, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        lockstep(ros, tmp_path, **parameters)


class LiveTalker(Talker):
    """Says things as they happen."""

    def due(self) -> None:
        """Says what has happened by now."""
        now_ns = time.time_ns()
        self.say((now_ns - self.start_ns) / NS_PER_SEC, and_wait=False)


def live(ros: Harness, folder: Path, things: list[Thing], **parameters: Any) -> LiveTalker:
    """A short and quick belt in real time.

    Its tolerance is what a busy machine may hold everything up: what is late is missed, rightly,
    and none of these tests is of how late.
    """
    flap = {
        "name": "flap_1", "position_m": 0.6, "lead_sec": 0.18, "home_rad": 0.0, "min_rad": -0.6,
        "max_rad": 0.6, "stroke_sec": 0.02, "dwell_sec": 0.16,
    }  # fmt: skip
    layout = write_layout(
        folder,
        decision_line_m=0.25,
        end_m=1.0,
        tolerance_sec=0.15,
        diverters=[flap],
        bins=[
            {"name": "glass", "diverter": "flap_1", "position_rad": 0.6},
            {"name": "residue", "diverter": ""},
        ],
        materials={
            name: {"bin": "glass" if name == "glass" else "residue"}
            for name in ("cardboard", "glass", "metal", "paper", "plastic", "trash")
        },
    )
    ros.start(BeltActuatorNode, layout=layout, **parameters)
    talker = LiveTalker(ros, things, 0, speed_m_per_sec=0.8)
    talker.start_ns = time.time_ns()
    return talker


def test_items_fire_once_in_real_time(ros: Harness, tmp_path: Path) -> None:
    talker = live(ros, tmp_path, [Thing(-0.1), Thing(-0.4)])
    ros.wait_for(lambda: (talker.due(), len(talker.records) >= 2)[1], "two records")
    outcomes = [m.outcome for m in talker.records]
    assert outcomes == [ItemRecord.OUTCOME_FIRED] * 2, [m.detail for m in talker.records]
    assert len(talker.commands) == len(talker.decisions) == 2


@pytest.mark.parametrize("hours", [1, -1])
@pytest.mark.parametrize("own_clock", [True, False])
def test_a_clock_that_is_set_fires_nothing_twice(
    ros: Harness, tmp_path: Path, hours: int, own_clock: bool
) -> None:
    # With own_clock, the actuator's own clock contradicts the stamps from then on: all that was
    # seen before must still end once.
    talker = live(ros, tmp_path, [Thing(-0.1), Thing(-0.5)], own_clock=own_clock)

    def say() -> bool:
        if len(talker.decisions) == 1 and not talker.offset_ns:
            talker.offset_ns = hours * 3600 * NS_PER_SEC
        talker.due()
        return len(talker.records) >= (1 if own_clock else 2)

    ros.wait_for(say, "the records")
    assert talker.offset_ns
    ids = [m.item_id for m in talker.records]
    assert len(ids) == len(set(ids)) == len(talker.decisions)
    fired = [m for m in talker.records if m.outcome == ItemRecord.OUTCOME_FIRED]
    assert len(talker.commands) == len(fired)
    if not own_clock:
        assert len(fired) == 2, [m.detail for m in talker.records]


def test_a_silent_encoder_sends_the_diverters_home(ros: Harness, tmp_path: Path) -> None:
    talker = live(ros, tmp_path, [])
    states = ros.collect(DiverterState, "actuator/diverter_state", LATCHED)
    arrays = ros.diagnostics()
    ros.wait_for(lambda: (talker.due(), talker.states)[1], "the belt's state")
    ros.wait_for(lambda: states and states[-1].state == DiverterState.STATE_STALE, "a stale state")
    ros.wait_for(
        lambda: arrays and "motion is unknown" in arrays[-1].status[0].message, "a warning"
    )
    talker.start_ns = time.time_ns()
    talker._counted = talker._shown = 0
    ros.wait_for(
        lambda: (talker.due(), states[-1].state == DiverterState.STATE_NEUTRAL)[1], "neutral again"
    )
