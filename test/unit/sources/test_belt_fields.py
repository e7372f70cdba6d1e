# SPDX-License-Identifier: Apache-2.0
"""What is written into a belt's messages: every field of each, and nothing that it has not."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.belt.judged import EnteringItem, Landing
from recycle_sorter.core.belt.types import (
    Cause,
    Detection,
    Evidence,
    ItemRecord,
    Observation,
    Outcome,
    TrackedItem,
)
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import PlannedCommand, Reason, SortDecision
from recycle_sorter.sources import belt_bag_types as types
from recycle_sorter.sources import belt_fields as fields
from recycle_sorter.sources.bag_types import typestore

DECISION = SortDecision(
    7, 3, "glass", 0.9, "glass", Reason.COST, "too dear", 4, {"glass": 0.9, "metal": 0.1}
)
SEEN = Detection((-2, 5, 30, 40), (0.3, 0.1), (0.2, 0.1), 0.01, probabilities=(0.5, 0.5))
ENTERING = EnteringItem(7, 3, "metal", 0.0, 0.1, 0.08, 0.05, 2.5, True, "can")


def tracked(*said: tuple[float, ...]) -> TrackedItem:
    evidence = [Evidence(10 + number, one, 1.0, 0.0) for number, one in enumerate(said)]
    return TrackedItem(3, -1.0, 0.1, (0.2, 0.1), 0.2, 1, 2, 4, False, ("glass", "metal"), evidence)


def time_of(time_ns: int) -> str:
    return f"at {time_ns}"


@pytest.mark.parametrize(
    ("msgtype", "values", "apart"),
    [
        (types.BELT_DETECTION, fields.detection_fields(SEEN), set()),
        (types.BELT_OBSERVATION, fields.observation_fields(Observation(1, ())), {"detections"}),
        (
            types.SORT_DECISION,
            fields.decision_fields(DECISION, tracked((0.5, 0.5)), 0.7, time_of),
            set(),
        ),
        (
            types.DIVERTER_COMMAND,
            fields.command_fields(PlannedCommand(DECISION, "flap", 0.5, 9, 0.2), time_of),
            set(),
        ),
        (
            types.ITEM_RECORD,
            fields.record_fields(ItemRecord(DECISION, Outcome.FIRED), time_of),
            set(),
        ),
        (types.BELT_TRUTH, fields.truth_fields(ENTERING), set()),
        (
            types.BELT_LANDING,
            fields.landing_fields(Landing(3, "metal", "bin", "flap", 0.5, 1.2, 9)),
            set(),
        ),
    ],
)
def test_every_field_of_a_message_is_written(
    msgtype: str, values: dict[str, Any], apart: set[str]
) -> None:
    definition = typestore().fielddefs[msgtype]
    assert set(values) == {name for name, _ in definition[1]} - {"header"} - apart


def test_a_box_that_sticks_out_of_the_picture_is_cut_at_its_edge() -> None:
    found = fields.detection_fields(SEEN)
    assert (found["left_px"], found["top_px"]) == (0, 5)


def test_a_shift_that_nobody_measured_is_no_number() -> None:
    assert math.isnan(fields.observation_fields(Observation(1, ()))["shift_m"])


def test_the_surest_picture_is_the_first_of_several_alike() -> None:
    item = tracked((0.6, 0.4), (), (0.1, 0.9), (0.9, 0.1))
    found = fields.decision_fields(DECISION, item, 0.7, time_of)
    assert (found["best_time"], found["best_material"], found["best_confidence"]) == (
        "at 12", "metal", 0.9,
    )  # fmt: skip


def test_without_evidence_there_is_no_surest_picture() -> None:
    found = fields.decision_fields(DECISION, tracked(), 0.7, time_of)
    assert (found["best_time"], found["best_material"], found["best_confidence"]) == (
        "at 0", "", 0.0,
    )  # fmt: skip


def test_a_record_s_times_go_through_the_callers_clock() -> None:
    record = ItemRecord(DECISION, Outcome.MISSED, Cause.LATE, scheduled_ns=5, issued_ns=0)
    found = fields.record_fields(record, time_of)
    assert (found["scheduled_time"], found["issued_time"]) == ("at 5", "at 0")


@given(st.floats(allow_nan=False))
def test_a_confidence_leaves_within_its_bounds(confidence: float) -> None:
    decision = SortDecision(
        7, 3, "glass", confidence, "glass", Reason.ACCEPTED, "sure", 4, {"glass": confidence}
    )
    found = fields.decision_fields(decision, tracked(), 0.7, time_of)
    assert 0.0 <= found["confidence"] <= 1.0
    assert all(0.0 <= value <= 1.0 for value in found["probabilities"])


def test_a_true_item_comes_back() -> None:
    assert fields.entering_item(SimpleNamespace(**fields.truth_fields(ENTERING)), 7) == ENTERING


@pytest.mark.parametrize("name", ["x_m", "y_m", "length_m", "width_m", "position_m"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_true_item_that_is_nowhere_is_refused_by_name(name: str, value: float) -> None:
    message = SimpleNamespace(**{**fields.truth_fields(ENTERING), name: value})
    with pytest.raises(InvalidInputError, match=name):
        fields.entering_item(message, 7)


def test_an_item_lies_where_the_belt_s_position_puts_it() -> None:
    item = ENTERING.placed(2.5)
    assert (item.s_m, item.y_m, item.enter_ns, item.is_separate) == (-2.5, 0.1, 7, False)
