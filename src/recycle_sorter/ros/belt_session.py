# SPDX-License-Identifier: Apache-2.0
"""One run of a belt's graph under watch: ``recycle-sorter run --mode belt``."""

from __future__ import annotations

from dataclasses import dataclass

from recycle_sorter.belt_run.result import RunResult
from recycle_sorter.ros.belt_graph import BeltGraph
from recycle_sorter.ros.belt_monitor import BeltDisplay, BeltMonitorNode
from recycle_sorter.ros.runner import settle
from recycle_sorter.ros.session import SessionOptions, brought_up, spin_to_end


@dataclass(frozen=True, slots=True)
class BeltOutcome:
    """How a run ended.

    Attributes:
        result: Its account, as a simulation's.
        error: Why the source broke off; empty if it did not.
    """

    result: RunResult
    error: str


def run_belt_session(options: SessionOptions, display: BeltDisplay) -> BeltOutcome:
    """Brings a belt's graph up, runs it to its end, and takes it down.

    Args:
        options: What to run; ``settings`` say which source shows the belt.
        display: Told of everything as it happens.

    Returns:
        The account, also after Ctrl-C.

    Raises:
        SorterError: If a node refuses to start, or the parameter file cannot be read.
    """
    with brought_up(options, BeltGraph) as graph:
        return _watch(graph, options, display)


def _watch(graph: BeltGraph, options: SessionOptions, display: BeltDisplay) -> BeltOutcome:
    node_options = {"namespace": options.namespace} if options.namespace else {}
    monitor = BeltMonitorNode(display, **node_options)
    graph.add(monitor)
    graph.start()
    settle()
    monitor.lossless = graph.camera.is_lossless
    graph.drain(lambda: monitor.model is not None)
    classifier, source = graph.classifier, graph.camera.source_name
    engine = classifier.engine
    display.started(classifier.model_id, engine.name, engine.precision, source)
    problem = spin_to_end(graph, options.duration_sec)
    _finish(graph, monitor)
    about = {
        "model": f"{classifier.model_id} on {engine.name} ({engine.precision})",
        "source": source,
    }
    line = graph.actuator.line
    result = monitor.run.result(
        line.layout,
        about,
        error=problem,
        frames_published=graph.camera.pump.counters.published,
        frames_in=monitor.frames_in,
        model_id=classifier.model_id,
        engine=engine.name,
        precision=engine.precision,
        counts=line.counts(),
    )
    return BeltOutcome(result, problem)


def _finish(graph: BeltGraph, monitor: BeltMonitorNode) -> None:
    graph.finish()
    run, answered = monitor.run, graph.classifier.counts["answered"]
    graph.drain(lambda: run.frames >= answered)
    decisions = graph.actuator.line.counts().get("decisions", 0)
    graph.drain(lambda: run.forgotten + min(len(run.decided), len(run.records)) >= decisions)
