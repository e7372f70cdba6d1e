# SPDX-License-Identifier: Apache-2.0
"""What routing says to probabilities: one known bin, and everything unsure rejected."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sorting import routing, routing_data, sure

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.routing import Routing
from recycle_sorter.core.routing_file import parse_routing
from recycle_sorter.core.types import Reason

ROUTING = routing()
PROBABILITY = st.floats(0.0, 1.0)


def by_material(material: str, confidence: float) -> dict[str, float]:
    return dict(zip(MATERIALS, sure(material, confidence), strict=True))


@pytest.mark.parametrize(
    ("material", "bin_name"),
    [
        ("cardboard", "fibre"),
        ("glass", "glass"),
        ("metal", "metal"),
        ("paper", "fibre"),
        ("plastic", "plastic"),
        ("trash", "residue"),
    ],
)
def test_a_sure_material_goes_to_its_bin(material: str, bin_name: str) -> None:
    verdict = ROUTING.judge(by_material(material, 0.9))
    assert (verdict.material, verdict.confidence) == (material, 0.9)
    assert (verdict.bin.name, verdict.reason) == (bin_name, Reason.ACCEPTED)
    assert verdict.detail == f"{material} 0.90, margin 0.88"


def test_limits_are_those_of_the_material_and_inclusive() -> None:
    at_limit = {"glass": 0.7, "metal": 0.3}
    assert ROUTING.judge(at_limit).reason is Reason.ACCEPTED
    below = {"glass": math.nextafter(0.7, 0), "metal": 0.3}
    assert ROUTING.judge(below).reason is Reason.LOW_CONFIDENCE
    assert ROUTING.judge({"metal": 0.69, "glass": 0.31}).reason is Reason.ACCEPTED


def test_low_confidence_is_rejected_with_the_figures() -> None:
    verdict = ROUTING.judge({"glass": 0.41, "metal": 0.3, "paper": 0.29})
    assert (verdict.bin.name, verdict.reason) == ("residue", Reason.LOW_CONFIDENCE)
    assert verdict.detail == "confidence 0.41 < 0.70 for glass"


def test_a_close_runner_up_is_rejected_and_named() -> None:
    verdict = ROUTING.judge({"paper": 0.6, "cardboard": 0.4})
    assert (verdict.bin.name, verdict.reason) == ("residue", Reason.LOW_MARGIN)
    assert verdict.detail == "margin 0.20 < 0.30 (paper over cardboard)"


def test_a_material_without_rule_is_rejected() -> None:
    verdict = ROUTING.judge({"wood": 1.0})
    assert (verdict.bin.name, verdict.reason) == ("residue", Reason.UNKNOWN_MATERIAL)
    assert verdict.detail == "no rule for wood"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.01, 1.01])
def test_what_is_no_probability_is_refused_by_name(value: float) -> None:
    with pytest.raises(InvalidInputError) as caught:
        ROUTING.judge({"glass": 0.5, "metal": value})
    assert caught.value.field == "probabilities.metal"


def test_no_probability_at_all_is_refused() -> None:
    with pytest.raises(InvalidInputError) as caught:
        ROUTING.judge({})
    assert caught.value.field == "probabilities"


def test_materials_keep_the_order_of_the_file() -> None:
    assert ROUTING.materials == MATERIALS


@given(st.dictionaries(st.sampled_from([*MATERIALS, "wood", "cork"]), PROBABILITY, min_size=1))
def test_any_probabilities_lead_to_one_known_bin_for_the_right_reason(
    probabilities: dict[str, float],
) -> None:
    verdict = ROUTING.judge(probabilities)
    values = sorted(probabilities.values(), reverse=True)
    margin = values[0] - (values[1] if len(values) > 1 else 0.0)
    assert verdict.confidence == probabilities[verdict.material] == values[0]
    assert verdict.bin == ROUTING.bins[verdict.bin.name]
    assert verdict.detail
    rule = ROUTING.rules.get(verdict.material)
    if rule is None:
        expected = Reason.UNKNOWN_MATERIAL
    elif values[0] < rule.min_confidence:
        expected = Reason.LOW_CONFIDENCE
    elif margin < rule.min_margin:
        expected = Reason.LOW_MARGIN
    else:
        expected = Reason.ACCEPTED
    assert verdict.reason is expected
    accepted_bin = rule.bin if rule else ""
    assert verdict.bin.name == (accepted_bin if expected is Reason.ACCEPTED else "residue")


@given(
    st.dictionaries(
        st.sampled_from(MATERIALS), st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=2
    ),
    st.randoms(use_true_random=False),
)
def test_ties_fall_the_same_way_in_any_order(
    probabilities: dict[str, float], random: Random
) -> None:
    shuffled = list(probabilities.items())
    random.shuffle(shuffled)
    verdict = ROUTING.judge(probabilities)
    assert ROUTING.judge(dict(shuffled)) == verdict
    best = max(probabilities.values())
    assert verdict.material == min(m for m, p in probabilities.items() if p == best)


def with_costs(costs: dict[str, object]) -> Routing:
    data = routing_data()
    data["defaults"] = {"min_confidence": 0.0, "min_margin": 0.0}
    data["materials"] = {m: {"bin": rule["bin"]} for m, rule in data["materials"].items()}
    data["costs"] = costs
    return parse_routing(data)


def test_default_costs_accept_what_is_more_likely_right_than_wrong() -> None:
    costly = with_costs({})
    verdict = costly.judge({"glass": 0.6, "metal": 0.4})
    assert (verdict.bin.name, verdict.reason) == ("glass", Reason.ACCEPTED)
    assert verdict.detail == "glass 0.60, margin 0.20, expected cost 0.4 in glass"
    verdict = costly.judge({"glass": 0.4, "metal": 0.3, "plastic": 0.3})
    assert (verdict.bin.name, verdict.reason) == ("residue", Reason.COST)
    assert verdict.detail == (
        "expected cost 0.5 in residue < 0.6 in glass (glass 0.40, margin 0.10)"
    )


def test_materials_of_one_bin_add_up_and_a_cheaper_bin_wins() -> None:
    verdict = with_costs({}).judge({"glass": 0.4, "paper": 0.3, "cardboard": 0.3})
    assert (verdict.material, verdict.bin.name) == ("glass", "fibre")
    assert verdict.reason is Reason.ACCEPTED
    assert verdict.detail.endswith("expected cost 0.4 in fibre < 0.6 in glass")


def test_rubbish_in_its_own_bin_is_no_loss() -> None:
    verdict = with_costs({"loss": 5.0}).judge({"trash": 1.0})
    assert (verdict.bin.name, verdict.reason) == ("residue", Reason.ACCEPTED)


def test_limits_hold_before_costs() -> None:
    data = routing_data()
    data["costs"] = {}
    assert parse_routing(data).judge({"glass": 0.6, "metal": 0.4}) == ROUTING.judge(
        {"glass": 0.6, "metal": 0.4}
    )


@given(
    st.dictionaries(st.sampled_from([*MATERIALS, "wood"]), PROBABILITY, min_size=1),
    st.floats(0.0, 10.0),
    st.floats(0.0, 10.0),
    st.randoms(use_true_random=False),
)
def test_the_cheapest_bin_wins_in_any_order(
    probabilities: dict[str, float], contamination: float, loss: float, random: Random
) -> None:
    costly = with_costs({"contamination": contamination, "loss": loss})
    verdict = costly.judge(probabilities)
    shuffled = list(probabilities.items())
    random.shuffle(shuffled)
    assert costly.judge(dict(shuffled)) == verdict
    if verdict.material in costly.rules:
        assert costly.costs is not None
        expected = costly.costs.expected(probabilities, costly.bins, costly.reject_bin)
        assert expected[verdict.bin.name] == min(expected.values())
