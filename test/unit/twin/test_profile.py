# SPDX-License-Identifier: Apache-2.0
"""The belt's speed: integrated exactly, and turned round into times."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.profile import SpeedProfile
from recycle_sorter.twin.speed import SpeedSpec

SEC = NS_PER_SEC
speeds = st.floats(-1.0, 2.0).map(lambda value: round(value, 3))
knots = st.lists(st.tuples(st.floats(0.05, 5.0), speeds), min_size=1, max_size=8).map(
    lambda steps: [
        (sum(span for span, _ in steps[:index]), speed) for index, (_, speed) in enumerate(steps)
    ]
)


def test_a_constant_speed() -> None:
    profile = SpeedProfile([(0.0, 0.5)])
    assert profile.position_m(4 * SEC) == pytest.approx(2.0)
    assert profile.position_m(-SEC) == 0.0
    assert profile.speed_m_per_sec(-SEC) == 0.5
    assert profile.reaches_ns(2.0) == 4 * SEC
    assert profile.reaches_ns(-0.1) is None


def test_a_ramp_up_and_down_repeats() -> None:
    profile = SpeedProfile([(0.0, 0.2), (10.0, 1.0), (20.0, 0.2)], repeats=True)
    assert profile.position_m(10 * SEC) == pytest.approx(6.0)
    assert profile.speed_m_per_sec(10 * SEC) == pytest.approx(1.0)
    assert profile.position_m(50 * SEC) == pytest.approx(30.0)
    assert profile.mean_m_per_sec() == pytest.approx(0.6)


def test_the_first_time_counts_where_the_belt_backs_up() -> None:
    # 1 m forward, 0.5 m back, and on.
    profile = SpeedProfile([(0, 1), (0.5, 1), (1.5, 0), (2.5, -0.5), (3, -0.5), (4, 0), (5, 1)])
    reached = profile.reaches_ns(0.9)
    assert reached is not None
    assert profile.position_m(reached) == pytest.approx(0.9)
    later = [t for t in range(0, 7 * SEC, SEC // 100) if profile.position_m(t) >= 0.9]
    assert later[0] == pytest.approx(reached, abs=SEC // 100)
    assert any(t > 3 * SEC for t in later)


def test_one_that_stands_never_arrives() -> None:
    assert SpeedProfile([(0.0, 1.0), (1.0, 0.0)]).reaches_ns(0.6) is None
    assert SpeedProfile([(0.0, 1.0), (1.0, 0.0)]).reaches_ns(0.5) == SEC


@given(knots, st.booleans(), st.integers(0, 60 * SEC))
def test_position_is_the_integral_of_speed(
    points: list[tuple[float, float]], repeats: bool, time_ns: int
) -> None:
    profile = SpeedProfile(points, repeats and len(points) > 1)
    step_ns = SEC // 1000
    middle = profile.speed_m_per_sec(time_ns + step_ns // 2) * step_ns / SEC
    moved = profile.position_m(time_ns + step_ns) - profile.position_m(time_ns)
    assert moved == pytest.approx(middle, abs=0.004)  # a jump of speed where it begins again


@given(knots, st.booleans(), st.integers(0, 60 * SEC))
def test_a_place_is_first_reached_no_later_than_now(
    points: list[tuple[float, float]], repeats: bool, time_ns: int
) -> None:
    profile = SpeedProfile(points, repeats and len(points) > 1)
    place_m = profile.position_m(time_ns)
    reached = profile.reaches_ns(place_m)
    assert reached is not None
    assert reached <= time_ns + 200_000
    assert profile.position_m(reached) == pytest.approx(place_m, abs=1e-6)


@given(knots, st.booleans(), st.floats(-5.0, 30.0), st.integers(0, 60 * SEC))
def test_before_it_is_reached_the_belt_was_on_one_side(
    points: list[tuple[float, float]], repeats: bool, place_m: float, time_ns: int
) -> None:
    profile = SpeedProfile(points, repeats and len(points) > 1)
    reached = profile.reaches_ns(place_m)
    if reached is None or time_ns < reached:
        off = profile.position_m(time_ns) - place_m
        assert off <= 1e-6 if place_m >= 0.0 else off >= -1e-6


@pytest.mark.parametrize(
    "points",
    [[], [(1.0, 0.5)], [(0.0, 0.5), (0.0, 1.0)], [(0.0, float("nan"))], [(0.0, 1.0), (-1.0, 1.0)]],
)
def test_bad_points_are_refused(points: list[tuple[float, float]]) -> None:
    with pytest.raises(InvalidInputError, match=r"speed\.points"):
        SpeedProfile(points)


@pytest.mark.parametrize(
    ("kind", "mean"),
    [("constant", 0.5), ("ramp", 0.6), ("stop_and_go", 3.25 / 9), ("jog", 3.145 / 12.3)],
)
def test_kinds_get_on(kind: str, mean: float) -> None:
    profile = SpeedSpec(kind=kind).profile()
    assert profile.mean_m_per_sec() == pytest.approx(mean)
    slowest = min(profile.speed_m_per_sec(t * SEC // 10) for t in range(300))
    assert slowest == {"constant": 0.5, "ramp": 0.2, "stop_and_go": 0.0, "jog": -0.1}[kind]
    steps = [profile.speed_m_per_sec(t * SEC // 1000) for t in range(30_000)]
    steepest = max(abs(b - a) for a, b in pairwise(steps))
    assert steepest < 0.003  # no jumps
