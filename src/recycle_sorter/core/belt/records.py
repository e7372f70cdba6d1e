# SPDX-License-Identifier: Apache-2.0
"""How an item ended, as its one record."""

from __future__ import annotations

from recycle_sorter.core.belt.history import Prediction
from recycle_sorter.core.belt.rides import Ride
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome
from recycle_sorter.core.types import PlannedCommand

_TEXTS = {
    Cause.MOTION_LOST: "due while the belt's motion was unknown",
    Cause.DISABLED: "due while the diverters were disabled",
    Cause.RUN_ENDED: "on its way when the run ended",
    Cause.REMOVED: "carried back out of the view",
}


def fired(ride: Ride, command: PlannedCommand, prediction: Prediction) -> ItemRecord:
    """The record of an item whose command has just been issued."""
    now_ns = prediction.steady_ns
    return ItemRecord(
        decision=ride.decision,
        outcome=Outcome.FIRED,
        diverter=command.diverter,
        scheduled_ns=command.fire_ns,
        issued_ns=now_ns,
        x_m=ride.s_m + prediction.position_m,
        detail=f"{command.diverter} fired {(now_ns - command.fire_ns) / 1e6:+.1f} ms from its time",
        ended_ns=now_ns,
    )


def passed(ride: Ride, prediction: Prediction) -> ItemRecord:
    """The record of an item that went by all diverters."""
    text = f"went by to {ride.decision.bin}"
    if ride.rival_id:
        text = f"went by while a diverter was out for item {ride.rival_id}"
    return ItemRecord(
        decision=ride.decision,
        outcome=Outcome.PASSED,
        x_m=ride.s_m + prediction.position_m,
        rival_id=ride.rival_id,
        detail=text,
        ended_ns=prediction.steady_ns,
    )


def missed(
    ride: Ride,
    diverter: str,
    prediction: Prediction,
    cause: Cause,
    due_ns: int | None,
    detail: str = "",
) -> ItemRecord:
    """The record of an item that was missed.

    Args:
        ride: The item; ``rival_id`` says who won its diverter.
        diverter: The one that should have moved; empty if none.
        prediction: The belt's motion.
        cause: Why.
        due_ns: When its command was due, steady clock; None if that never came to be known.
        detail: Why, for people, where the cause does not say it all.
    """
    if cause is Cause.LATE and due_ns is not None:
        detail = f"due {(prediction.steady_ns - due_ns) / 1e6:.1f} ms ago"
    return ItemRecord(
        decision=ride.decision,
        outcome=Outcome.MISSED,
        cause=cause,
        diverter=diverter,
        scheduled_ns=due_ns or 0,
        x_m=ride.s_m + prediction.position_m,
        rival_id=ride.rival_id if cause is Cause.CONFLICT else 0,
        detail=detail or _TEXTS.get(cause, cause.name.lower()),
        ended_ns=prediction.steady_ns,
    )
