# SPDX-License-Identifier: Apache-2.0
"""A recorded belt through three processes: each item decided and recorded once, bins pure."""

from __future__ import annotations

import tempfile
import unittest
from collections import Counter, defaultdict
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
from support.belt_bags import write_belt_bag
from support.belt_said import BIN_OF, Said, purity_and_recovery, stamp_ns
from support.launching import BELT_TOPICS, Listener, include

from recycle_sorter.ros.definitions import typestore
from recycle_sorter.twin.library import Library, load_library
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin
from recycle_sorter_msgs.msg import ItemRecord

FOLDER = tempfile.TemporaryDirectory()
BAG = Path(FOLDER.name) / "belt"
RECORD = Path(FOLDER.name) / "recorded"
NODES = ("belt_actuator_node", "belt_classifier_node", "belt_bag_node")
# Two of each material that the shipped model is sure of: the graph is tested here, not the model.
KNOWN = {
    "cardboard": ("700003", "700010"),
    "glass": ("700001", "700004"),
    "metal": ("700004", "700006"),
    "paper": ("700008", "700011"),
    "plastic": ("700003", "700009"),
    "trash": ("700004", "700006"),
}
ITEMS = 24
# Of each bin. One item of three or more may go astray: another machine computes a little otherwise.
LEAST_PURITY, LEAST_RECOVERY = 0.75, 0.65
SCENARIO = {
    "seed": 5,
    "duration_sec": None,
    "items.count": ITEMS,
    "items.per_min": 100.0,
    "items.empty_sec": 3.0,
    "camera.fps_hz": 15.0,
}


def known_items() -> Library:
    """The shipped cut-outs of ``KNOWN``."""
    names = {
        f"{material}/{material}_{number}.png"
        for material, numbers in KNOWN.items()
        for number in numbers
    }
    found = tuple(one for one in load_library().cutouts if one.source in names)
    assert len(found) == len(names)
    return Library(found)


@pytest.mark.launch_test
@launch_testing.markers.keep_alive
def generate_test_description() -> tuple[LaunchDescription, dict[str, Any]]:
    write_belt_bag(BAG, Twin(load_scenario(None, SCENARIO), known_items()))
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
        assert len(said.separate) == ITEMS
        decided = [said.decisions_on(truth) for truth in said.separate]
        assert [len(decisions) for decisions in decided] == [1] * ITEMS
        records = Counter(record.item_id for record in listener.messages["belt/record"])
        assert set(records.values()) == {1}
        assert not [
            record
            for record in listener.messages["belt/record"]
            if record.cause not in (ItemRecord.CAUSE_NONE, ItemRecord.CAUSE_CONFLICT)
        ]
        # What tracking and timing cost: a bin holds what was decided for it.
        for (_, where), decisions in zip(said.ends(), decided, strict=True):
            assert where == decisions[0].bin


@launch_testing.post_shutdown_test()
class TestEnd(unittest.TestCase):
    def test_exit_codes(self, proc_info: Any) -> None:
        launch_testing.asserts.assertExitCodes(proc_info)
        assert len(list(proc_info)) == len(NODES) + 1

    def test_bag(self) -> None:
        with Reader(RECORD) as reader:
            counts = {connection.topic: connection.msgcount for connection in reader.connections}
        frames = counts["/camera/camera_info"]
        assert counts["/camera/image_raw/compressed"] == counts["/belt/observation"] == frames
        assert counts["/belt/decision"] >= ITEMS
        assert counts["/belt/record"] >= ITEMS
        assert counts["/belt/truth"] == ITEMS

    def test_recorded_purity_and_recovery(self) -> None:
        store = typestore()
        messages: dict[str, list[Any]] = defaultdict(list)
        with Reader(RECORD) as reader:
            wanted = [c for c in reader.connections if c.topic.startswith("/belt/")]
            for connection, _, data in reader.messages(wanted):
                message = store.deserialize_cdr(data, connection.msgtype)
                messages[connection.topic.removeprefix("/")].append(message)
        purity, recovery = purity_and_recovery(Said(messages).ends())
        text = f"purity {purity}, recovery {recovery}"
        assert set(purity) == set(recovery) == set(BIN_OF.values()), text
        assert min(purity.values()) >= LEAST_PURITY, text
        assert min(recovery.values()) >= LEAST_RECOVERY, text
