# SPDX-License-Identifier: Apache-2.0
"""What belongs to one kind of motion only: counters that wrap, wild values, pictures that fail."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.belt_motions import TrueBelt, through

from recycle_sorter.core.belt.motion import EncoderMotion, PictureMotion, SpeedMotion
from recycle_sorter.core.errors import InvalidInputError

MS = 1_000_000
SEC = 1000 * MS
FRAME_NS = 33_333_333


@pytest.mark.parametrize(
    ("profile", "limit_m"),
    [
        # 0.2 to 1.0 m/s within a second, and back
        (through((0, 0.2), (1, 0.2), (2, 1.0), (3, 1.0), (4, 0.2), (6, 0.2)), 0.005),
        # stops and starts within a quarter of a second
        (through((0, 0.5), (1, 0.5), (1.25, 0), (2, 0), (2.25, 0.5), (4, 0.5), (4.25, 0)), 0.008),
    ],
    ids=["ramps", "stop-and-go"],
)
def test_an_encoder_predicts_50_ms_ahead_within_millimetres(
    profile: Callable[[float], float], limit_m: float
) -> None:
    belt = TrueBelt(profile, 6.0)
    motion = EncoderMotion(0.0005)
    place_m, time_m = [], []
    for step in range(1400):
        now_ns = step * 4 * MS
        if now_ns % (20 * MS) in (0, 12 * MS):  # about 100 Hz, at the ticks' own pace
            motion.on_ticks(math.floor(belt.position_m(now_ns) / 0.0005), now_ns)
        if step < 50:
            continue
        state = motion.predict(now_ns)
        assert state is not None
        then_ns = now_ns + 50 * MS
        there_m = belt.position_m(then_ns)
        place_m.append(abs(state.position_at(then_ns) - there_m))
        when_ns = state.time_at(there_m)
        if when_ns is not None and now_ns < when_ns < now_ns + 100 * MS:
            time_m.append(abs(belt.position_m(when_ns) - there_m))
    for errors_m in (sorted(place_m), sorted(time_m)):
        assert len(errors_m) > 500
        assert errors_m[round(0.99 * len(errors_m)) - 1] < 0.0055
        assert errors_m[-1] < limit_m


@pytest.mark.parametrize("wrap_bits", [8, 16, 32, 64])
@pytest.mark.parametrize("step", [7, -7])
def test_a_counter_wraps_either_way(wrap_bits: int, step: int) -> None:
    motion = EncoderMotion(0.001, wrap_bits)
    size = 2**wrap_bits
    for k in range(100):
        assert motion.on_ticks((size - 50 + 50 * (step < 0) + k * step) % size, k * 10 * MS)
    assert motion.position_m(990 * MS) == pytest.approx(99 * step * 0.001)
    assert motion.restarts == 0


def test_a_signed_counter_wraps_too() -> None:
    motion = EncoderMotion(0.001, 32)
    motion.on_ticks(2**31 - 3, 0)
    motion.on_ticks(-(2**31) + 4, 10 * MS)
    assert motion.position_m(10 * MS) == pytest.approx(0.007)


def test_an_encoder_mounted_the_other_way_counts_forward() -> None:
    motion = EncoderMotion(-0.001)
    motion.on_ticks(100, 0)
    motion.on_ticks(90, 10 * MS)
    assert motion.position_m(10 * MS) == pytest.approx(0.010)


def test_lost_messages_cost_nothing() -> None:
    motion = EncoderMotion(0.0005)
    for k in range(200):
        if k % 10 < 3:
            motion.on_ticks(10 * k, k * 10 * MS)
    assert motion.position_m(1920 * MS) == pytest.approx(192 * 0.005)
    assert motion.position_m(1870 * MS) == pytest.approx(187 * 0.005)
    assert motion.refused == 0


def test_doubled_and_reordered_counts_are_refused() -> None:
    motion = EncoderMotion(0.0005)
    assert motion.on_ticks(0, 10 * MS)
    assert motion.on_ticks(10, 20 * MS)
    assert not motion.on_ticks(10, 20 * MS)
    assert not motion.on_ticks(5, 15 * MS)
    assert motion.on_ticks(20, 30 * MS)
    assert motion.position_m(30 * MS) == pytest.approx(0.010)
    assert motion.refused == 2


@pytest.mark.parametrize("wild", [0, 10**7, -(10**7), 2**63, 10**400])
def test_a_single_wild_count_is_refused(wild: int) -> None:
    motion = EncoderMotion(0.0005)
    for k in range(100):
        if k == 50:
            assert not motion.on_ticks(wild, k * 10 * MS)
        else:
            assert motion.on_ticks(100_000 + 10 * k, k * 10 * MS)
    assert motion.position_m(990 * MS) == pytest.approx(99 * 0.005)
    assert (motion.refused, motion.restarts) == (1, 0)


def test_a_counter_that_starts_again_keeps_the_belt_going() -> None:
    motion = EncoderMotion(0.0005)
    for k in range(200):
        ticks = 100_000 + 10 * k if k < 100 else 10 * (k - 100)
        motion.on_ticks(ticks, k * 10 * MS)
    assert motion.restarts == 1
    assert motion.position_m(1990 * MS) == pytest.approx(199 * 0.005, abs=0.001)


@given(
    st.lists(st.tuples(st.integers(-20, 40), st.sampled_from(["in", "lost", "double", "late"]))),
    st.sampled_from([0, 16, 32]),
    st.integers(0, 2**32),
)
def test_any_loss_and_disorder_leaves_the_position_of_the_last_count(
    steps: list[tuple[int, str]], wrap_bits: int, start: int
) -> None:
    motion = EncoderMotion(0.0005, wrap_bits)

    def shown(ticks: int) -> int:
        return ticks % 2**wrap_bits if wrap_bits else ticks

    motion.on_ticks(shown(start), SEC)
    ticks, taken, now_ns = start, start, SEC
    for step, how in steps:
        ticks, now_ns = ticks + step, now_ns + 10 * MS
        if how == "lost":
            continue
        assert motion.on_ticks(shown(ticks), now_ns)
        taken = ticks
        if how == "double":
            assert not motion.on_ticks(shown(ticks), now_ns)
        elif how == "late":
            assert not motion.on_ticks(shown(ticks - step), now_ns - 10 * MS)
    newest_ns = motion.newest_ns
    assert newest_ns is not None
    assert motion.position_m(newest_ns) == pytest.approx((taken - start) * 0.0005)


def test_a_constant_speed_is_never_stale() -> None:
    motion = SpeedMotion(0.5)
    assert motion.position_m(7 * SEC) == 0.0
    assert motion.position_m(9 * SEC) == 1.0
    state = motion.predict(8 * SEC)
    assert state is not None
    assert (state.position_m, state.speed_m_per_sec) == (0.5, 0.5)
    assert state.time_at(1.0) == 9 * SEC
    assert not motion.is_stale(10**6 * SEC)
    assert not motion.on_speed(0.4, 10 * SEC)
    assert motion.newest_ns is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 100.0, -100.0])
def test_an_impossible_speed_is_refused(value: float) -> None:
    motion = SpeedMotion(max_speed_m_per_sec=1.0)
    assert motion.on_speed(0.5, 0)
    assert not motion.on_speed(value, 10 * MS)
    assert motion.on_speed(0.5, 20 * MS)
    assert not motion.on_speed(0.5, 20 * MS)
    assert motion.position_m(20 * MS) == pytest.approx(0.010)
    assert motion.refused == 2


def test_a_speed_of_zero_is_a_belt_that_stands_at_once() -> None:
    motion = SpeedMotion()
    for k in range(20):
        motion.on_speed(0.5 if k < 19 else 0.0, k * 50 * MS)
    state = motion.predict(950 * MS)
    assert state is not None
    assert state.speed_m_per_sec == 0.0
    assert state.position_at(2 * SEC) == state.position_m


def test_dropped_pictures_are_bridged_by_the_last_speed() -> None:
    motion = PictureMotion()
    for k in range(60):
        shift_m = None if k == 0 or 20 <= k < 25 else 0.5 * FRAME_NS / SEC
        assert motion.on_shift(shift_m, k * FRAME_NS)
    assert motion.position_m(59 * FRAME_NS) == pytest.approx(59 * 0.5 * FRAME_NS / SEC)
    assert motion.bridged == 5


def test_pictures_that_show_nothing_make_it_stale_however_many_come() -> None:
    motion = PictureMotion(timeout_sec=0.5)
    for k in range(31):
        motion.on_shift(0.01 if 0 < k <= 10 else None, k * FRAME_NS)
    assert motion.newest_ns == 10 * FRAME_NS
    assert not motion.is_stale(20 * FRAME_NS)
    assert motion.is_stale(30 * FRAME_NS)


@pytest.mark.parametrize("wild_m", [math.nan, math.inf, 10.0, -10.0])
def test_an_impossible_shift_is_bridged(wild_m: float) -> None:
    motion = PictureMotion()
    for k in range(10):
        motion.on_shift(wild_m if k == 5 else 0.01, k * FRAME_NS)
    assert motion.position_m(9 * FRAME_NS) == pytest.approx(0.09)
    assert (motion.refused, motion.bridged) == (1, 1)


def test_pictures_out_of_order_lose_no_way() -> None:
    motion = PictureMotion()
    order = [0, 1, 2, 4, 3, 5, 5, 6, 7]  # pictures as they come; the belt moves 10 mm a picture
    before = 0
    for k in order:
        motion.on_shift((k - before) * 0.01, k * FRAME_NS)
        before = k
    assert motion.position_m(7 * FRAME_NS) == pytest.approx(0.07)
    assert motion.refused == 2


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("m_per_tick", lambda: EncoderMotion(0.0)),
        ("m_per_tick", lambda: EncoderMotion(math.nan)),
        ("wrap_bits", lambda: EncoderMotion(0.001, 3)),
        ("wrap_bits", lambda: EncoderMotion(0.001, 65)),
        ("timeout_sec", lambda: EncoderMotion(0.001, timeout_sec=0.0)),
        ("timeout_sec", lambda: PictureMotion(math.nan)),
        ("max_speed_m_per_sec", lambda: PictureMotion(max_speed_m_per_sec=0.0)),
        ("speed_m_per_sec", lambda: SpeedMotion(-0.1)),
        ("speed_m_per_sec", lambda: SpeedMotion(math.nan)),
        ("speed_m_per_sec", lambda: SpeedMotion(2.0, max_speed_m_per_sec=1.0)),
    ],
)
def test_bad_settings_are_refused_by_name(field: str, make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        make()
    assert caught.value.field == field


def test_what_refused_pictures_showed_is_part_of_the_next_movement() -> None:
    motion = PictureMotion()
    for k in range(12):
        if k in (5, 6, 7):  # the camera's clock was set
            motion.carry(0.02)
        else:
            motion.on_shift(0.02, k * FRAME_NS)
    assert motion.position_m(11 * FRAME_NS) == pytest.approx(0.22)
    assert (motion.refused, motion.bridged) == (3, 0)


@pytest.mark.parametrize("shift_m", [None, math.nan])
def test_a_refused_picture_that_shows_nothing_is_bridged(shift_m: float | None) -> None:
    motion = PictureMotion()
    for k in range(12):
        if k == 5:
            motion.carry(shift_m)
        else:
            motion.on_shift(0.02, k * FRAME_NS)
    assert motion.position_m(11 * FRAME_NS) == pytest.approx(0.22)
    assert (motion.refused, motion.bridged) == (1, 1)


def test_a_doubled_picture_that_shows_nothing_did_not_move() -> None:
    motion = PictureMotion()
    for k in (0, 1, 2, 3, 3, 4, 5):
        doubled = motion.newest_ns == k * FRAME_NS and k == 3
        motion.on_shift(None if doubled else 0.02, k * FRAME_NS)
    assert motion.position_m(5 * FRAME_NS) == pytest.approx(0.1)
    assert motion.bridged == 0
