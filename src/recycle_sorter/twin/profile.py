# SPDX-License-Identifier: Apache-2.0
"""How fast the simulated belt runs: speeds joined by straight lines, integrated exactly."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC

# A belt that has not got there after so much time never will, as far as a simulation goes.
_HORIZON_SEC = 7 * 24 * 3600.0


class SpeedProfile:
    """Speed over time, linear between knots.

    Args:
        knots: ``(time_sec, speed_m_per_sec)``, times growing from 0; negative speeds run back.
        repeats: Whether it starts again after the last knot; otherwise the last speed is held.

    Raises:
        InvalidInputError: If the times do not start at 0 or do not grow, or a number is not
            finite.
    """

    def __init__(self, knots: Sequence[tuple[float, float]], repeats: bool = False) -> None:
        if not knots or knots[0][0] != 0.0 or (repeats and len(knots) < 2):
            raise InvalidInputError("speed.points", list(knots), "[time, speed] pairs from time 0")
        for index, (time_sec, speed) in enumerate(knots):
            if not (math.isfinite(time_sec) and math.isfinite(speed)):
                raise InvalidInputError(f"speed.points[{index}]", knots[index], "finite numbers")
        for index, (before, after) in enumerate(pairwise(knots)):
            if after[0] <= before[0]:
                raise InvalidInputError(f"speed.points[{index + 1}]", after, "a later time")
        self._times = [time_sec for time_sec, _ in knots]
        self._speeds = [speed for _, speed in knots]
        self._repeats = repeats
        self._positions = [0.0]
        for (t0, v0), (t1, v1) in pairwise(knots):
            self._positions.append(self._positions[-1] + (t1 - t0) * (v0 + v1) / 2.0)

    def speed_m_per_sec(self, time_ns: int) -> float:
        """Speed at a time since the start; before the start that of the start."""
        _, index, within = self._locate(time_ns)
        return self._speeds[index] + self._slope(index) * within

    def position_m(self, time_ns: int) -> float:
        """How far the belt has run since the start, metres; 0 before it."""
        rounds, index, within = self._locate(time_ns)
        return rounds * self._positions[-1] + self._in_segment(index, within)

    def reaches_ns(self, position_m: float) -> int | None:
        """First time since the start at which the belt stands at a position; None if never."""
        if position_m == 0.0:
            return 0
        rounds = self._first_round(position_m)
        if rounds is None:
            return None
        start_sec = rounds * self._times[-1]
        if start_sec > _HORIZON_SEC:
            return None
        found = self._in_round(position_m - rounds * self._positions[-1])
        if found is None or start_sec + found > _HORIZON_SEC:
            return None
        return round((start_sec + found) * NS_PER_SEC)

    def mean_m_per_sec(self) -> float:
        """Mean speed over a round, or that which it ends with.

        One that does not repeat and ends standing has the mean until then.
        """
        if self._repeats:
            return self._positions[-1] / self._times[-1]
        if self._speeds[-1] > 0.0 or len(self._times) == 1:
            return self._speeds[-1]
        return self._positions[-1] / self._times[-1]

    def _locate(self, time_ns: int) -> tuple[int, int, float]:
        """Rounds done, the knot before, and seconds since it."""
        rounds = 0
        if self._repeats and time_ns > 0:
            rounds, time_ns = divmod(time_ns, round(self._times[-1] * NS_PER_SEC))
        time_sec = max(0.0, time_ns / NS_PER_SEC)
        index = bisect_right(self._times, time_sec) - 1
        return rounds, index, time_sec - self._times[index]

    def _slope(self, index: int) -> float:
        if index + 1 >= len(self._times):
            return 0.0
        span_sec = self._times[index + 1] - self._times[index]
        return (self._speeds[index + 1] - self._speeds[index]) / span_sec

    def _in_segment(self, index: int, within_sec: float) -> float:
        speed, slope = self._speeds[index], self._slope(index)
        return self._positions[index] + within_sec * (speed + 0.5 * slope * within_sec)

    def _first_round(self, position_m: float) -> int | None:
        """The round in which the position is first reached."""
        if not self._repeats:
            return 0
        low, high = self._reach()
        gain = self._positions[-1]
        if low <= position_m <= high:
            return 0
        if gain == 0.0 or (position_m > 0.0) != (gain > 0.0):
            return None
        beyond = position_m - high if gain > 0.0 else low - position_m
        # Exact for the arithmetic's sake only: _in_round decides, so begin a round early.
        return max(0, math.ceil(beyond / abs(gain) - 1e-9))

    def _reach(self) -> tuple[float, float]:
        """Least and greatest position within one round; they lie where the speed changes sign."""
        found = list(self._positions)
        for index in range(len(self._times) - 1):
            speed, slope = self._speeds[index], self._slope(index)
            if slope != 0.0 and 0.0 < -speed / slope < self._times[index + 1] - self._times[index]:
                found.append(self._in_segment(index, -speed / slope))
        return min(found), max(found)

    def _in_round(self, position_m: float) -> float | None:
        """First second of a round at which a position is reached."""
        for index, start_sec in enumerate(self._times):
            is_last = index + 1 >= len(self._times)
            span_sec = math.inf if is_last else self._times[index + 1] - start_sec
            if is_last and self._repeats:
                return start_sec if math.isclose(position_m, self._positions[-1]) else None
            within = _first_root(
                0.5 * self._slope(index),
                self._speeds[index],
                self._positions[index] - position_m,
                span_sec,
            )
            if within is not None:
                return start_sec + within
        return None


def _first_root(square: float, line: float, level: float, end: float) -> float | None:
    """Least ``t`` in 0 to ``end`` with ``square t^2 + line t + level = 0``."""
    slack = 1e-9
    if abs(level) < 1e-12:
        return 0.0
    if square == 0.0:
        roots = [] if line == 0.0 else [-level / line]
    else:
        under = line * line - 4.0 * square * level
        if under < 0.0:
            return None
        # The stable form: no difference of nearly equal numbers.
        half = -0.5 * (line + math.copysign(math.sqrt(under), line))
        roots = sorted([half / square] + ([level / half] if half != 0.0 else []))
    for root in roots:
        if -slack <= root <= end + slack:
            return min(max(root, 0.0), end)
    return None
