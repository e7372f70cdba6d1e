# SPDX-License-Identifier: Apache-2.0
"""Diverters as hardware has them: they answer late, not always equally late, and take time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from recycle_sorter.core import checks
from recycle_sorter.core.errors import DriverError, InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC

_CUT = 2.0  # standard deviations


@dataclass(frozen=True, slots=True)
class TwinDiverter:
    """One diverter of the simulated line.

    Attributes:
        name: What commands call it.
        position_m: Where it acts, from the view's upstream edge.
        bins: Angle for each bin that it fills, radians.
        home_rad: Angle at which items pass.
        min_rad: Least angle.
        max_rad: Greatest angle.
        stroke_sec: From ``min_rad`` to ``max_rad``.
        delay_sec: From a command until it begins to move. A line that commands a diverter by its
            lead before an item arrives must choose a lead of at least delay and stroke.
        tolerance_rad: An item falls into a bin if the angle is so near to the bin's.
    """

    name: str
    position_m: float
    bins: Mapping[str, float]
    home_rad: float = 0.0
    min_rad: float = -0.8
    max_rad: float = 0.8
    stroke_sec: float = 0.02
    delay_sec: float = 0.02
    tolerance_rad: float = 0.1

    def __post_init__(self) -> None:
        where = f"diverters.{self.name}"
        checks.number(f"{where}.position_m", self.position_m, 0.0, 1000.0)
        checks.number(f"{where}.min_rad", self.min_rad, -4.0, 4.0)
        checks.number(f"{where}.max_rad", self.max_rad, self.min_rad + 1e-6, 4.0)
        checks.number(f"{where}.home_rad", self.home_rad, self.min_rad, self.max_rad)
        checks.number(f"{where}.stroke_sec", self.stroke_sec, 0.0, 60.0)
        checks.number(f"{where}.delay_sec", self.delay_sec, 0.0, 60.0)
        checks.number(f"{where}.tolerance_rad", self.tolerance_rad, 1e-6, 4.0)
        angles = {"home": self.home_rad, **self.bins}
        for name, angle in self.bins.items():
            checks.number(f"{where}.bins.{name}", angle, self.min_rad, self.max_rad)
            near = [other for other, at in angles.items() if other != name]
            if any(abs(angles[other] - angle) <= 2.0 * self.tolerance_rad for other in near):
                raise InvalidInputError(
                    f"{where}.bins.{name}",
                    angle,
                    f"more than twice tolerance_rad ({self.tolerance_rad:g}) from home and others",
                )

    def bin_at(self, position_rad: float) -> str | None:
        """The bin into which an item falls at an angle; None if it passes."""
        for name, angle in self.bins.items():
            if abs(position_rad - angle) <= self.tolerance_rad:
                return name
        return None


@dataclass(slots=True)
class _Arm:
    """Where an arm was when it changed its mind: times, angles and targets."""

    begin_ns: list[int] = field(default_factory=list)
    from_rad: list[float] = field(default_factory=list)
    to_rad: list[float] = field(default_factory=list)


class TwinDiverters:
    """The line's diverters; a ``DiverterDriver`` whose times are those of the twin.

    Args:
        diverters: In any order.
        seed: Of the jitter.
        jitter_sec: Standard deviation of the delay, cut off at twice that and at no delay.

    Raises:
        InvalidInputError: If two have one name.
    """

    def __init__(self, diverters: Sequence[TwinDiverter], seed: int, jitter_sec: float) -> None:
        self._specs: dict[str, TwinDiverter] = {}
        for spec in diverters:
            if spec.name in self._specs:
                raise InvalidInputError("diverters", spec.name, "each name once")
            self._specs[spec.name] = spec
        self._arms = {name: _Arm() for name in self._specs}
        # One stream a diverter: what one does leaves the others' delays as they are.
        self._rngs = {
            name: np.random.default_rng([seed, 41, index]) for index, name in enumerate(self._specs)
        }
        self._jitter_sec = jitter_sec
        self._is_open = True

    @property
    def diverters(self) -> tuple[str, ...]:
        """Names of the diverters."""
        return tuple(self._specs)

    @property
    def in_order(self) -> list[TwinDiverter]:
        """The diverters as items meet them."""
        return sorted(self._specs.values(), key=lambda spec: spec.position_m)

    def move(self, diverter: str, position_rad: float, now_ns: int) -> int:
        """Commands a movement; see ``DiverterDriver.move``.

        It begins after the diverter's delay and jitter, never before an earlier command's.

        Returns:
            When it should have arrived, jitter apart, which hardware does not tell either.
        """
        if not self._is_open:
            raise DriverError(f"the twin's diverters are closed; cannot move {diverter}")
        spec = self._spec(diverter)
        if not spec.min_rad <= position_rad <= spec.max_rad:
            raise InvalidInputError(
                f"{diverter}.position_rad", position_rad, f"{spec.min_rad} to {spec.max_rad}"
            )
        arm = self._arms[diverter]
        begin_ns = now_ns + round(self._delay_sec(spec) * NS_PER_SEC)
        if arm.begin_ns:
            begin_ns = max(begin_ns, arm.begin_ns[-1])
        here = self.position_rad(diverter, begin_ns)
        arm.begin_ns.append(begin_ns)
        arm.from_rad.append(here)
        arm.to_rad.append(position_rad)
        return now_ns + round(spec.delay_sec * NS_PER_SEC) + _way_ns(spec, here, position_rad)

    def home(self, now_ns: int) -> int:
        """Commands every diverter home; returns when the last should have arrived."""
        arrivals = [self.move(name, spec.home_rad, now_ns) for name, spec in self._specs.items()]
        return max(arrivals, default=now_ns)

    def position_rad(self, diverter: str, now_ns: int) -> float:
        """True angle at a time, past times included."""
        spec, arm = self._spec(diverter), self._arms[diverter]
        index = bisect_right(arm.begin_ns, now_ns) - 1
        if index < 0:
            return spec.home_rad
        start, target = arm.from_rad[index], arm.to_rad[index]
        way_ns = _way_ns(spec, start, target)
        since_ns = now_ns - arm.begin_ns[index]
        return target if since_ns >= way_ns else start + (target - start) * since_ns / way_ns

    def close(self) -> None:
        """Refuses movements from now on."""
        self._is_open = False

    def _delay_sec(self, spec: TwinDiverter) -> float:
        off = float(np.clip(self._rngs[spec.name].standard_normal(), -_CUT, _CUT))
        return max(0.0, spec.delay_sec + off * self._jitter_sec)

    def _spec(self, diverter: str) -> TwinDiverter:
        if diverter not in self._specs:
            known = ", ".join(self._specs) or "none"
            raise InvalidInputError("diverter", diverter, f"one of: {known}")
        return self._specs[diverter]


def _way_ns(spec: TwinDiverter, start_rad: float, target_rad: float) -> int:
    share = abs(target_rad - start_rad) / (spec.max_rad - spec.min_rad)
    return round(share * spec.stroke_sec * NS_PER_SEC)
