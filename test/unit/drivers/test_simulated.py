# SPDX-License-Identifier: Apache-2.0
"""The simulated driver moves at its stroke's speed; ``test/contract`` holds the rest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sorting import routing, sec

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.drivers.factory import DRIVERS, open_driver
from recycle_sorter.drivers.simulated import SimulatedDriver

SPECS = routing().diverters  # 1.6 rad in 0.16 s


def test_a_part_of_the_stroke_takes_a_part_of_its_time() -> None:
    driver = SimulatedDriver(SPECS)
    assert driver.move("flap_1", 0.6, 0) == sec(0.06)
    assert driver.position_rad("flap_1", sec(0.03)) == pytest.approx(0.3)
    assert driver.position_rad("flap_1", sec(0.06)) == 0.6
    assert driver.move("flap_1", -0.8, sec(1)) == sec(1.14)


def test_a_new_target_starts_from_where_the_arm_is() -> None:
    driver = SimulatedDriver(SPECS)
    driver.move("flap_1", 0.8, 0)
    assert driver.move("flap_1", 0.0, sec(0.04)) == sec(0.08)
    assert driver.position_rad("flap_1", sec(0.06)) == pytest.approx(0.2)


def test_before_its_start_a_movement_has_not_begun() -> None:
    driver = SimulatedDriver(SPECS)
    driver.move("flap_1", 0.8, sec(1))
    assert driver.position_rad("flap_1", sec(0.5)) == 0.0


@given(st.floats(-0.8, 0.8), st.floats(-0.8, 0.8), st.lists(st.floats(0, 1), min_size=2))
def test_an_arm_goes_straight_to_its_target(
    start_rad: float, target_rad: float, shares: list[float]
) -> None:
    driver = SimulatedDriver(SPECS)
    driver.move("flap_1", start_rad, 0)
    arrive_ns = driver.move("flap_1", target_rad, sec(1))
    assert arrive_ns - sec(1) == pytest.approx(abs(target_rad - start_rad) * sec(0.1), abs=1)
    way_ns = arrive_ns - sec(1)
    angles = [driver.position_rad("flap_1", sec(1) + round(s * way_ns)) for s in sorted(shares)]
    assert angles == sorted(angles, reverse=target_rad < start_rad)


def test_the_factory_opens_every_driver_by_name() -> None:
    for name in DRIVERS:
        assert open_driver(name, SPECS).diverters == ("flap_1", "flap_2")


@pytest.mark.parametrize("name", ["", "Simulated", "serial"])
def test_an_unknown_driver_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        open_driver(name, SPECS)
    assert (caught.value.field, caught.value.value) == ("driver", name)
    assert caught.value.expected == "one of: simulated"
