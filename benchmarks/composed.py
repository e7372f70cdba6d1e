# SPDX-License-Identifier: Apache-2.0
"""The composed graph in a process of its own, on the executor of one's choice, under the probe.

As a program: ``python -m benchmarks.composed JOB.json OUT.json``.
"""

from __future__ import annotations

import json
import sys
import threading
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
from recycle_sorter.ros.runner import settle, spin


@dataclass(frozen=True, slots=True)
class Job:
    """What to run.

    Attributes:
        params_file: The nodes' parameters.
        executor: A key of ``EXECUTORS``.
        settings: Parameter values over those of the file.
        duration_sec: Ends after so long at the latest; 0 for the source's own end.
        is_watched: Whether the probe listens; without it, only pictures are counted.
    """

    params_file: str
    executor: str = "events"
    settings: Mapping[str, Any] = field(default_factory=dict)
    duration_sec: float = 0.0
    is_watched: bool = True

    def write(self, path: Path) -> Path:
        """Writes it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path


def _events() -> Executor:
    from rclpy.experimental import EventsExecutor

    return EventsExecutor()


# For all nodes; or for all but the classifier, and for the classifier on a thread of its own.
EXECUTORS: dict[str, tuple[Callable[[], Executor], ...]] = {
    "events": (_events,),
    "events, inference apart": (_events, _events),
    "single": (SingleThreadedExecutor,),
    "multi": (MultiThreadedExecutor,),
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
    executor, *apart = (make() for make in EXECUTORS[job.executor])
    inference_executor = apart[0] if apart else None
    graph = Graph(executor, job.settings, inference_executor=inference_executor)
    try:
        return _watch(graph, job)
    finally:
        graph.stop()
        rclpy.try_shutdown()


def _watch(graph: Graph, job: Job) -> Record:
    probe = ProbeNode()
    if job.is_watched:
        graph.add(probe)
    graph.start()
    settle()
    record, camera, classifier = probe.record, graph.camera, graph.classifier
    cpu_sec, start_sec, answered = time.process_time(), time.monotonic(), classifier.done
    # By the camera, as Ctrl-C does: an executor that is flooded sees no end of its own.
    end = threading.Timer(job.duration_sec or threading.TIMEOUT_MAX, camera.interrupt)
    end.daemon = True
    end.start()
    spin(graph.executor, camera.finished)
    end.cancel()
    record.cpu_sec = time.process_time() - cpu_sec
    record.run_sec = time.monotonic() - start_sec
    record.answered = classifier.done - answered
    graph.finish()
    record.published = camera.pump.counters.published
    if job.is_watched:
        graph.drain(lambda: record.lost == 0)
    else:
        probe.destroy_node()
    return record


def main() -> int:
    """Runs a job from a file."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    run(job).write(Path(sys.argv[2]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
