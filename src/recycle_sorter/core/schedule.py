# SPDX-License-Identifier: Apache-2.0
"""When commands fire: a queue by fire time, any number in flight."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field

from recycle_sorter.core.routing import BinSpec, Routing
from recycle_sorter.core.types import NS_PER_SEC, PlannedCommand, SortDecision


def plan(decision: SortDecision, bin_spec: BinSpec, routing: Routing) -> PlannedCommand:
    """Adds the diverter, its angle and its fire time to a decision.

    Args:
        decision: Where the item shall go.
        bin_spec: That bin.
        routing: Where the diverter's delay and dwell stand.

    Returns:
        The command; ``fire_ns`` is the decision's stamp plus the diverter's ``delay_sec``.
    """
    if not bin_spec.diverter:
        return PlannedCommand(decision, "", 0.0, decision.stamp_ns, 0.0)
    diverter = routing.diverters[bin_spec.diverter]
    fire_ns = decision.stamp_ns + round(diverter.delay_sec * NS_PER_SEC)
    return PlannedCommand(
        decision, diverter.name, bin_spec.position_rad, fire_ns, diverter.dwell_sec
    )


@dataclass(slots=True)
class Schedule:
    """Commands that wait for their time; equal times keep their order."""

    _heap: list[tuple[int, int, PlannedCommand]] = field(default_factory=list)
    _count: int = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, command: PlannedCommand, steady_ns: int) -> None:
        """Queues a command for a time of the steady clock."""
        self._count += 1
        heapq.heappush(self._heap, (steady_ns, self._count, command))

    def due(self, steady_ns: int) -> list[PlannedCommand]:
        """Takes out every command whose time has come, in order."""
        ready = []
        while self._heap and self._heap[0][0] <= steady_ns:
            ready.append(heapq.heappop(self._heap)[2])
        return ready

    def clear(self) -> list[PlannedCommand]:
        """Takes out everything, in order: the machine was stopped."""
        rest = [entry[2] for entry in sorted(self._heap, key=lambda e: e[:2])]
        self._heap.clear()
        return rest
