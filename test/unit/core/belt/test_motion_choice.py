# SPDX-License-Identifier: Apache-2.0
"""Each source of motion that a layout may name is made as it says."""

from __future__ import annotations

import pytest
from support.belt_lines import layout
from support.sorting import START_NS, sec

from recycle_sorter.core.belt.motion import EncoderMotion, PictureMotion, SpeedMotion
from recycle_sorter.core.belt.motion_choice import choose_motion


def test_an_encoder_counts_in_the_layouts_ticks() -> None:
    wanted = {"source": "encoder", "m_per_tick": 0.001, "wrap_bits": 16, "timeout_sec": 0.2}
    motion = choose_motion(layout(motion=wanted))
    assert isinstance(motion, EncoderMotion)
    assert motion.timeout_sec == 0.2
    motion.on_ticks(65_530, START_NS)
    motion.on_ticks(4, START_NS + sec(0.1))  # 10 ticks on, wrapped round
    assert motion.position_m(START_NS + sec(0.1)) == pytest.approx(0.01)


def test_a_speed_is_constant_or_told() -> None:
    wanted = {"source": "speed", "timeout_sec": 0.5, "speed_m_per_sec": 0.5}
    constant = choose_motion(layout(motion=wanted))
    assert isinstance(constant, SpeedMotion)
    assert constant.position_m(START_NS) == 0.0
    assert constant.position_m(START_NS + sec(2.0)) == pytest.approx(1.0)
    told = choose_motion(layout(motion={"source": "speed", "timeout_sec": 0.5}))
    assert isinstance(told, SpeedMotion)
    assert told.is_stale(START_NS)


def test_pictures_tell_the_motion_too() -> None:
    motion = choose_motion(layout(motion={"source": "picture", "timeout_sec": 0.5}))
    assert isinstance(motion, PictureMotion)
