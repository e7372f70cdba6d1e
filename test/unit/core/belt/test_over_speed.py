# SPDX-License-Identifier: Apache-2.0
"""Only a belt that stays too fast is told of."""

from __future__ import annotations

import random

import pytest

from recycle_sorter.core.belt.motion import EncoderMotion
from recycle_sorter.core.belt.over_speed import OverSpeed
from recycle_sorter.core.types import NS_PER_SEC

STEP_NS = NS_PER_SEC // 100


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_belt_that_stays_too_fast_is_told_of_until_it_does_not(sign: float) -> None:
    watch = OverSpeed(1.0)
    told = []
    for index in range(300):
        speed = 1.2 if index < 200 else 0.9
        watch.update(sign * speed, index * STEP_NS)
        told.append(watch.speed_m_per_sec)
    assert told[:100] == [None] * 100
    assert told[100:200] == [1.2] * 100
    assert told[200:] == [None] * 100


def test_a_belt_of_unknown_speed_is_not_too_fast() -> None:
    watch = OverSpeed(1.0)
    for index in range(300):
        watch.update(None if index == 150 else 1.2, index * STEP_NS)
    assert watch.speed_m_per_sec == 1.2
    watch.update(None, 300 * STEP_NS)
    assert watch.speed_m_per_sec is None


@pytest.mark.parametrize("jitter_sec", [0.0005, 0.002])
def test_stamps_that_jitter_make_no_belt_at_its_maximum_too_fast(jitter_sec: float) -> None:
    chance = random.Random(1)
    motion, watch = EncoderMotion(0.0005, 0, 0.5, 1.0), OverSpeed(1.0)
    for index in range(3000):
        at_ns = index * STEP_NS
        late_ns = round(chance.gauss(0.0, jitter_sec) * NS_PER_SEC)
        motion.on_ticks(round(at_ns / NS_PER_SEC / 0.0005), max(0, at_ns + late_ns))
        found = motion.predict(at_ns)
        watch.update(found.speed_m_per_sec if found else None, at_ns)
        assert watch.speed_m_per_sec is None
