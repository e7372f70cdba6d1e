# SPDX-License-Identifier: Apache-2.0
"""Who gets a diverter that two items want in different positions at once.

Every item that shall be diverted wants a way: each diverter before its own at home as it passes,
and its own in its position. Two ways clash where one diverter would have to be in two positions
within its stroke and dwell time. The configured rule ranks items; an item gets its way if no item
of a higher rank that clashes with it gets its own. An item whose command was issued has it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from recycle_sorter.core.belt.history import Prediction
from recycle_sorter.core.belt.layout import ConflictRule, DiverterPlace
from recycle_sorter.core.belt.rides import Queue, Ride, Stage, arrival_ns
from recycle_sorter.core.types import NS_PER_SEC


class Settlement:
    """Settles who gets the way among the items near one that is due, under one prediction.

    Args:
        rides: All items that want a way; passers may be among them and want none.
        places: The diverters, downstream.
        rule: How items are ranked.
        prediction: How the belt travels.
        max_speed_m_per_sec: The highest speed of the belt.
    """

    def __init__(
        self,
        rides: Queue,
        places: Sequence[DiverterPlace],
        rule: ConflictRule,
        prediction: Prediction,
        max_speed_m_per_sec: float,
    ) -> None:
        self._rides = rides
        self._places = places
        self._rule = rule
        self._prediction = prediction
        speed = max(max_speed_m_per_sec, prediction.speed_m_per_sec)
        # Farther apart than this, the later item comes when the diverter is home again.
        self._reach_m = speed * max((p.away_sec + p.lead_sec for p in places), default=0.0)
        self._arrivals: dict[tuple[int, int], int | None] = {}
        self._verdicts: dict[int, Ride | None] = {}

    def rival_of(self, ride: Ride) -> Ride | None:
        """The item that keeps this one from its way, the highest in rank; None if it gets it."""
        verdicts = self._verdicts
        # A loop and no recursion: a jam is a chain of any length. Only higher ranks are asked, so
        # it ends.
        asked = [] if ride.decision.item_id in verdicts else [(ride, self._above(ride))]
        while asked:
            one, above = asked[-1]
            while above and verdicts.get(above[0].decision.item_id) is not None:
                above.popleft()  # it has a rival itself, and keeps nobody from anything
            rival = above[0] if above else None
            if rival is None or rival.decision.item_id in verdicts:
                verdicts[one.decision.item_id] = rival
                asked.pop()
            else:
                asked.append((rival, self._above(rival)))
        return verdicts[ride.decision.item_id]

    def _above(self, ride: Ride) -> deque[Ride]:
        """The items of a higher rank that clash with this one, the highest first."""
        mine = self._rank(ride)
        above = [r for r in self.clashing(ride) if self._rank(r) > mine]
        return deque(sorted(above, key=self._rank, reverse=True))

    def clashing(self, ride: Ride) -> list[Ride]:
        """The items whose way clashes with this one's, downstream first."""
        near = self._rides.near(ride, self._reach_m)
        return [r for r in near if r.stage is not Stage.PASSING and self._clash(ride, r)]

    def _rank(self, ride: Ride) -> tuple[float, ...]:
        decision = ride.decision
        value = self._rule.value(decision.material)
        ranks: tuple[float, ...]
        if self._rule.rule == "value_then_confidence":
            ranks = (value, decision.confidence)
        elif self._rule.rule == "confidence_then_value":
            ranks = (decision.confidence, value)
        else:
            ranks = ()
        is_committed = float(ride.stage is Stage.COMMITTED)
        return (is_committed, *ranks, ride.s_m, -float(decision.item_id))

    def _clash(self, one: Ride, other: Ride) -> bool:
        if one.target == other.target:
            if one.position_rad == other.position_rad:
                return False
            first, second = self._command_ns(one), self._command_ns(other)
            if first is None or second is None:
                return False
            return abs(first - second) < self._places[one.target].hold_sec * NS_PER_SEC
        mover, passer = (one, other) if one.target < other.target else (other, one)
        if passer.next_place > mover.target:
            return False
        out_ns = self._command_ns(mover)
        there_ns = self._arrival_ns(passer, mover.target)
        if out_ns is None or there_ns is None:
            return False
        return 0 <= there_ns - out_ns <= self._places[mover.target].away_sec * NS_PER_SEC

    def _command_ns(self, ride: Ride) -> int | None:
        if ride.stage is Stage.COMMITTED:
            return ride.issued_ns
        there_ns = self._arrival_ns(ride, ride.target)
        if there_ns is None:
            return None
        return there_ns - round(self._places[ride.target].lead_sec * NS_PER_SEC)

    def _arrival_ns(self, ride: Ride, place: int) -> int | None:
        key = (ride.decision.item_id, place)
        if key not in self._arrivals:
            place_m = self._places[place].position_m
            self._arrivals[key] = arrival_ns(self._prediction, ride.s_m, place_m)
        return self._arrivals[key]
