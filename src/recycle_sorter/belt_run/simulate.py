# SPDX-License-Identifier: Apache-2.0
"""Runs the line on the digital twin, headless and as fast as this machine can."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from recycle_sorter.belt_run.perception import BeltPerception
from recycle_sorter.belt_run.result import RunResult, Truths, make_result
from recycle_sorter.belt_run.runner import BeltRunner, RunnerConfig, Watcher
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.motion import SpeedMotion
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.twin import Twin

ENCODER_HZ: Final = 100.0


def simulate(
    twin: Twin,
    layout: Layout,
    perception: BeltPerception,
    clock_ns: Callable[[], int],
    *,
    config: RunnerConfig | None = None,
    watcher: Watcher | None = None,
    about: Mapping[str, str] | None = None,
) -> RunResult:
    """Runs a twin to its end and judges the run.

    Args:
        twin: Its diverters are those of the layout.
        layout: Of the line.
        perception: Looks at the twin's frames.
        clock_ns: Any monotonic clock; measures work and decides nothing.
        config: How time passes.
        watcher: Looks on.
        about: What runs, by name, for the report.

    Returns:
        The run; but for ``latency_ms`` in its summary the same on every machine.
    """
    config = config or RunnerConfig()
    runner = BeltRunner.on_line_of(layout, twin.diverters, perception, clock_ns, config, watcher)
    step_ns = round(NS_PER_SEC / ENCODER_HZ)
    counted_ns = twin.start_ns
    for frame in twin.frames():
        while counted_ns <= frame.stamp_ns:
            _feed(runner, twin, counted_ns)
            counted_ns += step_ns
        runner.on_frame(frame)
    while counted_ns < twin.end_ns:
        _feed(runner, twin, counted_ns)
        counted_ns += step_ns
    runner.finish(twin.end_ns)
    runner.line.close()
    return make_result(
        runner, layout, _truths(twin, layout, config), about or {},
        duration_sec=(twin.end_ns - twin.start_ns) / NS_PER_SEC, seed=twin.scenario.seed,
    )  # fmt: skip


def _feed(runner: BeltRunner, twin: Twin, stamp_ns: int) -> None:
    if isinstance(runner.motion, SpeedMotion):
        runner.on_speed(twin.speed_m_per_sec(stamp_ns), stamp_ns)
    runner.on_ticks(twin.encoder_ticks(stamp_ns), stamp_ns)


def _truths(twin: Twin, layout: Layout, config: RunnerConfig) -> Truths:
    # What crosses the line with the last frames is decided no more.
    last_ns = twin.end_ns - round((config.latency_sec + 0.1) * NS_PER_SEC)
    items = []
    for item in twin.items:
        decided_ns = twin.arrival_ns(item, layout.decision_line_m)
        if item.enter_ns == 0 or item.enter_ns >= twin.end_ns:
            continue
        truth = twin.entering(item).placed(twin.position_m(item.enter_ns))
        items.append(replace(truth, counts=decided_ns is not None and decided_ns < last_ns))
    landings = {landing.item_id: landing.bin for landing in twin.landed()}
    return Truths(items, landings, twin.position_m)
