# SPDX-License-Identifier: Apache-2.0
"""The decision log: one JSON object a line, the same bytes for the same run."""

from __future__ import annotations

import json
from typing import Any, Final

from recycle_sorter.core.belt.types import ItemRecord, LineEvents
from recycle_sorter.core.types import PlannedCommand, SortDecision

# Sums of many products may differ in their last digits between machines.
_DIGITS: Final = 6


class DecisionLog:
    """Decisions, commands and records in the order in which they fell.

    No wall time enters it: what a run took is in its summary.

    Attributes:
        lines: One JSON object each, keys in order, without line ends.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def add(self, events: LineEvents, now_ns: int) -> None:
        """Appends what one call to the line led to at ``now_ns`` (steady clock)."""
        for decision in events.decisions:
            self._put({"event": "decision", **decision_fields(decision)})
        for command in events.commands:
            self._put({"event": "command", "issued_ns": now_ns, **_command_fields(command)})
        for record in events.records:
            self._put({"event": "record", **record_fields(record)})

    @property
    def text(self) -> str:
        """All lines, each with its end."""
        return "".join(f"{line}\n" for line in self.lines)

    def _put(self, fields: dict[str, Any]) -> None:
        line = json.dumps(
            fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        self.lines.append(line)


def decision_fields(decision: SortDecision) -> dict[str, Any]:
    """A decision as JSON has it."""
    return {
        "item_id": decision.item_id,
        "stamp_ns": decision.stamp_ns,
        "material": decision.material,
        "confidence": round(decision.confidence, _DIGITS),
        "bin": decision.bin,
        "reason": decision.reason.name.lower(),
        "detail": decision.detail,
        "evidence_frames": decision.evidence_frames,
        "probabilities": {
            name: round(value, _DIGITS) for name, value in decision.probabilities.items()
        },
    }


def record_fields(record: ItemRecord) -> dict[str, Any]:
    """A record as JSON has it."""
    return {
        "item_id": record.decision.item_id,
        "outcome": record.outcome.name.lower(),
        "cause": record.cause.name.lower(),
        "diverter": record.diverter,
        "scheduled_ns": record.scheduled_ns,
        "issued_ns": record.issued_ns,
        "x_m": round(record.x_m, _DIGITS),
        "rival_id": record.rival_id,
        "detail": record.detail,
        "ended_ns": record.ended_ns,
    }


def _command_fields(command: PlannedCommand) -> dict[str, Any]:
    return {
        "item_id": command.decision.item_id,
        "diverter": command.diverter,
        "position_rad": round(command.position_rad, _DIGITS),
        "fire_ns": command.fire_ns,
        "dwell_sec": round(command.dwell_sec, _DIGITS),
    }
