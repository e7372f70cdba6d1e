# SPDX-License-Identifier: Apache-2.0
"""What lies on the belt: pace, gaps, overlaps, sizes, truth."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.twin_data import library, seeded

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.library import Library
from recycle_sorter.twin.scenario import START_NS, Scenario
from recycle_sorter.twin.world import TwinItem, make_items


def lay(scenario: Scenario, pictures: Library | None = None) -> tuple[TwinItem, ...]:
    return make_items(scenario, pictures or library(), scenario.speed.profile(), START_NS)


def ends(item: TwinItem) -> tuple[float, float]:
    return item.s_m + item.front_m - item.along_m, item.s_m + item.front_m


def common_m2(one: TwinItem, other: TwinItem) -> float:
    outlines = [
        (np.add(i.outline_m, (i.s_m - one.s_m, i.y_m)) * 1000).astype(np.float32)
        for i in (one, other)
    ]
    return float(cv2.intersectConvexConvex(*outlines)[0]) / 1e6


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32),
    per_min=st.floats(10.0, 600.0),
    gap_m=st.floats(0.0, 0.2),
    across=st.floats(0.0, 1.0),
    jitter=st.floats(0.0, 1.0),
)
def test_separate_items_keep_their_distance(
    seed: int, per_min: float, gap_m: float, across: float, jitter: float
) -> None:
    items = lay(
        seeded(
            seed, items__count=30, items__per_min=per_min, items__min_gap_m=gap_m,
            items__across=across, items__jitter=jitter,
        )
    )  # fmt: skip
    assert [item.item_id for item in items] == list(range(1, 31))
    for first, second in pairwise(items):
        assert ends(first)[0] - ends(second)[1] >= gap_m - 1e-9
    for item in items:
        assert not item.is_overlapping
        assert np.abs(item.y_m + item.outline_m[:, 1]).max() <= 0.55 / 2
        assert item.width_m <= item.length_m


def test_the_pace_is_kept_where_there_is_room() -> None:
    items = lay(seeded(1, items__count=200, items__per_min=80.0))
    span_m = items[0].s_m - items[-1].s_m
    assert span_m / 199 == pytest.approx(0.5 * 60 / 80, rel=0.02)
    # The first front enters once the belt has been empty for long enough, give or take jitter.
    assert (items[0].enter_ns - START_NS) / NS_PER_SEC == pytest.approx(0.5, abs=0.5)


def test_as_many_as_the_duration_brings() -> None:
    items = lay(seeded(1, items__count=None, duration_sec=31.0, items__per_min=120.0))
    assert len(items) == pytest.approx(61, abs=2)
    assert all(START_NS < item.enter_ns <= START_NS + 31 * NS_PER_SEC for item in items)


@pytest.mark.parametrize("share", [0.2, 0.6, 1.0])
def test_the_share_of_overlaps(share: float) -> None:
    items = lay(seeded(4, items__count=400, items__overlap_share=share))
    marked = {item.item_id for item in items if item.is_overlapping}
    assert len(marked) / len(items) == pytest.approx(share, abs=0.08)
    near = [(a, b) for i, a in enumerate(items) for b in items[i + 1 : i + 5]]
    lying = {item.item_id for pair in near if common_m2(*pair) > 0.0 for item in pair}
    assert lying == marked


def test_sizes_can_be_set() -> None:
    scenario = seeded(1, items__count=60, items__size_m=(0.04, 0.09))
    lengths = {item.length_m for item in lay(scenario, library(a=0.05, b=0.10, c=0.20))}
    assert sorted(lengths) == pytest.approx([0.04, 0.04 + 0.05 / 3, 0.09])


def test_weights_of_the_materials() -> None:
    weights = {"glass": 3.0, "metal": 1.0, "paper": 0.0}
    items = lay(seeded(2, items__count=400, items__materials=weights))
    counts = Counter(item.material for item in items)
    assert set(counts) == {"glass", "metal"}
    assert counts["glass"] / 400 == pytest.approx(0.75, abs=0.06)


def test_unrotated_items_lie_as_in_their_pictures() -> None:
    for item in lay(seeded(1, items__is_rotated=False)):
        assert item.along_m == pytest.approx(item.length_m)
        assert item.across_m == pytest.approx(item.width_m)


def test_a_narrow_belt_carries_items_lengthwise_or_not_at_all() -> None:
    for item in lay(seeded(1, belt__width_m=0.09)):
        assert item.across_m <= 0.07 + 1e-9
    with pytest.raises(InvalidInputError, match=r"belt\.width_m"):
        lay(seeded(1, belt__width_m=0.06))


def test_an_unknown_material_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"items\.materials\.gold"):
        lay(seeded(1, items__materials={"gold": 1.0}))


def test_a_seed_sets_the_world() -> None:
    def places(seed: int) -> list[Any]:
        return [(i.material, i.s_m, i.y_m, i.angle_rad, i.enter_ns) for i in lay(seeded(seed))]

    assert places(5) == places(5)
    assert places(5) != places(6)
