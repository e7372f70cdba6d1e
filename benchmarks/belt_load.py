# SPDX-License-Identifier: Apache-2.0
"""A belt with a given number of items on it, and what deciding and looking cost then."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.belt_scenes import SPEED_M_PER_SEC
from benchmarks.context import Context
from recycle_sorter.belt_run.parts import (
    CROPS_AT_ONCE,
    make_perception,
    scenario_calibration,
    twin_diverters,
)
from recycle_sorter.belt_run.perception import BeltPerception
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.line import BeltLine, LineConfig
from recycle_sorter.core.belt.motion import EncoderMotion
from recycle_sorter.core.belt.motion_choice import choose_motion
from recycle_sorter.core.belt.types import Detection, Observation
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.drivers.simulated import SimulatedDriver
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.twin.library import load_library
from recycle_sorter.twin.scenario import START_NS
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin

FPS_HZ, TICK_HZ, ENCODER_HZ = 30.0, 250.0, 200.0
_ITEM_M = 0.035
# The diverters stand so much further downstream than the shipped ones, and items then ride so far
# on average: there is room for 50 of them.
_FURTHER_M, _RIDE_M = 2.0, 3.72
# Of the twin's items some lose their diverter to another and are followed no longer.
_SURPLUS = 1.3
_ROWS_M = (-0.15, 0.0, 0.15)


@dataclass(slots=True)
class Load:
    """What a second of belt cost.

    Attributes:
        items: Followed by the line, on average: from the camera to their diverter.
        in_view: Items that a picture showed, on average.
        cpu_ms: CPU time of a second of belt.
        picture_ms: Wall time of each picture.
        tick_ms: Wall time of each tick.
    """

    items: float = 0.0
    in_view: float = 0.0
    cpu_ms: float = 0.0
    picture_ms: list[float] = field(default_factory=list)
    tick_ms: list[float] = field(default_factory=list)


@dataclass(slots=True)
class _Meter:
    """Adds up CPU and wall time of calls once it is told to."""

    load: Load = field(default_factory=Load)
    is_on: bool = False
    _cpu_sec: float = 0.0
    _start: tuple[float, float] = (0.0, 0.0)

    def begin(self) -> None:
        self._start = time.process_time(), time.perf_counter()

    def end(self, durations_ms: list[float] | None) -> None:
        cpu_sec, wall_sec = time.process_time(), time.perf_counter()
        if self.is_on:
            self._cpu_sec += cpu_sec - self._start[0]
            if durations_ms is not None:
                durations_ms.append(1e3 * (wall_sec - self._start[1]))

    def result(self, span_sec: float, on_belt: list[int], in_view: list[int]) -> Load:
        self.load.cpu_ms = 1e3 * self._cpu_sec / span_sec
        self.load.items = float(np.mean(on_belt)) if on_belt else 0.0
        self.load.in_view = float(np.mean(in_view)) if in_view else 0.0
        return self.load


def measure_core(items: int, span_sec: float) -> Load:
    """Tracking, deciding and firing alone, on detections that cost nothing.

    Args:
        items: Under way at any time.
        span_sec: Belt time to measure, once the belt is full.
    """
    layout = _long_layout()
    return _run(layout, None, _drawn(layout, items), _full_sec(layout), span_sec)


def measure_pipeline(context: Context, items: int, span_sec: float) -> Load:
    """The same with pictures: finding, network, tracking, deciding and firing.

    Args:
        context: The model.
        items: Under way at any time, about.
        span_sec: Belt time to measure, once the belt is full.
    """
    layout = _long_layout()
    full_sec = 2.0 + _full_sec(layout)
    scenario = load_scenario(
        None,
        {
            "seed": 41,
            "duration_sec": full_sec + span_sec,
            "items.per_min": 60.0 * SPEED_M_PER_SEC * items / _RIDE_M * _SURPLUS,
            "items.size_m": (0.03, _ITEM_M),
            "items.min_gap_m": 0.01,
            "items.jitter": 0.0,
            "speed.speed_m_per_sec": SPEED_M_PER_SEC,
            "machine.end_m": layout.end_m,
            "machine.m_per_tick": layout.motion.m_per_tick,
        },
    )
    twin = Twin(scenario, load_library(), twin_diverters(layout), layout.routing.reject_bin)
    engine = create_engine("openvino", context.bundle, "auto", batch=CROPS_AT_ONCE)
    try:
        calibration = scenario_calibration(scenario, layout)
        perception = make_perception(layout, calibration, context.bundle, engine)
        return _run(layout, perception, twin.frames(), full_sec, span_sec)
    finally:
        engine.close()


def _long_layout() -> Layout:
    layout = load_layout()
    places = tuple(
        replace(place, position_m=place.position_m + _FURTHER_M) for place in layout.places
    )
    return replace(layout, places=places, end_m=layout.end_m + _FURTHER_M)


def _full_sec(layout: Layout) -> float:
    return layout.end_m / SPEED_M_PER_SEC + 0.5


def _run(
    layout: Layout,
    perception: BeltPerception | None,
    shown: Iterator[Frame] | Iterator[Observation],
    full_sec: float,
    span_sec: float,
) -> Load:
    motion = choose_motion(layout)
    driver = SimulatedDriver(layout.routing.diverters)
    line = BeltLine(layout, motion, driver, LineConfig(tick_hz=TICK_HZ))
    meter = _Meter()
    on_belt: list[int] = []
    in_view: list[int] = []
    next_ns = {"encoder": START_NS, "tick": START_NS}
    for one in shown:
        now_ns = one.stamp_ns
        seconds = (now_ns - START_NS) / NS_PER_SEC
        if seconds >= full_sec + span_sec:
            break
        meter.is_on = seconds >= full_sec
        _pass_time(line, motion, layout, meter, next_ns, now_ns)
        meter.begin()
        seen = one
        if isinstance(seen, Frame):
            if perception is None:
                continue
            seen = perception.observe(seen, time.perf_counter_ns, motion.position_m(now_ns))
        line.on_observation(seen, now_ns)
        meter.end(meter.load.picture_ms)
        if meter.is_on:
            on_belt.append(sum(item.item_id > 0 for item in line.tracker.items))
            in_view.append(len(seen.detections))
    line.close()
    return meter.result(span_sec, on_belt, in_view)


def _pass_time(
    line: BeltLine,
    motion: object,
    layout: Layout,
    meter: _Meter,
    next_ns: dict[str, int],
    until_ns: int,
) -> None:
    m_per_tick = layout.motion.m_per_tick or 1.0
    while next_ns["encoder"] <= until_ns and isinstance(motion, EncoderMotion):
        stamp_ns = next_ns["encoder"]
        travelled_m = (stamp_ns - START_NS) / NS_PER_SEC * SPEED_M_PER_SEC
        meter.begin()
        motion.on_ticks(int(travelled_m / m_per_tick + 1e-6), stamp_ns)
        meter.end(None)
        next_ns["encoder"] += round(NS_PER_SEC / ENCODER_HZ)
    while next_ns["tick"] <= until_ns:
        meter.begin()
        line.tick(next_ns["tick"])
        meter.end(meter.load.tick_ms)
        next_ns["tick"] += round(NS_PER_SEC / TICK_HZ)


def _drawn(layout: Layout, items: int) -> Iterator[Observation]:
    """Pictures of an endless belt on which items lie evenly, in three rows."""
    pitch_m = _RIDE_M / items
    view_m, px_per_m = layout.camera.view_length_m, layout.camera.px_per_m or 800.0
    side_px, half_m = round(_ITEM_M * px_per_m), _ITEM_M / 2
    frame = 0
    while True:
        position_m = frame / FPS_HZ * SPEED_M_PER_SEC
        detections = []
        # Item k lies at -k * pitch_m.
        first = max(0, int((position_m - view_m) / pitch_m))
        for number in range(first, int(position_m / pitch_m) + 1):
            x_m, y_m = position_m - number * pitch_m, _ROWS_M[number % len(_ROWS_M)]
            if not 0.0 <= x_m <= view_m:
                continue
            right = number % len(MATERIALS)
            probabilities = tuple(0.9 if i == right else 0.02 for i in range(len(MATERIALS)))
            left_px = max(0, round((x_m - half_m) * px_per_m))
            detections.append(
                Detection(
                    box_px=(left_px, max(0, round((0.3 - y_m) * px_per_m)), side_px, side_px),
                    centre_m=(x_m, y_m),
                    size_m=(_ITEM_M, _ITEM_M),
                    area_m2=_ITEM_M**2,
                    is_whole=half_m <= x_m <= view_m - half_m,
                    probabilities=probabilities,
                    along_m=(x_m - half_m, x_m + half_m),
                )
            )
        stamp_ns = START_NS + round(frame * NS_PER_SEC / FPS_HZ)
        yield Observation(stamp_ns, tuple(detections), MATERIALS, "drawn")
        frame += 1
