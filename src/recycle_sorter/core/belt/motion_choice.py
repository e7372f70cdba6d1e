# SPDX-License-Identifier: Apache-2.0
"""The belt's motion that a layout asks for."""

from __future__ import annotations

from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.motion import EncoderMotion, PictureMotion, SpeedMotion

Motion = EncoderMotion | SpeedMotion | PictureMotion


def choose_motion(layout: Layout) -> Motion:
    """Makes the motion of the layout's source; whoever asks feeds it.

    A ``PictureMotion`` is fed by ``BeltLine.on_observation``, a constant speed by nobody.
    """
    wanted, limit = layout.motion, layout.speed.max_m_per_sec
    if wanted.m_per_tick is not None:
        return EncoderMotion(wanted.m_per_tick, wanted.wrap_bits, wanted.timeout_sec, limit)
    if wanted.source == "speed":
        return SpeedMotion(wanted.speed_m_per_sec, wanted.timeout_sec, limit)
    return PictureMotion(wanted.timeout_sec, limit)
