# SPDX-License-Identifier: Apache-2.0
"""Stamps of a recording that cannot be, told by when their messages were recorded.

A recording's stamps may lie anywhere (a simulator's clock begins at 0) and drift against the time
of recording (it was played faster), but from one message to the next they do not leap years.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median_low
from typing import Final

from recycle_sorter.core.types import NS_PER_SEC

MAX_LEAP_NS: Final = 10 * NS_PER_SEC
"""How far a stamp may leave its stream. A recorder that is written to a slow disk lags seconds."""

FIRST: Final = 5
"""So many messages tell where a stream's stamps begin: one wild stamp among them does not."""


class StampRepair:
    """Follows one stream's stamps in the order of recording.

    Attributes:
        wild: How many stamps were replaced because they left their stream.
    """

    def __init__(self, first: Iterable[tuple[int, int]] = ()) -> None:
        """Starts a stream.

        Args:
            first: ``(stamp_ns, record_ns)`` of its first messages; of fewer than three the first
                stamp is believed, whatever it is.
        """
        offsets_ns = [stamp_ns - record_ns for stamp_ns, record_ns in first]
        self._offset_ns = median_low(offsets_ns) if len(offsets_ns) > 2 else None
        self._last: tuple[int, int] | None = None  # as given out, and its time of recording
        self.wild = 0

    def expected_ns(self, record_ns: int) -> int | None:
        """The stamp of a message by when it was recorded; None if nothing tells."""
        if self._last is not None:
            return self._last[0] + max(1, record_ns - self._last[1])
        return None if self._offset_ns is None else record_ns + self._offset_ns

    def take(self, stamp_ns: int, record_ns: int, *, growing: bool = False) -> int:
        """The stamp to go on with.

        Args:
            stamp_ns: The message's own.
            record_ns: When it was recorded.
            growing: Replace what does not grow, too.

        Returns:
            ``stamp_ns``, or what the time of recording makes of the stamps before.
        """
        expected_ns = self.expected_ns(record_ns)
        if expected_ns is not None:
            back_ns = expected_ns if self._last is None else self._last[0]
            if stamp_ns - expected_ns > MAX_LEAP_NS or back_ns - stamp_ns > MAX_LEAP_NS:
                self.wild += 1
                stamp_ns = expected_ns
        if growing and self._last is not None and stamp_ns <= self._last[0]:
            stamp_ns = self._last[0] + max(1, record_ns - self._last[1])
        self._last = (stamp_ns, record_ns)
        return stamp_ns
