# SPDX-License-Identifier: Apache-2.0
"""What a listener makes of a belt's messages: the same values again, or a refusal by name."""

from __future__ import annotations

import math
from typing import Any

import pytest

from recycle_sorter.core.belt.judged import EnteringItem
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome, TrackedItem
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import Reason, SortDecision
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros import belt_heard as heard
from recycle_sorter.ros.conversions import ns_to_time
from recycle_sorter_msgs.msg import BeltTruth
from recycle_sorter_msgs.msg import ItemRecord as ItemRecordMessage
from recycle_sorter_msgs.msg import SortDecision as SortDecisionMessage

pytestmark = pytest.mark.node

DECISION = SortDecision(
    3_000_000_001, 7, "glass", 0.75, "glass", Reason.ACCEPTED, "sure", 9,
    {"glass": 0.75, "metal": 0.25},
)  # fmt: skip
ITEM = TrackedItem(7, -0.5, 0.1, (0.08, 0.05), 0.08, 1, 2)
RECORD = ItemRecord(
    DECISION, Outcome.MISSED, Cause.CONFLICT, "flap_1", 4_000_000_001, 0, 1.2, 6, "lost", 5
)


def decision_message() -> SortDecisionMessage:
    return convert.decision_to_message(DECISION, ITEM, 0.7, "camera", lambda steady_ns: steady_ns)


def record_message() -> ItemRecordMessage:
    return convert.record_to_message(RECORD, lambda steady_ns: steady_ns)


def test_a_decision_comes_back() -> None:
    assert heard.message_to_decision(decision_message()) == DECISION


def test_a_record_comes_back_with_its_decision() -> None:
    assert heard.message_to_record(record_message(), DECISION) == RECORD


def test_a_record_whose_decision_was_not_heard_keeps_its_own_words() -> None:
    found = heard.message_to_record(record_message(), None)
    assert (found.decision.item_id, found.decision.material, found.decision.bin) == (
        7, "glass", "glass",
    )  # fmt: skip
    assert (found.outcome, found.cause, found.rival_id) == (Outcome.MISSED, Cause.CONFLICT, 6)


def test_a_truth_comes_back() -> None:
    item = EnteringItem(7, 3, "metal", 0.0, 0.1, 0.08, 0.05, 2.5, True, "can")
    message = convert.truth_to_message(item)
    message.header.stamp = ns_to_time(7)
    assert heard.message_to_truth(message) == item


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("reason", 200),
        ("x_m", math.nan),
        ("y_m", math.inf),
        ("confidence", math.nan),
        ("probabilities", [0.5]),
        ("probabilities", [math.nan, 0.5]),
    ],
)
def test_a_decision_that_cannot_be_is_refused(field: str, value: Any) -> None:
    message = decision_message()
    setattr(message, field, value)
    with pytest.raises(InvalidInputError) as caught:
        heard.message_to_decision(message)
    assert caught.value.field == field


@pytest.mark.parametrize(("field", "value"), [("outcome", 3), ("cause", 99), ("x_m", math.nan)])
def test_a_record_that_cannot_be_is_refused(field: str, value: Any) -> None:
    message = record_message()
    setattr(message, field, value)
    with pytest.raises(InvalidInputError) as caught:
        heard.message_to_record(message, None)
    assert caught.value.field == field


def test_a_truth_without_a_place_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="position_m"):
        heard.message_to_truth(BeltTruth(position_m=math.nan))
