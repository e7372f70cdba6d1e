# SPDX-License-Identifier: Apache-2.0
"""Positions in between, and what follows from them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.belt.history import MARGIN, PositionHistory, Prediction
from recycle_sorter.core.belt.series import Series
from recycle_sorter.core.errors import InvalidInputError

MS = 1_000_000
SEC = 1000 * MS


def filled(positions_m: list[float], step_ns: int = 10 * MS, max_speed: float = 5.0):  # type: ignore[no-untyped-def]
    history = PositionHistory(max_speed)
    for k, position_m in enumerate(positions_m):
        assert history.add(k * step_ns, position_m)
    return history


def test_nothing_is_known_without_samples() -> None:
    history = PositionHistory()
    assert history.position_m(SEC) is None
    assert history.predict(SEC) is None
    assert history.speed_m_per_sec(SEC) == 0.0
    assert history.newest_ns is None


def test_one_sample_is_a_belt_that_stands() -> None:
    history = filled([0.25])
    assert history.predict(SEC) == Prediction(SEC, 0.25, 0.0, 0.0, 5.0)
    assert history.position_m(-1) is None


def test_between_samples_it_interpolates() -> None:
    history = filled([0.0, 0.01, 0.03])
    assert history.position_m(10 * MS) == 0.01
    assert history.position_m(5 * MS) == pytest.approx(0.005)
    assert history.position_m(15 * MS) == pytest.approx(0.02)


def test_beyond_the_newest_it_predicts() -> None:
    history = filled([0.5 * k * 0.01 for k in range(30)])
    assert history.position_m(390 * MS) == pytest.approx(0.195, abs=1e-6)
    assert history.speed_m_per_sec(300 * MS) == pytest.approx(0.5, abs=1e-6)


def test_a_ramp_is_carried_on() -> None:
    history = filled([0.5 * 0.8 * (k * 0.01) ** 2 for k in range(30)])
    found = history.predict(290 * MS)
    assert found is not None
    assert found.acceleration_m_per_sec2 == pytest.approx(0.8, rel=1e-3)
    assert found.position_at(340 * MS) == pytest.approx(0.5 * 0.8 * 0.34**2, abs=1e-5)


@pytest.mark.parametrize("position_m", [math.nan, math.inf, -math.inf])
def test_times_must_grow_and_positions_be_numbers(position_m: float) -> None:
    history = filled([0.0, 0.1])
    assert not history.add(10 * MS, 0.2)
    assert not history.add(5 * MS, 0.2)
    assert not history.add(20 * MS, position_m)
    assert (len(history), history.refused) == (2, 3)


def test_old_samples_are_forgotten() -> None:
    history = PositionHistory(max_samples=10)
    for k in range(1000):
        history.add(k * MS, k * 0.001)
        assert len(history) < 20
    assert history.position_m(100 * MS) is None
    assert history.predict(100 * MS) is None
    assert history.position_m(995 * MS) == pytest.approx(0.995)


def test_samples_of_later_change_no_prediction() -> None:
    history, whole = PositionHistory(), PositionHistory()
    positions_m = [0.3 * k * 0.01 if k < 40 else 0.12 for k in range(80)]
    for k, position_m in enumerate(positions_m):
        whole.add(k * 10 * MS, position_m)
    for k, position_m in enumerate(positions_m):
        history.add(k * 10 * MS, position_m)
        now_ns = k * 10 * MS + 3 * MS
        assert whole.predict(now_ns) == history.predict(now_ns)


def test_a_belt_that_stops_is_never_predicted_to_run_backwards() -> None:
    for stop_sec in (0.02, 0.1, 0.25, 0.5):
        history = PositionHistory()
        now_ns, position_m, speed = 0, 0.0, 0.6
        for _ in range(150):
            history.add(now_ns, math.floor(position_m / 0.0005) * 0.0005)
            found = history.predict(now_ns + 4 * MS)
            assert found is not None
            assert found.speed_m_per_sec >= 0.0
            ahead = [found.position_at(now_ns + k * 10 * MS) for k in range(100)]
            assert ahead == sorted(ahead)
            now_ns += 10 * MS
            position_m += speed * 0.01
            if now_ns > 300 * MS:
                speed = max(0.0, speed - 0.6 * 0.01 / stop_sec)
        assert found.speed_m_per_sec == pytest.approx(0.0, abs=1e-9)


def test_a_reverse_jog_is_predicted_backwards() -> None:
    history = filled([-0.1 * k * 0.01 for k in range(30)])
    found = history.predict(290 * MS)
    assert found is not None
    assert found.speed_m_per_sec == pytest.approx(-0.1, abs=1e-6)
    assert found.time_at(found.position_m + 0.01) is None


def test_after_a_pause_it_takes_the_mean_speed_over_it() -> None:
    history = filled([0.5 * k * 0.01 for k in range(20)])
    history.add(2190 * MS, 1.095)
    assert history.speed_m_per_sec(2190 * MS) == pytest.approx(0.5, abs=1e-6)


def test_crowded_samples_claim_no_speed_beyond_what_is_believed() -> None:
    history = PositionHistory(max_speed_m_per_sec=1.0)
    history.add(0, 0.0)
    history.add(1, 0.0005)
    found = history.predict(1)
    assert found is not None
    assert found.speed_m_per_sec == MARGIN


def test_a_prediction_stops_at_its_bounds() -> None:
    slowing = Prediction(0, 1.0, 0.5, -1.0)
    assert slowing.position_at(10 * SEC) == pytest.approx(1.125)
    assert slowing.time_at(1.125 - 1e-9) == pytest.approx(SEC // 2, abs=100_000)
    assert slowing.time_at(1.126) is None
    assert slowing.speed_at(SEC) == 0.0
    rising = Prediction(0, 0.0, 0.5, 1.0, 1.0)
    assert rising.speed_at(5 * SEC) == 1.0
    assert rising.position_at(SEC) == pytest.approx(0.375 + 0.5)
    assert rising.time_at(0.875) == pytest.approx(SEC, abs=2)
    assert Prediction(0, 0.0, 0.0, 1.0).time_at(0.1) is None
    assert Prediction(5, 0.3, 0.0).time_at(0.3) == 5
    assert rising.position_at(-SEC) == pytest.approx(-0.5)


@given(
    st.floats(-2.0, 2.0),
    st.floats(-10.0, 10.0),
    st.floats(0.1, 3.0),
    st.floats(0.0001, 5.0),
)
def test_time_and_position_agree(
    speed: float, acceleration: float, max_speed: float, way_m: float
) -> None:
    found = Prediction(7 * SEC, 100.0, speed, acceleration, max_speed)
    when_ns = found.time_at(100.0 + way_m)
    if when_ns is None:
        assert found.position_at(7 * SEC + 10**18) < 100.0 + way_m + 1e-6
        return
    assert when_ns >= found.steady_ns
    assert found.position_at(when_ns) == pytest.approx(100.0 + way_m, abs=1e-6)
    halfway_ns = (when_ns + found.steady_ns) // 2
    later = found.at(halfway_ns)
    again_ns = later.time_at(100.0 + way_m)
    assert again_ns is not None
    assert abs(found.position_at(again_ns) - found.position_at(when_ns)) < 1e-6


@given(
    st.lists(st.tuples(st.integers(1, 300 * MS), st.floats(-0.02, 0.05)), min_size=1, max_size=60),
    st.integers(0, 2 * SEC),
)
def test_any_history_gives_finite_predictions(
    steps: list[tuple[int, float]], after_ns: int
) -> None:
    history = PositionHistory(max_speed_m_per_sec=2.0)
    now_ns, position_m = 0, 0.0
    for pause_ns, way_m in steps:
        now_ns, position_m = now_ns + pause_ns, position_m + way_m
        history.add(now_ns, position_m)
        found = history.predict(now_ns + after_ns)
        assert found is not None
        assert math.isfinite(found.position_m)
        assert abs(found.speed_m_per_sec) <= MARGIN * 2.0
        assert history.position_m(now_ns) == position_m
        when_ns = found.time_at(found.position_m + 0.1)
        assert when_ns is None or when_ns > now_ns


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_a_bad_maximum_is_refused_by_name(value: float) -> None:
    with pytest.raises(InvalidInputError) as caught:
        PositionHistory(value)
    assert caught.value.field == "max_speed_m_per_sec"


def test_a_series_needs_room_for_two() -> None:
    with pytest.raises(InvalidInputError) as caught:
        Series(1)
    assert caught.value.field == "max_samples"
