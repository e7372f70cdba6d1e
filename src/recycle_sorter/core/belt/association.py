# SPDX-License-Identifier: Apache-2.0
"""Which sighting is which known item: one to one, nearest first.

Items lie still on the belt, so a known item is looked for where it was. First come pairs whose
places agree; then what lies where a known item lies, whatever its shape, is taken for that item.
Only tracks near a sighting along the belt are looked at, so the work grows with n log n.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterator, Sequence

from recycle_sorter.core.belt.tracks import Sighting, Track, distance_m, holds, overlap_m

# Belt position and outline are never better than this.
_SLACK_M = 0.012
_MIN_OVERLAP = 0.5
# Share of an item that an outline must cover to be of that item too.
_JOINT_SHARE = 0.6


class Nearby:
    """Tracks by place.

    Args:
        tracks: From upstream to downstream by their middle.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._tracks = tracks
        self._middles_m = [track.middle_m for track in tracks]
        self._reach_m = max((track.half_m for track in tracks), default=0.0)

    def around(self, seen: Sighting, margin_m: float) -> Iterator[Track]:
        """Tracks that reach to within ``margin_m`` of a sighting."""
        low_m = seen.up_m - margin_m
        high_m = seen.down_m + margin_m
        start = bisect_left(self._middles_m, low_m - self._reach_m)
        stop = bisect_right(self._middles_m, high_m + self._reach_m)
        for track in self._tracks[start:stop]:
            if track.down_m >= low_m and track.up_m <= high_m:
                yield track


def match(nearby: Nearby, sightings: Sequence[Sighting], gate_m: float) -> dict[int, Track]:
    """Pairs sightings with tracks, one to one, nearest first.

    Args:
        nearby: The tracks.
        sightings: In an order of their own; ties fall by it.
        gate_m: How far an item may be from where it was; large items somewhat further.

    Returns:
        The track of each sighting that has one, by the sighting's index.
    """
    pairs: list[tuple[int, float, int, int, Track]] = []
    for index, seen in enumerate(sightings):
        for track in nearby.around(seen, gate_m + _SLACK_M):
            rank = _rank(track, seen, gate_m)
            if rank is not None:
                along_m, across_m = distance_m(track, seen)
                pairs.append((rank, along_m + across_m, track.serial, index, track))
    found: dict[int, Track] = {}
    taken: set[int] = set()
    for _, _, serial, index, track in sorted(pairs, key=lambda pair: pair[:4]):
        if index not in found and serial not in taken:
            found[index] = track
            taken.add(serial)
    return found


def _rank(track: Track, seen: Sighting, gate_m: float) -> int | None:
    """0 if the places agree, 1 if one lies where the other does, None if they are two items."""
    along_m, across_m = distance_m(track, seen)
    smaller_m = min(2 * track.half_m, seen.length_m)
    thinner_m = min(track.across_m, seen.across_m)
    is_open = track.whole_views == 0 or not seen.detection.is_whole
    # The middle of an item that is cut moves across the belt as more of it shows.
    side_m = max(track.across_m, seen.across_m) if is_open else thinner_m
    if along_m <= _gate_m(smaller_m, gate_m) and across_m <= _gate_m(side_m, gate_m):
        return 0
    wider_m = max(track.across_m, seen.across_m)
    is_over = overlap_m(track, seen) >= _MIN_OVERLAP * smaller_m
    return 1 if is_over and across_m <= wider_m / 2 else None


def _gate_m(extent_m: float, gate_m: float) -> float:
    """Less than half an item's extent away (and some jitter), or it may be its neighbour."""
    return min(_SLACK_M + extent_m / 2, gate_m + extent_m / 4)


def joint(
    nearby: Nearby, sightings: Sequence[Sighting], found: dict[int, Track]
) -> dict[int, list[Track]]:
    """Known items that were not seen apart because one outline holds several.

    Args:
        nearby: The tracks.
        sightings: As given to ``match``.
        found: What it returned.

    Returns:
        By the sighting's index, the tracks it holds beside its own.
    """
    taken = {track.serial for track in found.values()}
    held: dict[int, list[Track]] = {}
    for index, own in found.items():
        seen = sightings[index]
        for track in nearby.around(seen, 0.0):
            if track.serial in taken or not holds(seen, track, _JOINT_SHARE):
                continue
            # Outlines add up; boxes that overlap do not yet make one outline.
            if seen.detection.area_m2 < 0.6 * (own.area_m2 + track.area_m2):
                continue
            held.setdefault(index, []).append(track)
            taken.add(track.serial)
    return held


def parent_of(nearby: Nearby, seen: Sighting, apart: Container[int]) -> Track | None:
    """The track that a sighting was part of until now, if that was seen elsewhere.

    Args:
        nearby: The tracks.
        seen: A sighting that is no known item.
        apart: Serials of the tracks that were seen apart from it.
    """
    around = [
        track
        for track in nearby.around(seen, 0.0)
        if track.serial in apart
        and overlap_m(track, seen) >= _MIN_OVERLAP * seen.length_m
        and abs(track.item.y_m - seen.y_m) <= track.across_m / 2
    ]
    return min(
        around, key=lambda track: (abs(track.middle_m - seen.s_m), track.serial), default=None
    )
