# SPDX-License-Identifier: Apache-2.0
"""The two processes of the ``transport`` benchmark: one talks, one listens.

``python -m benchmarks.transport_roles talk DELIVERY COUNT FPS_HZ``
``python -m benchmarks.transport_roles listen DELIVERY OUT.json``
"""

from __future__ import annotations

import array
import json
import signal
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from sensor_msgs.msg import Image

from benchmarks.pictures import HEIGHT_PX, WIDTH_PX
from benchmarks.probe import READY
from recycle_sorter.core.errors import SorterError
from recycle_sorter.ros.conversions import ns_to_time, time_to_ns
from recycle_sorter.ros.runner import make_executor, spin

_TOPIC = "transport_test"
_WAIT_SEC = 15.0
_LINGER_SEC = 0.5


@dataclass(slots=True)
class Arrivals:
    """Milliseconds from stamp to callback of every picture that arrived."""

    latency_ms: list[float] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Arrivals:
        """Reads what the listener wrote."""
        return cls(json.loads(path.read_text(encoding="utf-8")))


def _profile(delivery: str) -> QoSProfile:
    reliability = {
        "best_effort": ReliabilityPolicy.BEST_EFFORT,
        "reliable": ReliabilityPolicy.RELIABLE,
    }[delivery]
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=5, reliability=reliability)


def talk(delivery: str, count: int, fps_hz: float) -> None:
    """Publishes ``count`` pictures once somebody listens.

    Raises:
        SorterError: If nobody does.
    """
    node = rclpy.create_node("talker")
    publisher = node.create_publisher(Image, _TOPIC, _profile(delivery))
    deadline = time.monotonic() + _WAIT_SEC
    while not publisher.get_subscription_count():
        if time.monotonic() > deadline:
            raise SorterError(f"nobody listened within {_WAIT_SEC:g} s")
        time.sleep(0.01)
    time.sleep(_LINGER_SEC)  # until the listener knows us, too
    message = Image(width=WIDTH_PX, height=HEIGHT_PX, encoding="bgr8", step=3 * WIDTH_PX)
    message.data = array.array("B", bytes(3 * WIDTH_PX * HEIGHT_PX))
    start = time.monotonic()
    for index in range(count):
        time.sleep(max(0.0, start + index / fps_hz - time.monotonic()))
        message.header.stamp = ns_to_time(time.time_ns())
        publisher.publish(message)
    time.sleep(_LINGER_SEC)  # a process that ends takes its shared memory along


def listen(delivery: str, out: Path) -> None:
    """Notes latencies until it is interrupted."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    node = rclpy.create_node("listener")
    arrivals = Arrivals()

    def on_image(message: Image) -> None:
        age_ns = time.time_ns() - time_to_ns(message.header.stamp)
        arrivals.latency_ms.append(age_ns / 1e6)

    node.create_subscription(Image, _TOPIC, on_image, _profile(delivery))
    executor = make_executor()
    executor.add_node(node)
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    with suppress(KeyboardInterrupt, ExternalShutdownException):
        spin(executor, Future())
    out.write_text(json.dumps(arrivals.latency_ms), encoding="utf-8")


def main() -> int:
    """Plays one role."""
    role, delivery, *rest = sys.argv[1:]
    with rclpy.init():
        if role == "talk":
            talk(delivery, int(rest[0]), float(rest[1]))
        else:
            listen(delivery, Path(rest[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
