# SPDX-License-Identifier: Apache-2.0
"""Simulated diverters: they move at their stroke's speed, in whatever time is handed in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recycle_sorter.core.errors import DriverError, InvalidInputError
from recycle_sorter.core.routing import DiverterSpec
from recycle_sorter.core.types import NS_PER_SEC


@dataclass(slots=True)
class _Arm:
    start_rad: float
    target_rad: float
    start_ns: int
    arrive_ns: int


class SimulatedDriver:
    """Moves as hardware would: a full stroke takes ``stroke_sec``, a part of it a part.

    Args:
        specs: The diverters by name.
    """

    def __init__(self, specs: Mapping[str, DiverterSpec]) -> None:
        self._specs = dict(specs)
        self._arms = {n: _Arm(s.home_rad, s.home_rad, 0, 0) for n, s in self._specs.items()}
        self._is_open = True

    @property
    def diverters(self) -> tuple[str, ...]:
        """Names of the diverters."""
        return tuple(self._specs)

    def move(self, diverter: str, position_rad: float, now_ns: int) -> int:
        """Starts moving from wherever the arm is now; see ``DiverterDriver.move``."""
        spec = self._spec(diverter)
        if not spec.min_rad <= position_rad <= spec.max_rad:
            raise InvalidInputError(
                f"{diverter}.position_rad", position_rad, f"{spec.min_rad} to {spec.max_rad}"
            )
        here = self.position_rad(diverter, now_ns)
        share = abs(position_rad - here) / (spec.max_rad - spec.min_rad)
        arrive_ns = now_ns + round(share * spec.stroke_sec * NS_PER_SEC)
        self._arms[diverter] = _Arm(here, position_rad, now_ns, arrive_ns)
        return arrive_ns

    def home(self, now_ns: int) -> int:
        """Starts moving every arm home."""
        return max((self.move(n, s.home_rad, now_ns) for n, s in self._specs.items()),
                   default=now_ns)  # fmt: skip

    def position_rad(self, diverter: str, now_ns: int) -> float:
        """Angle on the way, linear in time."""
        self._spec(diverter)
        arm = self._arms[diverter]
        if now_ns >= arm.arrive_ns or arm.arrive_ns == arm.start_ns:
            return arm.target_rad
        share = max(0.0, (now_ns - arm.start_ns) / (arm.arrive_ns - arm.start_ns))
        return arm.start_rad + share * (arm.target_rad - arm.start_rad)

    def close(self) -> None:
        """Refuses movements from now on."""
        self._is_open = False

    def _spec(self, diverter: str) -> DiverterSpec:
        if not self._is_open:
            raise DriverError(f"simulated driver is closed; cannot move {diverter}")
        if diverter not in self._specs:
            known = ", ".join(self._specs) or "none"
            raise InvalidInputError("diverter", diverter, f"one of: {known}")
        return self._specs[diverter]
