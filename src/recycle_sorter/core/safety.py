# SPDX-License-Identifier: Apache-2.0
"""Watches that classifications keep arriving."""

from __future__ import annotations

from dataclasses import dataclass

from recycle_sorter.core.types import NS_PER_SEC


@dataclass(slots=True)
class StalenessWatch:
    """Tells when nothing has arrived for too long.

    Times are those of one monotonic clock, not message stamps: a sender whose clock is off must
    not look alive, nor a late one dead.

    Attributes:
        timeout_sec: Silence after which the input counts as stale; 0 switches the watch off.
    """

    timeout_sec: float
    _last_ns: int | None = None

    def seen(self, now_ns: int) -> None:
        """Notes an arrival."""
        self._last_ns = now_ns

    def silence_sec(self, now_ns: int) -> float:
        """Seconds since the last arrival; infinite before the first."""
        return float("inf") if self._last_ns is None else (now_ns - self._last_ns) / NS_PER_SEC

    def is_stale(self, now_ns: int) -> bool:
        """Whether the silence is too long. Before the first arrival it is not: we are waiting."""
        if self.timeout_sec <= 0 or self._last_ns is None:
            return False
        return self.silence_sec(now_ns) > self.timeout_sec
