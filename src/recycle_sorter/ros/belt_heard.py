# SPDX-License-Identifier: Apache-2.0
"""From what a belt's actuator and source say to the core's values, for those who listen."""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

from recycle_sorter.core.belt.judged import EnteringItem
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import Reason, SortDecision
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter.sources.belt_fields import entering_item, finite
from recycle_sorter_msgs.msg import BeltTruth
from recycle_sorter_msgs.msg import ItemRecord as ItemRecordMessage
from recycle_sorter_msgs.msg import SortDecision as SortDecisionMessage

_Named = TypeVar("_Named", bound=IntEnum)


def message_to_decision(message: SortDecisionMessage) -> SortDecision:
    """A decision as it was published.

    Raises:
        InvalidInputError: If the reason is not one of ``REASON_*``, a place or probability is not
            finite, or there is not one probability a material.
    """
    if len(message.materials) != len(message.probabilities):
        count = f"{len(message.probabilities)} numbers"
        raise InvalidInputError("probabilities", count, f"{len(message.materials)}")
    pairs = zip(message.materials, message.probabilities, strict=True)
    for name in ("x_m", "y_m"):
        finite(name, float(getattr(message, name)))
    return SortDecision(
        stamp_ns=time_to_ns(message.header.stamp),
        item_id=int(message.item_id),
        material=str(message.material),
        confidence=finite("confidence", float(message.confidence)),
        bin=str(message.bin),
        reason=_named(Reason, "reason", int(message.reason)),
        detail=str(message.detail),
        evidence_frames=int(message.evidence_frames),
        probabilities={str(name): finite("probabilities", float(value)) for name, value in pairs},
    )


def message_to_record(message: ItemRecordMessage, decision: SortDecision | None) -> ItemRecord:
    """An item's end as it was published; its times are stamps.

    Args:
        message: The record.
        decision: On its item; None if nobody heard of one: then it is made of what the record
            says.

    Raises:
        InvalidInputError: If outcome or cause is not one of the message's, or a place is not
            finite.
    """
    ended_ns = time_to_ns(message.header.stamp)
    if decision is None:
        decision = SortDecision(
            stamp_ns=ended_ns,
            item_id=int(message.item_id),
            material=str(message.material),
            confidence=0.0,
            bin=str(message.bin),
            reason=Reason.ACCEPTED,
            detail="its decision was not heard",
            evidence_frames=0,
        )
    return ItemRecord(
        decision=decision,
        outcome=_named(Outcome, "outcome", int(message.outcome)),
        cause=_named(Cause, "cause", int(message.cause)),
        diverter=str(message.diverter),
        scheduled_ns=time_to_ns(message.scheduled_time),
        issued_ns=time_to_ns(message.issued_time),
        x_m=finite("x_m", float(message.x_m)),
        rival_id=int(message.rival_id),
        detail=str(message.detail),
        ended_ns=ended_ns,
    )


def message_to_truth(message: BeltTruth) -> EnteringItem:
    """A true item as a source tells of it.

    Raises:
        InvalidInputError: If a number is not finite.
    """
    return entering_item(message, time_to_ns(message.header.stamp))


def _named(kind: type[_Named], field: str, value: int) -> _Named:
    try:
        return kind(value)
    except ValueError as error:
        raise InvalidInputError(field, value, f"one of {field.upper()}_*") from error
