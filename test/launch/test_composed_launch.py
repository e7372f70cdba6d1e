# SPDX-License-Identifier: Apache-2.0
"""All nodes in one process, in a namespace, recorded: the bag holds what was published."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip(
    "launch_testing", reason="launch_testing has no wheel: launch tests need a system ROS 2"
)

import launch_testing.actions
import launch_testing.asserts
import launch_testing.markers
from launch import LaunchDescription
from rosbags.rosbag2 import Reader
from support.launching import Listener, include, right_and_total

FOLDER = tempfile.TemporaryDirectory()
BAG = Path(FOLDER.name) / "bag"


@pytest.mark.launch_test
@launch_testing.markers.keep_alive
def generate_test_description() -> tuple[LaunchDescription, dict[str, Any]]:
    # The bag waits for this listener and the recorder.
    listener = Listener("lane1")
    sorter = include(
        "replay",
        lossless="true",
        composed="true",
        namespace="lane1",
        record=str(BAG),
        wait_for_listeners="2",
    )
    ready = launch_testing.actions.ReadyToTest()
    return LaunchDescription([sorter, ready]), {"listener": listener}


class TestComposed(unittest.TestCase):
    def test_sorts_in_its_lane(self, proc_info: Any, listener: Listener) -> None:
        proc_info.assertWaitForStartup(process="sorter_composed", timeout=20)
        proc_info.assertWaitForShutdown(process="sorter_composed", timeout=180)
        listener.close()
        assert listener.silent_topics() == []
        right, items = right_and_total(listener)
        assert len(listener.messages["actuator/diverter_command"]) == items >= 36
        assert right >= 0.8 * items  # goal 0.9, see docs/results.md


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_exit_codes(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)

    def test_bag(self) -> None:
        with Reader(BAG) as reader:
            counts = {connection.topic: connection.msgcount for connection in reader.connections}
        assert counts["/lane1/actuator/diverter_command"] >= 36
        frames = counts["/lane1/camera/camera_info"]
        assert counts["/lane1/camera/image_raw/compressed"] == frames
        assert counts["/lane1/classifier/classification"] == frames
