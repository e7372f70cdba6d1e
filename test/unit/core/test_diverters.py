# SPDX-License-Identifier: Apache-2.0
"""Diverters go out for an item, hold, return home, and survive their driver's faults."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.fakes import TRAVEL_NS, FakeDriver, Move
from support.sorting import command, routing, sec

from recycle_sorter.core.diverters import RETRY_SEC, DiverterBank, DiverterSnapshot
from recycle_sorter.core.errors import DriverError, InvalidInputError
from recycle_sorter.core.types import DiverterStatus
from recycle_sorter.drivers.simulated import SimulatedDriver

SPECS = routing().diverters
DWELL_NS = sec(0.3)


def make() -> tuple[DiverterBank, FakeDriver]:
    driver = FakeDriver(SPECS)
    return DiverterBank(driver, SPECS), driver


def of(bank: DiverterBank, name: str, now_ns: int) -> DiverterSnapshot:
    (found,) = [s for s in bank.snapshots(now_ns) if s.diverter == name]
    return found


def test_a_driver_must_know_every_diverter() -> None:
    driver = FakeDriver({"flap_2": SPECS["flap_2"]})
    with pytest.raises(InvalidInputError) as caught:
        DiverterBank(driver, SPECS)
    assert (caught.value.field, caught.value.value) == ("diverters", ["flap_1"])


def test_diverters_start_neutral_at_home() -> None:
    bank, _ = make()
    assert bank.snapshots(0) == [
        DiverterSnapshot(name, DiverterStatus.NEUTRAL, 0.0, 0, 0, "started") for name in SPECS
    ]
    assert bank.changes(0) == []


def test_a_command_goes_out_holds_and_returns() -> None:
    bank, driver = make()
    assert bank.execute(command("flap_1", 0.6, item_id=7), 0)
    (moving,) = bank.changes(0)
    assert (moving.status, moving.item_id, moving.actuations) == (DiverterStatus.MOVING, 7, 1)
    assert moving.detail == "to 0.60 rad for bin glass"
    bank.tick(TRAVEL_NS - 1)
    assert bank.changes(TRAVEL_NS - 1) == []
    bank.tick(TRAVEL_NS)
    (there,) = bank.changes(TRAVEL_NS)
    assert (there.status, there.position_rad) == (DiverterStatus.DIVERTING, 0.6)
    bank.tick(TRAVEL_NS + DWELL_NS)
    (back,) = bank.changes(TRAVEL_NS + DWELL_NS)
    assert (back.status, back.detail) == (DiverterStatus.MOVING, "returning home")
    home_ns = 2 * TRAVEL_NS + DWELL_NS
    bank.tick(home_ns)
    (home,) = bank.changes(home_ns)
    assert home == DiverterSnapshot("flap_1", DiverterStatus.NEUTRAL, 0.0, 0, 1, "home")
    assert [m.diverter for m in driver.moves] == ["flap_1", "flap_1"]


def test_the_second_item_is_held_as_long_as_the_first() -> None:
    bank, _ = make()
    for start_ns in (0, sec(5)):
        bank.execute(command(), start_ns)
        arrive_ns = start_ns + TRAVEL_NS
        bank.tick(arrive_ns)
        assert of(bank, "flap_1", arrive_ns).status is DiverterStatus.DIVERTING
        bank.tick(arrive_ns + DWELL_NS - 1)
        assert of(bank, "flap_1", arrive_ns).status is DiverterStatus.DIVERTING
        bank.tick(arrive_ns + DWELL_NS)
        bank.tick(arrive_ns + DWELL_NS + TRAVEL_NS)
        assert of(bank, "flap_1", sec(9)).status is DiverterStatus.NEUTRAL


def test_one_late_tick_still_sends_it_home() -> None:
    bank, driver = make()
    bank.execute(command(), 0)
    bank.tick(sec(60))
    assert driver.moves[-1] == Move("flap_1", 0.0, sec(60))


def test_the_next_item_takes_over_a_diverter_that_is_out() -> None:
    bank, driver = make()
    bank.execute(command(position_rad=0.6, item_id=1), 0)
    bank.execute(command(position_rad=-0.6, item_id=2), sec(0.2))
    bank.tick(TRAVEL_NS + DWELL_NS)  # when the first would have gone home
    found = of(bank, "flap_1", TRAVEL_NS + DWELL_NS)
    assert (found.item_id, found.position_rad, found.actuations) == (2, -0.6, 2)
    assert len(driver.moves) == 2


def test_a_command_without_diverter_moves_nothing_and_succeeds() -> None:
    bank, driver = make()
    bank.hold_home(DiverterStatus.DISABLED, "switched off", 0)
    driver.moves.clear()
    assert bank.execute(command("", 0.0), 0)
    assert driver.moves == []


def test_a_diverter_that_is_not_there_is_refused() -> None:
    bank, driver = make()
    assert not bank.execute(command("flap_9"), 0)
    assert driver.moves == []


@pytest.mark.parametrize("status", [DiverterStatus.DISABLED, DiverterStatus.STALE])
def test_held_diverters_go_home_and_refuse_until_released(status: DiverterStatus) -> None:
    bank, driver = make()
    bank.execute(command(), 0)
    bank.tick(TRAVEL_NS)
    bank.hold_home(status, "because", sec(0.2))
    assert bank.is_held
    assert driver.moves[-2:] == [Move("flap_1", 0.0, sec(0.2)), Move("flap_2", 0.0, sec(0.2))]
    assert not bank.execute(command(), sec(0.2))
    bank.tick(sec(5))
    for found in bank.snapshots(sec(5)):
        assert (found.status, found.detail, found.item_id) == (status, "because", 0)
        assert found.position_rad == 0.0
    bank.release("go on", sec(5))
    assert not bank.is_held
    assert {(s.status, s.detail) for s in bank.changes(sec(5))} == {
        (DiverterStatus.NEUTRAL, "go on")
    }
    assert bank.execute(command(), sec(5))


def test_a_diverter_released_on_its_way_home_says_that_it_moves() -> None:
    bank, _ = make()
    bank.execute(command(), 0)
    bank.tick(TRAVEL_NS)
    bank.hold_home(DiverterStatus.STALE, "silence", sec(0.2))
    bank.release("go on", sec(0.2) + 1)
    assert of(bank, "flap_1", sec(0.2) + 1).status is DiverterStatus.MOVING
    assert of(bank, "flap_2", sec(0.2) + 1).status is DiverterStatus.NEUTRAL
    bank.tick(sec(0.2) + TRAVEL_NS)
    assert of(bank, "flap_1", sec(1)).status is DiverterStatus.NEUTRAL


def test_a_driver_fault_is_a_state_not_an_exception() -> None:
    bank, driver = make()
    driver.broken.add("flap_1")
    assert not bank.execute(command("flap_1"), 0)
    (fault,) = bank.changes(0)
    assert (fault.status, fault.detail) == (DiverterStatus.FAULT, "flap_1 does not answer")
    assert fault.actuations == 0
    assert bank.execute(command("flap_2"), 0)


@pytest.mark.parametrize("position_rad", [0.81, -0.81, math.nan, math.inf])
def test_an_angle_out_of_reach_is_a_fault_and_moves_nothing(position_rad: float) -> None:
    bank, driver = make()
    assert not bank.execute(command("flap_1", position_rad), 0)
    assert of(bank, "flap_1", 0).status is DiverterStatus.FAULT
    assert driver.moves == []


def test_a_diverter_that_fails_on_the_way_home_is_tried_again_until_it_is_there() -> None:
    bank, driver = make()
    bank.execute(command(), 0)
    driver.broken.add("flap_1")
    now_ns = TRAVEL_NS + DWELL_NS
    bank.tick(now_ns)
    assert of(bank, "flap_1", now_ns).status is DiverterStatus.FAULT
    bank.tick(now_ns + sec(RETRY_SEC))
    driver.broken.clear()
    now_ns += sec(2 * RETRY_SEC)
    bank.tick(now_ns - 1)
    assert of(bank, "flap_1", now_ns).status is DiverterStatus.FAULT
    bank.tick(now_ns)
    assert of(bank, "flap_1", now_ns).status is DiverterStatus.MOVING
    bank.tick(now_ns + TRAVEL_NS)
    found = of(bank, "flap_1", now_ns + TRAVEL_NS)
    assert (found.status, found.position_rad) == (DiverterStatus.NEUTRAL, 0.0)


def test_a_fault_outlives_a_release_and_heals_into_the_held_state() -> None:
    bank, driver = make()
    bank.execute(command(), 0)
    driver.broken.add("flap_1")
    bank.hold_home(DiverterStatus.STALE, "silence", sec(1))
    assert of(bank, "flap_1", sec(1)).status is DiverterStatus.FAULT
    assert of(bank, "flap_2", sec(1)).status is DiverterStatus.STALE
    bank.release("go on", sec(1))
    assert of(bank, "flap_1", sec(1)).status is DiverterStatus.FAULT
    bank.hold_home(DiverterStatus.DISABLED, "switched off", sec(2))
    driver.broken.clear()
    bank.tick(sec(2 + RETRY_SEC))
    bank.tick(sec(2 + RETRY_SEC) + TRAVEL_NS)
    found = of(bank, "flap_1", sec(10))
    assert (found.status, found.detail) == (DiverterStatus.DISABLED, "switched off")


def test_a_command_that_works_ends_a_fault() -> None:
    bank, driver = make()
    driver.broken.add("flap_1")
    bank.execute(command(), 0)
    driver.broken.clear()
    assert bank.execute(command(), sec(0.1))
    assert of(bank, "flap_1", sec(0.1)).status is DiverterStatus.MOVING


def test_a_position_that_the_driver_cannot_tell_is_nan() -> None:
    bank, driver = make()
    driver.mute = True
    assert all(math.isnan(s.position_rad) for s in bank.snapshots(0))
    bank.execute(command(), 0)
    assert math.isnan(bank.changes(0)[0].position_rad)


def test_closing_frees_the_driver() -> None:
    bank, driver = make()
    bank.close()
    assert driver.closed == 1


ANGLES = st.one_of(st.floats(-2, 2), st.sampled_from([math.nan, math.inf, 0.8, -0.8, 0.0]))
NAMES = st.sampled_from(["flap_1", "flap_2", "", "flap_9"])
STEPS = st.lists(
    st.tuples(
        st.integers(0, sec(1)),
        st.one_of(
            st.tuples(st.just("execute"), NAMES, ANGLES),
            st.tuples(st.just("tick")),
            st.tuples(st.just("tick")),
            st.tuples(st.just("hold"), st.sampled_from(["DISABLED", "STALE"])),
            st.tuples(st.just("release")),
            st.tuples(st.just("break"), st.sampled_from(list(SPECS))),
            st.tuples(st.just("repair")),
        ),
    ),
    max_size=50,
)


class BreakableDriver(SimulatedDriver):
    """Simulated, with faults."""

    broken: frozenset[str] = frozenset()

    def move(self, diverter: str, position_rad: float, now_ns: int) -> int:
        if diverter in self.broken:
            raise DriverError(f"{diverter} does not answer")
        return super().move(diverter, position_rad, now_ns)


@given(STEPS)
def test_whatever_happens_angles_stay_in_reach_and_all_come_home_in_the_end(
    steps: list[tuple[int, tuple[Any, ...]]],
) -> None:
    driver = BreakableDriver(SPECS)
    bank = DiverterBank(driver, SPECS)
    now_ns = 0
    actuations = dict.fromkeys(SPECS, 0)
    for pause_ns, (what, *rest) in steps:
        now_ns += pause_ns
        if what == "execute":
            name, angle = rest
            done = bank.execute(command(name, angle), now_ns)
            reachable = name in SPECS and -0.8 <= angle <= 0.8
            can = reachable and not bank.is_held and name not in driver.broken
            assert done == (can or name == "")
            if can:
                actuations[name] += 1
        elif what == "tick":
            bank.tick(now_ns)
        elif what == "hold":
            bank.hold_home(DiverterStatus[rest[0]], "held", now_ns)
        elif what == "release":
            bank.release("released", now_ns)
        elif what == "break":
            driver.broken |= {rest[0]}
        else:
            driver.broken = frozenset()
        for found in bank.snapshots(now_ns):
            assert -0.8 <= found.position_rad <= 0.8
            assert found.detail
            assert found.actuations == actuations[found.diverter]
            if bank.is_held:
                assert found.status is not DiverterStatus.DIVERTING
        for changed in bank.changes(now_ns):
            assert changed == of(bank, changed.diverter, now_ns)
    driver.broken = frozenset()
    bank.release("the end", now_ns)
    for _ in range(4):  # there, home; after a fault: home again
        now_ns += sec(2)
        bank.tick(now_ns)
    for found in bank.snapshots(now_ns):
        assert (found.status, found.position_rad) == (DiverterStatus.NEUTRAL, 0.0)
