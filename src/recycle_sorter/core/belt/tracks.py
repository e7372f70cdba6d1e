# SPDX-License-Identifier: Apache-2.0
"""One item as the tracker knows it, and one sighting of it, both in the belt's own places.

Along the belt an item reaches from ``up_m`` to ``down_m`` (places ``s_m``, downstream positive). An
end that the view's edge has cut is not known: items are then compared by the end that is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from recycle_sorter.core.belt.types import Detection, TrackedItem

# An outline this near to the view's edge and not whole is cut by it.
_EDGE_M = 0.02
# Sizes that differ by more than this are not of the same view of an item: part of it, or more.
_ODD_RATIO = 1.6
_ODD_VIEWS = 5
_SURE_VIEWS = 3
# An outline jitters so far, and a thing that is moved on the belt by less than so much of its way.
_STRAY_M = 0.012
_STRAY_SHARE = 0.3
# Newest view's least share in a place: averages jitter out and still follows an item that is moved.
_LEAST_GAIN = 0.12


@dataclass(frozen=True, slots=True)
class Sighting:
    """A detection in belt places, metres.

    Attributes:
        detection: What was detected.
        up_m: Its upstream end.
        down_m: Its downstream end.
        across_m: Its extent across the belt, as far as its other sizes tell.
        is_up_cut: Whether the upstream edge of the view cuts it.
        is_down_cut: Whether the downstream edge does.
    """

    detection: Detection
    up_m: float
    down_m: float
    across_m: float
    is_up_cut: bool
    is_down_cut: bool

    @property
    def s_m(self) -> float:
        """Middle along the belt."""
        return self.detection.centre_m[0] - self.detection.along_m[0] + self.up_m

    @property
    def y_m(self) -> float:
        """Middle across."""
        return self.detection.centre_m[1]

    @property
    def length_m(self) -> float:
        """Extent along the belt."""
        return self.down_m - self.up_m


def sight(detection: Detection, position_m: float, view_m: tuple[float, float]) -> Sighting | None:
    """Puts a detection into belt places; None if its numbers make no sense."""
    (x_m, y_m), (long_m, short_m) = detection.centre_m, detection.size_m
    low_m, high_m = detection.along_m
    numbers = (x_m, y_m, long_m, short_m, low_m, high_m, detection.area_m2)
    if not (all(map(math.isfinite, numbers)) and min(long_m, short_m, detection.area_m2) > 0):
        return None
    if low_m == high_m == 0.0:  # not told
        low_m, high_m = x_m - long_m / 2, x_m + long_m / 2
        detection = replace(detection, along_m=(low_m, high_m))
    if not (low_m < high_m and low_m <= x_m <= high_m):
        return None
    cut = not detection.is_whole
    # Extents along and across add up to about the two sides; exactly where it lies straight.
    across_m = min(max(long_m + short_m - (high_m - low_m), short_m), long_m)
    return Sighting(
        detection,
        low_m - position_m,
        high_m - position_m,
        across_m,
        is_up_cut=cut and low_m <= view_m[0] + _EDGE_M,
        is_down_cut=cut and high_m >= view_m[1] - _EDGE_M,
    )


class Track:
    """What the tracker keeps of an item beside what it tells about it.

    Args:
        serial: Counts tracks; ties fall by it.
        first: Its first sighting.
        now_ns: When, steady clock.
        parent: The track in whose place it was first seen, if any.
    """

    def __init__(
        self, serial: int, first: Sighting, now_ns: int, parent: Track | None = None
    ) -> None:
        self.serial = serial
        self.parent = parent
        self.item = TrackedItem(
            0, first.s_m, first.y_m, first.detection.size_m, first.length_m, now_ns, now_ns
        )
        self.up_m, self.down_m = first.up_m, first.down_m
        self.is_up_open, self.is_down_open = first.is_up_cut, first.is_down_cut
        self.across_m = first.across_m
        self.area_m2 = first.detection.area_m2
        self.whole_views = 0
        self.touching_views = 0
        self.apart_views = 0
        self.is_part = False
        self.unseen = 0
        self.odd_views = 0
        self.was_joined = False
        self.is_forgotten = False
        self.updates = 0
        self.held_views = 0
        self.is_sudden = False
        self.first_position_m = 0.0
        self.least_m2, self.most_m2 = math.inf, 0.0
        self._anchor: tuple[Sighting, float] | None = None
        self.is_carried = False
        self.is_standing = False

    @property
    def half_m(self) -> float:
        """Half of its extent along the belt."""
        return (self.down_m - self.up_m) / 2

    @property
    def middle_m(self) -> float:
        """Middle of its extent along the belt."""
        return (self.down_m + self.up_m) / 2

    def ride(self, sighting: Sighting, position_m: float, travel_m: float) -> None:
        """Judges whether it travels with the belt, or stands still in the picture.

        Args:
            sighting: Where it was seen.
            position_m: The belt's position then.
            travel_m: How far the belt must have carried it.
        """
        if self._anchor is None or (
            sighting.detection.is_whole and not self._anchor[0].detection.is_whole
        ):
            self._anchor = (sighting, position_m)
        first, from_m = self._anchor
        moved_m = abs(position_m - from_m)
        if moved_m < travel_m:
            return
        strayed_m = _strayed_m(first, sighting)
        # What stands still strays as far as the belt moves.
        if strayed_m <= max(_STRAY_M, _STRAY_SHARE * moved_m):
            self.is_carried = True
        elif not self.is_carried:
            self.is_standing = True
            self._anchor = (sighting, position_m)

    def see(self, sighting: Sighting, now_ns: int, is_joint: bool = False) -> None:
        """Takes a picture's word that it lies here.

        Args:
            sighting: What was seen.
            now_ns: When, steady clock.
            is_joint: Whether the same outline holds other known items too: it then tells that the
                item is there, not where or how large.
        """
        self.item.frames += 1
        self.item.last_ns = now_ns
        self.unseen = 0
        is_larger = not is_joint and self._measure(sighting)
        if is_joint or is_larger or sighting.detection.is_touching:
            self.touching_views += 1
        # The outline of one item alone seems to be two in up to half of its pictures, and more.
        self.item.is_touching = self.was_joined or 3 * self.touching_views > 2 * self.item.frames

    def join(self) -> None:
        """Notes that it and another item were seen as one."""
        self.was_joined = self.item.is_touching = True

    def adopt(self, sighting: Sighting) -> None:
        """Takes place and size as they are seen, whatever was known."""
        self.odd_views, self.whole_views = 0, 1
        self._set(sighting, 1.0)

    def _measure(self, sighting: Sighting) -> bool:
        """Refines place and size; whether the sighting is too large for the item alone."""
        detection = sighting.detection
        if detection.is_whole:
            self.least_m2 = min(self.least_m2, detection.area_m2)
            self.most_m2 = max(self.most_m2, detection.area_m2)
        if self.whole_views == 0:
            if detection.is_whole:
                self.adopt(sighting)
            else:
                self._widen(sighting)
            return False
        if not detection.is_whole:
            return False
        ratio = detection.area_m2 / self.area_m2
        length_ratio = sighting.length_m / (self.down_m - self.up_m)
        low, high = min(ratio, length_ratio), max(ratio, length_ratio)
        if low >= 1 / _ODD_RATIO and high <= _ODD_RATIO:
            self.odd_views = 0
            self.whole_views += 1
            self._set(sighting, max(1 / self.whole_views, _LEAST_GAIN))
            return False
        self.odd_views += 1
        if self.odd_views >= _ODD_VIEWS or (self.whole_views < _SURE_VIEWS and low > 1.0):
            self.adopt(sighting)
            return False
        return high > _ODD_RATIO

    def _set(self, sighting: Sighting, gain: float) -> None:
        item, detection = self.item, sighting.detection
        self.is_up_open = self.is_down_open = False
        self.up_m += gain * (sighting.up_m - self.up_m)
        self.down_m += gain * (sighting.down_m - self.down_m)
        self.across_m += gain * (sighting.across_m - self.across_m)
        self.area_m2 += gain * (detection.area_m2 - self.area_m2)
        item.s_m += gain * (sighting.s_m - item.s_m)
        item.y_m += gain * (sighting.y_m - item.y_m)
        (long_m, short_m), (new_long_m, new_short_m) = item.size_m, detection.size_m
        item.size_m = (
            long_m + gain * (new_long_m - long_m),
            short_m + gain * (new_short_m - short_m),
        )
        item.length_m = self.down_m - self.up_m

    def _widen(self, sighting: Sighting) -> None:
        """Learns an item that was only ever seen in part."""
        item, detection = self.item, sighting.detection
        if not sighting.is_down_cut:
            self.down_m = sighting.down_m
            self.is_down_open = False
        else:
            self.down_m = max(self.down_m, sighting.down_m)
        if not sighting.is_up_cut:
            self.up_m = sighting.up_m
            self.is_up_open = False
        else:
            self.up_m = min(self.up_m, sighting.up_m)
        self.area_m2 = max(self.area_m2, detection.area_m2)
        self.across_m = max(self.across_m, sighting.across_m)
        item.s_m, item.y_m = self.middle_m, sighting.y_m
        item.length_m = self.down_m - self.up_m
        item.size_m = max(item.size_m, detection.size_m)


def distance_m(track: Track, seen: Sighting) -> tuple[float, float]:
    """How far along and across the belt a sighting is from a track, by what is known of both."""
    across_m = abs(track.item.y_m - seen.y_m)
    up_m, down_m = abs(track.up_m - seen.up_m), abs(track.down_m - seen.down_m)
    is_up_open = track.is_up_open or seen.is_up_cut
    is_down_open = track.is_down_open or seen.is_down_cut
    if is_up_open and is_down_open:
        return max(0.0, seen.up_m - track.down_m, track.up_m - seen.down_m), across_m
    if is_up_open:
        return down_m, across_m
    if is_down_open:
        return up_m, across_m
    return abs(track.item.s_m - seen.s_m), across_m


def _strayed_m(first: Sighting, later: Sighting) -> float:
    """How far apart two sightings lie on the belt, by the ends that both show."""
    is_down_cut = first.is_down_cut or later.is_down_cut
    is_up_cut = first.is_up_cut or later.is_up_cut
    if is_up_cut and is_down_cut:
        return 0.0
    if is_up_cut:
        return abs(later.down_m - first.down_m)
    if is_down_cut:
        return abs(later.up_m - first.up_m)
    return abs(later.s_m - first.s_m)


def overlap_m(track: Track, seen: Sighting) -> float:
    """Length along the belt that both share, 0 or more."""
    return max(0.0, min(track.down_m, seen.down_m) - max(track.up_m, seen.up_m))


def holds(seen: Sighting, track: Track, share: float) -> bool:
    """Whether a sighting covers at least a share of a track's length, and its middle across."""
    is_beside = abs(track.item.y_m - seen.y_m) > seen.detection.size_m[0] / 2
    return not is_beside and overlap_m(track, seen) >= share * 2 * track.half_m


def by_place(tracks: Iterable[Track]) -> list[Track]:
    """Tracks from upstream to downstream."""
    return sorted(tracks, key=lambda track: (track.middle_m, track.serial))


def downstream_first(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Sightings in an order that does not hang on the one they came in."""
    return sorted(sightings, key=lambda one: (-one.s_m, one.y_m, one.length_m))
