# SPDX-License-Identifier: Apache-2.0
"""The sample bag through three processes: one decision an item, most of them right, clean ends."""

from __future__ import annotations

import unittest
from typing import Any

import pytest

pytest.importorskip(
    "launch_testing", reason="launch_testing has no wheel: launch tests need a system ROS 2"
)

import launch_testing.actions
import launch_testing.asserts
import launch_testing.markers
from launch import LaunchDescription
from support.launching import Listener, include, right_and_total

ITEMS = 36  # of the sample bag
NODES = ("actuator_node", "classifier_node", "camera_node")


@pytest.mark.launch_test
@launch_testing.markers.keep_alive
def generate_test_description() -> tuple[LaunchDescription, dict[str, Any]]:
    # The bag waits for this listener: in lossless mode it is through in seconds.
    listener = Listener()
    sorter = include("replay", lossless="true", wait_for_listeners="1")
    ready = launch_testing.actions.ReadyToTest()
    return LaunchDescription([sorter, ready]), {"listener": listener}


class TestSample(unittest.TestCase):
    def test_sorts_every_item_once(self, proc_info: Any, listener: Listener) -> None:
        for node in NODES:
            proc_info.assertWaitForStartup(process=node, timeout=20)
        # The camera ends when the bag does; launch then ends the others.
        proc_info.assertWaitForShutdown(process="camera_node", timeout=180)
        # The actuator ends what it holds when it is told to stop, and it stops after the camera.
        commands = listener.messages["actuator/diverter_command"]
        listener.wait_for(lambda: len(commands) >= ITEMS, 20)
        listener.close()
        heard = listener.messages
        assert listener.silent_topics() == []
        right, items = right_and_total(listener)
        assert items == ITEMS
        assert len(heard["actuator/diverter_command"]) == items
        assert right >= 0.8 * items  # goal 0.9, see docs/results.md
        stamps = [
            (m.header.stamp.sec, m.header.stamp.nanosec) for m in heard["classifier/classification"]
        ]
        assert stamps == sorted(set(stamps)), "each frame exactly one result, in order"


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_exit_codes(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
        assert len(list(proc_info)) == len(NODES)
