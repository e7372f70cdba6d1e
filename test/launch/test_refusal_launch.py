# SPDX-License-Identifier: Apache-2.0
"""A node that refuses to start ends the launch instead of being started for ever."""

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
from support.launching import include


@pytest.mark.launch_test
@launch_testing.markers.keep_alive
def generate_test_description() -> LaunchDescription:
    return LaunchDescription(
        [include("replay", model="/no/such/bundle"), launch_testing.actions.ReadyToTest()]
    )


class TestRefusal(unittest.TestCase):
    def test_ends(self, proc_info: Any, proc_output: Any) -> None:
        proc_info.assertWaitForStartup(process="classifier_node", timeout=20)
        proc_info.assertWaitForShutdown(process="classifier_node", timeout=30)
        proc_info.assertWaitForShutdown(process="actuator_node", timeout=30)
        proc_output.assertWaitFor("/no/such/bundle", process="classifier_node", timeout=5)


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_exit_codes(self, proc_info: Any) -> None:
        codes = {info.process_name.split("-")[0]: info.returncode for info in proc_info}
        assert codes == {"actuator_node": 0, "classifier_node": 2, "camera_node": 0}
