# SPDX-License-Identifier: Apache-2.0
"""Two items that want one diverter: the rule settles it, before either is fired."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.belt_lines import BIN_OF, TICK_SEC, decided, layout, steady
from support.sorting import START_NS, sec

from recycle_sorter.core.belt.conflicts import Settlement
from recycle_sorter.core.belt.rides import Queue, Ride, Stage
from recycle_sorter.core.belt.schedule import BeltSchedule
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome

LINE_M = 0.7
NUMBER = {"glass": 0, "paper": 0, "metal": 1, "plastic": 2, "trash": 3}
RULES = ("value_then_confidence", "confidence_then_value", "first")


def run(
    items: list[tuple[str, float, float]], rule: str = "value_then_confidence", order: int = 1
) -> dict[int, ItemRecord]:
    """Items ``(material, metres behind the first, confidence)`` at 0.5 m/s, all known at once."""
    belt = steady()
    values = {"metal": 3.0, "glass": 2.0}
    schedule = BeltSchedule(layout(conflict={"rule": rule, "values": values}), TICK_SEC)
    records: list[ItemRecord] = []
    numbered = list(enumerate(items, 1))
    for item_id, (material, behind_m, confidence) in numbered[::order]:
        decision = decided(item_id, material, confidence)
        records += schedule.add(decision, LINE_M - behind_m, belt.predict(0.0))
    for tick in range(1, 800):
        records += schedule.tick(belt.predict(tick * TICK_SEC), lambda _: True)[1]
    assert len(records) == len(items)
    return {record.decision.item_id: record for record in records}


def outcome(record: ItemRecord) -> tuple[Outcome, Cause, int]:
    return record.outcome, record.cause, record.rival_id


FIRED = (Outcome.FIRED, Cause.NONE, 0)


def lost_to(rival_id: int) -> tuple[Outcome, Cause, int]:
    return (Outcome.MISSED, Cause.CONFLICT, rival_id)


@pytest.mark.parametrize("behind_m", [0.0, 0.01, 0.034])
@pytest.mark.parametrize("swapped", [False, True])
def test_the_more_valuable_of_two_positions_wins(behind_m: float, swapped: bool) -> None:
    items = [("glass", 0.0, 0.6), ("paper", behind_m, 0.9)]
    if swapped:
        items = [("paper", 0.0, 0.9), ("glass", behind_m, 0.6)]
    records = run(items)
    glass, paper = (2, 1) if swapped else (1, 2)
    assert outcome(records[glass]) == FIRED
    assert outcome(records[paper]) == lost_to(glass)
    assert records[paper].diverter == "flap_1"
    assert f"item {glass}" in records[paper].detail


def test_the_loser_is_known_before_the_winner_is_fired() -> None:
    records = run([("paper", 0.0, 0.9), ("glass", 0.03, 0.6)])
    assert records[1].ended_ns < records[2].issued_ns
    records = run([("glass", 0.0, 0.9), ("paper", 0.03, 0.6)])
    assert records[2].ended_ns == records[1].issued_ns


def test_confidence_settles_equal_values_and_the_first_wins_a_tie() -> None:
    assert outcome(run([("plastic", 0.0, 0.8), ("paper", 0.0, 0.9)])[1]) == lost_to(2)
    assert outcome(run([("plastic", 0.0, 0.9), ("paper", 0.0, 0.8)])[2]) == lost_to(1)
    assert outcome(run([("paper", 0.0, 0.9), ("plastic", 0.02, 0.9)])[2]) == lost_to(1)


def test_other_rules_rank_otherwise() -> None:
    items = [("paper", 0.0, 0.9), ("glass", 0.03, 0.6)]
    assert outcome(run(items, "confidence_then_value")[2]) == lost_to(1)
    assert outcome(run(items, "first")[2]) == lost_to(1)
    assert outcome(run(items[::-1], "first")[1]) == lost_to(2)


@pytest.mark.parametrize(("behind_m", "is_clash"), [(0.034, True), (0.036, False)])
def test_two_positions_clash_within_stroke_and_dwell(behind_m: float, is_clash: bool) -> None:
    records = run([("glass", 0.0, 0.9), ("paper", behind_m, 0.9)])
    assert outcome(records[2]) == (lost_to(1) if is_clash else FIRED)


@pytest.mark.parametrize(
    ("behind_m", "is_clash"),
    # Out from 0.04 s before the item until 0.05 s after it: 20 mm ahead, 25 mm behind.
    [(-0.022, False), (-0.018, True), (0.0, True), (0.023, True), (0.027, False)],
)
def test_an_item_bound_further_down_wants_the_diverter_home(
    behind_m: float, is_clash: bool
) -> None:
    records = run([("glass", 0.03, 0.9), ("plastic", 0.03 + behind_m, 0.9)])
    assert outcome(records[1]) == FIRED
    assert outcome(records[2]) == (lost_to(1) if is_clash else FIRED)
    records = run([("glass", 0.03, 0.9), ("metal", 0.03 + behind_m, 0.9)])
    assert outcome(records[2]) == FIRED
    assert outcome(records[1]) == (lost_to(2) if is_clash else FIRED)


def test_an_item_that_lost_takes_nothing_from_a_third() -> None:
    # Metal beats glass; glass would have beaten paper, which is then free to go.
    records = run([("paper", 0.0, 0.9), ("glass", 0.03, 0.9), ("metal", 0.05, 0.9)])
    assert outcome(records[3]) == FIRED
    assert outcome(records[2]) == lost_to(3)
    assert outcome(records[1]) == FIRED


def test_an_item_that_was_fired_keeps_its_way() -> None:
    places = layout().places
    fired = Ride(decided(1, "paper", 0.5), 0.5, 0, -0.6, Stage.COMMITTED, 0, issued_ns=START_NS)
    other = Ride(decided(2, "glass"), 0.49, 0, 0.6, Stage.WAITING, 0)
    queue = Queue()
    queue.add(fired)
    queue.add(other)
    belt = steady().predict(0.0)
    settlement = Settlement(queue, places, layout().conflict, belt, 1.0)
    # 0.51 m at 0.5 m/s: its command is due in 0.98 s, when the flap has been home for long.
    assert settlement.rival_of(other) is None
    fired.issued_ns = START_NS + sec(0.95)
    settlement = Settlement(queue, places, layout().conflict, belt, 1.0)
    assert settlement.rival_of(other) is fired
    assert settlement.rival_of(fired) is None


def test_items_that_the_belt_does_not_carry_there_do_not_clash() -> None:
    queue = Queue()
    for item_id, material in ((1, "glass"), (2, "paper")):
        angle = 0.6 if material == "glass" else -0.6
        queue.add(Ride(decided(item_id, material), 0.5, 0, angle, Stage.WAITING, 0))
    for item_id, material in ((3, "metal"), (4, "trash")):
        stage = Stage.WAITING if material == "metal" else Stage.PASSING
        queue.add(Ride(decided(item_id, material), 0.5, NUMBER[material], 0.6, stage, 0))
    standing = steady(0.0).predict(0.0)
    settlement = Settlement(queue, layout().places, layout().conflict, standing, 1.0)
    assert [settlement.rival_of(ride) for ride in queue] == [None] * 4


def test_a_jam_of_any_length_is_settled() -> None:
    here = layout(conflict={"rule": "first", "values": {}})
    queue = Queue()
    for number in range(3000):
        material, angle = (("glass", 0.6), ("paper", -0.6))[number % 2]
        decision = decided(number + 1, material)
        queue.add(Ride(decision, 0.5 - 0.03 * number, 0, angle, Stage.WAITING, 0))
    settlement = Settlement(queue, here.places, here.conflict, steady().predict(0.0), 1.0)
    settlement.rival_of(list(queue)[-1])  # each of them depends on all before it
    rivals = [settlement.rival_of(ride) for ride in queue]
    assert [rival is None for rival in rivals] == [True, False] * 1500
    assert [rival.decision.item_id for rival in rivals if rival] == list(range(1, 3000, 2))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(BIN_OF)),
            st.floats(0.0, 0.2),
            st.sampled_from([0.5, 0.7, 0.9]),
        ),
        max_size=7,
    ),
    st.sampled_from(RULES),
)
def test_who_wins_depends_neither_on_the_order_of_arrival_nor_on_chance(
    items: list[tuple[str, float, float]], rule: str
) -> None:
    belt = steady().predict(0.0)
    here = layout(conflict={"rule": rule, "values": {"metal": 3.0, "glass": 2.0}})
    rides = []
    for item_id, (material, behind_m, confidence) in enumerate(items, 1):
        angle = here.routing.bins[BIN_OF[material]].position_rad
        stage = Stage.PASSING if material == "trash" else Stage.WAITING
        decision = decided(item_id, material, confidence)
        rides.append(Ride(decision, 0.5 - behind_m, NUMBER[material], angle, stage, 0))
    verdicts = []
    for order in (rides, rides[::-1]):
        queue = Queue()
        for ride in order:
            queue.add(ride)
        settlement = Settlement(queue, here.places, here.conflict, belt, 1.0)
        wanting = [ride for ride in order if ride.stage is Stage.WAITING]
        verdicts.append({r.decision.item_id: settlement.rival_of(r) for r in wanting})
        for ride in wanting:  # who gets its way clashes with nobody else who does
            if settlement.rival_of(ride) is None:
                others = settlement.clashing(ride)
                assert all(settlement.rival_of(other) is not None for other in others)
    assert verdicts[0] == verdicts[1]
