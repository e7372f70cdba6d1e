# SPDX-License-Identifier: Apache-2.0
"""Where the belt was, and where it will be."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass

from recycle_sorter.core.belt.series import FIT_NS, LEAST, MOST, Series
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC

MAX_SPEED_M_PER_SEC = 5.0
MAX_ACCELERATION_M_PER_SEC2 = 10.0
"""No loaded belt does more; a fit through a few crowded samples would claim it."""

MARGIN = 1.5
"""A belt is believed to be so many times as fast as its maximum; more is a fault of measuring."""

_JITTER_M = 0.001  # less backward movement than this is noise of a belt that slows down


@dataclass(frozen=True, slots=True)
class Prediction:
    """The belt's state at a time, and what follows from it while nobody touches it.

    It keeps its acceleration until it stands or is at its maximum speed; a belt that slows down
    stops and does not run backwards.

    Attributes:
        steady_ns: Time of the state, steady clock.
        position_m: Metres travelled, signed.
        speed_m_per_sec: Signed speed.
        acceleration_m_per_sec2: Signed; ignored while the belt stands.
        max_speed_m_per_sec: Acceleration ends here; a faster belt keeps its speed.
    """

    steady_ns: int
    position_m: float
    speed_m_per_sec: float
    acceleration_m_per_sec2: float = 0.0
    max_speed_m_per_sec: float = math.inf

    def _phase(self) -> tuple[float, float, float]:
        """Seconds of acceleration, the acceleration, and the speed from then on."""
        speed, acceleration = self.speed_m_per_sec, self.acceleration_m_per_sec2
        if speed == 0.0 or acceleration == 0.0:
            return 0.0, 0.0, speed
        if (speed > 0.0) != (acceleration > 0.0):
            return abs(speed / acceleration), acceleration, 0.0
        top = max(self.max_speed_m_per_sec, abs(speed))
        return (top - abs(speed)) / abs(acceleration), acceleration, math.copysign(top, speed)

    def position_at(self, steady_ns: int) -> float:
        """Metres travelled by a time; before ``steady_ns``, as if the speed had been constant."""
        after_sec = (steady_ns - self.steady_ns) / NS_PER_SEC
        if after_sec <= 0.0:
            return self.position_m + self.speed_m_per_sec * after_sec
        phase_sec, acceleration, final = self._phase()
        first_sec = min(after_sec, phase_sec)
        first_m = (self.speed_m_per_sec + 0.5 * acceleration * first_sec) * first_sec
        rest_sec = after_sec - first_sec
        return self.position_m + first_m + (final * rest_sec if rest_sec > 0.0 else 0.0)

    def speed_at(self, steady_ns: int) -> float:
        """Speed at a time, m/s."""
        after_sec = max(0.0, (steady_ns - self.steady_ns) / NS_PER_SEC)
        phase_sec, acceleration, final = self._phase()
        if after_sec >= phase_sec:
            return final
        return self.speed_m_per_sec + acceleration * after_sec

    def at(self, steady_ns: int) -> Prediction:
        """The same movement, seen from a later time."""
        if steady_ns <= self.steady_ns:
            return self
        phase_sec, acceleration, _ = self._phase()
        is_over = (steady_ns - self.steady_ns) / NS_PER_SEC >= phase_sec
        return Prediction(
            steady_ns,
            self.position_at(steady_ns),
            self.speed_at(steady_ns),
            0.0 if is_over else acceleration,
            self.max_speed_m_per_sec,
        )

    def time_at(self, position_m: float) -> int | None:
        """When the belt, going forward, reaches a position.

        Returns:
            Steady time, ``steady_ns`` if it is there or beyond already; None if it never does,
            because it stands, stops short of it or runs backwards.
        """
        way_m = position_m - self.position_m
        if way_m <= 0.0:
            return self.steady_ns
        speed = self.speed_m_per_sec
        if not (speed > 0.0 and math.isfinite(way_m)):
            return None
        phase_sec, acceleration, final = self._phase()
        phase_m = (speed + 0.5 * acceleration * phase_sec) * phase_sec if phase_sec else 0.0
        if way_m <= phase_m:
            # This form of the root loses no digits where the acceleration is small.
            root = math.sqrt(max(0.0, speed * speed + 2.0 * acceleration * way_m))
            after_sec = 2.0 * way_m / (speed + root)
        elif final > 0.0:
            after_sec = phase_sec + (way_m - phase_m) / final
        else:
            return None
        if after_sec > 1e9:
            return None  # 30 years: it stands
        return self.steady_ns + math.ceil(after_sec * NS_PER_SEC)


class PositionHistory:
    """Positions of the belt by time, append-only and bounded.

    Attributes:
        max_speed_m_per_sec: What the belt can do; no prediction accelerates beyond.
    """

    def __init__(
        self, max_speed_m_per_sec: float = MAX_SPEED_M_PER_SEC, max_samples: int = 4096
    ) -> None:
        """Makes an empty history.

        Args:
            max_speed_m_per_sec: Above 0.
            max_samples: How many are kept at least, 2 or more; twice as many at most.

        Raises:
            InvalidInputError: If either is out of its range.
        """
        if not (math.isfinite(max_speed_m_per_sec) and max_speed_m_per_sec > 0):
            raise InvalidInputError("max_speed_m_per_sec", max_speed_m_per_sec, "above 0")
        self.max_speed_m_per_sec = max_speed_m_per_sec
        self._series = Series(max_samples)
        self._base: Prediction | None = None  # of the sample that was asked for last

    def __len__(self) -> int:
        return len(self._series.times_ns)

    @property
    def refused(self) -> int:
        """Samples whose time did not grow or whose position was not finite."""
        return self._series.refused

    @property
    def newest_ns(self) -> int | None:
        """Time of the newest sample."""
        return self._series.newest_ns

    def add(self, steady_ns: int, position_m: float) -> bool:
        """Appends a sample; False if it was refused."""
        return self._series.add(steady_ns, position_m)

    def position_m(self, steady_ns: int) -> float | None:
        """Where the belt was or will be.

        Returns:
            Interpolated between samples, predicted beyond the newest; None without samples or for
            a time before the oldest that is kept.
        """
        times, values = self._series.times_ns, self._series.values
        index = self._series.index_at(steady_ns)
        if index < 0:
            return None
        if steady_ns == times[index]:
            return values[index]
        if index + 1 == len(times):
            return self._predict_from(index).position_at(steady_ns)
        part = (steady_ns - times[index]) / (times[index + 1] - times[index])
        return values[index] + part * (values[index + 1] - values[index])

    def speed_m_per_sec(self, steady_ns: int) -> float:
        """Speed by the samples up to a time; 0 without any."""
        prediction = self.predict(steady_ns)
        return prediction.speed_m_per_sec if prediction else 0.0

    def predict(self, now_ns: int) -> Prediction | None:
        """State at ``now_ns`` by the samples up to then, whatever came after; None without any."""
        index = self._series.index_at(now_ns)
        return self._predict_from(index).at(now_ns) if index >= 0 else None

    def _predict_from(self, index: int) -> Prediction:
        steady_ns = self._series.times_ns[index]
        if self._base is None or self._base.steady_ns != steady_ns:
            position_m, speed, acceleration = self._series.fit(index, 2)
            self._base = bounded(
                steady_ns,
                position_m,
                self._in_direction(index, speed),
                acceleration,
                self.max_speed_m_per_sec,
            )
        return self._base

    def _in_direction(self, index: int, speed: float) -> float:
        """Takes away a speed against the way the belt went: the curve overshot where it stopped."""
        times, values = self._series.times_ns, self._series.values
        start = max(0, min(bisect_left(times, times[index] - FIT_NS), index - LEAST + 1))
        forward_m = backward_m = 0.0
        step = 1 + (index - start) // MOST
        for i in range(index, start + step - 1, -step):
            way_m = values[i] - values[i - step]
            if way_m > 0.0:
                forward_m += way_m
            else:
                backward_m -= way_m
        if backward_m < _JITTER_M and forward_m >= backward_m:
            return max(0.0, speed)
        if forward_m < _JITTER_M:
            return min(0.0, speed)
        return speed


def bounded(
    steady_ns: int, position_m: float, speed: float, acceleration: float, max_speed_m_per_sec: float
) -> Prediction:
    """A prediction within what a belt can do.

    Args:
        steady_ns: As of :class:`Prediction`.
        position_m: Likewise.
        speed: As measured, m/s; believed up to ``MARGIN`` times the maximum: a belt that is set
            too fast is followed at the speed it has, or all that it carries would be fired for
            late.
        acceleration: As measured, m/s²; ends at the maximum.
        max_speed_m_per_sec: Of the belt.
    """
    limit = MARGIN * max_speed_m_per_sec
    return Prediction(
        steady_ns,
        position_m,
        min(max(speed, -limit), limit),
        min(max(acceleration, -MAX_ACCELERATION_M_PER_SEC2), MAX_ACCELERATION_M_PER_SEC2),
        max_speed_m_per_sec,
    )
