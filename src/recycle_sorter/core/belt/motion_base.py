# SPDX-License-Identifier: Apache-2.0
"""What the kinds of belt motion have in common."""

from __future__ import annotations

import math

from recycle_sorter.core.belt.history import MARGIN, PositionHistory, Prediction
from recycle_sorter.core.belt.series import Series
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC

_STEP_M = 0.05  # an inexact stamp explains so much


class MeasuredMotion:
    """A history, and silence.

    Attributes:
        timeout_sec: Silence after which the motion is stale.
        refused: What was handed in and could not be used.
    """

    def __init__(self, timeout_sec: float, max_speed_m_per_sec: float) -> None:
        if not (math.isfinite(timeout_sec) and timeout_sec > 0):
            raise InvalidInputError("timeout_sec", timeout_sec, "a number above 0")
        self.timeout_sec = timeout_sec
        self.refused = 0
        self._history = PositionHistory(max_speed_m_per_sec)
        self._heard = Series()  # when something was measured; the values say nothing

    @property
    def newest_ns(self) -> int | None:
        """When something was measured last; None if never."""
        return self._heard.newest_ns

    def position_m(self, steady_ns: int) -> float | None:
        """Metres travelled by a time; None if that is not known."""
        return self._history.position_m(steady_ns)

    def predict(self, now_ns: int) -> Prediction | None:
        """The belt's state by what was measured up to ``now_ns``; None if nothing was."""
        return self._history.predict(now_ns)

    def is_stale(self, now_ns: int) -> bool:
        """Whether nothing was measured in the ``timeout_sec`` before ``now_ns``."""
        index = self._heard.index_at(now_ns)
        if index < 0:
            return True
        return now_ns - self._heard.times_ns[index] > self.timeout_sec * NS_PER_SEC

    def _add(self, steady_ns: int, position_m: float, is_measured: bool = True) -> bool:
        """Notes a position; False, and counted, if its time did not grow."""
        if not self._history.add(steady_ns, position_m):
            self.refused += 1
            return False
        if is_measured:
            self._heard.add(steady_ns, 0.0)
        return True

    def _is_possible(self, way_m: float, since_ns: int) -> bool:
        """Whether the belt can have gone this way in this time."""
        can_m = MARGIN * self._history.max_speed_m_per_sec * since_ns / NS_PER_SEC
        return math.isfinite(way_m) and abs(way_m) <= can_m + _STEP_M
