# SPDX-License-Identifier: Apache-2.0
"""Nodes as processes of their own: exit codes, Ctrl-C, and messages between processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sensor_msgs.msg import CameraInfo
from support.bags import write_item_bag
from support.belt_lines import Thing
from support.belt_ros import Talker, write_layout
from support.ros import BEST_EFFORT, LATCHED, Harness

from recycle_sorter.ros import actuator_node, camera_node, classifier_node, compose, recorder_node
from recycle_sorter_msgs.msg import (
    DiverterCommand,
    DiverterState,
    ItemRecord,
    MaterialClassification,
    ModelInfo,
)

pytestmark = pytest.mark.node


def ros_arguments(**parameters: Any) -> list[str]:
    values = {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in parameters.items()
    }
    return ["--ros-args", *(part for n, v in values.items() for part in ("-p", f"{n}:={v}"))]


@contextmanager
def process(module: str, **parameters: Any) -> Iterator[subprocess.Popen[str]]:
    """Runs a node's ``main`` as its console script would."""
    code = f"import sys; from recycle_sorter.ros.{module} import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, *ros_arguments(**parameters)],
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_item_bag(tmp_path_factory.mktemp("bags") / "process", ["glass", "metal"])


@pytest.mark.usefixtures("domain")
class TestExitCodes:
    @pytest.mark.parametrize(
        ("main", "parameters", "message"),
        [
            (camera_node.main, {"uri": "/nowhere"}, "uri: got '/nowhere'"),
            (classifier_node.main, {"model": "/nowhere"}, "/nowhere"),
            (actuator_node.main, {"routing": "/nowhere"}, "/nowhere"),
            (recorder_node.main, {}, "output: got ''"),
            (compose.main, {"uri": "/nowhere"}, "/nowhere"),
        ],
    )
    def test_a_refusal_to_start_is_2_and_one_line(
        self,
        tiny_bundle: Path,
        capfd: pytest.CaptureFixture[str],
        main: Callable[[list[str]], int],
        parameters: dict[str, Any],
        message: str,
    ) -> None:
        if main is compose.main:
            parameters = {**parameters, "model": tiny_bundle, "engine": "onnxruntime"}
        assert main(ros_arguments(**parameters)) == 2
        errors = capfd.readouterr().err
        assert "refused to start: " in errors
        assert message in errors

    def test_a_source_s_end_is_0(self, bag: Path) -> None:
        assert camera_node.main(ros_arguments(uri=bag, rate=10.0, wait_for_graph_sec=0.0)) == 0

    def test_a_recording_that_breaks_off_is_2_so_that_nobody_plays_it_again(
        self, bag: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from recycle_sorter.sources.fake import FakeSource

        source = FakeSource([], lost_after=0)
        monkeypatch.setattr(camera_node, "open_source", lambda config, clock_ns: source)
        assert camera_node.main(ros_arguments(wait_for_graph_sec=0.0)) == 2
        assert "broke off: fake: lost, as scripted" in capfd.readouterr().err

    def test_the_composed_graph_ends_with_its_bag(self, bag: Path, tiny_bundle: Path) -> None:
        arguments = ros_arguments(uri=bag, model=tiny_bundle, engine="onnxruntime", lossless=True)
        assert compose.main(arguments) == 0


def test_the_graph_works_across_processes_and_each_ends_cleanly(
    ros: Harness, bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    commands = ros.collect(DiverterCommand, "actuator/diverter_command", publishers=0)
    infos = ros.collect(CameraInfo, "camera/camera_info", BEST_EFFORT, publishers=0)
    answers = ros.collect(MaterialClassification, "classifier/classification", publishers=0)
    record = tmp_path / "record"
    with (
        process("actuator_node", lossless=True) as actuator,
        process(
            "classifier_node", model=tiny_bundle, engine="onnxruntime", lossless=True
        ) as classifier,
        process("recorder_node", output=record) as recorder,
    ):
        states = ros.collect(DiverterState, "actuator/diverter_state", LATCHED)
        ros.collect(ModelInfo, "classifier/model_info", LATCHED)
        ros.wait_count(states, 1, "states")
        with process("camera_node", uri=bag, lossless=True, loop=True) as camera:
            ros.wait_count(commands, 4, "commands")
            ros.wait_count(infos, 1, "camera infos")
            camera.send_signal(signal.SIGINT)
            _, errors = camera.communicate(timeout=20)
            assert camera.returncode == 0, errors
            assert "Traceback" not in errors
        assert len(answers) >= 40
        for child, number in (
            (classifier, signal.SIGINT),
            (actuator, signal.SIGTERM),
            (recorder, signal.SIGINT),
        ):
            child.send_signal(number)
            _, errors = child.communicate(timeout=20)
            assert child.returncode == 0, errors
            assert "Traceback" not in errors
    assert [m.material for m in commands[:4]] == ["glass", "metal"] * 2
    assert (record / "metadata.yaml").is_file()


def test_a_belts_actuator_that_is_stopped_ends_every_item_first(
    ros: Harness, tmp_path: Path
) -> None:
    states = ros.collect(DiverterState, "actuator/diverter_state", LATCHED, publishers=0)
    layout = write_layout(tmp_path)
    with process("belt_actuator_node", layout=layout, lossless=True) as child:
        talker = Talker(ros, [Thing(0.4, "metal"), Thing(0.0)], 1_700_000_000 * 10**9)
        ros.wait_count(states, 1, "states")
        talker.say(1.3)  # one is on its way to its flap, one is in view
        ros.wait_for(lambda: talker.decisions, "the first decision")
        assert not talker.records
        # One more picture, and at once the end: it is heard all the same.
        talker.say(1.34, and_wait=False)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
        assert child.returncode == 0, errors
        ros.wait_count(talker.records, 2, "records")
    assert {m.item_id for m in talker.records} == {1, 2}
    assert {m.cause for m in talker.records} == {ItemRecord.CAUSE_RUN_ENDED}
    assert not talker.commands


def test_the_composed_graph_ends_cleanly_on_ctrl_c(
    ros: Harness, bag: Path, tiny_bundle: Path
) -> None:
    commands = ros.collect(DiverterCommand, "actuator/diverter_command", publishers=0)
    with process(
        "compose", uri=bag, model=tiny_bundle, engine="onnxruntime", loop=True, lossless=True
    ) as child:
        ros.wait_count(commands, 2, "commands")
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
    assert child.returncode == 0, errors
    assert "Traceback" not in errors
