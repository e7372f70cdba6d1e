# SPDX-License-Identifier: Apache-2.0
"""The belt's motion by pictures alone, on a twin that stops and goes under flicker and noise."""

from __future__ import annotations

import pytest

from recycle_sorter.belt_run.parts import scenario_calibration
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.belt.motion import PictureMotion
from recycle_sorter.twin.library import load_library
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin
from recycle_sorter.vision.belt_shift import BeltShift


@pytest.mark.parametrize(("kind", "seed"), [("stop_and_go", 21), ("jog", 5)])
def test_a_belt_that_stands_does_not_creep(kind: str, seed: int) -> None:
    layout = load_layout()
    changes = {
        "seed": seed,
        "items.per_min": 150.0,
        "items.empty_sec": 0.5,
        "duration_sec": 7.0,
        "speed.kind": kind,
        "speed.go_sec": 2.5,
        "speed.stop_sec": 2.0,
        "machine.end_m": layout.end_m,
    }
    scenario = load_scenario(None, changes)
    twin = Twin(scenario, load_library(None))
    shift = BeltShift.from_calibration(scenario_calibration(scenario, layout), 1.0 / 15.0)
    motion = PictureMotion()
    stood = 0
    for frame in twin.frames():
        motion.on_shift(shift.measure(frame.pixels), frame.stamp_ns)
        truth_m = twin.position_m(frame.stamp_ns)
        measured_m = motion.position_m(frame.stamp_ns)
        assert measured_m is not None
        # The first pictures of all teach what stands still; 1 % of the way is within the promise.
        assert abs(measured_m - truth_m) <= 0.010 + 0.01 * abs(truth_m)
        stood += abs(twin.speed_m_per_sec(frame.stamp_ns)) < 1e-6
    assert stood > 50
