# SPDX-License-Identifier: Apache-2.0
"""What a sweep tells of itself while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recycle_sorter.ml.sweep.parameters import Scalar


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a trial ended, or that it starts.

    Attributes:
        slot: Number of its hyperparameters in the sweep.
        attempt: 1, or more after kills.
        state: ``started``, ``complete``, ``stopped`` (early), ``failed`` or ``taken over``.
        hyperparameters: Names and values.
        value: The metric at the end, if there is one.
        text: Why it failed.
        seconds: How long it ran.
    """

    slot: int
    attempt: int
    state: str
    hyperparameters: Mapping[str, Scalar]
    value: float | None = None
    text: str = ""
    seconds: float = 0.0


class Watcher:
    """Hears what a sweep does; does nothing with it."""

    def trial(self, outcome: Outcome) -> None:
        """A trial starts or has ended."""

    def epoch(self, slot: int, epoch: int, value: float) -> None:
        """A trial has ended an epoch."""

    def note(self, text: str) -> None:
        """Something else that people should know; also called from another thread."""
