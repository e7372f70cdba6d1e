# SPDX-License-Identifier: Apache-2.0
"""What a belt's nodes said, beside the truth that was published with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter_msgs.msg import BeltTruth, ItemRecord, SortDecision

# Where the shipped layout wants each material.
BIN_OF = {
    "cardboard": "fibre", "paper": "fibre", "glass": "glass", "metal": "metal",
    "plastic": "plastic", "trash": "residue",
}  # fmt: skip
_GATE_M = 0.05


def stamp_ns(message: Any) -> int:
    """The stamp of a message's header."""
    return time_to_ns(message.header.stamp)


@dataclass
class Said:
    """What a belt's nodes said.

    Attributes:
        messages: By topic, in order.
    """

    messages: Mapping[str, list[Any]] = field(default_factory=dict)

    @property
    def separate(self) -> list[BeltTruth]:
        """True items that lie apart."""
        return [truth for truth in self.messages["belt/truth"] if not truth.is_overlapping]

    def decisions_on(self, truth: BeltTruth) -> list[SortDecision]:
        """The decisions on a true item: those that lay where it lay on the belt."""
        place_m = truth.x_m - truth.position_m
        positions = {stamp_ns(state): state.position_m for state in self.messages["belt/state"]}
        origin_m = self._origin_m()
        return [
            decision
            for decision in self.messages["belt/decision"]
            if abs(decision.x_m - positions[stamp_ns(decision)] - origin_m - place_m) < _GATE_M
            and abs(decision.y_m - truth.y_m) < _GATE_M
        ]

    def _origin_m(self) -> float:
        """The truth's position of the belt less the actuator's, which begin at different times."""
        truth = self.messages["belt/truth"][0]
        states = self.messages["belt/state"]
        nearest = min(states, key=lambda state: abs(stamp_ns(state) - stamp_ns(truth)))
        gone_sec = (stamp_ns(nearest) - stamp_ns(truth)) / 1e9
        there_m = nearest.position_m - nearest.speed_m_per_sec * gone_sec
        return float(truth.position_m - there_m)

    def landings(self) -> list[tuple[str, str]]:
        """Material and bin of each item that the twin saw fall."""
        return [(m.material, m.bin) for m in self.messages["belt/landing"]]

    def ends(self) -> list[tuple[str, str]]:
        """The same by the records, for a line where nobody sees what falls.

        An item that fired is in the bin that was decided, another in that at the end.
        """
        found = []
        records = {record.item_id: record for record in self.messages["belt/record"]}
        for truth in self.separate:
            decisions = self.decisions_on(truth)
            fired = [
                d.bin for d in decisions
                if records[d.item_id].outcome == ItemRecord.OUTCOME_FIRED
            ]  # fmt: skip
            found.append((truth.material, fired[0] if fired else "residue"))
        return found


def purity_and_recovery(
    ends: list[tuple[str, str]],
) -> tuple[dict[str, float], dict[str, float]]:
    """By bin: the share of what fell in that belongs there, and of what belongs there.

    Args:
        ends: Material and bin of each item.
    """
    fallen = Counter(where for _, where in ends)
    due = Counter(BIN_OF[material] for material, _ in ends)
    right = Counter(where for material, where in ends if BIN_OF[material] == where)
    purity = {name: right[name] / count for name, count in fallen.items()}
    return purity, {name: right[name] / count for name, count in due.items()}
