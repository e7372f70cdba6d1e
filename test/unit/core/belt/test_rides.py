# SPDX-License-Identifier: Apache-2.0
"""Rides stay in order of place, and say when the belt brings them somewhere."""

from __future__ import annotations

import pytest
from support.belt_lines import decided, steady
from support.sorting import START_NS, sec

from recycle_sorter.core.belt.rides import Queue, Ride, Stage, arrival_ns


def test_a_place_gone_by_was_reached_before() -> None:
    belt = steady(0.5).predict(1.0)  # at 0.5 m
    assert arrival_ns(belt, 0.5, 1.1) == pytest.approx(START_NS + sec(1.2), abs=10)
    assert arrival_ns(belt, 0.6, 1.0) == pytest.approx(START_NS + sec(0.8), abs=10)
    assert arrival_ns(steady(0.0).predict(1.0), 0.5, 1.0) is None


def test_a_queue_keeps_its_order_and_finds_neighbours() -> None:
    rides = [Ride(decided(i), s, 0, 0.6, Stage.WAITING, 0) for i, s in
             [(1, 0.3), (2, 0.5), (3, 0.1), (4, 0.5)]]  # fmt: skip
    queue = Queue()
    assert queue.head is queue.tail is None
    for ride in rides:
        queue.add(ride)
    assert [ride.decision.item_id for ride in queue] == [2, 4, 1, 3]
    assert (queue.head, queue.tail) == (rides[1], rides[2])
    assert [r.decision.item_id for r in queue.near(rides[0], 0.21)] == [2, 4, 3]
    assert [r.decision.item_id for r in queue.near(rides[1], 0.0)] == [4]
    assert queue.remove(rides[1])
    assert not queue.remove(rides[1])
    assert len(queue) == 3
