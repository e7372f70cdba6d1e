# SPDX-License-Identifier: Apache-2.0
"""sorter_composed: the whole graph in one process, for ``composed:=true`` in the launch file."""

from __future__ import annotations

from recycle_sorter.ros.graph import Graph
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
    return run_process(args, _run)


def _run() -> None:
    graph = Graph(make_executor(), inference_executor=make_executor())
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
