# SPDX-License-Identifier: Apache-2.0
"""The twin through a belt's real graph in one process: each item decided once, fired, recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from rosbags.rosbag2 import Reader
from support.belt_graphs import ITEMS, BeltRun, write_parts
from support.belt_said import BIN_OF, Said, purity_and_recovery
from support.ros import Harness

from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.ros.belt_graph import BeltGraph
from recycle_sorter.ros.definitions import typestore
from recycle_sorter_msgs.msg import ItemRecord

pytestmark = pytest.mark.node


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return write_parts(tmp_path_factory.mktemp("belt"))


def settings(parts: dict[str, Any], bundle: Path, **more: Any) -> dict[str, Any]:
    return {"source": "twin", "model": str(bundle), "lossless": True, **parts, **more}


def check_books(said: Said) -> None:
    """One decision an item, one record a decision, one command an item that fired."""
    ids = [decision.item_id for decision in said.messages["belt/decision"]]
    assert ids
    assert len(ids) == len(set(ids))
    records = said.messages["belt/record"]
    assert Counter(record.item_id for record in records) == Counter(ids)
    fired = [r.item_id for r in records if r.outcome == ItemRecord.OUTCOME_FIRED]
    commands = [command.item_id for command in said.messages["actuator/diverter_command"]]
    assert sorted(commands) == sorted(fired)
    assert not [r for r in records if r.cause == ItemRecord.CAUSE_LATE]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_separate_item_is_decided_once_and_sorted(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path, seed: int
) -> None:
    said = BeltRun(ros, settings(parts, tiny_bundle, seed=seed)).to_end()
    check_books(said)
    assert len(said.messages["belt/truth"]) == len(said.messages["belt/landing"]) == ITEMS
    assert len(said.separate) == ITEMS
    for truth in said.separate:
        (decision,) = said.decisions_on(truth)
        assert decision.material == truth.material
        assert decision.bin == BIN_OF[truth.material]
    assert len(said.messages["belt/decision"]) == ITEMS, "nothing but the items"
    purity, recovery = purity_and_recovery(said.landings())
    assert min(purity.values()) == 1.0, purity
    assert min(recovery.values()) == 1.0, recovery


def test_a_belt_that_tells_its_speed_is_followed(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path, tmp_path: Path
) -> None:
    layout = load_yaml(parts["layout"])
    layout["motion"] = {"source": "speed", "timeout_sec": 0.5}
    changed = tmp_path / "layout.yaml"
    changed.write_text(yaml.safe_dump(layout), encoding="utf-8")
    said = BeltRun(ros, settings({**parts, "layout": str(changed)}, tiny_bundle)).to_end()
    check_books(said)
    assert len(said.messages["belt/decision"]) == ITEMS
    assert min(purity_and_recovery(said.landings())[1].values()) == 1.0


def test_two_runs_in_lock_step_say_the_same(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path
) -> None:
    chosen = settings(parts, tiny_bundle, duration_sec=5.0)
    first, second = (BeltRun(ros, chosen).to_end().messages for _ in range(2))
    assert first["belt/decision"]
    for topic in ("belt/truth", "belt/decision", "belt/record", "belt/landing"):
        assert first[topic] == second[topic], topic


RECORDED = {
    "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
    "/camera/image_raw": "sensor_msgs/msg/Image",
    "/classifier/model_info": "recycle_sorter_msgs/msg/ModelInfo",
    "/actuator/diverter_command": "recycle_sorter_msgs/msg/DiverterCommand",
    "/actuator/diverter_state": "recycle_sorter_msgs/msg/DiverterState",
    "/belt/encoder": "recycle_sorter_msgs/msg/BeltEncoder",
    "/belt/speed": "geometry_msgs/msg/TwistStamped",
    "/belt/observation": "recycle_sorter_msgs/msg/BeltObservation",
    "/belt/decision": "recycle_sorter_msgs/msg/SortDecision",
    "/belt/record": "recycle_sorter_msgs/msg/ItemRecord",
    "/belt/state": "recycle_sorter_msgs/msg/BeltState",
    "/belt/truth": "recycle_sorter_msgs/msg/BeltTruth",
    "/belt/landing": "recycle_sorter_msgs/msg/BeltLanding",
}


def test_a_recorded_belt_is_read_back_whole_and_sorts_the_same_again(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path, tmp_path: Path
) -> None:
    record = tmp_path / "recorded"
    chosen = settings(parts, tiny_bundle, wait_for_listeners=1, images="raw", duration_sec=6.0)
    said = BeltRun(ros, chosen, record=str(record)).to_end()
    store = typestore()
    found: dict[str, list[Any]] = {topic: [] for topic in RECORDED}
    with Reader(record) as reader:
        assert {c.topic: c.msgtype for c in reader.connections} == RECORDED
        for connection, _, data in reader.messages():
            message: Any = store.deserialize_cdr(data, connection.msgtype)
            found[connection.topic].append(message)
    frames = len(found["/camera/camera_info"])
    assert len(found["/camera/image_raw"]) == frames
    assert len(found["/belt/observation"]) == frames
    assert len(found["/belt/encoder"]) == 10 * frames, "200 a second, 20 pictures"
    for topic in ("belt/truth", "belt/decision", "belt/record"):
        heard, recorded = said.messages[topic], found[f"/{topic}"]
        assert [m.item_id for m in recorded] == [m.item_id for m in heard], topic
    again = {**parts, "lossless": True, "model": str(tiny_bundle), "uri": str(record)}
    del again["scenario"], again["cutouts"]
    replayed = BeltRun(ros, again).to_end()
    check_books(replayed)
    assert said.messages["belt/decision"]
    for topic in ("belt/truth", "belt/decision", "belt/record", "actuator/diverter_command"):
        assert replayed.messages[topic] == said.messages[topic], topic
    assert not replayed.messages["belt/landing"]


def test_a_twin_in_its_own_time_keeps_the_books(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path
) -> None:
    said = BeltRun(ros, settings(parts, tiny_bundle, lossless=False)).to_end()
    ids = [record.item_id for record in said.messages["belt/record"]]
    assert ids
    assert len(ids) == len(set(ids)) == len(said.messages["belt/decision"])
    assert [m.item_id for m in said.messages["belt/truth"]] == list(range(1, ITEMS + 1))
    landed = [m.item_id for m in said.messages["belt/landing"]]
    assert sorted(landed) == list(range(1, ITEMS + 1))


def test_lanes_stand_in_their_namespaces(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path
) -> None:
    chosen = settings(parts, tiny_bundle, duration_sec=3.0)
    said = BeltRun(ros, chosen, namespace="lane2").to_end()
    assert said.messages["belt/state"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"scenario": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"model": "/nowhere"}, "/nowhere"),
        ({"uri": "bag"}, "uri: got 'bag', expected nothing"),
        ({"evidence_frames": 3}, "evidence_frames: .*expected a parameter"),
        ({"source": "bag"}, "uri"),
    ],
)
def test_what_cannot_be_is_refused(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path, changes: dict[str, Any], message: str
) -> None:
    chosen = settings(parts, tiny_bundle, **changes)
    if changes.get("source") == "bag":
        del chosen["scenario"], chosen["cutouts"]
    with pytest.raises(SorterError, match=message):
        BeltRun(ros, chosen)
    ros.renew_executor()


def test_a_twin_that_is_not_the_layouts_is_refused(
    ros: Harness, parts: dict[str, Any], tiny_bundle: Path, tmp_path: Path
) -> None:
    other = write_parts(tmp_path, machine__m_per_tick=0.001)
    with pytest.raises(InvalidInputError, match=r"machine.m_per_tick: got 0.001"):
        BeltRun(ros, settings(other, tiny_bundle))


def test_an_unknown_kind_of_camera_is_named(ros: Harness) -> None:
    with pytest.raises(InvalidInputError, match="shown_by: got 'kite'"):
        BeltGraph(ros.executor, shown_by="kite")
