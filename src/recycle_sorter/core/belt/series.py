# SPDX-License-Identifier: Apache-2.0
"""Values by time, and the curve through the newest of them."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC

FIT_NS = 150_000_000
"""Speed and acceleration are fitted on samples this young, or on the last few that are."""

_SPARSE_NS = 500_000_000  # older samples are not fitted, however few there are
LEAST = 4  # samples wanted for a fit
MOST = 32  # samples used for one: an encoder at 1 kHz is thinned out
_FADE_SEC = 0.04  # the newest samples count most, which follows the end of a ramp sooner
_FADE_PART = 0.25  # likewise, of the time that sparse samples span


class Series:
    """Values by strictly growing times, bounded in memory: the oldest are forgotten.

    Attributes:
        refused: Values whose time did not grow or that were not finite.
    """

    def __init__(self, max_samples: int = 4096) -> None:
        if max_samples < 2:
            raise InvalidInputError("max_samples", max_samples, "2 or more")
        self.refused = 0
        self.times_ns: list[int] = []
        self.values: list[float] = []
        self._max_samples = max_samples

    def add(self, steady_ns: int, value: float) -> bool:
        """Appends a value; False if it was refused."""
        if (self.times_ns and steady_ns <= self.times_ns[-1]) or not math.isfinite(value):
            self.refused += 1
            return False
        self.times_ns.append(steady_ns)
        self.values.append(value)
        if len(self.times_ns) >= 2 * self._max_samples:
            del self.times_ns[: -self._max_samples], self.values[: -self._max_samples]
        return True

    @property
    def newest_ns(self) -> int | None:
        """Time of the newest value."""
        return self.times_ns[-1] if self.times_ns else None

    def index_at(self, steady_ns: int) -> int:
        """Index of the newest value not after a time; -1 if there is none."""
        return bisect_right(self.times_ns, steady_ns) - 1

    def fit(self, index: int, order: int) -> tuple[float, float, float]:
        """Fits a curve through the samples up to ``index``.

        Returns:
            Value, first and second derivative (by seconds) at that sample's time. Least squares,
            new samples weighing more; a lower order where the samples do not carry this one.
        """
        times, values = self.times_ns, self.values
        end_ns = times[index]
        start = bisect_left(times, end_ns - FIT_NS, 0, index + 1)
        if index + 1 - start < LEAST:
            oldest = bisect_left(times, end_ns - _SPARSE_NS, 0, index + 1)
            start = max(oldest, index + 1 - LEAST, 0)
        start = min(start, max(index - 1, 0))  # after a pause at least the mean speed over it
        step = 1 + (index - start) // MOST
        chosen = range(index, start - 1, -step)
        span_sec = (end_ns - times[chosen[-1]]) / NS_PER_SEC
        fade_sec = max(_FADE_SEC, _FADE_PART * span_sec)
        base = values[index]
        s0 = s1 = s2 = s3 = s4 = y0 = y1 = y2 = 0.0
        for i in chosen:
            t = (times[i] - end_ns) / NS_PER_SEC
            weight = math.exp(2.0 * t / fade_sec)
            y = (values[i] - base) * weight
            wt = weight * t
            s0 += weight
            s1 += wt
            s2 += wt * t
            s3 += wt * t * t
            s4 += wt * t * t * t
            y0 += y
            y1 += y * t
            y2 += y * t * t
        if order >= 2 and len(chosen) >= 3:
            c0 = s2 * s4 - s3 * s3
            c1 = s1 * s4 - s2 * s3
            c2 = s1 * s3 - s2 * s2
            det = s0 * c0 - s1 * c1 + s2 * c2
            if det > 1e-9 * s0 * s2 * s4:
                level = (y0 * c0 - s1 * (y1 * s4 - y2 * s3) + s2 * (y1 * s3 - y2 * s2)) / det
                slope = (s0 * (y1 * s4 - y2 * s3) - y0 * c1 + s2 * (s1 * y2 - s2 * y1)) / det
                bend = (s0 * (s2 * y2 - s3 * y1) - s1 * (s1 * y2 - s2 * y1) + y0 * c2) / det
                return base + level, slope, 2.0 * bend
        det = s0 * s2 - s1 * s1
        if len(chosen) >= 2 and det > 0.0:
            slope = (s0 * y1 - s1 * y0) / det
            return base + (y0 - slope * s1) / s0, slope, 0.0
        return base, 0.0, 0.0
