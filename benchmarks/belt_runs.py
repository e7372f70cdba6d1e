# SPDX-License-Identifier: Apache-2.0
"""Headless runs of the twin, several at a time: the same on every machine, however busy.

What ``recycle-sorter simulate`` does, with references that look on.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks.belt_reference import REFERENCES, TruthTracker
from recycle_sorter.belt_run.parts import (
    CROPS_AT_ONCE,
    bin_of,
    make_perception,
    scenario_calibration,
    twin_diverters,
)
from recycle_sorter.belt_run.simulate import simulate
from recycle_sorter.belt_run.watchers import Watchers
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.belt.figures import bin_decided
from recycle_sorter.core.belt.judged import JudgedItem
from recycle_sorter.core.belt.layout import Layout, MotionLayout
from recycle_sorter.core.errors import SorterError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.twin.library import load_library
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin


@dataclass(frozen=True, slots=True)
class TwinJob:
    """One run.

    Attributes:
        name: For the tables.
        changes: To the shipped scenario, by dotted name.
        model: Folder of the model bundle.
        motion: The layout's source of the belt's motion.
        cutouts: Folder of the items' pictures; empty for those that ship.
        threads: Of the engine.
    """

    name: str
    changes: Mapping[str, Any]
    model: str
    motion: str = "encoder"
    cutouts: str = ""
    threads: int = 1


@dataclass(frozen=True, slots=True)
class TwinDone:
    """What came of it.

    Attributes:
        job: What ran.
        summary: ``BeltAccount.summary`` of the line.
        errors_mm: True less planned place when each item's diverter was set.
        decided: By bin, how many items that have landed were decided for it, and how many rightly.
        truth_tracked: ``TruthTracker.result``.
        references: ``AfternoonSorter.result`` by name.
        belt_sec: How long the belt ran.
        wall_sec: How long that took.
        error: Why it failed; empty if it did not.
    """

    job: TwinJob
    summary: dict[str, Any] = field(default_factory=dict)
    errors_mm: list[float] = field(default_factory=list)
    decided: dict[str, tuple[int, int]] = field(default_factory=dict)
    truth_tracked: dict[str, Any] = field(default_factory=dict)
    references: dict[str, dict[str, Any]] = field(default_factory=dict)
    belt_sec: float = 0.0
    wall_sec: float = 0.0
    error: str = ""


def run_twins(jobs: Sequence[TwinJob]) -> list[TwinDone]:
    """Runs them, as many at a time as there are cores.

    Raises:
        SorterError: If one fails.
    """
    workers = max(1, min(len(jobs), len(os.sched_getaffinity(0))))
    # Not forked: engines and OpenCV hold threads.
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawn) as pool:
        done = list(pool.map(_run_safely, jobs))
    for one in done:
        if one.error:
            raise SorterError(f"{one.job.name}: {one.error}")
    return done


def with_motion(layout: Layout, source: str) -> Layout:
    """The layout with another source of the belt's motion."""
    motion = layout.motion
    if source != motion.source:
        motion = MotionLayout(source, motion.timeout_sec)
    return replace(layout, motion=motion)


def _run_safely(job: TwinJob) -> TwinDone:
    # Errors of the sorter hold fields of their own, which would not come through the pipe.
    try:
        return run_twin(job)
    except SorterError as error:
        return TwinDone(job, error=str(error))


def run_twin(job: TwinJob) -> TwinDone:
    """Runs one in this process.

    Raises:
        SorterError: If parts do not fit each other.
    """
    shipped = load_layout()
    layout = with_motion(shipped, job.motion)
    changes = {"machine.end_m": layout.end_m, **job.changes}
    if layout.motion.m_per_tick is not None:
        changes["machine.m_per_tick"] = layout.motion.m_per_tick
    scenario = load_scenario(None, changes)
    library = load_library(job.cutouts or None)
    twin = Twin(scenario, library, twin_diverters(layout), end_bin=layout.routing.reject_bin)
    bundle = ModelBundle.load(job.model)
    engine = create_engine("openvino", bundle, "auto", job.threads, CROPS_AT_ONCE)
    truth_tracker = TruthTracker(twin, layout)
    references = {name: make(twin, library, layout) for name, make in REFERENCES.items()}
    begin_sec = time.monotonic()
    try:
        calibration = scenario_calibration(scenario, layout)
        perception = make_perception(layout, calibration, bundle, engine)
        result = simulate(
            twin, layout, perception, time.perf_counter_ns,
            watcher=Watchers([truth_tracker, *references.values()]),
        )  # fmt: skip
    finally:
        engine.close()
    truths = [item.truth for item in result.items if item.truth is not None]
    return TwinDone(
        job,
        summary=dict(result.summary),
        errors_mm=[1e3 * item.error_m for item in result.items if item.error_m is not None],
        decided=_decided(result.items, layout),
        truth_tracked=truth_tracker.result(truths),
        references={name: one.result(truths) for name, one in references.items()},
        belt_sec=float(result.summary["duration_sec"]),
        wall_sec=time.monotonic() - begin_sec,
    )


def _decided(items: Sequence[JudgedItem], layout: Layout) -> dict[str, tuple[int, int]]:
    bins = bin_of(layout)
    found = dict.fromkeys(layout.routing.bins, (0, 0))
    for item in items:
        if item.truth is not None and item.is_counted and item.landed is not None:
            name = bin_decided(item, layout.routing.reject_bin)
            said, right = found[name]
            found[name] = said + 1, right + (bins[item.truth.material] == name)
    return found
