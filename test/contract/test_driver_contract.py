# SPDX-License-Identifier: Apache-2.0
"""What every diverter driver must do, run on each of them.

To add a driver: add a maker to ``MAKERS``. Angles may be NaN where hardware does not report them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import FakeDriver
from support.sorting import sec

from recycle_sorter.core.errors import DriverError, InvalidInputError
from recycle_sorter.core.ports import DiverterDriver
from recycle_sorter.core.routing import DiverterSpec
from recycle_sorter.drivers.factory import DRIVERS, open_driver
from recycle_sorter.drivers.simulated import SimulatedDriver

pytestmark = pytest.mark.contract

Maker = Callable[[Mapping[str, DiverterSpec]], DiverterDriver]
MAKERS: dict[str, Maker] = {"fake": FakeDriver, "simulated": SimulatedDriver}

SPECS = {
    "left": DiverterSpec("left", 0.1, -0.8, 0.8, 0.15, 0.3, 0.0),
    "right": DiverterSpec("right", -1.0, -1.0, 0.5, 0.3, 0.3, 0.0),
}
# Longer than any stroke, fault or link delay.
LATER_NS = sec(10)


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Maker:
    return MAKERS[request.param]


@pytest.fixture
def driver(make: Maker) -> DiverterDriver:
    return make(SPECS)


def is_at(driver: DiverterDriver, name: str, angle_rad: float, now_ns: int) -> bool:
    found = driver.position_rad(name, now_ns)
    return math.isnan(found) or found == pytest.approx(angle_rad)


def test_every_driver_that_can_be_chosen_is_tested_here() -> None:
    makers = {type(maker(SPECS)) for maker in MAKERS.values()}
    assert {type(open_driver(name, SPECS)) for name in DRIVERS} <= makers


def test_it_is_a_driver(driver: DiverterDriver) -> None:
    assert isinstance(driver, DiverterDriver)
    assert driver.diverters == ("left", "right")


def test_it_starts_at_home(driver: DiverterDriver) -> None:
    for name, spec in SPECS.items():
        assert is_at(driver, name, spec.home_rad, 0)
        assert driver.move(name, spec.home_rad, 5) == 5


def test_a_movement_arrives_later_and_stays(driver: DiverterDriver) -> None:
    arrive_ns = driver.move("left", 0.8, sec(1))
    assert sec(1) < arrive_ns < LATER_NS
    for now_ns in (arrive_ns, arrive_ns + 1, LATER_NS):
        assert is_at(driver, "left", 0.8, now_ns)


def test_moving_to_where_it_is_takes_no_time(driver: DiverterDriver) -> None:
    arrive_ns = driver.move("left", 0.8, 0)
    assert driver.move("left", 0.8, arrive_ns + 7) == arrive_ns + 7


def test_a_later_target_takes_over(driver: DiverterDriver) -> None:
    driver.move("left", 0.8, 0)
    arrive_ns = driver.move("left", -0.8, 1)
    assert is_at(driver, "left", -0.8, arrive_ns)
    assert is_at(driver, "left", -0.8, LATER_NS)


def test_diverters_move_independently(driver: DiverterDriver) -> None:
    driver.move("left", 0.8, 0)
    assert is_at(driver, "right", -1.0, LATER_NS)


@pytest.mark.parametrize("name", ["", "LEFT", "middle"])
def test_an_unknown_diverter_is_refused_by_name(driver: DiverterDriver, name: str) -> None:
    with pytest.raises(InvalidInputError) as moved:
        driver.move(name, 0.0, 0)
    with pytest.raises(InvalidInputError) as asked:
        driver.position_rad(name, 0)
    for caught in (moved, asked):
        assert (caught.value.field, caught.value.value) == ("diverter", name)


@pytest.mark.parametrize("angle_rad", [0.81, -0.81, math.nan, math.inf, -math.inf, 1e300])
def test_an_angle_out_of_reach_is_refused_and_nothing_moves(
    driver: DiverterDriver, angle_rad: float
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        driver.move("left", angle_rad, 0)
    assert caught.value.field == "left.position_rad"
    assert is_at(driver, "left", 0.1, LATER_NS)


def test_the_ends_of_its_reach_are_reachable(driver: DiverterDriver) -> None:
    now_ns = 0
    for name, spec in SPECS.items():
        for angle_rad in (spec.min_rad, spec.max_rad):
            now_ns = driver.move(name, angle_rad, now_ns)
            assert is_at(driver, name, angle_rad, now_ns)


def test_home_brings_every_diverter_home(driver: DiverterDriver) -> None:
    driver.move("left", 0.8, 0)
    driver.move("right", 0.5, 0)
    arrive_ns = driver.home(sec(1))
    assert sec(1) < arrive_ns < LATER_NS
    for name, spec in SPECS.items():
        assert is_at(driver, name, spec.home_rad, arrive_ns)


def test_home_from_home_takes_no_time(driver: DiverterDriver) -> None:
    assert driver.home(42) == 42


def test_a_driver_without_diverters_has_nothing_to_do(make: Maker) -> None:
    driver = make({})
    assert driver.diverters == ()
    assert driver.home(42) == 42
    driver.close()


def test_closing_twice_is_safe_and_nothing_moves_afterwards(driver: DiverterDriver) -> None:
    driver.close()
    driver.close()
    with pytest.raises(DriverError):
        driver.move("left", 0.5, 0)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@given(
    st.lists(
        st.tuples(
            st.integers(0, sec(0.5)),
            st.sampled_from(["left", "right", "all"]),
            st.floats(-1.5, 1.5) | st.just(math.nan),
        ),
        max_size=30,
    )
)
def test_no_sequence_of_movements_leaves_its_reach(
    maker: Maker, steps: list[tuple[int, str, float]]
) -> None:
    driver = maker(SPECS)
    now_ns = 0
    targets = {name: spec.home_rad for name, spec in SPECS.items()}
    for pause_ns, name, angle_rad in steps:
        now_ns += pause_ns
        if name == "all":
            assert driver.home(now_ns) >= now_ns
            targets = {n: spec.home_rad for n, spec in SPECS.items()}
        elif SPECS[name].min_rad <= angle_rad <= SPECS[name].max_rad:
            assert driver.move(name, angle_rad, now_ns) >= now_ns
            targets[name] = angle_rad
        else:
            with pytest.raises(InvalidInputError):
                driver.move(name, angle_rad, now_ns)
        for n, spec in SPECS.items():
            found = driver.position_rad(n, now_ns)
            assert math.isnan(found) or spec.min_rad - 1e-9 <= found <= spec.max_rad + 1e-9
    for n, target_rad in targets.items():
        assert is_at(driver, n, target_rad, now_ns + LATER_NS)
