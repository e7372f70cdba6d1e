# SPDX-License-Identifier: Apache-2.0
"""A belt whose position is known at every time, and a motion that knows it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable

from recycle_sorter.core.belt.history import Prediction
from recycle_sorter.core.types import NS_PER_SEC

Profile = Callable[[float], float]
"""Speed in m/s by time in seconds."""

STEP_NS = 1_000_000


def through(*points: tuple[float, float]) -> Profile:
    """Speed along straight lines through (time in seconds, speed in m/s)."""

    def speed(at_sec: float) -> float:
        before = points[0]
        for point in points:
            if at_sec < point[0]:
                part = (at_sec - before[0]) / (point[0] - before[0]) if point != before else 0.0
                return before[1] + part * (point[1] - before[1])
            before = point
        return before[1]

    return speed


class TrueBelt:
    """Integrates a profile once, in steps of 1 ms."""

    def __init__(self, profile: Profile, duration_sec: float) -> None:
        self.profile = profile
        self._positions_m = [0.0]
        for k in range(round(duration_sec * NS_PER_SEC) // STEP_NS):
            way_m = profile((k + 0.5) * STEP_NS / NS_PER_SEC) * STEP_NS / NS_PER_SEC
            self._positions_m.append(self._positions_m[-1] + way_m)

    def position_m(self, steady_ns: int) -> float:
        index = min(max(steady_ns // STEP_NS, 0), len(self._positions_m) - 2)
        part = steady_ns / STEP_NS - index
        before, after = self._positions_m[index : index + 2]
        return before + part * (after - before)


class FakeMotion:
    """A belt at a speed that a test sets; silent after 0.5 s without a word."""

    name = "fake"

    def __init__(self) -> None:
        self._states: list[Prediction] = []

    def set_speed(self, speed_m_per_sec: float, steady_ns: int) -> None:
        position_m = self._states[-1].position_at(steady_ns) if self._states else 0.0
        self._states.append(Prediction(steady_ns, position_m, speed_m_per_sec))

    @property
    def newest_ns(self) -> int | None:
        return self._states[-1].steady_ns if self._states else None

    def position_m(self, steady_ns: int) -> float | None:
        state = self.predict(steady_ns)
        return state.position_m if state else None

    def predict(self, now_ns: int) -> Prediction | None:
        index = bisect_right(self._states, now_ns, key=lambda s: s.steady_ns) - 1
        return self._states[index].at(now_ns) if index >= 0 else None

    def is_stale(self, now_ns: int) -> bool:
        state = self.predict(now_ns)
        index = bisect_right(self._states, now_ns, key=lambda s: s.steady_ns) - 1
        return state is None or now_ns - self._states[index].steady_ns > NS_PER_SEC // 2
