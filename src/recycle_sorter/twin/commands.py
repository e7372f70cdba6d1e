# SPDX-License-Identifier: Apache-2.0
"""Commands to the twin as a line's controller takes them: out, held for a while, home again."""

from __future__ import annotations

import threading

from recycle_sorter.core.belt.judged import Landing
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.diverters import TwinDiverter
from recycle_sorter.twin.twin import Twin

_MAX_DWELL_SEC = 3600.0
_SINGLE_RAD = 1e-6  # messages hold angles in single precision


class TwinCommands:
    """Moves a twin's diverters and tells what has landed since it was asked last. Thread-safe.

    Args:
        twin: Whose diverters; nobody else commands them.
        diverters: The same that the twin was made with.
        rate: How much faster than the clock of the commands' dwell times the twin's time runs.
    """

    def __init__(self, twin: Twin, diverters: list[TwinDiverter], rate: float = 1.0) -> None:
        self._twin = twin
        self._rate = rate
        self._specs = {each.name: each for each in diverters}
        self._home_ns: dict[str, int] = {}  # of those that are out
        self._told = 0
        self._lock = threading.Lock()

    def command(self, diverter: str, position_rad: float, dwell_sec: float, at_ns: int) -> None:
        """Moves a diverter; it returns home when it has held so long, unless told otherwise.

        Args:
            diverter: Its name.
            position_rad: Angle to take, radians.
            dwell_sec: How long to hold it, seconds.
            at_ns: Stamp of the command, not before that of the last.

        Raises:
            InvalidInputError: If there is no such diverter, or a number is out of its range.
        """
        if not 0.0 <= dwell_sec <= _MAX_DWELL_SEC:
            raise InvalidInputError("dwell_sec", dwell_sec, f"0 to {_MAX_DWELL_SEC:g} seconds")
        with self._lock:
            self._return_home(at_ns)
            arrive_ns = self._twin.command(diverter, self._reached(diverter, position_rad), at_ns)
            self._home_ns[diverter] = arrive_ns + round(dwell_sec * self._rate * NS_PER_SEC)

    def landed(self, until_ns: int) -> list[Landing]:
        """What has landed by ``until_ns`` and was not told yet, in order of time."""
        with self._lock:
            self._return_home(until_ns)
            landings = self._twin.landed(until_ns)[self._told :]
            self._told += len(landings)
            return landings

    def _reached(self, diverter: str, position_rad: float) -> float:
        """The angle; at the end of the reach where it lies beyond by a single's rounding."""
        spec = self._specs.get(diverter)
        if spec is not None:
            for end_rad in (spec.min_rad, spec.max_rad):
                if abs(position_rad - end_rad) < _SINGLE_RAD:
                    return end_rad
        return position_rad

    def _return_home(self, now_ns: int) -> None:
        for name, home_ns in list(self._home_ns.items()):
            if home_ns <= now_ns:
                self._twin.command(name, self._specs[name].home_rad, home_ns)
                del self._home_ns[name]
