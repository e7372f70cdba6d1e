# SPDX-License-Identifier: Apache-2.0
"""Listens to a graph from outside and notes when each message was published.

Publication times are those that the middleware puts into every message (``source_timestamp``), so
the probe's own work does not count. Run as a program it is a process of its own.
"""

from __future__ import annotations

import json
import signal
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo

from recycle_sorter.ros import qos
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter.ros.message_info import with_info
from recycle_sorter.ros.runner import make_executor, spin
from recycle_sorter_msgs.msg import DiverterCommand, MaterialClassification

if TYPE_CHECKING:
    from rclpy.subscription import MessageInfo  # Jazzy has no such name

READY = "ready"


@dataclass(slots=True)
class Record:
    """What was heard; all times in nanoseconds since the epoch.

    Attributes:
        sent: ``[stamp, published]`` of each picture, by its camera info.
        classified: ``[stamp, published]`` of each classification.
        commanded: ``[stamp, published]`` of each command; the stamp is that of the picture on
            which the decision fell.
        item_present: Whether each classification saw an item.
        inference_sec: Preprocessing and network of each picture with an item.
        published: Pictures that the camera says it published; 0 if it was not asked.
        answered: Pictures that the classifier says it is through with; 0 if it was not asked.
        cpu_sec: CPU time of the graph's process during ``run_sec``; 0 if it was not asked.
        run_sec: From the graph's start to the source's end; 0 if it was not asked.
        wall_sec: From first to last classification.
    """

    sent: list[list[int]] = field(default_factory=list)
    classified: list[list[int]] = field(default_factory=list)
    commanded: list[list[int]] = field(default_factory=list)
    item_present: list[bool] = field(default_factory=list)
    inference_sec: list[float] = field(default_factory=list)
    published: int = 0
    answered: int = 0
    cpu_sec: float = 0.0
    run_sec: float = 0.0
    wall_sec: float = 0.0

    @property
    def frame_ms(self) -> list[float]:
        """From a picture's stamp to its classification's publication."""
        return [(published - stamp) / 1e6 for stamp, published in self.classified]

    @property
    def command_ms(self) -> list[float]:
        """From the deciding picture's stamp to its command's publication."""
        return [(published - stamp) / 1e6 for stamp, published in self.commanded]

    @property
    def engine_ms(self) -> list[float]:
        """Preprocessing and network."""
        return [1e3 * sec for sec in self.inference_sec]

    @property
    def lost(self) -> int:
        """Pictures published that were never classified."""
        stamps = {stamp for stamp, _ in self.sent}
        expected = max(self.published, len(stamps))
        return expected - len({stamp for stamp, _ in self.classified})

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Record:
        """Reads what ``write`` wrote."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


class ProbeNode(Node):
    """Fills a :class:`Record`."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("probe_node", **node_options)
        self.record = Record()
        for kind, topic, callback in (
            (CameraInfo, "camera/camera_info", self._sent),
            (MaterialClassification, "classifier/classification", self._classified),
            (DiverterCommand, "actuator/diverter_command", self._commanded),
        ):
            self.create_subscription(kind, topic, with_info(callback), qos.RESULT)

    def _sent(self, message: CameraInfo, info: MessageInfo) -> None:
        self.record.sent.append(_times(message, info))

    def _classified(self, message: MaterialClassification, info: MessageInfo) -> None:
        self.record.classified.append(_times(message, info))
        self.record.item_present.append(bool(message.item_present))
        if message.item_present:
            self.record.inference_sec.append(float(message.inference_time_sec))
        first, last = self.record.classified[0][1], info["source_timestamp"]
        self.record.wall_sec = (last - first) / 1e9

    def _commanded(self, message: DiverterCommand, info: MessageInfo) -> None:
        self.record.commanded.append(_times(message, info))


def _times(message: Any, info: MessageInfo) -> list[int]:
    return [time_to_ns(message.header.stamp), int(info["source_timestamp"])]


def main() -> int:
    """``python -m benchmarks.probe OUT``: listens until SIGINT, then writes the record."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with rclpy.init():
        node = ProbeNode()
        executor = make_executor()
        executor.add_node(node)
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            spin(executor, Future())
        node.record.write(Path(sys.argv[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
