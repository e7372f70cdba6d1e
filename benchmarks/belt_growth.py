# SPDX-License-Identifier: Apache-2.0
"""What more items on the belt, and more belts, cost.

1 to 50 items under way from the camera to their diverters at 0.5 m/s: tracking, deciding and firing
alone (``core``), and with finding and network on the twin's pictures (``pipeline``); CPU time of
all threads, painting left out, with a straight line fitted to it. The diverters stand 2 m further
downstream than the shipped ones, or there would be no room for 50. Then 1 to 4 lanes through the
real graph in real time, 80 items a minute each, by namespaces in one process and with a process
for each lane; a lane's CPU includes its twin, which paints its pictures.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.belt_graphs import GraphRun, node_settings, run_one_process, run_process_each
from benchmarks.belt_load import Load, measure_core, measure_pipeline
from benchmarks.belt_scenes import CALM_PER_MIN, scene
from benchmarks.context import Context
from benchmarks.processes import Lab, open_lab
from benchmarks.report import (
    PERCENTILES,
    Figure,
    Report,
    Table,
    at_least,
    at_most,
    percentile,
    spread,
)

_ITEMS = (1, 5, 10, 20, 30, 40, 50)
_LANES = (1, 2, 3, 4)
_R2 = 0.95
_CORE_MS = 200.0  # a second, at 50 items


def run(context: Context) -> Report:
    """Measures items, then lanes."""
    report = Report("belt_growth", details={"model": context.model_facts()})
    counts: tuple[int, ...] = (1, 10, 50) if context.quick else _ITEMS
    span_sec = context.pick(10.0, 2.0)
    context.say(f"core: {len(counts)} belts of {span_sec:g} s")
    core = [measure_core(count, span_sec) for count in counts]
    span_sec = context.pick(6.0, 1.0)
    counts = (1, 10) if context.quick else _ITEMS
    context.say(f"pipeline: {len(counts)} belts of {span_sec:g} s")
    pipeline = [measure_pipeline(context, count, span_sec) for count in counts]
    _tell_items(report, "core", core)
    _tell_items(report, "pipeline", pipeline)
    report.figures.append(
        at_most(f"core: CPU at {core[-1].items:.0f} items under way", core[-1].cpu_ms, "ms / s",
                _CORE_MS)
    )  # fmt: skip
    with open_lab() as lab:
        _measure_lanes(context, lab, report)
    return report


def _tell_items(report: Report, name: str, loads: list[Load]) -> None:
    table = Table(
        f"{name}: items under way",
        ["items", "in view", "CPU ms / s", *(f"picture {each}" for each in PERCENTILES),
         "tick p50 ms", "tick p99 ms"],
    )  # fmt: skip
    for load in loads:
        ticks = [round(percentile(load.tick_ms, each), 3) for each in (50, 99)]
        row = [round(load.items, 1), round(load.in_view, 1), round(load.cpu_ms, 2)]
        table.rows.append([*row, *spread(load.picture_ms), *ticks])
    report.tables.append(table)
    items = np.array([load.items for load in loads])
    cpu = np.array([load.cpu_ms for load in loads])
    slope, start = np.polyfit(items, cpu, 1)
    rest = cpu - (start + slope * items)
    r2 = 1.0 - float((rest**2).sum()) / max(float(((cpu - cpu.mean()) ** 2).sum()), 1e-12)
    report.details[f"{name}_fit"] = {"start": float(start), "slope": float(slope), "r2": r2}
    report.figures += [
        Figure(f"{name}: CPU of an empty belt, by the fit", round(float(start), 3), "ms / s"),
        Figure(f"{name}: CPU of a further item, by the fit", round(float(slope), 3), "ms / s"),
        at_least(f"{name}: R² of a straight line, {items.min():.0f} to {items.max():.0f} items",
                 r2, "", _R2),
    ]  # fmt: skip


def _measure_lanes(context: Context, lab: Lab, report: Report) -> None:
    table = Table(
        "lanes, 80 items a minute each: from a picture's stamp to what it shows",
        ["lanes", "processes", "CPU s / s", *PERCENTILES, "engine p50 ms", "pictures", "lost",
         "lost %", "found %", "issued p99 ms", "late"],
    )  # fmt: skip
    duration_sec = context.pick(25.0, 10.5)
    settings = node_settings(context, lab, scene(CALM_PER_MIN, 51, duration_sec))
    ways: dict[str, Callable[[list[str]], GraphRun]] = {
        "one": lambda lanes: run_one_process(lab, settings, duration_sec, lanes),
        "one each": lambda lanes: run_process_each(lab, settings, duration_sec, lanes),
    }
    for count in (2,) if context.quick else _LANES:
        lanes = [f"lane{number + 1}" for number in range(count)]
        for way, go in ways.items():
            if count == 1 and way == "one each":
                continue  # the same
            context.say(f"{count} lanes, processes: {way}, {duration_sec:g} s")
            table.rows.append([count, way, *_lane_cells(go(lanes))])
    report.tables.append(table)


def _lane_cells(done: GraphRun) -> list[float | int | None]:
    seen = [ms for one in done.verdicts for ms in one.seen_ms]
    engine = [ms for one in done.verdicts for ms in one.engine_ms]
    issued = [abs(ms) for one in done.verdicts for ms in one.issued_ms]
    pictures = sum(one.pictures for one in done.verdicts)
    lost = sum(one.lost for one in done.verdicts)
    separate = sum(one.summary["items"]["separate"] for one in done.verdicts)
    found = sum(one.summary["items"]["found_separate"] for one in done.verdicts)
    late = sum(one.summary["records"]["causes"].get("late", 0) for one in done.verdicts)
    cells = spread(seen)
    return [
        round(done.cpu_total, 3), *(cell for cell in cells if not isinstance(cell, str)),
        round(percentile(engine, 50), 3), pictures, lost,
        round(100 * lost / pictures, 2) if pictures else None,
        round(100 * found / separate, 2) if separate else None,
        round(percentile(issued, 99), 3), late,
    ]  # fmt: skip
