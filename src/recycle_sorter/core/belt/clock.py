# SPDX-License-Identifier: Apache-2.0
"""Stamps of cameras and encoders, mapped onto the one steady clock that moves the belt's logic.

A stamp plus an offset is a steady time. What arrives fastest shows the offset best, so it is a low
order statistic of ``arrival - stamp`` over the last seconds: one wild stamp does not move it, a
slewing clock is followed, and a clock that was set is recognised by several stamps that agree.
"""

from __future__ import annotations

import math
from bisect import insort
from dataclasses import dataclass, field

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC

LONGEST_PAUSE_NS = 60 * NS_PER_SEC
"""Whatever is on a belt ends long before: the rest of such a pause is not gone through in ticks."""

WINDOW_NS = NS_PER_SEC
"""The offset is the least of this window's and of the one before it."""


@dataclass(slots=True)
class _Window:
    """The smallest ``arrival - stamp`` of a stretch of time."""

    start_ns: int
    smallest_ns: list[int] = field(default_factory=list)

    def add(self, offset_ns: int, keep: int) -> None:
        insort(self.smallest_ns, offset_ns)
        del self.smallest_ns[keep:]


@dataclass(slots=True)
class _Order:
    """The last stamp of a stream and what it became."""

    stamp_ns: int
    mapped_ns: int


class StampClock:
    """Maps the stamps of one clock onto the steady clock.

    Streams whose stamps come from the same clock (the camera and the encoder of one computer) share
    one ``StampClock``: the slower of two streams is then late by its own delay, not by none. Where
    that clock can be read, hand it in too (``accept(clock_now_ns, steady_now_ns, "self")``).

    Attributes:
        refused: Stamps that were refused: zero, doubled, reordered, too old or from the future.
        clock_resets: How often the clock was found to have been set.
        tolerance_ns: How late a stamp may be.
    """

    def __init__(self, tolerance_sec: float = 0.5, confirm: int = 3) -> None:
        """Makes a clock that has seen nothing.

        Args:
            tolerance_sec: How late a stamp may arrive, and how far ahead it may be; above 0.
            confirm: How many stamps in a row must agree before another offset is believed, 1 or
                more.

        Raises:
            InvalidInputError: If either is out of its range.
        """
        if not (math.isfinite(tolerance_sec) and tolerance_sec > 0):
            raise InvalidInputError("tolerance_sec", tolerance_sec, "a number above 0")
        if confirm < 1:
            raise InvalidInputError("confirm", confirm, "1 or more")
        self.refused = 0
        self.clock_resets = 0
        self.tolerance_ns = round(tolerance_sec * NS_PER_SEC)
        self._confirm = confirm
        self._offset_ns: int | None = None
        self._window = _Window(0)
        self._before_ns: int | None = None  # the offset by the window before
        self._orders: dict[str, _Order] = {}
        # Stamps in a row that do not fit: their offsets, and the last of each stream.
        self._odd_ns: list[int] = []
        self._odd_stamps: dict[str, int] = {}

    def accept(self, stamp_ns: int, steady_ns: int, stream: str = "") -> int | None:
        """Maps a stamp that has just arrived.

        Args:
            stamp_ns: What the sender wrote.
            steady_ns: When it arrived, steady clock.
            stream: Which sequence it belongs to; within one, stamps must grow.

        Returns:
            When the stamped thing happened, steady clock: at most ``steady_ns`` and later than
            whatever this stream got before. None if the stamp is refused.
        """
        if stamp_ns <= 0:
            self.refused += 1
            return None
        offset_ns = steady_ns - stamp_ns
        if self._offset_ns is None:
            self._anchor(offset_ns, steady_ns)
        elif abs(offset_ns - self._offset_ns) > self.tolerance_ns:
            if not self._is_set(stamp_ns, offset_ns, stream):
                self.refused += 1
                return None
            self.clock_resets += 1
            self._anchor(min(self._odd_ns), steady_ns)
        self._odd_ns.clear()
        self._odd_stamps.clear()
        order = self._orders.get(stream)
        if order is not None and stamp_ns <= order.stamp_ns:
            self.refused += 1
            return None
        offset_ns = self._follow(offset_ns, steady_ns)
        mapped_ns = min(stamp_ns + offset_ns, steady_ns)
        if order is not None and mapped_ns <= order.mapped_ns:
            mapped_ns = order.mapped_ns + 1  # a better offset must not reorder a stream
        if mapped_ns > steady_ns:
            self.refused += 1
            return None
        self._orders[stream] = _Order(stamp_ns, mapped_ns)
        return mapped_ns

    def _is_set(self, stamp_ns: int, offset_ns: int, stream: str) -> bool:
        """Notes a stamp that does not fit; whether enough in a row agree on another offset."""
        if stamp_ns <= self._odd_stamps.get(stream, 0):
            return False  # doubled: the same wild stamp again proves nothing
        self._odd_ns.append(offset_ns)
        self._odd_stamps[stream] = stamp_ns
        if max(self._odd_ns) - min(self._odd_ns) > self.tolerance_ns:
            self._odd_ns[:] = [offset_ns]
            self._odd_stamps = {stream: stamp_ns}
        return len(self._odd_ns) >= self._confirm

    def _anchor(self, offset_ns: int, steady_ns: int) -> None:
        self._offset_ns = offset_ns
        self._before_ns = None
        self._window = _Window(steady_ns)
        # What was mapped stays in order, but the new clock's stamps need not follow the old one's.
        for order in self._orders.values():
            order.stamp_ns = 0

    def _follow(self, offset_ns: int, steady_ns: int) -> int:
        """Takes one more ``arrival - stamp``; returns the offset by all that are remembered."""
        if steady_ns - self._window.start_ns >= WINDOW_NS:
            self._before_ns = self._window.smallest_ns[-1] if self._window.smallest_ns else None
            self._window = _Window(steady_ns)
        self._window.add(offset_ns, self._confirm)
        smallest_ns = self._window.smallest_ns
        now_ns = smallest_ns[-1]
        if self._before_ns is None:
            found_ns = now_ns
        elif len(smallest_ns) < self._confirm:
            found_ns = self._before_ns
        else:
            found_ns = min(self._before_ns, now_ns)
        self._offset_ns = found_ns
        return found_ns
