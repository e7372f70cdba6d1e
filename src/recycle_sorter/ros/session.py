# SPDX-License-Identifier: Apache-2.0
"""One run of the composed graph under watch: what ``recycle-sorter run`` does."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import rclpy
from rclpy.signals import SignalHandlerOptions

from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.core.stats import JudgedDecision, RunStats, percentiles_ms
from recycle_sorter.ros.graph import Graph, GraphBase
from recycle_sorter.ros.monitor import MonitorNode
from recycle_sorter.ros.runner import interrupted_by_signals, make_executor, settle, spin
from recycle_sorter.ros.transport import use_shipped_transport
from recycle_sorter_msgs.msg import DiverterCommand

GraphT = TypeVar("GraphT", bound=GraphBase[Any, Any, Any])


class Display(Protocol):
    """Shows a run to people."""

    def started(self, model_id: str, engine: str, precision: str, source: str) -> None:
        """The graph is up."""
        ...

    def frame(self, stats: RunStats) -> None:
        """A frame was classified."""
        ...

    def decision(self, judged: JudgedDecision, diverter: str, position_rad: float) -> None:
        """An item was decided and its diverter commanded."""
        ...


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What to run.

    Attributes:
        settings: Parameter values by name, over those of ``params_file``.
        params_file: YAML with the nodes' parameters; the launch file's.
        namespace: Of all nodes.
        record: Folder of a bag to write; empty for none.
        duration_sec: End after so long; 0 for the source's own end.
    """

    params_file: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = ""
    record: str = ""
    duration_sec: float = 0.0


def run_session(options: SessionOptions, display: Display) -> dict[str, Any]:
    """Brings the graph up, runs it to its end, and takes it down.

    Args:
        options: What to run.
        display: Told of everything as it happens.

    Returns:
        The summary (``RunStats.summary``), also after Ctrl-C; ``error`` says why a source broke
        off, else it is empty.

    Raises:
        SorterError: If a node refuses to start, or the parameter file cannot be read.
    """
    with brought_up(options, Graph) as graph:
        return _watch(graph, options, display)


@contextmanager
def brought_up(options: SessionOptions, graph_type: type[GraphT]) -> Iterator[GraphT]:
    """Makes a graph with ROS up around it, and frees both.

    Args:
        options: What to run.
        graph_type: Of the graph; the block starts it.

    Raises:
        InvalidInputError: If the parameter file cannot be read.
    """
    use_shipped_transport()
    args = ["--ros-args", "--params-file", options.params_file, "--log-level", "warn"]
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # of rcl, which reads the file
        expected = f"a parameter file ({error})"
        raise InvalidInputError("params", options.params_file, expected) from error
    try:
        graph = graph_type(
            make_executor(),
            options.settings,
            options.namespace,
            options.record,
            inference_executor=make_executor(),
        )
        try:
            yield graph
        finally:
            graph.stop()
    finally:
        rclpy.try_shutdown()


def spin_to_end(graph: GraphBase[Any, Any, Any], duration_sec: float) -> str:
    """Spins until the source ends, Ctrl-C, or ``duration_sec`` (0: without limit).

    Returns:
        Why the source broke off; empty if it did not.
    """
    with interrupted_by_signals(graph.camera.interrupt):
        try:
            spin(graph.executor, graph.camera.finished, duration_sec or math.inf)
        except SorterError as error:  # a source that broke off still has its account
            return str(error)
    return ""


def _watch(graph: Graph, options: SessionOptions, display: Display) -> dict[str, Any]:
    def on_decision(judged: JudgedDecision, command: DiverterCommand) -> None:
        display.decision(judged, command.diverter, command.position_rad)

    node_options = {"namespace": options.namespace} if options.namespace else {}
    monitor = MonitorNode(on_decision, display.frame, **node_options)
    graph.add(monitor)
    graph.start()
    settle()
    monitor.lossless = graph.camera.is_lossless
    graph.drain(lambda: monitor.model is not None)
    engine = graph.classifier.engine
    model_id = graph.classifier.model_id
    display.started(model_id, engine.name, engine.precision, graph.camera.source_name)
    problem = spin_to_end(graph, options.duration_sec)
    _finish(graph, monitor)
    counters = graph.camera.pump.counters
    return monitor.stats.summary(
        error=problem,
        frames_published=counters.published,
        model_id=model_id,
        engine=engine.name,
        precision=engine.precision,
        engine_ms=percentiles_ms([round(sec * 1e9) for sec in monitor.inference_sec]),
        counts=graph.actuator.sorter.counts(),
    )


def _finish(graph: Graph, monitor: MonitorNode) -> None:
    graph.finish()
    answered = graph.classifier.counts["answered"]
    graph.drain(lambda: monitor.stats.frames_classified >= answered)
    commands = graph.actuator.sorter.counters.commands
    graph.drain(lambda: len(monitor.stats.decisions) >= commands)
