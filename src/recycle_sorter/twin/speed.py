# SPDX-License-Identifier: Apache-2.0
"""How a scenario's belt runs."""

from __future__ import annotations

from dataclasses import dataclass

from recycle_sorter.core import checks
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.twin.profile import SpeedProfile

KINDS = ("constant", "ramp", "stop_and_go", "jog", "points")
_MAX_SPEED = 3.0


@dataclass(frozen=True, slots=True)
class SpeedSpec:
    """How the belt runs; which fields count depends on ``kind``.

    Attributes:
        kind: A name of ``KINDS``.
        speed_m_per_sec: Speed of ``constant``, ``stop_and_go`` and ``jog``.
        low_m_per_sec: Slowest of ``ramp``.
        high_m_per_sec: Fastest of ``ramp``.
        period_sec: From slowest to fastest and back.
        go_sec: How long ``stop_and_go`` and ``jog`` run at full speed.
        stop_sec: How long they stand.
        ramp_sec: How long they take from standing to full speed, and back.
        back_m_per_sec: Speed at which ``jog`` runs back.
        back_sec: How long it does.
        points: ``(time_sec, speed_m_per_sec)`` of ``points``; the last speed is held.
    """

    kind: str = "constant"
    speed_m_per_sec: float = 0.5
    low_m_per_sec: float = 0.2
    high_m_per_sec: float = 1.0
    period_sec: float = 20.0
    go_sec: float = 6.0
    stop_sec: float = 2.0
    ramp_sec: float = 0.5
    back_m_per_sec: float = 0.1
    back_sec: float = 0.8
    points: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        checks.one_of("speed.kind", self.kind, KINDS)
        checks.number("speed.speed_m_per_sec", self.speed_m_per_sec, 0.001, _MAX_SPEED)
        checks.number("speed.low_m_per_sec", self.low_m_per_sec, 0.0, _MAX_SPEED)
        low = max(0.001, self.low_m_per_sec)
        checks.number("speed.high_m_per_sec", self.high_m_per_sec, low, _MAX_SPEED)
        for name in ("period_sec", "go_sec", "stop_sec", "ramp_sec", "back_sec"):
            checks.number(f"speed.{name}", getattr(self, name), 0.01, 36_000.0)
        checks.number("speed.back_m_per_sec", self.back_m_per_sec, 0.001, _MAX_SPEED)
        # YAML gives whatever it likes, for any kind.
        if not isinstance(self.points, (tuple, list)) or (
            self.kind == "points" and not self.points
        ):
            raise InvalidInputError("speed.points", self.points, "[time, speed] pairs from time 0")
        for index, point in enumerate(self.points):
            where = f"speed.points[{index}]"
            checks.numbers(where, point, 2, -_MAX_SPEED, 1e6)
            checks.number(f"{where}[1]", point[1], -_MAX_SPEED, _MAX_SPEED)
        if self.profile().mean_m_per_sec() <= 0.0:
            raise InvalidInputError(
                f"speed.{self.kind}",
                self.profile().mean_m_per_sec(),
                "a belt that gets on",
                "let it run forward farther than back",
            )

    def profile(self) -> SpeedProfile:
        """Returns the speed over time."""
        speed, ramp = self.speed_m_per_sec, self.ramp_sec
        if self.kind == "constant":
            return SpeedProfile([(0.0, speed)])
        if self.kind == "points":
            return SpeedProfile(self.points)
        if self.kind == "ramp":
            low, high, half = self.low_m_per_sec, self.high_m_per_sec, self.period_sec / 2.0
            return SpeedProfile([(0.0, low), (half, high), (2.0 * half, low)], repeats=True)
        steps = [(self.go_sec, speed), (ramp, 0.0), (self.stop_sec, 0.0)]
        if self.kind == "jog":
            back, short = -self.back_m_per_sec, ramp / 2.0
            steps += [(short, back), (self.back_sec, back), (short, 0.0), (self.stop_sec, 0.0)]
        knots = [(0.0, speed)]
        for span_sec, reached in [*steps, (ramp, speed)]:
            knots.append((knots[-1][0] + span_sec, reached))
        return SpeedProfile(knots, repeats=True)
