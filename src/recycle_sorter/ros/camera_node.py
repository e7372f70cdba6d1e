# SPDX-License-Identifier: Apache-2.0
"""camera_node: publishes a source's frames with their capture times."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import Any

from rclpy.task import Future

from recycle_sorter.core.errors import SorterError
from recycle_sorter.ros.diagnostics import ERROR, OK, Diagnostics, Report
from recycle_sorter.ros.handshake import BELT, STATION, Handshake
from recycle_sorter.ros.image_outlet import ImageOutlet, Outgoing
from recycle_sorter.ros.parameters import CAMERA, declare
from recycle_sorter.ros.runner import Refusal, run_node
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter.sources.backoff import Backoff
from recycle_sorter.sources.factory import SourceConfig, open_source
from recycle_sorter.sources.pump import FramePump, PumpConfig

_CAMERA_TIMEOUT_SEC = 12.0
_SOURCE_FIELDS = (
    "uri", "width_px", "height_px", "fps_hz", "mjpeg", "topic", "show_sec", "gap_sec", "seed",
)  # fmt: skip


class CameraNode(SorterNode):
    """Reads on a thread of its own; ``finished`` is done when the source has ended."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("camera_node", **node_options)
        values = declare(self, CAMERA)
        self.finished: Future[None] = Future()
        self._problem: tuple[str, int] | None = None
        self._stop = threading.Event()
        self._source = open_source(
            SourceConfig(kind=values["source"], **{name: values[name] for name in _SOURCE_FIELDS}),
            self._now_ns,
        )
        answers = BELT if values["mode"] == "belt" else STATION
        self._handshake = Handshake(self, values, answers)
        outlet = ImageOutlet(
            self,
            values["frame_id"],
            values["jpeg_quality"],
            self._handshake,
            self._stop,
            self._report,
        )
        self.pump: FramePump[Outgoing] = FramePump(
            self._source,
            outlet,
            PumpConfig(values["rate"], values["loop"], values["lossless"]),
            Backoff(values["reconnect_initial_sec"], values["reconnect_max_sec"]),
            self._now_ns,
            self._stop.wait,
        )
        Diagnostics(self, self._report_status, self._source.name)
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()
        self.at_destroy.callback(self.stop)

    @property
    def is_lossless(self) -> bool:
        """Whether stamps are the recording's and each frame waits for its result."""
        return bool(self.get_parameter("lossless").value)

    @property
    def source_name(self) -> str:
        """What people call the source."""
        return self._source.name

    def interrupt(self) -> None:
        """Lets the source end now; safe in a signal handler."""
        self._stop.set()

    def stop(self) -> None:
        """Ends the thread, which closes the source; nothing is published afterwards."""
        self.interrupt()
        # V4L2's own time-out for a camera that hangs is 10 s, and it must not be closed meanwhile.
        self._thread.join(timeout=_CAMERA_TIMEOUT_SEC)

    def _run(self) -> None:
        try:
            if not self._source.is_live and not self._handshake.await_graph(self._stop):
                self._report("nobody listens to camera/image_raw; starting all the same", False)
            self.get_logger().info(f"publishing {self._source.name}")
            self._tell_notices(since=0)
            known = len(self._source.notices)
            self.pump.run()
            self._tell_notices(since=known)
        except SorterError as error:
            # Played again, a recording would only be sorted twice; a camera may come back.
            final = error if self._source.is_live else Refusal(f"broke off: {error}")
            self.finished.set_exception(final)
        except Exception as error:  # the thread's last resort: whoever spins must hear of it
            self.finished.set_exception(error)
            raise
        else:
            count = self.pump.counters.published
            self.get_logger().info(f"{self._source.name} ended after {count} frames")
            self.finished.set_result(None)

    def _tell_notices(self, since: int) -> None:
        for notice in self._source.notices[since:]:
            self.get_logger().warning(f"{self._source.name}: {notice}")

    def _report(self, text: str, is_error: bool) -> None:
        # With the count of frames: it is over when the next one goes out.
        self._problem = (text, self.pump.counters.published) if is_error else None
        # One call site each: rclpy ties a call site to one severity.
        if is_error:
            self.get_logger().error(text)
        else:
            self.get_logger().info(text)

    def _now_ns(self) -> int:
        return int(self.get_clock().now().nanoseconds)

    def _report_status(self) -> Report:
        published = self.pump.counters.published
        values = {**asdict(self.pump.counters), "notices": len(self._source.notices)}
        if self._problem and self._problem[1] == published:
            return ERROR, self._problem[0], values
        return OK, "ended" if self.finished.done() else "publishing", values


def main(args: list[str] | None = None) -> int:
    """Runs the node until its source ends or it is interrupted."""
    return run_node(CameraNode, args, lambda node: node.finished, linger_sec=0.5)
