# SPDX-License-Identifier: Apache-2.0
"""A belt's schedule: each item ends once, commands come by place, in order and never late."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.belt_lines import BIN_OF, TICK_SEC, Belt, decided, layout, layout_data, steady
from support.sorting import START_NS, sec

from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.layout_file import parse_layout
from recycle_sorter.core.belt.schedule import BeltSchedule
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import PlannedCommand

LINE_M = 0.7
FLAPS_M = {"flap_1": 1.0, "flap_2": 1.3, "flap_3": 1.6}
LEAD_SEC = 0.04
TOLERANCE_NS = sec(0.01)


@dataclass
class Run:
    """A schedule on a belt, ticked at its rate; items are added when they cross the line."""

    belt: Belt
    layout: Layout = field(default_factory=layout)
    is_working: bool = True
    block: Cause = Cause.NONE
    at_sec: float = 0.0
    commands: list[PlannedCommand] = field(default_factory=list)
    issued: dict[int, int] = field(default_factory=dict)
    records: list[ItemRecord] = field(default_factory=list)
    ticks: int = 0

    def __post_init__(self) -> None:
        self.schedule = BeltSchedule(self.layout, TICK_SEC)

    def add(
        self, item_id: int, material: str, x_m: float = LINE_M, confidence: float = 0.9
    ) -> None:
        now = self.belt.predict(self.at_sec)
        decision = decided(item_id, material, confidence)
        self.records += self.schedule.add(decision, x_m - now.position_m, now)

    def issue(self, command: PlannedCommand) -> bool:
        if self.is_working:
            assert command.decision.item_id not in self.issued
            self.issued[command.decision.item_id] = START_NS + sec(self.at_sec)
        return self.is_working

    def until(self, end_sec: float) -> Run:
        while self.at_sec < end_sec - 1e-9:
            self.ticks += 1
            self.at_sec = self.ticks * TICK_SEC
            commands, records = self.schedule.tick(
                self.belt.predict(self.at_sec), self.issue, self.block
            )
            self.commands += commands
            self.records += records
        return self

    def flush(self) -> None:
        self.records += self.schedule.flush(self.belt.predict(self.at_sec))

    def record(self, item_id: int) -> ItemRecord:
        found = [r for r in self.records if r.decision.item_id == item_id]
        assert len(found) == 1
        return found[0]


@pytest.mark.parametrize(
    ("material", "flap"), [("glass", "flap_1"), ("metal", "flap_2"), ("plastic", "flap_3")]
)
@pytest.mark.parametrize("speed_m_per_sec", [0.1, 0.37, 1.0])
def test_an_item_is_fired_when_the_belt_has_carried_it_there_less_the_lead(
    material: str, flap: str, speed_m_per_sec: float
) -> None:
    run = Run(steady(speed_m_per_sec))
    run.add(1, material)
    run.until(1.2 / speed_m_per_sec)
    record = run.record(1)
    due_sec = (FLAPS_M[flap] - LINE_M) / speed_m_per_sec - LEAD_SEC
    assert record.outcome is Outcome.FIRED
    assert record.diverter == flap
    assert record.scheduled_ns == pytest.approx(START_NS + sec(due_sec), abs=1000)
    assert abs(record.issued_ns - record.scheduled_ns) <= sec(TICK_SEC / 2)
    assert run.issued == {1: record.issued_ns}
    assert run.commands[0].fire_ns == record.scheduled_ns
    assert len(run.schedule) == 0


def test_a_belt_that_slows_down_after_the_decision_delays_the_command() -> None:
    run = Run(Belt([(0.0, 1.0), (0.1, 1.0), (0.2, 0.5)]))
    run.add(1, "metal")
    run.until(3.0)
    # 0.1 m, then 0.075 m in the ramp, then 0.425 m at 0.5 m/s.
    assert run.record(1).scheduled_ns == pytest.approx(
        START_NS + sec(0.2 + 0.425 / 0.5 - LEAD_SEC), abs=sec(1e-6)
    )


def test_nothing_fires_while_the_belt_stands_and_all_fires_after() -> None:
    run = Run(Belt([(0.0, 0.5), (0.4, 0.5), (0.5, 0.0), (9.0, 0.0), (9.1, 0.5)]))
    run.add(1, "glass")
    run.until(9.0)
    assert run.issued == {}
    run.until(11.0)
    record = run.record(1)
    assert record.outcome is Outcome.FIRED
    assert record.issued_ns - START_NS == pytest.approx(sec(9.1 + 0.05 / 0.5 - LEAD_SEC), abs=2e6)


def test_a_belt_that_runs_back_and_forth_fires_once() -> None:
    jog = [(0.0, 0.5), (0.4, 0.5), (0.5, -0.5), (1.0, -0.5), (1.1, 0.5)]
    run = Run(Belt(jog))
    run.add(1, "glass")
    run.until(1.1)
    assert run.issued == {}
    run.until(4.0)
    assert run.record(1).outcome is Outcome.FIRED
    back = Run(Belt([(0.0, 0.5), (0.7, 0.5), (0.8, -0.5), (1.1, -0.5), (1.2, 0.5)]))
    back.add(1, "glass")  # fired at 0.56 s; carried back to its flap and there again
    back.until(4.0)
    assert list(back.issued) == [1]
    assert len(back.records) == 1


def test_an_item_carried_back_far_out_of_the_view_is_removed() -> None:
    run = Run(Belt([(0.0, 0.5), (0.1, -1.0)]))
    run.add(1, "glass")
    run.add(2, "trash", x_m=0.6)
    run.until(3.0)
    assert [r.cause for r in run.records] == [Cause.REMOVED, Cause.REMOVED]
    assert len(run.schedule) == 0


def test_a_late_tick_misses_the_item() -> None:
    run = Run(steady())
    run.add(1, "glass")
    run.ticks = 144  # nobody looked for 0.56 s, when it was due, nor for 0.02 s more
    run.until(0.6)
    record = run.record(1)
    assert (record.outcome, record.cause) == (Outcome.MISSED, Cause.LATE)
    assert record.diverter == "flap_1"
    assert record.issued_ns == 0
    assert "20.0 ms ago" in record.detail
    assert run.issued == {}


@pytest.mark.parametrize("x_m", [0.986, 1.0, 1.2, 9.0])
def test_an_item_found_too_late_is_missed_at_once(x_m: float) -> None:
    run = Run(steady())
    run.add(1, "glass", x_m=x_m)
    assert run.record(1).cause is Cause.SEEN_TOO_LATE
    run.until(1.0)
    assert run.issued == {}


def test_a_passer_is_recorded_as_it_goes_by_the_last_diverter() -> None:
    run = Run(steady())
    run.add(1, "trash")
    run.until(1.78)
    assert run.records == []
    run.until(1.82)
    record = run.record(1)
    assert record.outcome is Outcome.PASSED
    assert record.x_m == pytest.approx(1.6, abs=0.003)
    assert record.rival_id == 0
    assert record.diverter == ""


def test_a_passer_beyond_the_last_diverter_has_passed() -> None:
    run = Run(steady())
    run.add(1, "trash", x_m=1.7)
    assert run.record(1).outcome is Outcome.PASSED


def test_without_diverters_items_pass_at_the_end() -> None:
    data = layout_data()
    data["diverters"] = []
    data["bins"] = [{"name": "residue", "diverter": ""}]
    data["materials"] = {"glass": {"bin": "residue"}}
    data["conflict"] = {"rule": "first"}
    run = Run(steady(), parse_layout(data))
    run.add(1, "trash")
    run.until(2.5)
    assert run.records == []
    run.until(2.7)
    assert run.record(1).x_m == pytest.approx(2.0, abs=0.003)


def test_a_passer_beside_an_item_that_is_fired_says_so() -> None:
    run = Run(steady())
    run.add(1, "glass")
    run.add(2, "trash", x_m=LINE_M - 0.01)
    run.add(3, "trash", x_m=LINE_M - 0.1)
    run.until(4.0)
    assert run.record(2).outcome is Outcome.PASSED
    assert run.record(2).rival_id == 1
    assert "item 1" in run.record(2).detail
    assert run.record(3).rival_id == 0


def test_items_for_one_position_fire_one_after_the_other_without_conflict() -> None:
    run = Run(steady())
    run.add(1, "glass")
    run.add(2, "glass", x_m=LINE_M - 0.01)
    run.until(2.0)
    assert list(run.issued) == [1, 2]


def test_a_driver_that_fails_is_a_cause() -> None:
    run = Run(steady(), is_working=False)
    run.add(1, "glass")
    run.until(1.0)
    assert run.record(1).cause is Cause.DRIVER_FAULT
    assert run.commands == []


@pytest.mark.parametrize("cause", [Cause.DISABLED, Cause.MOTION_LOST])
def test_what_falls_due_while_nothing_may_fire_is_missed_for_that(cause: Cause) -> None:
    run = Run(steady(), block=cause)
    run.add(1, "glass")
    run.add(2, "metal")
    run.until(0.7)
    assert run.record(1).cause is cause
    run.block = Cause.NONE
    run.until(2.0)
    assert run.record(2).outcome is Outcome.FIRED


def test_an_item_that_shows_to_have_gone_by_during_a_silence_is_lost_by_it() -> None:
    run = Run(steady())
    run.add(1, "glass")
    run.until(0.1)
    gone = run.belt
    run.belt, run.block = Belt([(0.0, 0.0)]), Cause.MOTION_LOST  # what a silent encoder says
    run.until(1.0)
    assert run.records == []
    run.belt, run.block = gone, Cause.NONE
    run.until(1.1)
    assert run.record(1).cause is Cause.MOTION_LOST


def test_what_is_on_its_way_at_the_end_is_said_to_be() -> None:
    run = Run(steady())
    run.add(1, "plastic")
    run.add(2, "trash")
    run.add(3, "glass", x_m=0.9)
    run.until(0.5)
    run.flush()
    assert run.record(1).cause is run.record(2).cause is Cause.RUN_ENDED
    assert run.record(3).outcome is Outcome.FIRED
    run.flush()
    assert len(run.records) == 3


def test_an_item_seen_again_moves() -> None:
    run = Run(steady())
    run.add(1, "glass")
    run.add(2, "glass", x_m=0.65)
    assert run.schedule.move(1, 0.6)  # behind the other now
    run.until(2.0)
    assert list(run.issued) == [2, 1]
    assert run.record(1).scheduled_ns == pytest.approx(START_NS + sec(0.8 - LEAD_SEC), abs=1000)
    assert not run.schedule.move(1, 0.5)
    assert not run.schedule.move(7, 0.5)


@pytest.mark.parametrize("tick_sec", [0.0, -1.0, 0.021, float("nan"), float("inf")])
def test_a_tick_that_cannot_keep_the_tolerance_is_refused(tick_sec: float) -> None:
    with pytest.raises(InvalidInputError) as caught:
        BeltSchedule(layout(), tick_sec)
    assert caught.value.field == "tick_sec"


def check(run: Run, added: Sequence[int]) -> None:
    """What holds on any belt."""
    assert Counter(r.decision.item_id for r in run.records) == Counter(added)
    assert len(run.schedule) == 0
    fired = [r for r in run.records if r.outcome is Outcome.FIRED]
    assert {r.decision.item_id: r.issued_ns for r in fired} == run.issued
    for record in run.records:
        assert record.detail
        assert (record.cause is Cause.NONE) == (record.outcome is not Outcome.MISSED)
        assert (record.issued_ns > 0) == (record.outcome is Outcome.FIRED)
        if record.outcome is Outcome.FIRED:
            assert record.issued_ns - record.scheduled_ns <= TOLERANCE_NS
            assert record.issued_ns - record.scheduled_ns >= -sec(TICK_SEC / 2) - 1
        if record.cause is Cause.CONFLICT:
            assert record.rival_id in run.issued or record.rival_id in added
            assert record.rival_id != record.decision.item_id


SPEEDS = st.lists(
    st.tuples(st.floats(0.15, 1.5), st.floats(-0.5, 1.0) | st.sampled_from([0.0, 0.5, 1.0])),
    min_size=1,
    max_size=6,
)
ARRIVALS = st.lists(
    st.tuples(
        st.floats(0.0, 0.2) | st.just(0.0),  # seconds after the one before
        st.sampled_from(sorted(BIN_OF)),
        st.floats(0.3, 1.0),
    ),
    max_size=15,
)


@settings(max_examples=40, deadline=None)
@given(SPEEDS, ARRIVALS, st.sampled_from(["value_then_confidence", "first"]))
def test_on_any_belt_every_item_ends_once_in_order_never_late(
    speeds: list[tuple[float, float]], arrivals: list[tuple[float, str, float]], rule: str
) -> None:
    points, at_sec = [(0.0, 0.5)], 0.0
    for duration_sec, speed in speeds:
        at_sec += duration_sec
        points.append((at_sec, speed))
    run = Run(Belt(points), layout(conflict={"rule": rule, "values": {"metal": 3.0}}))
    places: dict[int, float] = {}
    for item_id, (gap_sec, material, confidence) in enumerate(arrivals, 1):
        run.until(run.at_sec + gap_sec)
        places[item_id] = LINE_M - run.belt.position_at(run.at_sec)
        run.add(item_id, material, confidence=confidence)
    run.until(run.at_sec + 2.0)
    run.flush()
    check(run, list(places))
    # First come, first fired, unless the belt ran back and put a later item before.
    for flap in FLAPS_M:
        order = [c.decision.item_id for c in run.commands if c.diverter == flap]
        for before, after in pairwise(order):
            assert places[before] >= places[after] or before > after


@settings(max_examples=40, deadline=None)
@given(ARRIVALS, st.floats(0.2, 1.0))
def test_at_constant_speed_no_fired_item_meets_a_diverter_out_for_another(
    arrivals: list[tuple[float, str, float]], speed_m_per_sec: float
) -> None:
    run = Run(steady(speed_m_per_sec))
    crossed: dict[int, float] = {}
    for item_id, (gap_sec, material, confidence) in enumerate(arrivals, 1):
        run.until(run.at_sec + gap_sec)
        crossed[item_id] = run.at_sec
        run.add(item_id, material, confidence=confidence)
    run.until(run.at_sec + 1.0 / speed_m_per_sec)
    check(run, list(crossed))
    slack_sec = 2 * TICK_SEC
    for record in run.records:
        item_id = record.decision.item_id
        assert record.cause in (Cause.NONE, Cause.CONFLICT)
        if record.outcome is not Outcome.FIRED:
            continue
        for command in run.commands:
            other_id = command.decision.item_id
            at_m = FLAPS_M[command.diverter]
            out_sec = (run.issued[other_id] - START_NS) / 1e9
            if command.diverter == record.diverter:
                mine = next(c for c in run.commands if c.decision.item_id == item_id)
                if mine.position_rad != command.position_rad:
                    apart_sec = abs(out_sec - (record.issued_ns - START_NS) / 1e9)
                    assert apart_sec >= 0.07 - slack_sec
            elif at_m < FLAPS_M[record.diverter]:
                there_sec = crossed[item_id] + (at_m - LINE_M) / speed_m_per_sec
                assert not out_sec + slack_sec < there_sec < out_sec + 0.09 - slack_sec


def test_a_diverter_that_was_sent_home_meets_nobody() -> None:
    met = []
    for is_sent_home in (False, True):
        run = Run(steady())
        run.add(1, "glass")  # fired at 0.56 s, out until 0.65 s
        run.add(2, "trash", x_m=LINE_M - 0.02)  # goes by at 0.64 s
        run.until(0.6)
        if is_sent_home:
            run.schedule.go_home(START_NS + sec(run.at_sec))  # home at 0.62 s
        run.until(2.0)
        met.append(run.record(2).rival_id)
    assert met == [1, 0]


def test_an_item_that_a_faster_belt_brings_to_a_diverter_still_out_is_missed() -> None:
    # At 0.3 m/s it would have come 0.12 s after the first; no belt was known to speed up.
    run = Run(Belt([(0.0, 0.3), (0.97, 0.3), (0.98, 1.0)]))
    run.add(1, "glass")
    run.add(2, "plastic", x_m=LINE_M - 0.036)
    run.until(2.0)
    assert list(run.issued) == [1]
    record = run.record(2)
    assert (record.cause, record.rival_id) == (Cause.CONFLICT, 1)
    assert "was out for item 1" in record.detail
    assert record.ended_ns > run.issued[1]
