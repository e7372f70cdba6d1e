# SPDX-License-Identifier: Apache-2.0
"""Runs the line on a recorded bag: every frame once, in the order of the stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from typing import Final

from recycle_sorter.belt_run.perception import BeltPerception
from recycle_sorter.belt_run.result import RunResult, Truths, counted, make_result
from recycle_sorter.belt_run.runner import BeltRunner, RunnerConfig, Watcher
from recycle_sorter.core.belt.judged import EnteringItem, TrueItem
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.drivers.simulated import SimulatedDriver
from recycle_sorter.sources.bag import BagSource
from recycle_sorter.sources.belt_bag import (
    BeltRecording,
    EncoderSample,
    SpeedSample,
)

# What the line goes by, and so what the run ends with; the rest only those who look on hear of.
_ENDS: Final[dict[str, tuple[type, ...]]] = {
    "encoder": (Frame, EncoderSample),
    "speed": (Frame, SpeedSample),
    "picture": (Frame,),
}
_Event = Frame | EncoderSample | SpeedSample | EnteringItem


def replay(
    bag: BagSource,
    recording: BeltRecording,
    layout: Layout,
    perception: BeltPerception,
    clock_ns: Callable[[], int],
    *,
    config: RunnerConfig | None = None,
    watcher: Watcher | None = None,
    about: Mapping[str, str] | None = None,
) -> RunResult:
    """Runs a bag to its end and judges the run.

    What fell where is told by this run's own records: the landings in the bag are those of the
    run that was recorded.

    Args:
        bag: The pictures.
        recording: What lies beside them.
        layout: Of the line.
        perception: Looks at the bag's frames.
        clock_ns: Any monotonic clock; measures work and decides nothing.
        config: How time passes.
        watcher: Looks on.
        about: What runs, by name, for the report.

    Returns:
        The run; two replays of one bag decide and log the same.

    Raises:
        SourceError: If the bag lacks the motion that the layout asks for, or no picture of it can
            be used.
        ModelError: If the network goes on failing.
    """
    config = config or RunnerConfig()
    source = layout.motion.source
    if source == "encoder" and not recording.encoder:
        raise SourceError(
            f"bag {bag.name} has no BeltEncoder message, and the layout's motion.source is "
            "encoder. Fix: record the encoder too, or set motion.source to picture"
        )
    if source == "speed" and layout.motion.speed_m_per_sec is None and not recording.speeds:
        raise SourceError(
            f"bag {bag.name} has no belt speed. Fix: set motion.speed_m_per_sec in the layout"
        )
    driver = SimulatedDriver(layout.routing.diverters)
    runner = BeltRunner.on_line_of(layout, driver, perception, clock_ns, config, watcher)
    motion = runner.motion
    truths = sorted(recording.truths, key=lambda truth: truth.stamp_ns)
    places: list[TrueItem] = []
    end_ns = 0
    ends = (Frame,) if layout.motion.speed_m_per_sec is not None else _ENDS[source]
    for event in _events(bag, recording):
        if isinstance(event, ends):
            end_ns = event.stamp_ns
        if isinstance(event, Frame):
            runner.on_frame(event)
        elif isinstance(event, EncoderSample):
            runner.on_ticks(event.ticks, event.stamp_ns)
        elif isinstance(event, SpeedSample):
            runner.on_speed(event.speed_m_per_sec, event.stamp_ns)
        else:
            runner.watcher.on_truth(event)
        # As soon as the belt's place at its stamp is known: motions forget.
        while truths and truths[0].stamp_ns <= (motion.newest_ns or 0):
            truth = truths.pop(0)
            position_m = motion.position_m(truth.stamp_ns)
            if position_m is not None:
                places.append(truth.placed(position_m))
    runner.finish(end_ns + round((config.latency_sec + 0.05) * NS_PER_SEC))
    runner.line.close()
    last_m = motion.position_m(end_ns) or 0.0
    items = [counted(item, last_m, layout) for item in places]
    return make_result(runner, layout, Truths(items), about or {}, bag=bag.name)


def _events(bag: BagSource, recording: BeltRecording) -> Iterator[_Event]:
    """All that the bag tells; motion before the frame of the same stamp."""
    streams: list[Iterator[tuple[int, int, _Event]]] = [
        ((each.stamp_ns, 0, each) for each in recording.encoder),
        ((each.stamp_ns, 1, each) for each in recording.speeds),
        ((each.stamp_ns, 2, each) for each in recording.truths),
        ((frame.stamp_ns, 3, frame) for frame in _frames(bag)),
    ]
    for _, _, event in merge(*streams, key=lambda entry: entry[:2]):
        yield event


def _frames(bag: BagSource) -> Iterator[Frame]:
    while (frame := bag.read()) is not None:
        yield frame
