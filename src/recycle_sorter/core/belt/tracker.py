# SPDX-License-Identifier: Apache-2.0
"""Follows every item on the belt from entry to exit under one number.

An item lies still on the belt: it stays known where it was until it is forgotten, however many
pictures miss it, and whatever is seen in its place is that item. What only a few pictures show, or
what stands still in the picture while the belt travels, never gets a number. A number is given once
the belt has carried an item some way and it was seen whole (or, where the edge of the view always
cuts it, from the middle of the view on), so that neither reflections nor the tips of an item that
is just coming into view are taken for items; what may be a mark or a piece has to show for longer
(``doubt.py``).
"""

from __future__ import annotations

import math
from dataclasses import asdict

from recycle_sorter.core.belt.association import Nearby, joint, match, parent_of
from recycle_sorter.core.belt.doubt import is_sudden, is_sure
from recycle_sorter.core.belt.fusion import FusionConfig, add_evidence, is_usable
from recycle_sorter.core.belt.tracker_config import TrackerConfig, TrackerCounters
from recycle_sorter.core.belt.tracks import (
    Sighting,
    Track,
    by_place,
    downstream_first,
    sight,
)
from recycle_sorter.core.belt.types import Evidence, Observation, TrackedItem
from recycle_sorter.core.errors import InvalidInputError

__all__ = ["Tracker", "TrackerConfig", "TrackerCounters"]

# An item whose outline shrank to less than this has lost what is seen beside it.
_PART = 0.9


class Tracker:
    """Turns observations, in order, into items with numbers.

    Args:
        config: How items are followed.
        fusion: How much each picture weighs as evidence; None for the defaults.
    """

    def __init__(self, config: TrackerConfig, fusion: FusionConfig | None = None) -> None:
        self.config = config
        self.counters = TrackerCounters()
        self._fusion = fusion or FusionConfig()
        self._tracks: list[Track] = []
        self._serial = 0
        self._last_ns = 0
        self._last_position_m: float | None = None

    @property
    def items(self) -> list[TrackedItem]:
        """All numbered items that are not forgotten, downstream first."""
        return self._listed(self._tracks)

    def counts(self) -> dict[str, int]:
        """All counters by name."""
        return asdict(self.counters)

    def update(self, observation: Observation, position_m: float) -> list[TrackedItem]:
        """Takes one picture's detections.

        Args:
            observation: The picture; its stamp is of the steady clock. One that is zero or not
                above the last is refused and counted.
            position_m: The belt's position when the picture was taken, metres.

        Returns:
            The numbered items that it shows, downstream first, new ones included. They are the
            tracker's own and go on changing.

        Raises:
            InvalidInputError: If the position is no finite number.
        """
        if not math.isfinite(position_m):
            raise InvalidInputError("position_m", position_m, "a finite number")
        now_ns = observation.stamp_ns
        if now_ns <= self._last_ns:
            self.counters.stamps_refused += 1
            return []
        self._last_ns = now_ns
        self.counters.frames += 1
        sightings = self._sightings(observation, position_m)
        self._tracks = by_place(self._tracks)
        nearby = Nearby(self._tracks)
        found = match(nearby, sightings, self.config.gate_m)
        held = joint(nearby, sightings, found)
        for track in self._tracks:
            track.unseen += 1
            track.updates += 1
        seen = self._see(sightings, found, held, observation, position_m)
        self._split(found, held, sightings, self.config.view_m[1] - position_m)
        seen += self._begin(nearby, sightings, found, observation, position_m)
        seen.sort(key=lambda track: (-track.item.s_m, track.serial))
        for track in seen:
            self._number(track, position_m)
        self._drop(position_m)
        self._last_position_m = position_m
        return self._listed(seen)

    def forget(self, item_id: int) -> bool:
        """Lets go of an item; returns whether there was one.

        While it lies in or near the view it is still known, though no longer told about: being seen
        again does not make it a new item.
        """
        for track in self._tracks:
            if track.item.item_id == item_id > 0 and not track.is_forgotten:
                track.is_forgotten = True
                return True
        return False

    def _sightings(self, observation: Observation, position_m: float) -> list[Sighting]:
        good = []
        for detection in observation.detections:
            self.counters.detections += 1
            one = sight(detection, position_m, self.config.view_m)
            if one is None:
                self.counters.detections_refused += 1
            else:
                good.append(one)
        return downstream_first(good)

    def _see(
        self,
        sightings: list[Sighting],
        found: dict[int, Track],
        held: dict[int, list[Track]],
        observation: Observation,
        position_m: float,
    ) -> list[Track]:
        """Tells each known item that it was seen; an outline of several tells nothing else."""
        seen = []
        for index, matched in found.items():
            # Numbered items each keep their own; what does not count yet was part of one of them.
            together = [matched, *held.get(index, ())]
            known = [t for t in together if t.item.item_id] or [matched]
            for track in together:
                if track not in known:
                    track.apart_views = 0
                    track.held_views += 1
                    track.unseen += 0 if track.whole_views else self.config.glimpse_frames
            is_joint = len(known) > 1
            was_standing = matched.is_standing
            matched.ride(sightings[index], position_m, self.config.travel_m)
            self.counters.standing += matched.is_standing and not was_standing
            for track in known:
                track.see(sightings[index], observation.stamp_ns, is_joint)
            seen += known
            if is_joint:
                self.counters.joint_views += 1
            else:
                self._learn(known[0], sightings[index], observation, position_m)
        return seen

    def _split(
        self,
        found: dict[int, Track],
        held: dict[int, list[Track]],
        sightings: list[Sighting],
        end_m: float,
    ) -> None:
        """Counts pictures that show two items in the place of one."""
        beside = {t.serial: sightings[i].detection for i, t in found.items() if i not in held}
        for track in self._tracks:
            parent = track.parent
            if parent is None or track.serial not in beside:
                continue
            is_gone = parent.down_m >= end_m or parent not in self._tracks
            if parent.serial not in beside and not is_gone:
                continue
            track.apart_views += 1
            if track.apart_views < self.config.split_frames:
                continue
            track.parent = None
            self.counters.splits += 1
            if track.is_part:
                parent.join()
                track.join()
                for index, other in found.items():
                    if other is parent and sightings[index].detection.is_whole:
                        parent.adopt(sightings[index])

    def _begin(
        self,
        nearby: Nearby,
        sightings: list[Sighting],
        found: dict[int, Track],
        observation: Observation,
        position_m: float,
    ) -> list[Track]:
        """Starts a track for everything that is no known item."""
        begun = []
        apart = {track.serial: sightings[i].detection.area_m2 for i, track in found.items()}
        for index, seen in enumerate(sightings):
            if index in found:
                continue
            self._serial += 1
            parent = parent_of(nearby, seen, apart)
            track = Track(self._serial, seen, observation.stamp_ns, parent)
            if parent:
                track.apart_views = 1
                track.is_part = apart[parent.serial] < _PART * parent.area_m2
            else:
                track.is_sudden = is_sudden(seen, self._last_position_m, self.config)
            track.first_position_m = position_m
            track.ride(seen, position_m, self.config.travel_m)
            track.see(seen, observation.stamp_ns)
            self._learn(track, seen, observation, position_m)
            begun.append(track)
        self._tracks += begun
        return begun

    def _learn(
        self, track: Track, seen: Sighting, observation: Observation, position_m: float
    ) -> None:
        """Adds a picture's evidence."""
        item, detection = track.item, seen.detection
        if not detection.probabilities:
            return
        if not is_usable(detection.probabilities, len(observation.materials)):
            self.counters.evidence_refused += 1
            return
        if item.materials != observation.materials:  # another model took over
            item.materials = observation.materials
            item.evidence.clear()
        low_m, high_m = self.config.view_m
        offset_m = item.s_m + position_m - (low_m + high_m) / 2
        weight = self._fusion.weight(detection)
        evidence = Evidence(observation.stamp_ns, detection.probabilities, weight, offset_m)
        add_evidence(item, evidence, self.config.evidence_frames)

    def _number(self, track: Track, position_m: float) -> None:
        """Gives an item its number once it is sure to be one."""
        if not track.item.item_id and is_sure(track, position_m, self.config):
            self.counters.items += 1
            track.item.item_id = self.counters.items

    def _drop(self, position_m: float) -> None:
        """Lets go of glimpses, and of forgotten items that cannot come back into view."""
        low_m = self.config.view_m[0] - position_m
        high_m = self.config.view_m[1] - position_m
        far_m = self.config.keep_m
        kept = []
        for track in self._tracks:
            if not track.item.item_id:
                is_out = track.up_m > high_m or track.down_m < low_m
                if is_out or track.unseen >= self.config.glimpse_frames:
                    self.counters.glimpses += 1
                    continue
            elif track.is_forgotten and (
                track.up_m > high_m + far_m or track.down_m < low_m - far_m
            ):
                continue
            kept.append(track)
        self._tracks = kept

    @staticmethod
    def _listed(tracks: list[Track]) -> list[TrackedItem]:
        told = [t.item for t in tracks if t.item.item_id and not t.is_forgotten]
        return sorted(told, key=lambda item: (-item.s_m, item.item_id))
