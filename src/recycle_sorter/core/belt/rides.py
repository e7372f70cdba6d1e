# SPDX-License-Identifier: Apache-2.0
"""Decided items on their way along the belt, in order."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum

from recycle_sorter.core.belt.history import Prediction
from recycle_sorter.core.types import NS_PER_SEC, SortDecision

# Speed at which the time of something that has gone by is told, where the belt (nearly) stands.
_LEAST_SPEED_M_PER_SEC = 0.01


class Stage(IntEnum):
    """How far a decided item has come."""

    WAITING = 0  # for its command
    COMMITTED = 1  # its command was issued, it travels on to its diverter
    PASSING = 2  # no diverter moves for it


@dataclass(slots=True, eq=False)
class Ride:
    """One decided item on its way.

    Attributes:
        decision: What was decided for it.
        s_m: Its place on the belt.
        target: Number of its diverter, counted downstream from 0; how many there are if none.
        position_rad: Angle that its diverter takes.
        stage: How far it has come.
        next_place: Number of the first diverter that it has not passed.
        issued_ns: When its command was issued; 0 before.
        rival_id: The item whose stroke it passed through; 0 for none.
    """

    decision: SortDecision
    s_m: float
    target: int
    position_rad: float
    stage: Stage
    next_place: int
    issued_ns: int = 0
    rival_id: int = 0

    @property
    def key(self) -> tuple[float, int]:
        """Sorts downstream first."""
        return (-self.s_m, self.decision.item_id)


@dataclass(slots=True)
class Queue:
    """Rides in order, downstream first."""

    _rides: list[Ride] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._rides)

    def __iter__(self) -> Iterator[Ride]:
        return iter(self._rides)

    @property
    def head(self) -> Ride | None:
        """The one farthest downstream."""
        return self._rides[0] if self._rides else None

    @property
    def tail(self) -> Ride | None:
        """The one farthest upstream."""
        return self._rides[-1] if self._rides else None

    def add(self, ride: Ride) -> None:
        """Puts a ride in its place."""
        insort(self._rides, ride, key=_key)

    def remove(self, ride: Ride) -> bool:
        """Takes a ride out; returns whether it was there."""
        at = bisect_left(self._rides, ride.key, key=_key)
        if at < len(self._rides) and self._rides[at] is ride:
            del self._rides[at]
            return True
        return False

    def near(self, ride: Ride, reach_m: float) -> list[Ride]:
        """The others that lie within a distance of a ride along the belt."""
        at = bisect_left(self._rides, (-ride.s_m - reach_m, 0), key=_key)
        found = []
        while at < len(self._rides) and self._rides[at].s_m >= ride.s_m - reach_m:
            if self._rides[at] is not ride:
                found.append(self._rides[at])
            at += 1
        return found


def arrival_ns(prediction: Prediction, s_m: float, place_m: float) -> int | None:
    """When an item's centre comes to a place; None if the belt does not carry it there.

    For a place that it has passed, when it did so, as the belt's speed tells.
    """
    ahead_m = place_m - s_m - prediction.position_m
    if ahead_m > 0.0:
        return prediction.time_at(place_m - s_m)
    speed = max(prediction.speed_m_per_sec, _LEAST_SPEED_M_PER_SEC)
    return prediction.steady_ns + round(ahead_m / speed * NS_PER_SEC)


def _key(ride: Ride) -> tuple[float, int]:
    return ride.key
