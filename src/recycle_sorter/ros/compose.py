# SPDX-License-Identifier: Apache-2.0
"""sorter_composed: the whole graph in one process, for ``composed:=true`` in the launch file."""

from __future__ import annotations

import sys

import rclpy
from rclpy.executors import ExternalShutdownException

from recycle_sorter.core.errors import SorterError
from recycle_sorter.ros.graph import Graph
from recycle_sorter.ros.runner import make_executor, spin
from recycle_sorter.ros.transport import use_shipped_transport


def main(args: list[str] | None = None) -> int:
    """Runs until the camera's source ends or it is interrupted; exit codes as ``run_node``."""
    use_shipped_transport()
    try:
        with rclpy.init(args=args):
            graph = Graph(make_executor())
            try:
                graph.start()
            except SorterError as error:
                sys.stderr.write(f"refused to start: {error}\n")
                return 2
            try:
                finished = graph.camera.finished
                spin(graph.executor, finished)
                if finished.done():
                    published = graph.camera.pump.counters.published
                    graph.drain(lambda: graph.classifier.counts["frames"] >= published)
                    graph.actuator.finish()
            finally:
                graph.stop()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except SorterError as error:
        sys.stderr.write(f"stopped: {error}\n")
        return 1
    return 0
