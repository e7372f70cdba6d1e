# SPDX-License-Identifier: Apache-2.0
"""Listens to one or more belts' graphs from outside, in a process of its own.

``python -m benchmarks.belt_probe OUT.json [NAMESPACE ...]``: until SIGINT.
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
from rclpy.serialization import deserialize_message
from rclpy.task import Future
from sensor_msgs.msg import CameraInfo

from benchmarks.probe import READY
from recycle_sorter.ros import qos
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter.ros.message_info import with_info
from recycle_sorter.ros.runner import make_executor, spin
from recycle_sorter_msgs.msg import (
    BeltEncoder,
    BeltLanding,
    BeltObservation,
    BeltTruth,
    DiverterCommand,
    ItemRecord,
    SortDecision,
)

if TYPE_CHECKING:
    from rclpy.subscription import MessageInfo  # Jazzy has no such name


@dataclass(slots=True)
class Heard:
    """What one belt said; times in nanoseconds since the epoch, places in metres.

    Attributes:
        sent: ``[stamp, published]`` of each picture, by its camera info.
        observed: ``[stamp, published, items, inference_ns]`` of each observation.
        encoder: ``[stamp, ticks]``.
        commands: ``[item, due, published]`` of each command.
        truths: Fields of ``BeltTruth.msg``.
        landings: ``[item, bin]``.
        decisions: Fields of ``SortDecision.msg``, and when it was ``published``.
        records: Fields of ``ItemRecord.msg``.
    """

    sent: list[list[int]] = field(default_factory=list)
    observed: list[list[int]] = field(default_factory=list)
    encoder: list[list[int]] = field(default_factory=list)
    commands: list[list[int]] = field(default_factory=list)
    truths: list[dict[str, Any]] = field(default_factory=list)
    landings: list[tuple[int, str]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)


class BeltProbe(Node):
    """Fills a :class:`Heard`; the encoder's many messages are read at the end."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("belt_probe", **node_options)
        self.heard = Heard()
        self._ticks: list[bytes] = []
        for kind, topic, callback in (
            (CameraInfo, "camera/camera_info", self._sent),
            (BeltObservation, "belt/observation", self._observed),
            (DiverterCommand, "actuator/diverter_command", self._commanded),
            (SortDecision, "belt/decision", self._decided),
        ):
            self.create_subscription(kind, topic, with_info(callback), qos.RESULT)
        result = qos.RESULT
        self.create_subscription(BeltEncoder, "belt/encoder", self._ticks.append, result, raw=True)
        self.create_subscription(BeltTruth, "belt/truth", self._true, result)
        self.create_subscription(BeltLanding, "belt/landing", self._landed, result)
        self.create_subscription(ItemRecord, "belt/record", self._recorded, result)

    def close(self) -> Heard:
        """Returns what was heard."""
        for data in self._ticks:
            message = deserialize_message(data, BeltEncoder)
            self.heard.encoder.append([time_to_ns(message.header.stamp), int(message.ticks)])
        return self.heard

    def _sent(self, message: CameraInfo, info: MessageInfo) -> None:
        self.heard.sent.append([time_to_ns(message.header.stamp), int(info["source_timestamp"])])

    def _observed(self, message: BeltObservation, info: MessageInfo) -> None:
        took_ns = round(1e9 * float(message.inference_time_sec))
        stamp_ns = time_to_ns(message.header.stamp)
        row = [stamp_ns, int(info["source_timestamp"]), len(message.detections), took_ns]
        self.heard.observed.append(row)

    def _commanded(self, message: DiverterCommand, info: MessageInfo) -> None:
        due_ns = time_to_ns(message.fire_time)
        self.heard.commands.append([int(message.item_id), due_ns, int(info["source_timestamp"])])

    def _decided(self, message: SortDecision, info: MessageInfo) -> None:
        self.heard.decisions.append(
            {
                "stamp_ns": time_to_ns(message.header.stamp),
                "published_ns": int(info["source_timestamp"]),
                "item_id": int(message.item_id),
                "x_m": float(message.x_m),
                "y_m": float(message.y_m),
                "material": str(message.material),
                "confidence": float(message.confidence),
                "bin": str(message.bin),
                "reason": int(message.reason),
                "detail": str(message.detail),
                "evidence_frames": int(message.evidence_frames),
            }
        )

    def _recorded(self, message: ItemRecord) -> None:
        self.heard.records.append(
            {
                "item_id": int(message.item_id),
                "outcome": int(message.outcome),
                "cause": int(message.cause),
                "diverter": str(message.diverter),
                "scheduled_ns": time_to_ns(message.scheduled_time),
                "issued_ns": time_to_ns(message.issued_time),
                "x_m": float(message.x_m),
                "rival_id": int(message.rival_id),
                "detail": str(message.detail),
                "ended_ns": time_to_ns(message.header.stamp),
            }
        )

    def _true(self, message: BeltTruth) -> None:
        self.heard.truths.append(
            {
                "enter_ns": time_to_ns(message.header.stamp),
                "item_id": int(message.item_id),
                "material": str(message.material),
                "s_m": float(message.x_m) - float(message.position_m),
                "y_m": float(message.y_m),
                "length_m": float(message.length_m),
                "is_separate": not message.is_overlapping,
                "source": str(message.source),
            }
        )

    def _landed(self, message: BeltLanding) -> None:
        self.heard.landings.append((int(message.item_id), str(message.bin)))


def read_heard(path: Path) -> dict[str, Heard]:
    """What each namespace's belt said."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: Heard(**fields) for name, fields in content.items()}


def main() -> int:
    """Listens until SIGINT, then writes what was heard."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with rclpy.init():
        executor = make_executor()
        probes = {}
        for name in sys.argv[2:] or [""]:
            options = {"namespace": name} if name else {}
            probes[name] = BeltProbe(**options)
            executor.add_node(probes[name])
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        with suppress(KeyboardInterrupt, ExternalShutdownException):
            spin(executor, Future())
        content = {name: asdict(probe.close()) for name, probe in probes.items()}
        Path(sys.argv[1]).write_text(json.dumps(content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
