# SPDX-License-Identifier: Apache-2.0
"""The composed graph: from a bag to one right command an item, the same every time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rosbags.rosbag2 import Reader
from support.bags import write_item_bag
from support.ros import Harness

from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.stats import RunStats
from recycle_sorter.ros.definitions import typestore
from recycle_sorter.ros.graph import Graph
from recycle_sorter.ros.monitor import MonitorNode
from recycle_sorter_msgs.msg import DiverterCommand

pytestmark = pytest.mark.node

ITEMS = (*MATERIALS, *reversed(MATERIALS))


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_item_bag(tmp_path_factory.mktemp("bags") / "items", ITEMS)


class Run:
    """A graph that is started, watched to its end and stopped."""

    def __init__(
        self, ros: Harness, settings: Mapping[str, Any], namespace: str = "", record: str = ""
    ) -> None:
        self.ros = ros
        self.commands: list[DiverterCommand] = []
        self.graph = Graph(ros.executor, {"engine": "onnxruntime", **settings}, namespace, record)
        self.monitor = MonitorNode(
            lambda _, command: self.commands.append(command),
            lambda _: None,
            **({"namespace": namespace} if namespace else {}),
        )
        self.graph.add(self.monitor)
        try:
            self.graph.start()
        except SorterError:
            del self.graph
            raise

    @property
    def stats(self) -> RunStats:
        return self.monitor.stats

    def to_end(self) -> Run:
        try:
            self.finish()
        finally:
            self.stop()
            self.ros.renew_executor()
        return self

    def finish(self) -> None:
        graph, wait_for = self.graph, self.ros.wait_for
        wait_for(graph.camera.finished.done, "the bag's end", timeout_sec=100.0)
        graph.camera.finished.result()
        graph.finish()
        published = graph.camera.pump.counters.published
        decided = graph.actuator.sorter.counters.commands
        wait_for(lambda: len(self.commands) >= decided, "every command")
        wait_for(lambda: self.stats.frames_in >= published, "every camera_info")
        answered = graph.classifier.counts["answered"]
        wait_for(lambda: self.stats.frames_classified >= answered, "every classification")

    def stop(self) -> None:
        self.graph.stop()
        del self.graph  # it knows the executor (see Harness.close)


def settings(bag: Path, bundle: Path, **more: Any) -> dict[str, Any]:
    return {"uri": str(bag), "model": str(bundle), "lossless": True, **more}


def test_every_item_gets_one_right_decision(ros: Harness, bag: Path, tiny_bundle: Path) -> None:
    run = Run(ros, settings(bag, tiny_bundle)).to_end()
    assert [m.material for m in run.commands] == list(ITEMS)
    assert [m.item_id for m in run.commands] == list(range(1, 13))
    assert {m.reason for m in run.commands} == {DiverterCommand.REASON_ACCEPTED}
    summary = run.stats.summary()
    assert (summary["items"], summary["decisions"], summary["correct"]) == (12, 12, 12)
    assert (summary["missed"], summary["doubled"], summary["frames_dropped"]) == (0, 0, 0)
    assert summary["frames_in"] == 5 + 12 * 13
    assert summary["latency_ms"]["p50"] > 0


def test_two_lossless_runs_give_the_same_commands(
    ros: Harness, bag: Path, tiny_bundle: Path
) -> None:
    first = Run(ros, settings(bag, tiny_bundle)).to_end().commands
    second = Run(ros, settings(bag, tiny_bundle)).to_end().commands
    assert len(first) == 12
    assert first == second


def test_a_bag_that_ends_amid_an_item_decides_it_the_same_way_every_time(
    ros: Harness, tmp_path: Path, tiny_bundle: Path
) -> None:
    bag = write_item_bag(tmp_path / "cut", ["glass", "metal"], shown=4, gap=0)
    first = Run(ros, settings(bag, tiny_bundle)).to_end().commands
    second = Run(ros, settings(bag, tiny_bundle)).to_end().commands
    assert first == second
    assert first[-1].evidence_frames == 5 or len(first) == 2


def test_a_recording_in_its_own_time_is_sorted_right(
    ros: Harness, tmp_path: Path, tiny_bundle: Path
) -> None:
    bag = write_item_bag(tmp_path / "bag", MATERIALS[:3], shown=15, gap=10)
    run = Run(ros, settings(bag, tiny_bundle, lossless=False)).to_end()
    assert [m.material for m in run.commands] == list(MATERIALS[:3])
    assert run.stats.correct == 3


def test_two_lanes_do_not_hear_each_other(ros: Harness, tmp_path: Path, tiny_bundle: Path) -> None:
    lanes = {
        name: Run(
            ros,
            settings(write_item_bag(tmp_path / name, materials), tiny_bundle),
            namespace=name,
        )
        for name, materials in (("lane1", ["glass", "metal"]), ("lane2", ["paper"] * 3))
    }
    try:
        topics = dict(ros.node.get_topic_names_and_types())
        for name, run in lanes.items():
            assert f"/{name}/camera/image_raw" in topics
            assert f"/{name}/actuator/diverter_command" in topics
            run.finish()
        assert "/camera/image_raw" not in topics
    finally:
        for run in lanes.values():
            run.stop()
    found = {name: [m.material for m in run.commands] for name, run in lanes.items()}
    assert found == {"lane1": ["glass", "metal"], "lane2": ["paper"] * 3}


RECORDED = {
    "/camera/camera_info": "sensor_msgs/msg/CameraInfo",
    "/camera/ground_truth": "recycle_sorter_msgs/msg/GroundTruth",
    "/camera/image_raw/compressed": "sensor_msgs/msg/CompressedImage",
    "/classifier/classification": "recycle_sorter_msgs/msg/MaterialClassification",
    "/classifier/model_info": "recycle_sorter_msgs/msg/ModelInfo",
    "/actuator/diverter_command": "recycle_sorter_msgs/msg/DiverterCommand",
    "/actuator/diverter_state": "recycle_sorter_msgs/msg/DiverterState",
}


def test_a_recorded_run_is_read_back_whole_and_sorts_the_same_again(
    ros: Harness, tmp_path: Path, tiny_bundle: Path
) -> None:
    bag = write_item_bag(tmp_path / "bag", ["glass", "metal", "paper"])
    record = tmp_path / "recorded"
    run = Run(ros, settings(bag, tiny_bundle), record=str(record)).to_end()
    store = typestore()
    counts: Counter[str] = Counter()
    commands: list[Any] = []
    with Reader(record) as reader:
        assert {c.topic: c.msgtype for c in reader.connections} == RECORDED
        for connection, _, data in reader.messages():
            message: Any = store.deserialize_cdr(data, connection.msgtype)
            counts[connection.topic] += 1
            if connection.topic == "/actuator/diverter_command":
                commands.append(message)
    frames = 5 + 3 * 13
    for topic in (
        "/camera/camera_info",
        "/camera/image_raw/compressed",
        "/classifier/classification",
    ):
        assert counts[topic] == frames, topic
    assert counts["/camera/ground_truth"] == len(commands) == 3
    assert counts["/classifier/model_info"] <= 1
    assert [m.material for m in commands] == [m.material for m in run.commands]
    again = Run(ros, settings(record, tiny_bundle)).to_end()
    assert again.commands == run.commands
    assert again.stats.correct == 3


def test_raw_pictures_can_be_recorded(ros: Harness, tmp_path: Path, tiny_bundle: Path) -> None:
    bag = write_item_bag(tmp_path / "bag", ["glass"])
    record = tmp_path / "recorded"
    Run(ros, settings(bag, tiny_bundle, images="raw"), record=str(record)).to_end()
    with Reader(record) as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}
    assert counts["/camera/image_raw"] == 18
    assert "/camera/image_raw/compressed" not in counts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "/nowhere"}, "/nowhere"),
        ({"uri": "/nowhere"}, "/nowhere"),
        ({"routing": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"evidence_frame": 3}, "evidence_frame: .*expected a parameter"),
        ({"rate": "fast"}, "rate"),
    ],
)
def test_a_graph_that_is_refused_leaves_nothing_behind(
    ros: Harness, bag: Path, tiny_bundle: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(SorterError, match=message):
        Run(ros, settings(bag, tiny_bundle, **changes))
    ros.renew_executor()
    nodes = [name for name, _ in ros.node.get_node_names_and_namespaces()]
    assert "actuator_node" not in nodes
    # The same process can try again.
    assert len(Run(ros, settings(bag, tiny_bundle)).to_end().commands) == 12


@pytest.mark.parametrize("namespace", ["lane 1", "1lane", "lane/-", "läne"])
def test_a_bad_namespace_is_named(ros: Harness, namespace: str) -> None:
    with pytest.raises(InvalidInputError, match=f"namespace: got {namespace!r}"):
        Graph(ros.executor, namespace=namespace)


def test_a_bag_that_exists_is_not_written_over(
    ros: Harness, bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=r"output: got .*expected a new folder"):
        Run(ros, settings(bag, tiny_bundle), record=str(tmp_path))


def test_a_refused_model_leaves_no_bag(
    ros: Harness, bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    record = tmp_path / "recorded"
    with pytest.raises(SorterError):
        Run(ros, settings(bag, tiny_bundle, model="/nowhere"), record=str(record))
    assert not record.exists()


def test_whole_numbers_serve_where_a_fraction_is_meant(
    ros: Harness, tmp_path: Path, tiny_bundle: Path
) -> None:
    bag = write_item_bag(tmp_path / "bag", ["glass"])
    run = Run(ros, settings(bag, tiny_bundle, rate=4, stale_timeout_sec=2))
    assert len(run.to_end().commands) == 1
