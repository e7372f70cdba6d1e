# SPDX-License-Identifier: Apache-2.0
"""How long to wait before a lost camera is opened again."""

from __future__ import annotations

import math

from recycle_sorter.core.errors import InvalidInputError


class Backoff:
    """Delays that grow by a factor up to a maximum. Pure: whoever asks does the waiting."""

    def __init__(
        self, initial_sec: float = 0.5, maximum_sec: float = 10.0, factor: float = 2.0
    ) -> None:
        """Sets the policy.

        Args:
            initial_sec: First delay, above 0.
            maximum_sec: Longest delay, at least ``initial_sec``.
            factor: Growth from one delay to the next, at least 1.

        Raises:
            InvalidInputError: If a value is out of range or not finite.
        """
        if not math.isfinite(initial_sec) or initial_sec <= 0:
            raise InvalidInputError("initial_sec", initial_sec, "a finite number above 0")
        if not math.isfinite(maximum_sec) or maximum_sec < initial_sec:
            raise InvalidInputError(
                "maximum_sec", maximum_sec, f"a finite number of at least {initial_sec}"
            )
        if not math.isfinite(factor) or factor < 1:
            raise InvalidInputError("factor", factor, "a finite number of at least 1")
        self._initial_sec = initial_sec
        self._maximum_sec = maximum_sec
        self._factor = factor
        self._next_sec = initial_sec

    def next_delay_sec(self) -> float:
        """Returns how long to wait before the next attempt, seconds."""
        delay_sec = self._next_sec
        self._next_sec = min(self._maximum_sec, delay_sec * self._factor)
        return delay_sec

    def reset(self) -> None:
        """Begins with the first delay again, after a success."""
        self._next_sec = self._initial_sec
