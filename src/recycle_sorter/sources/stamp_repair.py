# SPDX-License-Identifier: Apache-2.0
"""Stamps of a recording that cannot be, told by their neighbours and by when they were recorded.

A recording's stamps may lie anywhere (a simulator's clock begins at 0) and drift against the time
of recording (it was played faster), but one of them does not leap away and back.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from itertools import islice
from statistics import median_low
from typing import Any, Final, Literal

from recycle_sorter.core.types import NS_PER_SEC

MAX_LEAP_NS: Final = 10 * NS_PER_SEC
"""From one message to the next; a recorder that is written to a slow disk lags seconds."""

FIRST: Final = 5
"""So many messages tell where a stream's stamps begin: one wild stamp among them does not."""

Moment = tuple[int, int]
"""A message's own stamp, and when it was recorded; nanoseconds."""


class StampRepair:
    """Follows one stream's stamps in the order of recording.

    Attributes:
        wild: How many stamps were replaced because they left their stream.
    """

    def __init__(self, first: Iterable[Moment] = ()) -> None:
        """Starts a stream.

        Args:
            first: Of its first messages; of fewer than three the first stamp is believed, whatever
                it is.
        """
        offsets_ns = [stamp_ns - record_ns for stamp_ns, record_ns in first]
        self._offset_ns = median_low(offsets_ns) if len(offsets_ns) > 2 else None
        self._last: Moment | None = None  # as given out
        self.wild = 0

    def take(self, now: Moment, following: Moment | None = None, *, growing: bool = False) -> int:
        """The stamp to go on with.

        Args:
            now: The message's.
            following: The next message's, if there is one.
            growing: Replace what does not grow, too.

        Returns:
            The message's own, or what the time of recording makes of the stamps before.
        """
        stamp_ns, record_ns = now
        if self._last is None:
            if self._offset_ns is not None:
                expected_ns = record_ns + self._offset_ns
                if abs(stamp_ns - expected_ns) > MAX_LEAP_NS:
                    if following is not None and following[0] <= expected_ns:
                        expected_ns = following[0] - max(1, following[1] - record_ns)
                    stamp_ns = self._replaced(expected_ns)
        elif self._has_left(self._last, now, following):
            stamp_ns = self._replaced(self._after(self._last, now, following))
        if growing and self._last is not None and stamp_ns <= self._last[0]:
            stamp_ns = _expected_ns(self._last, record_ns)
        self._last = (stamp_ns, record_ns)
        return stamp_ns

    def _replaced(self, stamp_ns: int) -> int:
        self.wild += 1
        return stamp_ns

    def _has_left(self, last: Moment, now: Moment, following: Moment | None) -> bool:
        """Whether a stamp is wild: it leaps back, or forward where the next one does not follow."""
        if last[0] - now[0] > MAX_LEAP_NS:
            return True
        if now[0] - _expected_ns(last, now[1]) > MAX_LEAP_NS:
            # A clock that was set ahead, or a pause that was recorded faster than it was, lasts.
            return following is None or not _follows(now, following)
        if following is None or not last[0] < following[0] <= now[0]:
            return False
        # One of the two is wrong: the one that lies further from the time of recording.
        return _off_ns(last, now) > _off_ns(last, following)

    def _after(self, last: Moment, now: Moment, following: Moment | None) -> int:
        expected_ns = _expected_ns(last, now[1])
        if following is not None and last[0] < following[0] <= expected_ns:
            return (last[0] + following[0]) // 2  # before the next, which is believed
        return expected_ns


def _expected_ns(last: Moment, record_ns: int) -> int:
    return last[0] + max(1, record_ns - last[1])


def _follows(one: Moment, other: Moment) -> bool:
    return one[0] < other[0] <= _expected_ns(one, other[1]) + MAX_LEAP_NS


def _off_ns(last: Moment, moment: Moment) -> int:
    return abs(moment[0] - _expected_ns(last, moment[1]))


def first_moments(messages: Iterable[tuple[Any, int, bytes]]) -> list[Moment]:
    """Those of a stream's first messages, each ``(connection, record_ns, CDR with a header)``."""
    first = islice(messages, FIRST)
    return [moment for _, record_ns, data in first if (moment := _moment(record_ns, data))]


def with_next(
    messages: Iterable[tuple[Any, int, bytes]],
) -> Generator[tuple[tuple[Any, int, bytes], Moment | None], None, None]:
    """Yields each message with the next one's moment.

    A message whose next one cannot be read comes all the same, and the error after it.
    """
    before: tuple[Any, int, bytes] | None = None
    try:
        for entry in messages:
            if before is not None:
                yield before, _moment(entry[1], entry[2])
            before = entry
    except Exception:
        if before is not None:
            yield before, None
        raise
    if before is not None:
        yield before, None


def _moment(record_ns: int, data: bytes) -> Moment | None:
    # CDR: how it is encoded (4 bytes, the second odd for little-endian), then the header's stamp.
    if len(data) < 12:
        return None
    order: Literal["little", "big"] = "little" if data[1] & 1 else "big"
    sec = int.from_bytes(data[4:8], order, signed=True)
    stamp_ns = sec * NS_PER_SEC + int.from_bytes(data[8:12], order)
    return stamp_ns or record_ns, record_ns
