# SPDX-License-Identifier: Apache-2.0
"""A node that is killed comes back, and the sorter goes on sorting."""

from __future__ import annotations

import os
import signal
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
from support.launching import Listener, include


@pytest.mark.launch_test
@launch_testing.markers.keep_alive
def generate_test_description() -> LaunchDescription:
    return LaunchDescription([include("replay", loop="true"), launch_testing.actions.ReadyToTest()])


class TestRespawn(unittest.TestCase):
    def test_goes_on_after_a_kill(self, proc_info: Any) -> None:
        with Listener() as listener:
            heard = listener.messages
            commands = heard["actuator/diverter_command"]
            assert listener.wait_for(lambda: len(commands) >= 2, 60), listener.silent_topics()
            infos = heard["classifier/model_info"]
            assert listener.wait_for(lambda: bool(infos), 20), "no model"
            told = len(infos)
            classifier = next(n for n in proc_info.process_names() if "classifier_node" in n)
            os.kill(proc_info[classifier].pid, signal.SIGKILL)
            proc_info.assertWaitForShutdown(process=classifier, timeout=20)
            assert listener.wait_for(lambda: len(infos) > told, 30), (
                "the classifier did not come back"
            )
            before = len(commands)
            assert listener.wait_for(lambda: len(commands) >= before + 2, 60), (
                "no decisions after the classifier came back"
            )
            states = {state.state for state in heard["actuator/diverter_state"]}
            assert 4 in states, "diverters go home while nothing arrives (STATE_STALE)"


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_exit_codes(self, proc_info: Any) -> None:
        for info in proc_info:
            allowed = [0, -signal.SIGKILL] if "classifier_node" in info.process_name else [0]
            assert info.returncode in allowed, f"{info.process_name}: {info.returncode}"
