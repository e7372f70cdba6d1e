# SPDX-License-Identifier: Apache-2.0
"""A recorded belt through three processes: each item decided and recorded once, most right."""

from __future__ import annotations

import tempfile
import unittest
from collections import Counter
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
from support.belt_bags import write_belt_bag
from support.belt_said import BIN_OF, Said, purity_and_recovery, stamp_ns
from support.launching import BELT_TOPICS, Listener, include

from recycle_sorter.twin.library import load_library
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin
from recycle_sorter_msgs.msg import ItemRecord

FOLDER = tempfile.TemporaryDirectory()
BAG = Path(FOLDER.name) / "belt"
RECORD = Path(FOLDER.name) / "recorded"
NODES = ("belt_actuator_node", "belt_classifier_node", "belt_bag_node")
SCENARIO = {
    "seed": 4,
    "duration_sec": None,
    "items.count": 12,
    "items.per_min": 100.0,
    "items.empty_sec": 3.0,
    "camera.fps_hz": 15.0,
}


@pytest.mark.launch_test
@launch_testing.markers.keep_alive
def generate_test_description() -> tuple[LaunchDescription, dict[str, Any]]:
    write_belt_bag(BAG, Twin(load_scenario(None, SCENARIO), load_library()))
    # The bag waits for this listener and the recorder: in lossless mode it is through in seconds.
    listener = Listener(topics=BELT_TOPICS)
    sorter = include(
        "sorter",
        mode="belt",
        uri=str(BAG),
        lossless="true",
        record=str(RECORD),
        wait_for_listeners="2",
    )
    ready = launch_testing.actions.ReadyToTest()
    return LaunchDescription([sorter, ready]), {"listener": listener}


class TestBelt(unittest.TestCase):
    def test_sorts_every_item_once(self, proc_info: Any, listener: Listener) -> None:
        for node in NODES:
            proc_info.assertWaitForStartup(process=node, timeout=20)
        proc_info.assertWaitForShutdown(process="belt_bag_node", timeout=180)
        listener.close()
        assert listener.silent_topics() == []
        said = Said(listener.messages)
        observed = [stamp_ns(message) for message in listener.messages["belt/observation"]]
        assert observed == sorted(set(observed)), "each picture exactly one answer, in order"
        assert len(said.separate) == 12
        decided = [said.decisions_on(truth) for truth in said.separate]
        assert [len(decisions) for decisions in decided] == [1] * 12
        records = Counter(record.item_id for record in listener.messages["belt/record"])
        assert set(records.values()) == {1}
        assert not [
            record
            for record in listener.messages["belt/record"]
            if record.cause not in (ItemRecord.CAUSE_NONE, ItemRecord.CAUSE_CONFLICT)
        ]
        ends = said.ends()
        purity, recovery = purity_and_recovery(ends)
        right = sum(BIN_OF[material] == where for material, where in ends)
        text = f"purity {purity}, recovery {recovery}"
        assert right >= 0.6 * len(ends), text
        # What tracking and timing cost: a bin holds what was decided for it.
        for (_, where), decisions in zip(ends, decided, strict=True):
            assert where == decisions[0].bin, text


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_exit_codes(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
        assert len(list(proc_info)) == len(NODES) + 1

    def test_bag(self) -> None:
        from rosbags.rosbag2 import Reader

        with Reader(RECORD) as reader:
            counts = {connection.topic: connection.msgcount for connection in reader.connections}
        frames = counts["/camera/camera_info"]
        assert counts["/camera/image_raw/compressed"] == counts["/belt/observation"] == frames
        assert counts["/belt/decision"] >= 12
        assert counts["/belt/record"] >= 12
        assert counts["/belt/truth"] == 12
