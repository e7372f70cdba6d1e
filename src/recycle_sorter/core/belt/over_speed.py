# SPDX-License-Identifier: Apache-2.0
"""Whether a belt runs faster than its layout allows: its layout's times are then too short."""

from __future__ import annotations

from typing import Final

from recycle_sorter.core.types import NS_PER_SEC

_MEASURED: Final = 1.03  # a belt at its maximum seems so much faster, for moments
_LASTING_NS: Final = NS_PER_SEC


class OverSpeed:
    """Follows a belt's speed.

    Attributes:
        speed_m_per_sec: The newest, while all have been above the maximum for a second; else None.
    """

    def __init__(self, max_m_per_sec: float) -> None:
        """Starts with a belt that is not too fast.

        Args:
            max_m_per_sec: What the layout allows.
        """
        self.speed_m_per_sec: float | None = None
        self._limit = _MEASURED * max_m_per_sec
        self._since_ns: int | None = None

    def update(self, speed_m_per_sec: float | None, now_ns: int) -> None:
        """Takes the belt's speed, signed; None while nobody knows it."""
        self.speed_m_per_sec = None
        if speed_m_per_sec is None or abs(speed_m_per_sec) <= self._limit:
            self._since_ns = None
        elif self._since_ns is None:
            self._since_ns = now_ns
        elif now_ns - self._since_ns >= _LASTING_NS:
            self.speed_m_per_sec = abs(speed_m_per_sec)
