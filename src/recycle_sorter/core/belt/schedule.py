# SPDX-License-Identifier: Apache-2.0
"""When diverters fire for the items on a belt: by where the belt carries them, not by a delay.

An item at ``s_m`` is at its diverter when the belt's position is the diverter's place less ``s_m``.
Every tick computes that time anew from the belt's motion as it is known then, so a belt that speeds
up, slows down, stops or runs back moves it. Only the first item of each diverter needs a look.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from recycle_sorter.core.belt import records
from recycle_sorter.core.belt.conflicts import Settlement
from recycle_sorter.core.belt.history import Prediction
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.rides import Queue, Ride, Stage, arrival_ns
from recycle_sorter.core.belt.types import Cause, ItemRecord
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC, PlannedCommand, SortDecision

Issue = Callable[[PlannedCommand], bool]
"""Executes a command; False if the diverter did not move."""


@dataclass(frozen=True, slots=True)
class _Stroke:
    """A diverter's last way out, until it is home again."""

    item_id: int
    from_ns: int
    until_ns: int


class BeltSchedule:
    """Decided items on their way: each ends in exactly one record.

    Args:
        layout: Where the diverters stand and how they are shared.
        tick_sec: Time between two calls of ``tick``, seconds, above 0. A command is issued by the
            tick nearest to its time.

    Raises:
        InvalidInputError: If commands could not be issued within the layout's tolerance.
    """

    def __init__(self, layout: Layout, tick_sec: float) -> None:
        # A time is handed on as a frequency and back: the last digit may not be the same.
        most_sec = 2.0 * layout.tolerance_sec * (1.0 + 1e-9)
        if not (math.isfinite(tick_sec) and 0.0 < tick_sec <= most_sec):
            raise InvalidInputError(
                "tick_sec",
                tick_sec,
                f"above 0, at most twice tolerance_sec ({layout.tolerance_sec:g})",
            )
        self._layout = layout
        self._places = layout.places
        self._number = {place.name: i for i, place in enumerate(layout.places)}
        # Where items that go by are looked at: at each diverter, or at the end if there is none.
        self._checks_m = [p.position_m for p in layout.places] or [layout.end_m]
        self._half_ns = round(tick_sec * NS_PER_SEC / 2)
        self._late_ns = round(layout.tolerance_sec * NS_PER_SEC)
        self._open: dict[int, Ride] = {}  # have no record yet
        self._all = Queue()  # these, and those fired that still keep their way
        self._wanting = [Queue() for _ in self._checks_m]  # wait for this diverter
        self._coming = [Queue() for _ in self._checks_m]  # come to this place next
        self._done: list[Ride] = []  # have passed their diverter, which is still out for them
        self._strokes: dict[int, _Stroke] = {}
        self._block = Cause.NONE
        self._block_until_ns: int | None = None

    def __len__(self) -> int:
        """How many items have no record yet."""
        return len(self._open)

    def add(self, decision: SortDecision, s_m: float, prediction: Prediction) -> list[ItemRecord]:
        """Takes a decided item.

        Args:
            decision: Where it shall go; its bin is one of the layout's.
            s_m: Its place on the belt, metres.
            prediction: The belt's motion as it is known now.

        Returns:
            The item's record if its command would be late already or nothing is left to pass; else
            nothing.
        """
        where = self._layout.routing.bins[decision.bin]
        target = self._number.get(where.diverter, len(self._places))
        x_m = s_m + prediction.position_m
        ride = Ride(
            decision=decision,
            s_m=s_m,
            target=target,
            position_rad=where.position_rad,
            stage=Stage.WAITING if where.diverter else Stage.PASSING,
            next_place=sum(at_m <= x_m for at_m in self._checks_m),
        )
        self._open[decision.item_id] = ride
        if ride.stage is Stage.WAITING:
            due_ns = self._due_ns(ride, prediction)
            if due_ns is not None and due_ns < prediction.steady_ns - self._late_ns:
                text = f"decided only at {x_m:.3f} m, too late for {where.diverter}"
                cause = self._cause_of_delay(due_ns, Cause.SEEN_TOO_LATE)
                return [self._miss(ride, prediction, cause, due_ns, text)]
            self._wanting[target].add(ride)
        elif ride.next_place == len(self._checks_m):
            return [self._pass(ride, prediction)]
        self._all.add(ride)
        self._coming[ride.next_place].add(ride)
        return []

    def move(self, item_id: int, s_m: float) -> bool:
        """Corrects the place of an item that was seen again; returns whether it was waiting."""
        ride = self._open.get(item_id)
        if ride is None:
            return False
        queues = [q for q in (self._all, *self._wanting, *self._coming) if q.remove(ride)]
        ride.s_m = s_m
        for queue in queues:
            queue.add(ride)
        return True

    def tick(
        self, prediction: Prediction, issue: Issue, block: Cause = Cause.NONE
    ) -> tuple[list[PlannedCommand], list[ItemRecord]]:
        """Fires what is due and notes what has gone by.

        Args:
            prediction: The belt's motion as it is known now.
            issue: Executes a command.
            block: Why nothing may fire now (``DISABLED``, ``MOTION_LOST``); items that are due are
                missed for this cause.

        Returns:
            The commands that were issued and the records of the items that ended.
        """
        commands: list[PlannedCommand] = []
        ended: list[ItemRecord] = []
        if block is not Cause.NONE:
            self._block, self._block_until_ns = block, prediction.steady_ns
        for number in range(len(self._checks_m)):
            ended += self._cross(number, prediction)
        for queue in self._wanting:
            while (ride := queue.head) is not None:
                due_ns = self._due_ns(ride, prediction)
                if due_ns is None or due_ns > prediction.steady_ns + self._half_ns:
                    break
                cause = self._hindrance(due_ns, prediction.steady_ns, block)
                if cause is not Cause.NONE:
                    ended.append(self._miss(ride, prediction, cause, due_ns))
                else:
                    ended += self._settle(ride, due_ns, prediction, issue, commands)
        self._forget(prediction.steady_ns)
        ended += self._carried_back(prediction)
        return commands, ended

    def go_home(self, now_ns: int) -> None:
        """Notes that all diverters were sent home."""
        for number, stroke in self._strokes.items():
            home_ns = now_ns + round(self._places[number].stroke_sec * NS_PER_SEC)
            self._strokes[number] = replace(stroke, until_ns=min(stroke.until_ns, home_ns))

    def flush(self, prediction: Prediction) -> list[ItemRecord]:
        """Ends every item that is still on its way: the run is over."""
        rides = sorted(self._open.values(), key=lambda ride: ride.key)
        return [self._miss(ride, prediction, Cause.RUN_ENDED, None) for ride in rides]

    def _due_ns(self, ride: Ride, prediction: Prediction) -> int | None:
        place = self._places[ride.target]
        there_ns = arrival_ns(prediction, ride.s_m, place.position_m)
        return None if there_ns is None else there_ns - round(place.lead_sec * NS_PER_SEC)

    def _hindrance(self, due_ns: int, now_ns: int, block: Cause) -> Cause:
        if block is not Cause.NONE:
            return block
        if now_ns - due_ns <= self._late_ns:
            return Cause.NONE
        return self._cause_of_delay(due_ns, Cause.LATE)

    def _cause_of_delay(self, due_ns: int, otherwise: Cause) -> Cause:
        # What fell due while nothing might fire, and shows only now, was not late by itself.
        was_blocked = self._block_until_ns is not None and due_ns <= self._block_until_ns
        return self._block if was_blocked else otherwise

    def _settle(
        self,
        ride: Ride,
        due_ns: int,
        prediction: Prediction,
        issue: Issue,
        commands: list[PlannedCommand],
    ) -> list[ItemRecord]:
        """Fires for an item that is due, unless another gets its way."""
        limits, rule = self._layout.speed, self._layout.conflict
        settlement = Settlement(self._all, self._places, rule, prediction, limits.max_m_per_sec)
        rival = settlement.rival_of(ride)
        if rival is not None:
            return [self._lose(ride, rival, prediction)]
        # None of these gets its way: the item that is due has its own.
        losers = [
            (loser, settlement.rival_of(loser) or ride)
            for loser in settlement.clashing(ride)
            if loser.stage is Stage.WAITING
        ]
        place = self._places[ride.target]
        command = PlannedCommand(
            ride.decision, place.name, ride.position_rad, due_ns, place.dwell_sec
        )
        if not issue(command):
            text = f"{place.name} did not move"
            return [self._miss(ride, prediction, Cause.DRIVER_FAULT, due_ns, text)]
        commands.append(command)
        ride.stage, ride.issued_ns = Stage.COMMITTED, prediction.steady_ns
        until_ns = ride.issued_ns + round(place.away_sec * NS_PER_SEC)
        self._strokes[ride.target] = _Stroke(ride.decision.item_id, ride.issued_ns, until_ns)
        self._wanting[ride.target].remove(ride)
        del self._open[ride.decision.item_id]
        ended = [records.fired(ride, command, prediction)]
        return ended + [self._lose(loser, winner, prediction) for loser, winner in losers]

    def _lose(self, loser: Ride, winner: Ride, prediction: Prediction) -> ItemRecord:
        loser.rival_id = winner.decision.item_id
        at = self._places[min(loser.target, winner.target)]
        text = f"{at.name} is needed otherwise for item {loser.rival_id}"
        due_ns = self._due_ns(loser, prediction)
        return self._miss(loser, prediction, Cause.CONFLICT, due_ns, text)

    def _cross(self, number: int, prediction: Prediction) -> list[ItemRecord]:
        """Takes the items that have come to a place on to the next."""
        ended: list[ItemRecord] = []
        at_m = self._checks_m[number]
        queue = self._coming[number]
        while (ride := queue.head) is not None and ride.s_m + prediction.position_m >= at_m:
            queue.remove(ride)
            ride.next_place = number + 1
            if ride.target == number and ride.stage is not Stage.PASSING:
                if ride.stage is Stage.COMMITTED:
                    self._done.append(ride)
                continue  # one that waits still is late, which is the next to be found
            stroke = self._strokes.get(number)
            there_ns = arrival_ns(prediction, ride.s_m, at_m)
            if stroke and there_ns and stroke.from_ns <= there_ns <= stroke.until_ns:
                ride.rival_id = ride.rival_id or stroke.item_id
                if ride.stage is Stage.WAITING:
                    text = f"{self._places[number].name} was out for item {stroke.item_id}"
                    due_ns = self._due_ns(ride, prediction)
                    ended.append(self._miss(ride, prediction, Cause.CONFLICT, due_ns, text))
                    continue
            if ride.next_place < len(self._checks_m):
                self._coming[ride.next_place].add(ride)
            else:
                ended.append(self._pass(ride, prediction))
        return ended

    def _forget(self, now_ns: int) -> None:
        """Drops fired items that have passed their diverter, once it is home again."""
        kept = []
        for ride in self._done:
            away_ns = round(self._places[ride.target].away_sec * NS_PER_SEC)
            if now_ns > ride.issued_ns + away_ns:
                self._all.remove(ride)
            else:
                kept.append(ride)
        self._done = kept

    def _carried_back(self, prediction: Prediction) -> list[ItemRecord]:
        """Ends items that a belt running backwards has carried a view's length out of the view."""
        limit_m = -self._layout.camera.view_length_m
        ended = []
        while (ride := self._all.tail) is not None and ride.s_m + prediction.position_m < limit_m:
            if ride.stage is Stage.COMMITTED:
                self._take_out(ride)
            else:
                ended.append(self._miss(ride, prediction, Cause.REMOVED, None))
        return ended

    def _take_out(self, ride: Ride) -> None:
        for queue in (self._all, *self._wanting, *self._coming):
            queue.remove(ride)
        self._open.pop(ride.decision.item_id, None)

    def _pass(self, ride: Ride, prediction: Prediction) -> ItemRecord:
        self._take_out(ride)
        return records.passed(ride, prediction)

    def _miss(
        self,
        ride: Ride,
        prediction: Prediction,
        cause: Cause,
        due_ns: int | None,
        detail: str = "",
    ) -> ItemRecord:
        self._take_out(ride)
        diverter = self._places[ride.target].name if ride.target < len(self._places) else ""
        return records.missed(ride, diverter, prediction, cause, due_ns, detail)
