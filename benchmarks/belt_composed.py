# SPDX-License-Identifier: Apache-2.0
"""One or more belts, each a whole graph with its twin, in one process.

``python -m benchmarks.belt_composed JOB.json OUT.json``
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import rclpy
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from recycle_sorter.ros.belt_graph import BeltGraph
from recycle_sorter.ros.runner import make_executor, settle, spin
from recycle_sorter.ros.transport import use_shipped_transport

_LINGER_SEC = 0.5


@dataclass(frozen=True, slots=True)
class BeltJob:
    """What to run.

    Attributes:
        params_file: The nodes' parameters.
        lanes: Namespace of each belt; ``""`` for none.
        settings: Parameter values over those of the file, for all.
        own: The same for single lanes.
    """

    params_file: str
    lanes: tuple[str, ...] = ("",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Writes it as JSON."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")
        return path


def run(job: BeltJob) -> dict[str, Any]:
    """Brings the graphs up, runs them to their sources' end, and takes them down.

    Returns:
        ``cpu_sec`` of this process in ``run_sec``, and what each lane's nodes counted.

    Raises:
        SorterError: If a node refuses to start or a source fails.
    """
    use_shipped_transport()
    args = ["--ros-args", "--params-file", job.params_file, "--log-level", "warn"]
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    executor = make_executor()
    # An item's number would tell nothing of its lane: each lane has its own line.
    graphs = {
        lane: BeltGraph(
            executor,
            {**job.settings, **job.own.get(lane, {})},
            lane,
            inference_executor=make_executor(),
            shown_by="twin",
        )
        for lane in job.lanes
    }
    try:
        return _watch(graphs)
    finally:
        for graph in graphs.values():
            graph.stop()
        rclpy.try_shutdown()


def _watch(graphs: Mapping[str, BeltGraph]) -> dict[str, Any]:
    for graph in graphs.values():
        graph.start()
    settle()
    executor = next(iter(graphs.values())).executor
    cpu_sec, start_sec = time.process_time(), time.monotonic()
    for graph in graphs.values():
        spin(executor, graph.camera.finished)
    found: dict[str, Any] = {
        "cpu_sec": time.process_time() - cpu_sec,
        "run_sec": time.monotonic() - start_sec,
    }
    for graph in graphs.values():
        graph.finish()
    spin(executor, Future(), _LINGER_SEC)  # the last records are on their way
    found["lanes"] = {
        lane: {
            "published": graph.camera.pump.counters.published,
            "classifier": dict(graph.classifier.counts),
            "line": graph.actuator.line.counts(),
        }
        for lane, graph in graphs.items()
    }
    return found


def main() -> int:
    """Runs a job from a file."""
    content = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    job = BeltJob(**{**content, "lanes": tuple(content["lanes"])})
    Path(sys.argv[2]).write_text(json.dumps(run(job)), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
