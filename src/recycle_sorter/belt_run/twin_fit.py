# SPDX-License-Identifier: Apache-2.0
"""Whether a twin shows the line that a layout describes."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from recycle_sorter.belt_run.parts import make_calibration, scenario_calibration
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.twin.scenario import Scenario

# A calibration that was measured from the twin's own pictures is off by less than a millimetre.
_SAME_M: Final = 0.005


def check_speed(scenario: Scenario, layout: Layout, rate: float = 1.0) -> None:
    """Refuses a belt that runs at another speed than the one that a layout says it always has.

    Args:
        scenario: Of the twin.
        layout: Of the line.
        rate: How much faster than the line's clock the twin's time runs.

    Raises:
        InvalidInputError: Naming the scenario's key.
    """
    motion = layout.motion
    if motion.source != "speed" or motion.speed_m_per_sec is None:
        return
    told = f"motion.speed_m_per_sec of the layout says {motion.speed_m_per_sec:g} m/s for ever"
    fix = "leave it out of the layout: the twin then tells its speed"
    if scenario.speed.kind != "constant":
        raise InvalidInputError("speed.kind", scenario.speed.kind, f"constant: {told}", fix)
    shown = scenario.speed.speed_m_per_sec * rate
    if not math.isclose(shown, motion.speed_m_per_sec, rel_tol=1e-6):
        at_rate = f" (at rate {rate:g})" if rate != 1.0 else ""
        raise InvalidInputError("speed.speed_m_per_sec" + at_rate, shown, f"the same: {told}", fix)


def check_fits(scenario: Scenario, layout: Layout, rate: float = 1.0) -> None:
    """Refuses a twin whose camera, encoder or speed is not the layout's: all would be off.

    Args:
        scenario: Of the twin.
        layout: Of the line.
        rate: As for ``check_speed``.

    Raises:
        InvalidInputError: Naming the scenario's key, or the layout's where its view is not that
            of its own calibration.
    """
    check_speed(scenario, layout, rate)
    camera, motion = scenario.camera, layout.motion
    if motion.source == "encoder" and motion.m_per_tick is not None:
        _check_same("machine.m_per_tick", scenario.machine.m_per_tick, motion.m_per_tick)
    if layout.camera.px_per_m is not None:
        _check_same("camera.px_per_m", camera.px_per_m, layout.camera.px_per_m)
        if camera.direction != layout.camera.direction:
            expected = f"{layout.camera.direction}, as the layout says"
            raise InvalidInputError("camera.direction", camera.direction, expected)
        return
    seen = make_calibration(layout, camera.width_px, camera.height_px).outline_m()
    shown = scenario_calibration(scenario, layout).outline_m()
    off_m = float(np.max(np.abs(seen - shown)))
    if off_m > _SAME_M:
        raise InvalidInputError(
            "camera.calibration",
            layout.camera.calibration,
            f"the twin's camera; a corner of its view is {1000 * off_m:.0f} mm off",
            "set the scenario's camera.px_per_m and camera.direction to those of the calibration, "
            "or give the layout px_per_m",
        )


def _check_same(name: str, shown: float, wanted: float) -> None:
    if not math.isclose(shown, wanted, rel_tol=1e-6):
        raise InvalidInputError(name, shown, f"{wanted}, as the layout says")
