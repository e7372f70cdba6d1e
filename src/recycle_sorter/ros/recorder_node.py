# SPDX-License-Identifier: Apache-2.0
"""recorder_node: writes a run to a rosbag2 (MCAP) that ``ros2 bag`` and Foxglove open.

Messages are written as they arrived, never unpacked. It exists beside ``ros2 bag record`` because
rosbag2 has no wheels: this one works in both ways to install.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from geometry_msgs.msg import TwistStamped
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.rosbag2.errors import WriterError
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ros import qos
from recycle_sorter.ros.definitions import typestore
from recycle_sorter.ros.diagnostics import ERROR, OK, Diagnostics, Report
from recycle_sorter.ros.parameters import RECORDER, declare
from recycle_sorter.ros.runner import run_node
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter_msgs.msg import (
    BeltEncoder,
    BeltLanding,
    BeltObservation,
    BeltState,
    BeltTruth,
    DiverterCommand,
    DiverterState,
    GroundTruth,
    ItemRecord,
    MaterialClassification,
    ModelInfo,
    SortDecision,
)

Topics = tuple[tuple[Any, str, Any], ...]
_BOTH: Topics = (
    (CameraInfo, "camera/camera_info", qos.RESULT),
    (ModelInfo, "classifier/model_info", qos.LATCHED),
    (DiverterCommand, "actuator/diverter_command", qos.RESULT),
    (DiverterState, "actuator/diverter_state", qos.LATCHED),
)
_TOPICS: dict[str, Topics] = {
    "station": (
        *_BOTH,
        (GroundTruth, "camera/ground_truth", qos.RESULT),
        (MaterialClassification, "classifier/classification", qos.RESULT),
    ),
    "belt": (
        *_BOTH,
        (BeltEncoder, "belt/encoder", qos.RESULT),
        (TwistStamped, "belt/speed", qos.RESULT),
        (BeltObservation, "belt/observation", qos.RESULT),
        (SortDecision, "belt/decision", qos.RESULT),
        (ItemRecord, "belt/record", qos.RESULT),
        (BeltState, "belt/state", qos.RESULT),
        (BeltTruth, "belt/truth", qos.RESULT),
        (BeltLanding, "belt/landing", qos.RESULT),
    ),
}
_PICTURES: dict[str, Topics] = {
    "none": (),
    "raw": ((Image, "camera/image_raw", qos.RESULT),),
    "compressed": ((CompressedImage, "camera/image_raw/compressed", qos.RESULT),),
}


class RecorderNode(SorterNode):
    """Subscribes to everything the sorter says and writes it down."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("recorder_node", **node_options)
        values = declare(self, RECORDER)
        output = Path(str(values["output"])).expanduser()
        if not values["output"]:
            raise InvalidInputError("output", "", "a folder to write", "set `record:=FOLDER`")
        self.messages = 0
        self.lost = 0
        self._problem = ""
        try:
            self._writer = Writer(output, version=9, storage_plugin=StoragePlugin.MCAP)
            self._writer.open()
        except (WriterError, OSError) as error:
            fix = "name one that does not exist, in a folder you may write to"
            raise InvalidInputError(
                "output", str(output), f"a new folder ({error})", fix
            ) from error
        self.at_destroy.callback(self._writer.close)
        store = typestore()
        topics = (*_TOPICS[values["mode"]], *_PICTURES[values["images"]])
        for kind, topic, profile in topics:
            type_name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
            full_name = self.resolve_topic_name(topic)
            connection = self._writer.add_connection(full_name, type_name, typestore=store)
            self.create_subscription(
                kind, topic, partial(self._write, connection), profile, raw=True
            )
        Diagnostics(self, self._report_status, str(output))
        self.get_logger().info(f"recording to {output}")

    def _write(self, connection: Any, data: bytes) -> None:
        try:
            self._writer.write(connection, int(self.get_clock().now().nanoseconds), data)
        except (WriterError, OSError) as error:  # a full disk must not stop the sorter
            self.lost += 1
            self._problem = str(error)
            self.get_logger().error(f"not recorded: {error}", throttle_duration_sec=1.0)
            return
        self.messages += 1

    def _report_status(self) -> Report:
        counts = {"messages": self.messages, "lost": self.lost}
        return (ERROR, self._problem, counts) if self._problem else (OK, "recording", counts)


def main(args: list[str] | None = None) -> int:
    """Records until interrupted."""
    return run_node(RecorderNode, args)
