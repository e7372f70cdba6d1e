# SPDX-License-Identifier: Apache-2.0
"""A belt's deciding half: observation -> tracked item -> decision -> command -> record.

Every time that is handed in is of one steady clock. ``tick`` moves everything; ``on_observation``
only tells what a picture showed, and when.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace

from recycle_sorter.core.belt.fusion import FusionConfig
from recycle_sorter.core.belt.history import Prediction
from recycle_sorter.core.belt.judge import JudgeConfig, judge_item
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.motion import PictureMotion
from recycle_sorter.core.belt.over_speed import OverSpeed
from recycle_sorter.core.belt.schedule import BeltSchedule
from recycle_sorter.core.belt.tracker import Tracker, TrackerConfig
from recycle_sorter.core.belt.types import (
    Cause,
    ItemRecord,
    LineEvents,
    Observation,
    Outcome,
    TrackedItem,
)
from recycle_sorter.core.diverters import DiverterBank, DiverterSnapshot
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.ports import BeltMotion, DiverterDriver
from recycle_sorter.core.types import DiverterStatus, PlannedCommand


@dataclass(frozen=True, slots=True)
class LineConfig:
    """Limits of a line.

    Attributes:
        tick_hz: How often ``tick`` is called; a command is issued by the tick nearest to its time.
        tracker: How items are followed; its view is taken from the layout.
        fusion: How an item's pictures are pooled.
        judge: What an item needs to be trusted.
    """

    tick_hz: float = 250.0
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.tick_hz) and self.tick_hz > 0):
            raise InvalidInputError("tick_hz", self.tick_hz, "a number above 0")


@dataclass(slots=True)
class _Seen:
    """An item that is not decided, and the stamp of the last picture that showed it."""

    item: TrackedItem
    stamp_ns: int


class BeltLine:
    """Follows items, decides each once, moves its diverter in time, and keeps one record of each.

    Args:
        layout: The belt.
        motion: Where the belt is; whoever owns it feeds it, but for the shifts of a
            ``PictureMotion``, which come with the observations.
        driver: What moves the diverters.
        config: Limits.

    Raises:
        InvalidInputError: If the driver lacks a diverter, or ticks are too far apart for the
            layout's tolerance.
    """

    def __init__(
        self,
        layout: Layout,
        motion: BeltMotion,
        driver: DiverterDriver,
        config: LineConfig | None = None,
    ) -> None:
        self.config = config or LineConfig()
        self.layout = layout
        self.motion = motion
        view_m = (0.0, layout.camera.view_length_m)
        self.tracker = Tracker(replace(self.config.tracker, view_m=view_m), self.config.fusion)
        self._schedule = BeltSchedule(layout, 1.0 / self.config.tick_hz)
        self._bank = DiverterBank(driver, layout.routing.diverters)
        self._undecided: dict[int, _Seen] = {}
        self._counts: Counter[str] = Counter()
        self.over_speed = OverSpeed(layout.speed.max_m_per_sec)
        self._is_enabled = True
        self._is_lost = False
        self._last: Prediction | None = None
        self._now_ns: int | None = None

    @property
    def is_enabled(self) -> bool:
        """Whether diverters follow commands."""
        return self._is_enabled

    @property
    def is_motion_lost(self) -> bool:
        """Whether the belt's motion fell silent, or was never heard."""
        return self._is_lost

    @property
    def in_flight(self) -> int:
        """Items that are decided and have no record yet."""
        return len(self._schedule)

    def on_observation(
        self, observation: Observation, steady_ns: int, now_ns: int | None = None
    ) -> LineEvents:
        """Takes what a picture showed.

        Args:
            observation: The items in it.
            steady_ns: When it was taken, steady clock; the stamp, mapped onto it.
            now_ns: When it is handed in; None for at once (replays). Where the observation's way
                took time, this says how late it is.

        Returns:
            The decisions that it led to. Commands are issued by ``tick`` alone.
        """
        now_ns = self._advance(steady_ns if now_ns is None else now_ns)
        events = LineEvents()
        if isinstance(self.motion, PictureMotion):
            self.motion.on_shift(observation.shift_m, steady_ns)
        position_m = None
        if not self.motion.is_stale(steady_ns):
            position_m = self.motion.position_m(steady_ns)
        if position_m is None:
            self._counts["observations_without_motion"] += 1
            return events
        self._counts["observations"] += 1
        timed = replace(observation, stamp_ns=steady_ns)
        for item in self.tracker.update(timed, position_m):
            self._follow(item, observation.stamp_ns)
        prediction = self._predict(now_ns)
        if prediction is not None:
            self._decide(prediction, events)
            self._end(events)
        return events

    def on_refused(self, observation: Observation) -> None:
        """Takes an observation whose stamp was refused: the belt had moved by then all the same."""
        if isinstance(self.motion, PictureMotion):
            self.motion.carry(observation.shift_m)

    def tick(self, steady_ns: int) -> LineEvents:
        """Decides, fires what is due, follows movements, watches the motion."""
        now_ns = self._advance(steady_ns)
        events = LineEvents()
        self._watch(now_ns)
        prediction = self._predict(now_ns)
        if prediction is not None:
            self._decide(prediction, events)
            commands, records = self._schedule.tick(prediction, self._issue, self._block())
            events.commands += commands
            events.records += records
        self._bank.tick(now_ns)
        events.states += self._bank.changes(now_ns)
        self._end(events)
        return events

    def flush(self, steady_ns: int) -> LineEvents:
        """Ends the run: decides what is undecided and ends all that has no record yet."""
        now_ns = self._advance(steady_ns)
        events = LineEvents()
        prediction = self._predict(now_ns) or Prediction(now_ns, 0.0, 0.0)
        self._decide(prediction, events, is_last=True)
        events.records += self._schedule.flush(prediction)
        self._end(events)
        return events

    def states(self, steady_ns: int) -> list[DiverterSnapshot]:
        """Every diverter's state now."""
        return self._bank.snapshots(steady_ns)

    def set_enabled(self, enabled: bool, reason: str, steady_ns: int) -> str:
        """Lets diverters follow commands, or sends them home; returns what happened.

        Items that fall due while they are disabled are missed; the others wait.
        """
        if enabled == self._is_enabled:
            return f"already {'enabled' if enabled else 'disabled'}"
        now_ns = self._advance(steady_ns)
        self._is_enabled = enabled
        text = f"{'enabled' if enabled else 'disabled'}: {reason or 'on request'}"
        if not enabled:
            self._hold(DiverterStatus.DISABLED, text, now_ns)
        elif self._is_lost:
            self._hold(DiverterStatus.STALE, "enabled, but no motion of the belt", now_ns)
        else:
            self._bank.release(text, now_ns)
        return text

    def counts(self) -> dict[str, int]:
        """All counters by name."""
        return {**self._counts, **self.tracker.counts(), "in_flight": self.in_flight}

    def close(self) -> None:
        """Frees the driver."""
        self._bank.close()

    def _advance(self, steady_ns: int) -> int:
        """A steady clock does not run back; a caller that mixes threads may."""
        self._now_ns = steady_ns if self._now_ns is None else max(self._now_ns, steady_ns)
        return self._now_ns

    def _predict(self, now_ns: int) -> Prediction | None:
        found = self.motion.predict(now_ns)
        if found is None and self._last is not None:
            found = self._last.at(now_ns)
        self._last = found
        return found

    def _watch(self, now_ns: int) -> None:
        """Sends the diverters home when the belt's motion falls silent."""
        is_lost = self.motion.is_stale(now_ns)
        known = None if is_lost or self._last is None else self._last.speed_m_per_sec
        self.over_speed.update(known, now_ns)
        if is_lost == self._is_lost:
            return
        self._is_lost = is_lost
        if is_lost:
            self._counts["motion_lost"] += 1
            if self._is_enabled:
                self._hold(DiverterStatus.STALE, "the belt's motion is unknown", now_ns)
        elif self._is_enabled:
            self._bank.release("the belt's motion is known again", now_ns)

    def _hold(self, status: DiverterStatus, why: str, now_ns: int) -> None:
        self._bank.hold_home(status, why, now_ns)
        self._schedule.go_home(now_ns)

    def _block(self) -> Cause:
        if not self._is_enabled:
            return Cause.DISABLED
        return Cause.MOTION_LOST if self._is_lost else Cause.NONE

    def _issue(self, command: PlannedCommand) -> bool:
        return self._now_ns is not None and self._bank.execute(command, self._now_ns)

    def _follow(self, item: TrackedItem, stamp_ns: int) -> None:
        """Notes an item that a picture showed: to be decided, unless it waits for its diverter."""
        if not self._schedule.move(item.item_id, item.s_m):
            self._undecided[item.item_id] = _Seen(item, stamp_ns)

    def _decide(self, prediction: Prediction, events: LineEvents, is_last: bool = False) -> None:
        """Decides what has crossed the line, or was carried back out of the view before it."""
        if self._is_lost and not is_last:
            return  # where they are is not known
        line_m = self.layout.decision_line_m - prediction.position_m
        back_m = -self.layout.camera.view_length_m - prediction.position_m
        due = [
            seen
            for seen in self._undecided.values()
            if is_last or not back_m <= seen.item.s_m < line_m
        ]
        for seen in sorted(due, key=lambda s: (-s.item.s_m, s.item.item_id)):
            item = seen.item
            config = self.config
            judged = judge_item(item, self.layout.routing, config.judge, config.fusion)
            decision = replace(judged, stamp_ns=seen.stamp_ns)
            del self._undecided[item.item_id]
            events.decisions.append(decision)
            # The tracker's own goes on changing.
            events.items.append(replace(item, evidence=list(item.evidence)))
            self._counts["decisions"] += 1
            events.records += self._schedule.add(decision, item.s_m, prediction)

    def _end(self, events: LineEvents) -> None:
        """Counts the records and lets the tracker go of items that have theirs."""
        for record in events.records:
            self._count(record)
            self.tracker.forget(record.decision.item_id)

    def _count(self, record: ItemRecord) -> None:
        name = record.outcome.name.lower()
        if record.outcome is Outcome.MISSED:
            name = f"missed_{record.cause.name.lower()}"
        self._counts[name] += 1
