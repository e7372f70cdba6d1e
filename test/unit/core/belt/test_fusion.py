# SPDX-License-Identifier: Apache-2.0
"""Fusion: pooled probabilities stay probabilities, in any order, and evidence stays bounded."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.belt.fusion import (
    FusionConfig,
    add_evidence,
    best_frame,
    fuse,
    is_usable,
)
from recycle_sorter.core.belt.types import Detection, Evidence, TrackedItem
from recycle_sorter.core.errors import InvalidInputError


def tracked(*evidence: Evidence) -> TrackedItem:
    item = TrackedItem(1, 0.0, 0.0, (0.1, 0.1), 0.1, 1, 1, materials=("glass", "metal"))
    item.evidence = list(evidence)
    return item


def say(glass: float, weight: float = 1.0, offset_m: float = 0.0, steady_ns: int = 1) -> Evidence:
    return Evidence(steady_ns, (glass, 1 - glass), weight, offset_m)


def test_the_mean_weighs_its_pictures() -> None:
    item = tracked(say(0.9, 1.0), say(0.3, 0.5))
    assert fuse(item, FusionConfig())["glass"] == pytest.approx(0.7)


def test_the_geometric_mean_is_tempered() -> None:
    item = tracked(say(0.8), say(0.8))
    assert fuse(item, FusionConfig("log"))["glass"] == pytest.approx(0.8)
    sharp = fuse(item, FusionConfig("log", temper=2.0))["glass"]
    assert sharp == pytest.approx(0.64 / (0.64 + 0.04))


def test_a_probability_of_0_vetoes_nothing() -> None:
    found = fuse(tracked(say(0.0), say(1.0)), FusionConfig("log"))
    assert found["glass"] == pytest.approx(0.5)


def test_nothing_classified_is_nothing() -> None:
    assert fuse(tracked(), FusionConfig()) == {}
    assert best_frame(tracked()) is None
    assert best_frame(tracked(), "middle") is None


def test_the_best_frame_is_the_surest_or_the_one_in_the_middle() -> None:
    a, b, c = say(0.6, offset_m=0.01), say(0.1, offset_m=-0.3), say(0.9, offset_m=0.2)
    item = tracked(a, b, c)
    assert best_frame(item) is b  # as sure as the last, and older
    assert best_frame(item, "middle") is a
    with pytest.raises(InvalidInputError, match="rule"):
        best_frame(item, "last")


def test_cut_and_touching_views_weigh_less() -> None:
    config = FusionConfig(cut_weight=0.25, touching_weight=0.5)
    whole = Detection((0, 0, 1, 1), (0.1, 0.0), (0.1, 0.1), 0.01)
    cut = Detection((0, 0, 1, 1), (0.1, 0.0), (0.1, 0.1), 0.01, is_whole=False, is_touching=True)
    assert (config.weight(whole), config.weight(cut)) == (1.0, 0.125)


@pytest.mark.parametrize(
    ("sureness", "weights"), [(0.0, (1.0, 1.0)), (1.0, (0.9, 0.5)), (2.0, (0.81, 0.25))]
)
def test_sure_views_weigh_more(sureness: float, weights: tuple[float, float]) -> None:
    config = FusionConfig(sureness=sureness)
    said = [
        Detection((0, 0, 1, 1), (0.1, 0.0), (0.1, 0.1), 0.01, probabilities=(glass, 1.0 - glass))
        for glass in (0.9, 0.5)
    ]
    assert tuple(map(config.weight, said)) == pytest.approx(weights)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("fusion", "max"),
        ("temper", 0.0),
        ("temper", math.nan),
        ("cut_weight", 1.1),
        ("sureness", -0.1),
        ("sureness", math.nan),
        ("sureness", 10.1),
    ],
)
def test_a_wrong_setting_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        FusionConfig(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field


@pytest.mark.parametrize(
    "values", [(), (0.5,), (0.5, 0.6), (math.nan, 0.5), (-0.1, 1.1), (math.inf, 0.0)]
)
def test_what_is_no_distribution_is_not_usable(values: tuple[float, ...]) -> None:
    assert not is_usable(values, 2)
    assert is_usable((0.25, 0.75), 2)


@given(
    views=st.lists(st.tuples(st.floats(0, 1), st.floats(0.01, 1)), min_size=1, max_size=60),
    fusion=st.sampled_from(["linear", "log"]),
    temper=st.floats(0.1, 50),
    random=st.randoms(use_true_random=False),
)
def test_any_evidence_gives_probabilities_whatever_its_order(
    views: list[tuple[float, float]], fusion: str, temper: float, random: Random
) -> None:
    evidence = [say(glass, weight) for glass, weight in views]
    config = FusionConfig(fusion, temper)
    found = fuse(tracked(*evidence), config)
    assert sum(found.values()) == pytest.approx(1.0)
    assert all(0.0 <= p <= 1.0 for p in found.values())
    random.shuffle(evidence)
    assert fuse(tracked(*evidence), config) == found
    if fusion == "linear":  # never surer than its pictures
        low, high = min(g for g, _ in views), max(g for g, _ in views)
        assert low - 1e-9 <= found["glass"] <= high + 1e-9


@given(offsets_m=st.lists(st.floats(-0.4, 0.4), min_size=1, max_size=80), limit=st.integers(2, 10))
def test_evidence_is_bounded_in_order_and_keeps_the_newest(
    offsets_m: list[float], limit: int
) -> None:
    item = tracked()
    for i, offset_m in enumerate(offsets_m):
        add_evidence(item, say(0.5, 1.0, offset_m, i + 1), limit)
        stamps = [one.steady_ns for one in item.evidence]
        assert len(stamps) == min(i + 1, limit)
        assert stamps == sorted(stamps)
        assert stamps[-1] == i + 1


def test_a_long_stop_does_not_push_out_the_other_views() -> None:
    item = tracked()
    for i in range(10):
        add_evidence(item, say(0.5, 1.0, -0.4 + 0.04 * i, i + 1), 20)
    for i in range(1000):
        add_evidence(item, say(0.5, 1.0, 0.0, 11 + i), 20)
    assert [one.steady_ns for one in item.evidence[:10]] == list(range(1, 11))


def test_of_two_like_views_the_lighter_goes() -> None:
    item = tracked(say(0.5, 1.0, 0.0, 1), say(0.5, 0.3, 0.001, 2))
    add_evidence(item, say(0.5, 1.0, 0.3, 3), 2)
    assert [one.steady_ns for one in item.evidence] == [1, 3]
