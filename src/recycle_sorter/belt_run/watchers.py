# SPDX-License-Identifier: Apache-2.0
"""What may look on while a run goes: bag, film, cut-outs, progress; each a ``Watcher``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.belt_run.overlay import FilmWriter, Overlay
from recycle_sorter.belt_run.runner import BeltRunner, Watcher
from recycle_sorter.core.belt.judged import EnteringItem
from recycle_sorter.core.belt.types import LineEvents, Observation
from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.types import Frame
from recycle_sorter.sources.belt_bag_writer import BeltBagWriter
from recycle_sorter.twin.twin import Twin

_QUALITY: Final = 92
_SAME_M: Final = 0.03


class Watchers(Watcher):
    """Several at once, in order."""

    def __init__(self, watchers: Sequence[Watcher]) -> None:
        self._watchers = watchers

    def on_frame(self, frame: Frame, observation: Observation, runner: BeltRunner) -> None:
        """See ``Watcher``."""
        for watcher in self._watchers:
            watcher.on_frame(frame, observation, runner)

    def on_events(self, events: LineEvents, now_ns: int) -> None:
        """See ``Watcher``."""
        for watcher in self._watchers:
            watcher.on_events(events, now_ns)

    def on_ticks(self, ticks: int, stamp_ns: int) -> None:
        """See ``Watcher``."""
        for watcher in self._watchers:
            watcher.on_ticks(ticks, stamp_ns)

    def on_speed(self, speed_m_per_sec: float, stamp_ns: int) -> None:
        """See ``Watcher``."""
        for watcher in self._watchers:
            watcher.on_speed(speed_m_per_sec, stamp_ns)

    def on_truth(self, item: EnteringItem) -> None:
        """See ``Watcher``."""
        for watcher in self._watchers:
            watcher.on_truth(item)


class Progress(Watcher):
    """Tells how many frames are done."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance

    def on_frame(self, frame: Frame, observation: Observation, runner: BeltRunner) -> None:
        """See ``Watcher``."""
        self._advance(runner.frames)


class Film(Watcher):
    """Draws each frame and writes it."""

    def __init__(self, writer: FilmWriter, overlay: Overlay) -> None:
        self._writer = writer
        self._overlay = overlay

    def on_frame(self, frame: Frame, observation: Observation, runner: BeltRunner) -> None:
        """See ``Watcher``."""
        self._writer.write(self._overlay.draw(frame, observation, runner))

    def on_events(self, events: LineEvents, now_ns: int) -> None:
        """See ``Watcher``."""
        self._overlay.note(events)


class Bag(Watcher):
    """Records pictures, motion, truth, decisions and records; with a twin where all fell too."""

    def __init__(self, writer: BeltBagWriter, twin: Twin | None = None) -> None:
        self._writer = writer
        self._twin = twin
        self._entered: set[int] = set()
        self._runner: BeltRunner | None = None

    def on_frame(self, frame: Frame, observation: Observation, runner: BeltRunner) -> None:
        """See ``Watcher``."""
        self._runner = runner
        if self._twin is not None:
            self._write_truths(self._twin, frame.stamp_ns)
        self._writer.write(frame)
        self._writer.write_observation(observation)

    def on_events(self, events: LineEvents, now_ns: int) -> None:
        """See ``Watcher``."""
        for decision, item in zip(events.decisions, events.items, strict=True):
            position_m = None
            if self._runner is not None:
                position_m = self._runner.motion.position_m(decision.stamp_ns)
            self._writer.write_decision(decision, item, item.s_m + (position_m or 0.0), now_ns)
        for command in events.commands:
            self._writer.write_command(command, now_ns)
        for record in events.records:
            self._writer.write_record(record, now_ns)

    def on_ticks(self, ticks: int, stamp_ns: int) -> None:
        """See ``Watcher``."""
        self._writer.write_ticks(ticks, stamp_ns)

    def on_speed(self, speed_m_per_sec: float, stamp_ns: int) -> None:
        """See ``Watcher``."""
        self._writer.write_speed(speed_m_per_sec, stamp_ns)

    def on_truth(self, item: EnteringItem) -> None:
        """See ``Watcher``."""
        self._writer.write_truth(item)

    def finish(self) -> None:
        """Writes where everything fell; after the run."""
        if self._twin is None:
            return
        for landing in self._twin.landed():
            self._writer.write_landing(landing)

    def _write_truths(self, twin: Twin, stamp_ns: int) -> None:
        for item in twin.visible(stamp_ns):
            # One that enters between two frames is written with the second.
            if item.item_id in self._entered or not 0 < item.enter_ns <= stamp_ns:
                continue
            self._entered.add(item.item_id)
            self._writer.write_truth(twin.entering(item))


class CropFolder(Watcher):
    """Writes what the classifier was shown, one JPEG a picture of an item, its number first.

    A twin knows what it shows: its crops are sorted into a folder for each material, which is what
    ``train`` takes; what lies on no single item of it, and what overlaps, is left out.

    Attributes:
        written: How many there are by now.
    """

    def __init__(self, folder: Path, twin: Twin | None = None, every: int = 1) -> None:
        """Prepares to write.

        Args:
            folder: Where to; made with the first crop.
            twin: Whose frames these are; None if nobody knows what they show.
            every: Only each so manieth frame, 1 or more.
        """
        self.written = 0
        self._folder = folder
        self._twin = twin
        self._every = every
        self._frames = 0

    def on_frame(self, frame: Frame, observation: Observation, runner: BeltRunner) -> None:
        """See ``Watcher``."""
        self._frames += 1
        position_m = runner.motion.position_m(frame.stamp_ns)
        if position_m is None or self._frames % self._every:
            return
        for number, crop in runner.perception.crops.items():
            x_m, y_m = observation.detections[number].centre_m
            near = [
                item
                for item in runner.line.tracker.items
                if item.item_id and abs(item.s_m + position_m - x_m) + abs(item.y_m - y_m) < 0.02
            ]
            if not near:
                continue
            folder = self._folder
            if self._twin is not None:
                material = _shown(self._twin, frame.stamp_ns, x_m, y_m)
                if material is None:
                    continue
                folder = folder / material
            self._write(folder / f"{near[0].item_id:05d}_{frame.stamp_ns}.jpg", crop)

    def _write(self, name: Path, crop: NDArray[np.uint8]) -> None:
        try:
            name.parent.mkdir(parents=True, exist_ok=True)
            _, data = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
            name.write_bytes(data.tobytes())
        except OSError as error:
            raise SourceError(f"{name} cannot be written: {error}") from error
        self.written += 1


def _shown(twin: Twin, stamp_ns: int, x_m: float, y_m: float) -> str | None:
    """What lies at a place of the belt; None if nothing does, or more than one item."""
    position_m = twin.position_m(stamp_ns)
    for item in twin.visible(stamp_ns):
        if math.hypot(item.s_m + position_m - x_m, item.y_m - y_m) < _SAME_M:
            return None if item.is_overlapping else item.material
    return None
