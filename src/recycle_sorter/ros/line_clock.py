# SPDX-License-Identifier: Apache-2.0
"""The steady clock that a belt's actuator runs on: this machine's, or the recording's stamps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from recycle_sorter.core.belt.clock import LONGEST_PAUSE_NS, StampClock
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.ros.belt_conversions import stamp_now_ns

# Reading two clocks: the first pair no further apart than this is taken, of at most so many.
_CLOSE_NS = 100_000
_READINGS = 5


class LineClock:
    """Maps stamps onto the steady clock, and back.

    Args:
        clock_ns: The clock of this machine's stamps.
        max_age_sec: Older stamps, and such from the future, are refused.
        own_clock: Whether the stamps are of ``clock_ns``.
        lossless: The stamps are the steady clock, and move it.
        tick_sec: Time between two ticks.
    """

    def __init__(
        self,
        clock_ns: Callable[[], int],
        max_age_sec: float,
        own_clock: bool,
        lossless: bool,
        tick_sec: float,
    ) -> None:
        self._clock_ns = clock_ns
        self._stamps = StampClock(max_age_sec)
        self._own_clock = own_clock
        self._lossless = lossless
        self._tick_ns = round(tick_sec * NS_PER_SEC)
        self._next_ns: int | None = None  # lossless: the next tick
        self._newest_ns: dict[str, int] = {}  # lossless: of each stream
        self._refused = 0

    @property
    def refused(self) -> int:
        """Stamps that were refused."""
        return self._refused + self._stamps.refused

    @property
    def resets(self) -> int:
        """How often the stamps' clock was found to have been set."""
        return self._stamps.clock_resets

    def accept(self, stamp_ns: int, stream: str) -> int | None:
        """Maps a stamp that has just arrived; None if it is refused.

        Args:
            stamp_ns: What the message says.
            stream: Which sequence of stamps it belongs to.
        """
        if not self._lossless:
            return self._stamps.accept(stamp_ns, self.now_ns(), stream)
        if stamp_ns <= max(0, self._newest_ns.get(stream, 0)):
            self._refused += 1
            return None
        self._newest_ns[stream] = stamp_ns
        return stamp_ns

    def ticks_before(self, steady_ns: int) -> Iterator[int]:
        """Lock step: the ticks before a time that were not given out yet. Else none."""
        if not self._lossless:
            return
        if self._next_ns is None:
            self._next_ns = steady_ns
        pause_ns = self._next_ns + LONGEST_PAUSE_NS
        while self._next_ns < steady_ns:
            yield self._next_ns
            is_long = self._next_ns >= pause_ns
            self._next_ns = steady_ns if is_long else self._next_ns + self._tick_ns

    def tick_ns(self) -> int | None:
        """The tick that is now; None in lock step, where stamps make them."""
        if self._lossless:
            return None
        now_ns = self.now_ns()
        if self._own_clock:
            self._stamps.accept(self._clock_ns(), now_ns, "own")
        return now_ns

    def now_ns(self) -> int:
        """The steady clock now; in lock step that of the newest stamp."""
        if self._lossless:
            return max(self._newest_ns.values(), default=0)
        return time.monotonic_ns()

    def to_stamp(self, steady_ns: int) -> int:
        """What the stamps' clock shows at a steady time."""
        if self._lossless:
            return steady_ns
        return stamp_now_ns(steady_ns, *self._both_ns())

    def _both_ns(self) -> tuple[int, int]:
        """The stamps' clock and the steady one at one moment.

        A busy machine may let other threads run between the two readings: times of one record
        would seem milliseconds apart that are not. The closest of a few pairs is taken.
        """
        best: tuple[int, int, int] | None = None
        for _ in range(_READINGS):
            before_ns = time.monotonic_ns()
            stamp_ns = self._clock_ns()
            width_ns = time.monotonic_ns() - before_ns
            if best is None or width_ns < best[0]:
                best = width_ns, stamp_ns, before_ns + width_ns // 2
            if width_ns < _CLOSE_NS:
                break
        assert best is not None
        return best[1], best[2]
