# SPDX-License-Identifier: Apache-2.0
"""What the nodes share that play a belt's line: the twin, and a bag of a belt."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from geometry_msgs.msg import TwistStamped
from rclpy.publisher import Publisher
from rclpy.task import Future

from recycle_sorter.core.errors import SorterError
from recycle_sorter.core.types import Frame
from recycle_sorter.ros import belt_conversions, conversions, qos
from recycle_sorter.ros.diagnostics import OK, WARN, Diagnostics, Report
from recycle_sorter.ros.handshake import BELT, Handshake
from recycle_sorter.ros.image_outlet import ImageOutlet
from recycle_sorter.ros.line_player import Entry, LinePlayer
from recycle_sorter.ros.runner import Refusal
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter.sources.pump import PumpConfig
from recycle_sorter_msgs.msg import BeltEncoder, BeltTruth

_TIMEOUT_SEC = 12.0


class LineSourceNode(SorterNode):
    """Plays entries on a thread of its own; ``finished`` is done when they have ended.

    A subclass calls ``begin`` once it is ready.
    """

    def __init__(self, name: str, **node_options: Any) -> None:
        super().__init__(name, **node_options)
        self.finished: Future[None] = Future()
        self.source_name = ""
        self.told = {"encoder": 0, "speed": 0}  # how many of each were published
        self.pump: LinePlayer
        self._stop = threading.Event()
        self._encoder = self.publisher(BeltEncoder, "belt/encoder")
        self._speeds = self.publisher(TwistStamped, "belt/speed")
        self._truths = self.publisher(BeltTruth, "belt/truth")

    def publisher(self, kind: Any, topic: str) -> Publisher[Any]:
        """A publisher of one of the line's topics."""
        return self.create_publisher(kind, topic, **qos.overridable(qos.RESULT))

    def open_camera(self, values: dict[str, Any]) -> None:
        """Prepares the topics of the pictures; comes before ``frame_entry``."""
        self._handshake = Handshake(self, values, BELT)
        self._outlet = ImageOutlet(
            self, values["frame_id"], values["jpeg_quality"], self._handshake, self._stop, self._log
        )

    def begin(self, name: str, values: dict[str, Any], *entries: Iterable[Entry]) -> None:
        """Starts to play.

        Args:
            name: What people call the source.
            values: The node's parameters.
            *entries: Each in order of its stamps. At one stamp, an earlier one goes first.
        """
        self.source_name = name
        self.pump = LinePlayer(
            merged(*entries),
            PumpConfig(values["rate"], False, values["lossless"]),
            self.now_ns,
            self._stop.wait,
            self._outlet.await_result,
            self.on_frame,
        )
        Diagnostics(self, self._report_status, name)
        self._thread = threading.Thread(target=self._run, name="line", daemon=True)
        self._thread.start()
        self.at_destroy.callback(self.stop)

    def on_frame(self, recorded_ns: int) -> None:
        """Called after each picture with its time in the recording."""

    def frame_entry(self, frame: Frame) -> Entry:
        """The entry of a picture."""
        messages = self._outlet.prepare(frame)

        def send(stamp_ns: int) -> None:
            for message in messages[:3]:
                if message is not None:
                    message.header.stamp = conversions.ns_to_time(stamp_ns)
            self._outlet.send(messages)

        return Entry(frame.stamp_ns, send, is_frame=True)

    def entry(
        self, publisher: Publisher[Any], message: Any, stamp_ns: int, motion: str = ""
    ) -> Entry:
        """The entry of any message with a header; ``motion`` is a key of ``told``, or empty."""

        def send(stamp_ns: int) -> None:
            message.header.stamp = conversions.ns_to_time(stamp_ns)
            publisher.publish(message)
            if motion:
                self.told[motion] += 1

        return Entry(stamp_ns, send)

    def speed_entry(self, speed_m_per_sec: float, stamp_ns: int) -> Entry:
        """The entry of the belt's speed, which is ``rate`` times what it was."""
        message = TwistStamped()
        message.twist.linear.x = speed_m_per_sec * self.rate
        return self.entry(self._speeds, message, stamp_ns, "speed")

    def ticks_entry(self, ticks: int, stamp_ns: int) -> Entry:
        """The entry of the encoder's count."""
        message = belt_conversions.ticks_to_message(ticks, stamp_ns)
        return self.entry(self._encoder, message, stamp_ns, "encoder")

    @property
    def rate(self) -> float:
        """How much faster than the line's clock the recording's time runs; 1 in lock step."""
        return 1.0 if self.is_lossless else float(self.get_parameter("rate").value)

    @property
    def is_lossless(self) -> bool:
        """Whether stamps are the recording's and each picture waits for its answer."""
        return bool(self.get_parameter("lossless").value)

    def interrupt(self) -> None:
        """Lets the source end now; safe in a signal handler."""
        self._stop.set()

    def stop(self) -> None:
        """Ends the thread; nothing is published afterwards."""
        self.interrupt()
        self._thread.join(timeout=_TIMEOUT_SEC)

    def now_ns(self) -> int:
        """The clock of the stamps."""
        return int(self.get_clock().now().nanoseconds)

    def _run(self) -> None:
        try:
            if not self._handshake.await_graph(self._stop):
                self._log("nobody listens to camera/image_raw; starting all the same", False)
            self.get_logger().info(f"playing {self.source_name}")
            self.pump.run()
        except SorterError as error:
            self.finished.set_exception(Refusal(f"broke off: {error}"))
        except Exception as error:  # the thread's last resort: whoever spins must hear of it
            self.finished.set_exception(error)
            raise
        else:
            count = self.pump.counters.published
            self.get_logger().info(f"{self.source_name} ended after {count} frames")
            self.finished.set_result(None)

    def _log(self, text: str, is_error: bool) -> None:
        # One call site each: rclpy ties a call site to one severity.
        if is_error:
            self.get_logger().error(text)
        else:
            self.get_logger().info(text)

    def _report_status(self) -> Report:
        counters = self.pump.counters
        values = {"published": counters.published, "unanswered": counters.unanswered}
        if counters.unanswered:
            return WARN, "some pictures were not answered", values
        return OK, "ended" if self.finished.done() else "playing", values


def merged(*entries: Iterable[Entry]) -> Iterator[Entry]:
    """Several runs of entries as one, in order of their stamps."""
    return heapq.merge(*entries, key=lambda entry: entry.stamp_ns)
