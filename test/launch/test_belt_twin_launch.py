# SPDX-License-Identifier: Apache-2.0
"""The twin in one process with its sorter, in a lane: what the README's first belt command does."""

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
from support.launching import BELT_TOPICS, Listener, include

FOLDER = tempfile.TemporaryDirectory()


@pytest.mark.launch_test
@launch_testing.markers.keep_alive
def generate_test_description() -> tuple[LaunchDescription, dict[str, Any]]:
    listener = Listener("lane1", topics=BELT_TOPICS)
    sorter = include(
        "sorter",
        mode="belt",
        source="twin",
        seed="7",
        duration_sec="8.0",
        composed="true",
        lossless="true",
        namespace="lane1",
        # The recorder ends last: a launch whose only process has ended would stop the tests, too.
        record=str(Path(FOLDER.name) / "bag"),
        wait_for_listeners="2",
    )
    ready = launch_testing.actions.ReadyToTest()
    return LaunchDescription([sorter, ready]), {"listener": listener}


class TestTwin(unittest.TestCase):
    def test_decides_and_keeps_books(self, proc_info: Any, listener: Listener) -> None:
        proc_info.assertWaitForStartup(process="belt_composed", timeout=20)
        proc_info.assertWaitForShutdown(process="belt_composed", timeout=180)
        listener.close()
        assert listener.silent_topics() == []
        decided = [message.item_id for message in listener.messages["belt/decision"]]
        recorded = [message.item_id for message in listener.messages["belt/record"]]
        assert len(decided) == len(set(decided))
        assert sorted(recorded) == sorted(decided)


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_exit_codes(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
