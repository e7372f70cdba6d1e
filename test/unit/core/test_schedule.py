# SPDX-License-Identifier: Apache-2.0
"""Commands fire once, in order, never early."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.sorting import START_NS, command, decision, routing, sec

from recycle_sorter.core.schedule import Schedule, plan
from recycle_sorter.core.types import PlannedCommand


def ids(commands: list[PlannedCommand]) -> list[int]:
    return [c.decision.item_id for c in commands]


def test_a_plan_adds_the_diverter_its_angle_and_its_delay() -> None:
    there = routing(delay_sec=0.25)
    fate = decision(stamp_ns=START_NS)
    planned = plan(fate, there.bins["glass"], there)
    assert planned == PlannedCommand(fate, "flap_1", 0.6, START_NS + sec(0.25), 0.3)


def test_the_bin_at_the_end_needs_no_movement() -> None:
    there = routing(delay_sec=0.25)
    fate = decision(stamp_ns=START_NS)
    assert plan(fate, there.bins["residue"], there) == PlannedCommand(fate, "", 0.0, START_NS, 0.0)


def test_nothing_fires_before_its_time() -> None:
    schedule = Schedule()
    schedule.add(command(item_id=1), 1000)
    assert schedule.due(999) == []
    assert ids(schedule.due(1000)) == [1]
    assert schedule.due(10_000) == []


def test_equal_times_keep_their_order() -> None:
    schedule = Schedule()
    for item_id in (3, 1, 2):
        schedule.add(command(item_id=item_id), 1000)
    assert ids(schedule.due(1000)) == [3, 1, 2]


def test_clearing_returns_what_waited_in_order() -> None:
    schedule = Schedule()
    for item_id, steady_ns in [(1, 30), (2, 10), (3, 20), (4, 10)]:
        schedule.add(command(item_id=item_id), steady_ns)
    assert ids(schedule.clear()) == [2, 4, 3, 1]
    assert len(schedule) == 0
    assert schedule.due(100) == []


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 50)),
            st.tuples(st.just("due"), st.integers(0, 50)),  # time may even run backwards
            st.tuples(st.just("clear"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_each_command_comes_out_once_in_order_never_early(steps: list[tuple[str, int]]) -> None:
    schedule = Schedule()
    waiting: list[tuple[int, int]] = []  # time, item
    for number, (what, steady_ns) in enumerate(steps):
        if what == "add":
            schedule.add(command(item_id=number), steady_ns)
            waiting.append((steady_ns, number))
        else:
            until_ns = steady_ns if what == "due" else 1000
            out = schedule.due(steady_ns) if what == "due" else schedule.clear()
            expected = sorted(entry for entry in waiting if entry[0] <= until_ns)
            assert ids(out) == [number for _, number in expected]
            waiting = [entry for entry in waiting if entry[0] > until_ns]
        assert len(schedule) == len(waiting)
