# SPDX-License-Identifier: Apache-2.0
"""The composed graph in a process of its own, on the executor of one's choice, under the probe.

As a program: ``python -m benchmarks.composed JOB.json OUT.json``.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from rclpy.executors import Executor, MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from benchmarks.probe import ProbeNode, Record
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ros.graph import Graph
from recycle_sorter.ros.runner import spin


@dataclass(frozen=True, slots=True)
class Job:
    """What to run.

    Attributes:
        params_file: The nodes' parameters.
        executor: A key of ``EXECUTORS``.
        settings: Parameter values over those of the file.
        duration_sec: Ends after so long at the latest; 0 for the source's own end.
    """

    params_file: str
    executor: str = "events"
    settings: Mapping[str, Any] = field(default_factory=dict)
    duration_sec: float = 0.0

    def write(self, path: Path) -> Path:
        """Writes it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path


def _events() -> Executor:
    from rclpy.experimental import EventsExecutor

    return EventsExecutor()


EXECUTORS: dict[str, Callable[[], Executor]] = {
    "events": _events,
    "single": SingleThreadedExecutor,
    "multi": MultiThreadedExecutor,
}


def run(job: Job) -> Record:
    """Brings the graph up, watches it to its end, and takes it down.

    Raises:
        SorterError: If a node refuses to start or the source fails.
    """
    if job.executor not in EXECUTORS:
        raise InvalidInputError("executor", job.executor, f"one of {', '.join(EXECUTORS)}")
    args = ["--ros-args", "--params-file", job.params_file, "--log-level", "warn"]
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    graph = Graph(EXECUTORS[job.executor](), job.settings)
    try:
        probe = ProbeNode()
        graph.add(probe)
        graph.start()
        cpu_sec = time.process_time()
        spin(graph.executor, graph.camera.finished, job.duration_sec or math.inf)
        graph.camera.stop()
        probe.record.published = graph.camera.pump.counters.published
        graph.drain(lambda: probe.record.lost == 0)
        probe.record.cpu_sec = time.process_time() - cpu_sec
        return probe.record
    finally:
        graph.stop()
        rclpy.try_shutdown()


def main() -> int:
    """Runs a job from a file."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    run(job).write(Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
