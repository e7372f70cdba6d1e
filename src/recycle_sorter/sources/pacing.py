# SPDX-License-Identifier: Apache-2.0
"""When to publish each frame of a recording, and with which stamp.

Pure arithmetic: whoever publishes reads the clock, waits until ``due_ns`` and publishes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from recycle_sorter.core.errors import InvalidInputError

# Interval assumed after the last frame of a recording that has only one, when it loops.
DEFAULT_PERIOD_NS = 33_333_333


@dataclass(frozen=True, slots=True)
class PacedFrame:
    """What the pacer says to one frame.

    Attributes:
        due_ns: When to publish it, on the clock that gave ``start_ns``; in the past for at once.
        stamp_ns: The stamp to publish it with.
    """

    due_ns: int
    stamp_ns: int


class Pacer:
    """Maps a recording's stamps to the present.

    Ordinary mode: ``stamp = start_ns + (recorded - first recorded) / rate`` and the frame is due
    at its stamp, so a latency measured from it is the one a camera would have shown. Lossless
    mode: recorded stamps stay and every frame is due at once, so two runs give the same stamps.
    In both, stamps grow strictly, also from one loop to the next.
    """

    def __init__(self, start_ns: int, rate: float = 1.0, lossless: bool = False) -> None:
        """Sets the start.

        Args:
            start_ns: Time at which the first frame is due, nanoseconds.
            rate: Speed against the recording, above 0; 2.0 plays it in half the time. Without
                effect in lossless mode.
            lossless: Keep the recorded stamps and do not wait.

        Raises:
            InvalidInputError: If ``rate`` is not a finite number above 0.
        """
        if isinstance(rate, bool) or not math.isfinite(rate) or rate <= 0:
            raise InvalidInputError("rate", rate, "a finite number above 0", "1.0 is real time")
        self._start_ns = start_ns
        self._rate = float(rate)
        self._lossless = lossless
        self._first_ns: int | None = None  # recorded stamp that maps to the start (or itself)
        self._shift_ns = 0  # recorded time that earlier loops took
        self._recorded_ns: int | None = None  # recorded stamp of the latest frame of this loop
        self._period_ns = DEFAULT_PERIOD_NS
        self._stamp_ns: int | None = None  # latest stamp given out

    def schedule(self, recorded_ns: int) -> PacedFrame:
        """Says when the next frame is due and which stamp it gets.

        Args:
            recorded_ns: The frame's stamp as the source gave it.
        """
        if self._first_ns is None:
            self._first_ns = recorded_ns
        if self._recorded_ns is not None and recorded_ns > self._recorded_ns:
            self._period_ns = recorded_ns - self._recorded_ns
        self._recorded_ns = recorded_ns
        elapsed_ns = recorded_ns + self._shift_ns - self._first_ns
        if self._lossless:
            stamp_ns = self._first_ns + elapsed_ns
        else:
            stamp_ns = self._start_ns + round(elapsed_ns / self._rate)
        if self._stamp_ns is not None:
            stamp_ns = max(stamp_ns, self._stamp_ns + 1)
        self._stamp_ns = stamp_ns
        return PacedFrame(self._start_ns if self._lossless else stamp_ns, stamp_ns)

    def start_over(self) -> None:
        """Tells that the source begins again; its first frame follows the last by one period."""
        if self._recorded_ns is None or self._first_ns is None:
            return
        # Recorded stamps of a new loop begin at the first again.
        self._shift_ns += self._recorded_ns - self._first_ns + self._period_ns
        self._recorded_ns = None
