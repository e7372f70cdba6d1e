# SPDX-License-Identifier: Apache-2.0
"""Where the belt is, by an encoder, by its speed, or by what the camera's pictures show.

All three implement ``BeltMotion`` (``core/ports.py``). Times are of the steady clock; what is
handed in comes from outside, so what cannot be is refused and counted, never raised.
"""

from __future__ import annotations

import math

from recycle_sorter.core.belt.history import MARGIN, MAX_SPEED_M_PER_SEC, Prediction, bounded
from recycle_sorter.core.belt.motion_base import MeasuredMotion
from recycle_sorter.core.belt.series import Series
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC


class EncoderMotion(MeasuredMotion):
    """Counts an encoder's ticks.

    Lost messages cost nothing, since ticks are absolute. A single wild count is refused; a counter
    that starts again is recognised by its second count, and the way in between taken from the
    speed before.

    Attributes:
        restarts: How often the counter started again.
    """

    name = "encoder"

    def __init__(
        self,
        m_per_tick: float,
        wrap_bits: int = 0,
        timeout_sec: float = 0.5,
        max_speed_m_per_sec: float = MAX_SPEED_M_PER_SEC,
    ) -> None:
        """Makes a motion that has heard nothing.

        Args:
            m_per_tick: Belt travel a tick, metres, not 0; negative if it counts backwards.
            wrap_bits: Width of the counter, 0 if it never wraps, else 4 to 64. Between two
                messages it must move by less than half its range.
            timeout_sec: Silence after which it is stale, above 0.
            max_speed_m_per_sec: What the belt can do, above 0.

        Raises:
            InvalidInputError: If one of them is out of its range.
        """
        super().__init__(timeout_sec, max_speed_m_per_sec)
        if not (math.isfinite(m_per_tick) and m_per_tick != 0.0):
            raise InvalidInputError("m_per_tick", m_per_tick, "metres a tick, not 0")
        if wrap_bits != 0 and not 4 <= wrap_bits <= 64:
            raise InvalidInputError("wrap_bits", wrap_bits, "0, or 4 to 64")
        self.restarts = 0
        self._m_per_tick = m_per_tick
        self._range = 2**wrap_bits if wrap_bits else 0
        self._last: tuple[int, int, float] | None = None  # ticks, time, position
        self._odd: tuple[int, int] | None = None  # ticks and time of a count that does not fit

    def on_ticks(self, ticks: int, steady_ns: int) -> bool:
        """Takes a count.

        Args:
            ticks: The counter's value.
            steady_ns: When it was read, steady clock.

        Returns:
            False if it was refused: doubled, reordered, or further than the belt can go.
        """
        if self._last is None:
            self._last = (ticks, steady_ns, 0.0)
            return self._add(steady_ns, 0.0)
        last_ticks, last_ns, last_m = self._last
        if steady_ns <= last_ns:
            self.refused += 1
            return False
        way_m = self._way_m(last_ticks, ticks)
        if not self._is_possible(way_m, steady_ns - last_ns):
            if not self._has_restarted(ticks, steady_ns):
                self.refused += 1
                return False
            self.restarts += 1
            predicted = self._history.predict(steady_ns)
            way_m = predicted.position_m - last_m if predicted else 0.0
        self._odd = None
        self._last = (ticks, steady_ns, last_m + way_m)
        return self._add(steady_ns, last_m + way_m)

    def _has_restarted(self, ticks: int, steady_ns: int) -> bool:
        odd, self._odd = self._odd, (ticks, steady_ns)
        if odd is None or steady_ns <= odd[1]:
            return False
        return self._is_possible(self._way_m(odd[0], ticks), steady_ns - odd[1])

    def _way_m(self, before: int, after: int) -> float:
        difference = after - before
        if self._range:
            half = self._range // 2
            difference = (difference + half) % self._range - half
        try:
            return difference * self._m_per_tick
        except OverflowError:  # an int beyond any float
            return math.inf


class SpeedMotion(MeasuredMotion):
    """Integrates the belt's speed: a topic's, or one that is known and never changes."""

    name = "speed"

    def __init__(
        self,
        speed_m_per_sec: float | None = None,
        timeout_sec: float = 0.5,
        max_speed_m_per_sec: float = MAX_SPEED_M_PER_SEC,
    ) -> None:
        """Makes a motion.

        Args:
            speed_m_per_sec: The constant speed, 0 to the maximum; None if ``on_speed`` tells it.
                A constant speed is never stale, and counts from the first time it is asked for.
            timeout_sec: Silence after which it is stale, above 0.
            max_speed_m_per_sec: What the belt can do, above 0.

        Raises:
            InvalidInputError: If one of them is out of its range.
        """
        super().__init__(timeout_sec, max_speed_m_per_sec)
        if speed_m_per_sec is not None and not 0.0 <= speed_m_per_sec <= max_speed_m_per_sec:
            expected = f"0 to {max_speed_m_per_sec:g} m/s"
            raise InvalidInputError("speed_m_per_sec", speed_m_per_sec, expected)
        self._constant = speed_m_per_sec
        self._origin_ns: int | None = None
        self._speeds = Series()

    def on_speed(self, speed_m_per_sec: float, steady_ns: int) -> bool:
        """Takes a speed.

        Args:
            speed_m_per_sec: Signed, forward positive.
            steady_ns: When the belt had it, steady clock.

        Returns:
            False if it was refused: doubled, reordered, not finite, beyond what the belt can do,
            or not wanted because the speed is constant.
        """
        limit = MARGIN * self._history.max_speed_m_per_sec
        if self._constant is not None or not abs(speed_m_per_sec) <= limit:
            self.refused += 1
            return False
        position_m = 0.0
        newest_ns = self._speeds.newest_ns
        if newest_ns is not None:
            before_m = self._history.position_m(newest_ns) or 0.0
            mean = 0.5 * (self._speeds.values[-1] + speed_m_per_sec)
            position_m = before_m + mean * (steady_ns - newest_ns) / NS_PER_SEC
        return self._add(steady_ns, position_m) and self._speeds.add(steady_ns, speed_m_per_sec)

    def position_m(self, steady_ns: int) -> float | None:
        """Metres travelled by a time; None if that is not known."""
        if self._constant is not None:
            return self._constant_m(self._constant, steady_ns)
        if self.newest_ns is not None and steady_ns > self.newest_ns:
            prediction = self.predict(steady_ns)
            return prediction.position_m if prediction else None
        return self._history.position_m(steady_ns)

    def predict(self, now_ns: int) -> Prediction | None:
        """The belt's state by the speeds up to ``now_ns``; None if there were none."""
        if self._constant is not None:
            position_m = self._constant_m(self._constant, now_ns)
            return Prediction(now_ns, position_m, self._constant, 0.0, self._constant)
        index = self._speeds.index_at(now_ns)
        if index < 0:
            return None
        steady_ns = self._speeds.times_ns[index]
        position_m = self._history.position_m(steady_ns) or 0.0
        speed, acceleration, _ = self._speeds.fit(index, 1)
        # At a stop the line overshoots: the belt is not faster backwards than it said it was.
        told = self._speeds.values[index]
        speed = max(0.0, speed) if told >= 0.0 else min(0.0, speed)
        speed = 0.0 if told == 0.0 else speed
        limit = self._history.max_speed_m_per_sec
        return bounded(steady_ns, position_m, speed, acceleration, limit).at(now_ns)

    def is_stale(self, now_ns: int) -> bool:
        """Whether no speed came in the ``timeout_sec`` before ``now_ns``."""
        return self._constant is None and super().is_stale(now_ns)

    def _constant_m(self, speed_m_per_sec: float, steady_ns: int) -> float:
        if self._origin_ns is None:
            self._origin_ns = steady_ns
        return speed_m_per_sec * ((steady_ns - self._origin_ns) / NS_PER_SEC)


class PictureMotion(MeasuredMotion):
    """Adds up how far the belt moved from picture to picture.

    Where a pair of pictures did not show it, the last speed bridges the gap; a belt that no
    picture shows for ``timeout_sec`` is stale.

    Attributes:
        bridged: How many shifts were bridged.
    """

    name = "picture"

    def __init__(
        self, timeout_sec: float = 0.5, max_speed_m_per_sec: float = MAX_SPEED_M_PER_SEC
    ) -> None:
        super().__init__(timeout_sec, max_speed_m_per_sec)
        self.bridged = 0
        self._speed = 0.0  # by the last shift that was measured, m/s
        # Up to pictures that could not be used: part of the next shift; None if it is not known.
        self._carried_m: float | None = 0.0

    def on_shift(self, shift_m: float | None, steady_ns: int) -> bool:
        """Takes the movement since the picture handed in before, whatever became of that.

        Args:
            shift_m: Signed, forward positive; None if it could not be measured (or the first).
            steady_ns: When the later picture was taken, steady clock.

        Returns:
            False if it was refused: doubled or reordered.
        """
        newest_ns = self._history.newest_ns
        if newest_ns is None:
            return self._add(steady_ns, 0.0)
        since_ns = steady_ns - newest_ns
        if since_ns <= 0:
            self.carry(0.0 if since_ns == 0 and shift_m is None else shift_m)
            return False
        way_m = None
        if shift_m is not None and self._carried_m is not None:
            way_m = shift_m + self._carried_m
        self._carried_m = 0.0
        if way_m is not None and not self._is_possible(way_m, since_ns):
            self.refused += 1
            way_m = None
        since_sec = since_ns / NS_PER_SEC
        is_measured = way_m is not None
        if way_m is None:
            self.bridged += 1
            way_m = self._speed * since_sec
        else:
            self._speed = way_m / since_sec
        before_m = self._history.position_m(newest_ns) or 0.0
        return self._add(steady_ns, before_m + way_m, is_measured)

    def carry(self, shift_m: float | None) -> None:
        """Takes the movement up to a picture whose time is not known: its stamp was refused.

        The belt moved all the same, so it is part of the next picture's movement.
        """
        self.refused += 1
        if shift_m is None or not math.isfinite(shift_m):
            self._carried_m = None
        elif self._carried_m is not None:
            self._carried_m += shift_m
