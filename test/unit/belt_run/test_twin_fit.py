# SPDX-License-Identifier: Apache-2.0
"""A twin that is not the layout's line is refused, by the key that differs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recycle_sorter.belt_run.twin_fit import check_fits, check_speed
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.belt.layout import Layout, MotionLayout
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.twin.scenario import Scenario
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.vision.belt_calibration import BeltCalibration


def shipped(**changes: object) -> Scenario:
    return load_scenario(None, {name.replace("__", "."): v for name, v in changes.items()})


def always(speed_m_per_sec: float) -> Layout:
    motion = MotionLayout("speed", 0.5, speed_m_per_sec=speed_m_per_sec)
    return replace(load_layout(), motion=motion)


def calibrated(path: Path, px_per_m: float, direction: str = "right") -> Layout:
    BeltCalibration.from_px_per_m(px_per_m, 640, 480, direction).save(path)
    layout = load_layout()
    camera = replace(layout.camera, px_per_m=None, calibration=str(path))
    return replace(layout, camera=camera)


def test_the_shipped_ones_fit() -> None:
    check_fits(shipped(), load_layout())


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"machine__m_per_tick": 0.001}, r"machine\.m_per_tick"),
        ({"camera__px_per_m": 790.0}, r"camera\.px_per_m"),
        ({"camera__direction": "left"}, r"camera\.direction"),
    ],
)
def test_what_differs_is_named(changes: dict[str, object], key: str) -> None:
    with pytest.raises(InvalidInputError, match=key):
        check_fits(shipped(**changes), load_layout())


def test_a_constant_speed_is_the_scenarios() -> None:
    check_speed(shipped(speed__speed_m_per_sec=0.4), always(0.4))
    with pytest.raises(InvalidInputError, match=r"speed\.speed_m_per_sec: got 0\.5"):
        check_speed(shipped(), always(0.4))
    with pytest.raises(InvalidInputError, match=r"speed\.kind: got 'ramp'"):
        check_speed(shipped(speed__kind="ramp"), always(0.5))
    check_speed(shipped(speed__kind="ramp"), load_layout())


def test_a_twin_that_is_shown_faster_runs_faster() -> None:
    check_speed(shipped(speed__speed_m_per_sec=0.25), always(0.5), rate=2.0)
    with pytest.raises(InvalidInputError, match="rate 2"):
        check_speed(shipped(), always(0.5), rate=2.0)


def test_a_calibrations_view_is_the_twins(tmp_path: Path) -> None:
    px_per_m = shipped().camera.px_per_m
    check_fits(shipped(), calibrated(tmp_path / "same.yaml", px_per_m))
    for layout in (
        calibrated(tmp_path / "scale.yaml", 0.97 * px_per_m),
        calibrated(tmp_path / "turned.yaml", px_per_m, "left"),
    ):
        with pytest.raises(InvalidInputError, match=r"camera\.calibration.*mm off"):
            check_fits(shipped(), layout)
