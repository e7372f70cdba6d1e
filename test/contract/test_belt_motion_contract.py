# SPDX-License-Identifier: Apache-2.0
"""The contract of a belt's motion: the same tests run on every implementation, the fake included.

Each is fed the same true belt in its own way; a picture's and a speed's motion may start counting
at another position, so ways are compared.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.belt_motions import FakeMotion, TrueBelt, through

from recycle_sorter.core.belt.motion import EncoderMotion, PictureMotion, SpeedMotion
from recycle_sorter.core.ports import BeltMotion

pytestmark = pytest.mark.contract

MS = 1_000_000
SEC = 1000 * MS
TICK_M = 0.0005
START_NS = 5 * SEC

Feed = Callable[[int], object]
"""Tells the motion of the belt at a time, seconds of the belt being that less ``START_NS``."""


def encoder(belt: TrueBelt) -> tuple[BeltMotion, int, Feed]:
    motion = EncoderMotion(TICK_M, wrap_bits=16)

    def feed(at_ns: int) -> object:
        ticks = int(belt.position_m(at_ns - START_NS) // TICK_M) + 65_500
        return motion.on_ticks(ticks % 65_536, at_ns)

    return motion, 10 * MS, feed


def speed(belt: TrueBelt) -> tuple[BeltMotion, int, Feed]:
    motion = SpeedMotion()
    return (
        motion,
        20 * MS,
        lambda at_ns: motion.on_speed(belt.profile((at_ns - START_NS) / SEC), at_ns),
    )


def picture(belt: TrueBelt) -> tuple[BeltMotion, int, Feed]:
    motion = PictureMotion()
    before = [0.0]

    def feed(at_ns: int) -> object:
        here_m = belt.position_m(at_ns - START_NS)
        way_m, before[0] = here_m - before[0], here_m
        return motion.on_shift(way_m, at_ns)

    return motion, 33_333_333, feed


def fake(belt: TrueBelt) -> tuple[BeltMotion, int, Feed]:
    motion = FakeMotion()
    return motion, MS, lambda at_ns: motion.set_speed(belt.profile((at_ns - START_NS) / SEC), at_ns)


MAKERS = {"encoder": encoder, "speed": speed, "picture": picture, "fake": fake}
Maker = Callable[[TrueBelt], tuple[BeltMotion, int, Feed]]

RAMPS = through((0, 0.2), (0.5, 0.2), (1.5, 1.0), (2.0, 1.0), (3.0, 0.2), (4.0, 0.2))
STOP_AND_GO = through((0, 0.5), (0.6, 0.5), (0.9, 0.0), (1.5, 0.0), (1.8, 0.5), (3.0, 0.5))
JOG = through((0, 0.3), (0.5, 0.3), (0.8, -0.1), (1.4, -0.1), (1.6, 0.0), (2.0, 0.0), (2.3, 0.3))
STILL = through((0, 0.0))
STEADY = through((0, 0.5))


@pytest.fixture(params=MAKERS.values(), ids=MAKERS)
def make(request: pytest.FixtureRequest) -> Maker:
    found: Maker = request.param
    return found


def fed(
    make: Maker, profile: Callable[[float], float], duration_sec: float = 2.0
) -> tuple[BeltMotion, TrueBelt, int]:
    belt = TrueBelt(profile, duration_sec + 1.0)
    motion, step_ns, feed = make(belt)
    at_ns = START_NS
    while at_ns <= START_NS + duration_sec * SEC:
        feed(at_ns)
        at_ns += step_ns
    return motion, belt, at_ns - step_ns


def test_it_is_a_belt_motion(make: Maker) -> None:
    motion, _, _ = make(TrueBelt(STEADY, 1.0))
    assert isinstance(motion, BeltMotion)
    assert motion.name


def test_it_knows_nothing_before_it_is_told(make: Maker) -> None:
    motion, _, feed = make(TrueBelt(STEADY, 1.0))
    assert motion.position_m(START_NS) is None
    assert motion.predict(START_NS) is None
    assert motion.newest_ns is None
    assert motion.is_stale(START_NS)
    feed(START_NS)
    assert motion.position_m(START_NS - 1) is None
    assert motion.predict(START_NS - 1) is None
    assert motion.is_stale(START_NS - 1)


def test_silence_makes_it_stale_and_a_word_fresh_again(make: Maker) -> None:
    belt = TrueBelt(STEADY, 5.0)
    motion, step_ns, feed = make(belt)
    feed(START_NS)
    feed(START_NS + step_ns)
    newest_ns = START_NS + step_ns
    assert motion.newest_ns == newest_ns
    assert not motion.is_stale(newest_ns)
    assert not motion.is_stale(newest_ns + 500 * MS)
    assert motion.is_stale(newest_ns + 500 * MS + 1)
    feed(newest_ns + SEC)
    assert not motion.is_stale(newest_ns + SEC)
    assert motion.is_stale(newest_ns + 900 * MS)  # what came later was not known then


@pytest.mark.parametrize(
    "profile", [RAMPS, STOP_AND_GO, JOG, STILL], ids=["ramps", "go", "jog", "still"]
)
def test_it_follows_the_belt(make: Maker, profile: Callable[[float], float]) -> None:
    motion, belt, newest_ns = fed(make, profile, 4.0)
    start_m = motion.position_m(START_NS)
    assert start_m is not None
    for at_ns in range(START_NS, newest_ns, 7 * MS):
        found_m = motion.position_m(at_ns)
        assert found_m is not None
        assert found_m - start_m == pytest.approx(belt.position_m(at_ns - START_NS), abs=0.002)


@pytest.mark.parametrize("profile", [RAMPS, STOP_AND_GO], ids=["ramps", "go"])
def test_what_it_predicts_comes_true(make: Maker, profile: Callable[[float], float]) -> None:
    belt = TrueBelt(profile, 5.0)
    motion, step_ns, feed = make(belt)
    fed_ns, errors_m = START_NS, []
    for now_ns in range(START_NS, START_NS + 4 * SEC, 4 * MS):
        while fed_ns <= now_ns:
            feed(fed_ns)
            fed_ns += step_ns
        if now_ns < START_NS + 200 * MS:
            continue
        state = motion.predict(now_ns)
        assert state is not None
        assert state.steady_ns == now_ns
        then_ns = now_ns + 50 * MS
        error_m = state.position_at(then_ns) - belt.position_m(then_ns - START_NS)
        errors_m.append(abs(error_m))
        when_ns = state.time_at(state.position_m + 0.02)
        if state.speed_m_per_sec > 0.1 and when_ns is not None:
            assert state.position_at(when_ns) == pytest.approx(state.position_m + 0.02, abs=1e-6)
    errors_m.sort()
    assert errors_m[round(0.99 * len(errors_m)) - 1] < 0.008
    assert errors_m[-1] < 0.010


@pytest.mark.parametrize("profile", [STOP_AND_GO, STILL], ids=["go", "still"])
def test_a_belt_that_slows_down_is_not_predicted_backwards(
    make: Maker, profile: Callable[[float], float]
) -> None:
    motion, _, newest_ns = fed(make, profile, 3.0)
    for now_ns in range(START_NS + 100 * MS, newest_ns, 5 * MS):
        state = motion.predict(now_ns)
        assert state is not None
        assert state.position_at(now_ns + SEC) >= state.position_m - 1e-9


def test_later_measurements_change_no_earlier_prediction(make: Maker) -> None:
    belt = TrueBelt(STOP_AND_GO, 4.0)
    ahead, step_ns, feed_ahead = make(belt)
    live, _, feed_live = make(belt)
    times_ns = [START_NS + k * step_ns for k in range(2 * SEC // step_ns)]
    for at_ns in times_ns:
        feed_ahead(at_ns)
    for at_ns in times_ns:
        feed_live(at_ns)
        now_ns = at_ns + step_ns // 3
        assert ahead.predict(now_ns) == live.predict(now_ns)
        assert ahead.is_stale(now_ns) == live.is_stale(now_ns)


def test_a_standing_belt_reaches_nothing(make: Maker) -> None:
    motion, _, newest_ns = fed(make, STILL)
    state = motion.predict(newest_ns)
    assert state is not None
    assert state.speed_m_per_sec == 0.0
    assert state.time_at(state.position_m + 0.001) is None


def test_asking_changes_nothing(make: Maker) -> None:
    motion, _, newest_ns = fed(make, RAMPS)
    first = motion.predict(newest_ns)
    motion.predict(START_NS)
    motion.position_m(newest_ns + 10 * SEC)
    motion.is_stale(newest_ns + 10 * SEC)
    assert motion.predict(newest_ns) == first
