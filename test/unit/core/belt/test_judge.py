# SPDX-License-Identifier: Apache-2.0
"""Judging an item: one bin or reject, for the first reason that holds, with the figures."""

from __future__ import annotations

import pytest
from support.sorting import routing, routing_data

from recycle_sorter.core.belt.fusion import FusionConfig
from recycle_sorter.core.belt.judge import JudgeConfig, judge_item
from recycle_sorter.core.belt.types import Evidence, TrackedItem
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.routing_file import parse_routing
from recycle_sorter.core.types import Reason

ROUTING = routing()


def tracked(*glass: float, is_touching: bool = False) -> TrackedItem:
    """An item that lies between glass and metal."""
    item = TrackedItem(7, 0.0, 0.0, (0.1, 0.1), 0.1, 1, 99, 12, is_touching, ("glass", "metal"))
    item.evidence = [Evidence(10 + i, (p, 1 - p), 1.0, 0.0) for i, p in enumerate(glass)]
    return item


def test_a_sure_item_goes_to_its_bin_with_the_evidence() -> None:
    decision = judge_item(tracked(0.9, 0.8, 1.0), ROUTING)
    assert (decision.item_id, decision.material, decision.bin) == (7, "glass", "glass")
    assert decision.reason is Reason.ACCEPTED
    assert decision.confidence == pytest.approx(0.9)
    assert decision.probabilities == pytest.approx({"glass": 0.9, "metal": 0.1})
    assert (decision.stamp_ns, decision.evidence_frames) == (12, 12)
    assert decision.detail == "glass 0.90, margin 0.80"


@pytest.mark.parametrize(
    ("item", "reason", "detail"),
    [
        (
            tracked(),
            Reason.TOO_FEW_FRAMES,
            "classified in 0 frames, fewer than 2 (not classified)",
        ),
        (tracked(1.0), Reason.TOO_FEW_FRAMES, "classified in 1 frames, fewer than 2 (glass 1.00)"),
        (
            tracked(1.0, 1.0, is_touching=True),
            Reason.OVERLAPPING,
            "touches or overlaps another item (glass 1.00)",
        ),
        (
            tracked(0.6, 0.6),
            Reason.LOW_CONFIDENCE,
            "confidence 0.60 < 0.70 for glass",
        ),
    ],
)
def test_what_is_not_sure_is_rejected_with_the_figures(
    item: TrackedItem, reason: Reason, detail: str
) -> None:
    decision = judge_item(item, ROUTING)
    assert (decision.bin, decision.reason, decision.detail) == ("residue", reason, detail)


def test_an_item_never_classified_has_no_material_and_its_last_sighting() -> None:
    decision = judge_item(tracked(), ROUTING)
    assert (decision.material, decision.confidence, decision.stamp_ns) == ("", 0.0, 99)
    assert decision.probabilities == {}


def test_touching_items_are_let_through_on_request() -> None:
    item = tracked(1.0, 1.0, is_touching=True)
    assert judge_item(item, ROUTING, JudgeConfig(reject_touching=False)).bin == "glass"


def test_ties_fall_by_name() -> None:
    assert judge_item(tracked(0.5, 0.5), ROUTING).material == "glass"


def test_costs_reject_what_limits_let_through() -> None:
    data = routing_data()
    data["costs"] = {"materials": {"metal": {"bins": {"glass": 20.0}}}}
    decision = judge_item(tracked(0.9, 0.9), parse_routing(data))
    assert (decision.bin, decision.reason) == ("residue", Reason.COST)
    assert "expected cost 0.5 in residue < " in decision.detail


def test_the_pool_is_a_choice() -> None:
    item = tracked(0.99, 0.3)
    linear = judge_item(item, ROUTING, None, FusionConfig("linear"))
    log = judge_item(item, ROUTING, None, FusionConfig("log"))
    assert linear.confidence == pytest.approx(0.645)
    assert log.confidence > 0.8


@pytest.mark.parametrize("value", [0, 31])
def test_a_wrong_limit_is_refused(value: int) -> None:
    with pytest.raises(InvalidInputError, match="min_evidence_frames"):
        JudgeConfig(min_evidence_frames=value)
