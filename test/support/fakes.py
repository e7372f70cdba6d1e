# SPDX-License-Identifier: Apache-2.0
"""Ports that a test can break and look into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recycle_sorter.core.errors import DriverError, InvalidInputError
from recycle_sorter.core.routing import DiverterSpec

TRAVEL_NS = 100_000_000


@dataclass(frozen=True, slots=True)
class Move:
    """One accepted movement."""

    diverter: str
    position_rad: float
    now_ns: int


class FakeDriver:
    """A driver that takes 0.1 s for every way, jumps on arrival, and fails where told to.

    Attributes:
        moves: Every movement that was accepted, in order.
        broken: Diverters whose movements fail.
        mute: Whether positions are not reported either (``DriverError``).
        closed: How often it was closed.
    """

    def __init__(self, specs: Mapping[str, DiverterSpec]) -> None:
        self.moves: list[Move] = []
        self.broken: set[str] = set()
        self.mute = False
        self.closed = 0
        self._specs = dict(specs)
        # By diverter: angle before, angle after, time of arrival.
        self._ways = {n: (s.home_rad, s.home_rad, 0) for n, s in self._specs.items()}

    @property
    def diverters(self) -> tuple[str, ...]:
        return tuple(self._specs)

    def move(self, diverter: str, position_rad: float, now_ns: int) -> int:
        spec = self._spec(diverter)
        if diverter in self.broken:
            raise DriverError(f"{diverter} does not answer")
        if not spec.min_rad <= position_rad <= spec.max_rad:
            raise InvalidInputError(f"{diverter}.position_rad", position_rad, "an angle in reach")
        here = self._angle(diverter, now_ns)
        arrive_ns = now_ns if here == position_rad else now_ns + TRAVEL_NS
        self._ways[diverter] = (here, position_rad, arrive_ns)
        self.moves.append(Move(diverter, position_rad, now_ns))
        return arrive_ns

    def home(self, now_ns: int) -> int:
        arrivals = [self.move(name, spec.home_rad, now_ns) for name, spec in self._specs.items()]
        return max(arrivals, default=now_ns)

    def position_rad(self, diverter: str, now_ns: int) -> float:
        self._spec(diverter)
        if self.mute:
            raise DriverError(f"{diverter} does not answer")
        return self._angle(diverter, now_ns)

    def close(self) -> None:
        self.closed += 1

    def _angle(self, diverter: str, now_ns: int) -> float:
        before, after, arrive_ns = self._ways[diverter]
        return after if now_ns >= arrive_ns else before

    def _spec(self, diverter: str) -> DiverterSpec:
        if self.closed:
            raise DriverError("closed")
        if diverter not in self._specs:
            raise InvalidInputError("diverter", diverter, "one that there is")
        return self._specs[diverter]
