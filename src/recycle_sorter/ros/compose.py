# SPDX-License-Identifier: Apache-2.0
"""The whole graph in one process, for ``composed:=true`` in the launch file.

``sorter_composed`` is a station's; ``belt_composed twin`` (or ``bag``, ``camera``) a belt's.
"""

from __future__ import annotations

import sys
from typing import Any

from rclpy.utilities import remove_ros_args

from recycle_sorter.ros.graph import Graph, GraphBase
from recycle_sorter.ros.runner import (
    interrupted_by_signals,
    make_executor,
    refusing,
    run_process,
    settle,
    spin,
)


def main(args: list[str] | None = None) -> int:
    """Runs until the camera's source ends or it is interrupted; exit codes as ``run_process``."""

    def body() -> None:
        _run(Graph(make_executor(), inference_executor=make_executor()))

    return run_process(args, body)


def belt_main(args: list[str] | None = None) -> int:
    """The same for a belt; the first argument says what shows it."""
    # Not needed by a station.
    from recycle_sorter.ros.belt_graph import BeltGraph

    plain = remove_ros_args(sys.argv if args is None else ["belt_composed", *args])[1:]

    def body() -> None:
        with refusing():
            graph = BeltGraph(
                make_executor(), inference_executor=make_executor(), shown_by="".join(plain[:1])
            )
        _run(graph)

    return run_process(args, body)


def _run(graph: GraphBase[Any, Any, Any]) -> None:
    with refusing():
        graph.start()
    settle()
    try:
        with interrupted_by_signals(graph.camera.interrupt):
            spin(graph.executor, graph.camera.finished)
        graph.finish()
        graph.drain(lambda: False)  # other processes take the last command meanwhile
    finally:
        graph.stop()
