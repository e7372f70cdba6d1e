# SPDX-License-Identifier: Apache-2.0
"""When a track is sure to be an item, so that it gets a number, which it keeps for good.

What is large, steady and came in over the view's edge is sure soon. What is small, changes its
size, shows up amid the view or was seen as part of another outline may be a mark on the belt or a
piece of an item: it has to ride along for nearly half of the view, and to be seen most of the time.
"""

from __future__ import annotations

from typing import Final

from recycle_sorter.core.belt.tracker_config import TrackerConfig
from recycle_sorter.core.belt.tracks import Sighting, Track

# What fewer of the pictures since its first show than this share is flicker.
_SEEN_SHARE: Final = 0.3
# How far what is in doubt must ride, and be seen riding, as shares of the view's length.
_RIDE_SHARE: Final = 0.45
_SHOWN_SHARE: Final = 0.22
# Sizes of one item, seen whole, differ by no more than this.
_STEADY_RATIO: Final = 1.6
# Of its pictures, in which it was part of another outline.
_HELD_SHARE: Final = 0.25
# An item may hide so far inside of the view before the next picture shows it.
_SUDDEN_M: Final = 0.06


def is_sure(track: Track, position_m: float, config: TrackerConfig) -> bool:
    """Whether a track is an item.

    Args:
        track: It has no number yet.
        position_m: The belt's position now.
        config: How items are followed.
    """
    frames = track.item.frames
    if frames < config.enter_frames or track.parent or not track.is_carried:
        return False
    if frames < _SEEN_SHARE * track.updates:
        return False
    low_m, high_m = config.view_m
    if not track.whole_views and track.down_m + position_m < (low_m + high_m) / 2:
        return False
    if config.travel_m == 0.0 or not _is_doubtful(track, config):
        return True
    if track.held_views > _HELD_SHARE * track.updates:
        return False
    ridden_m = abs(position_m - track.first_position_m)
    shown_m = ridden_m * min(1.0, frames / max(1, track.updates))
    length_m = high_m - low_m
    return ridden_m >= _RIDE_SHARE * length_m and shown_m >= _SHOWN_SHARE * length_m


def is_sudden(seen: Sighting, last_position_m: float | None, config: TrackerConfig) -> bool:
    """Whether the picture before should have shown what is first seen now.

    Args:
        seen: What is no known item.
        last_position_m: The belt's position in the picture before; None if there was none.
        config: How items are followed.
    """
    if last_position_m is None:
        return False
    low_m, high_m = config.view_m
    is_inside = seen.up_m + last_position_m > low_m + _SUDDEN_M
    return is_inside and seen.down_m + last_position_m < high_m - _SUDDEN_M


def _is_doubtful(track: Track, config: TrackerConfig) -> bool:
    is_small = track.area_m2 < config.clear_area_m2
    is_unsteady = track.most_m2 > _STEADY_RATIO * track.least_m2
    return track.is_sudden or is_small or is_unsteady or track.held_views > 0
