# SPDX-License-Identifier: Apache-2.0
"""Runs the belt by stamps, in one thread: the same input gives the same decisions.

The steady clock of such a run is the stamps' own. Frames take ``latency_sec`` from their stamp
until the line hears of them, as a camera and a network do, however fast this machine is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from recycle_sorter.belt_run.log import DecisionLog
from recycle_sorter.belt_run.perception import BeltPerception
from recycle_sorter.core import checks
from recycle_sorter.core.belt.clock import LONGEST_PAUSE_NS
from recycle_sorter.core.belt.judged import EnteringItem
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.line import BeltLine, LineConfig
from recycle_sorter.core.belt.motion import EncoderMotion, SpeedMotion
from recycle_sorter.core.belt.motion_choice import Motion, choose_motion
from recycle_sorter.core.belt.types import ItemRecord, LineEvents, Observation, TrackedItem
from recycle_sorter.core.errors import InvalidInputError, ModelError, SourceError
from recycle_sorter.core.ports import DiverterDriver
from recycle_sorter.core.types import NS_PER_SEC, Frame, SortDecision

_TRACK_NS = NS_PER_SEC // 20  # how often the belt's place is kept for the report
_KEPT_NOTICES = 5
_MOST_FAILURES = 10  # of the network in a row: it will not come back


@dataclass(frozen=True, slots=True)
class RunnerConfig:
    """How time passes.

    Attributes:
        tick_sec: Time between two ticks of the line, seconds, at most; a command is issued at a
            tick, so a layout of a smaller ``tolerance_sec`` makes it less.
        latency_sec: From a frame's stamp until the line hears of what it shows, seconds.
    """

    tick_sec: float = 0.005
    latency_sec: float = 0.03

    def __post_init__(self) -> None:
        checks.within(self, {"tick_sec": (0.0005, 1.0), "latency_sec": (0.0, 10.0)})


class Watcher:
    """Looks on while a run goes. This one does nothing; a base."""

    def on_frame(self, frame: Frame, observation: Observation, runner: BeltRunner) -> None:
        """Called after each frame."""

    def on_events(self, events: LineEvents, now_ns: int) -> None:
        """Called when the line decided, fired, or wrote a record."""

    def on_ticks(self, ticks: int, stamp_ns: int) -> None:
        """Called with each count of the encoder."""

    def on_speed(self, speed_m_per_sec: float, stamp_ns: int) -> None:
        """Called with each speed of the belt that is told."""

    def on_truth(self, item: EnteringItem) -> None:
        """Called with what is known of an item, where a recording tells."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision with what it was made on.

    Attributes:
        decision: What was decided.
        item: What was tracked.
        x_m: Where the item was at the decision's stamp, metres.
        latency_ns: Work that the item's last picture took, by ``clock_ns``.
    """

    decision: SortDecision
    item: TrackedItem
    x_m: float
    latency_ns: int


@dataclass(slots=True)
class _Waiting:
    """An observation that the line has not heard of yet."""

    due_ns: int
    observation: Observation
    work_ns: int


@dataclass(slots=True)
class BeltRunner:
    """Hands frames, encoder and ticks to the line in the order of their times.

    Attributes:
        line: Decides and fires.
        motion: The line's own, which this feeds.
        perception: Looks at the frames.
        config: How time passes.
        clock_ns: Any monotonic clock; measures work and decides nothing.
        watcher: Looks on.
        decided: Decisions in order.
        records: Records in order.
        log: The same as text.
        track: ``(stamp_ns, position_m)`` of the belt as the motion tells it.
        frames: How many frames were looked at.
        refused: How many could not be.
        notices: Why not, of the first of them.
    """

    line: BeltLine
    motion: Motion
    perception: BeltPerception
    config: RunnerConfig
    clock_ns: Callable[[], int]
    watcher: Watcher = field(default_factory=Watcher)
    decided: list[Decided] = field(default_factory=list)
    records: list[ItemRecord] = field(default_factory=list)
    log: DecisionLog = field(default_factory=DecisionLog)
    track: list[tuple[int, float]] = field(default_factory=list)
    frames: int = 0
    refused: int = 0
    notices: list[str] = field(default_factory=list)
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _tick_ns: int | None = None
    _work_ns: int = 0  # of the last observation
    _failures: int = 0  # of the network, in a row

    @classmethod
    def on_line_of(
        cls,
        layout: Layout,
        driver: DiverterDriver,
        perception: BeltPerception,
        clock_ns: Callable[[], int],
        config: RunnerConfig,
        watcher: Watcher | None = None,
    ) -> BeltRunner:
        """A runner on a new line; whoever made it closes ``line``.

        Args:
            layout: Of the line.
            driver: Moves its diverters.
            perception: Looks at the frames.
            clock_ns: Any monotonic clock; measures work and decides nothing.
            config: How time passes.
            watcher: Looks on.
        """
        # A layout that asks for commands nearer to their time gets its ticks as often.
        tick_sec = min(config.tick_sec, 2.0 * layout.tolerance_sec)
        config = replace(config, tick_sec=tick_sec)
        motion = choose_motion(layout)
        line = BeltLine(layout, motion, driver, LineConfig(tick_hz=1.0 / config.tick_sec))
        return cls(line, motion, perception, config, clock_ns, watcher or Watcher())

    def on_ticks(self, ticks: int, stamp_ns: int) -> None:
        """Takes an encoder's count, after all that happened before its stamp.

        A line that takes its motion from elsewhere leaves it to those who look on.
        """
        if isinstance(self.motion, EncoderMotion):
            self.advance(stamp_ns)
            self.motion.on_ticks(ticks, stamp_ns)
        self.watcher.on_ticks(ticks, stamp_ns)

    def on_speed(self, speed_m_per_sec: float, stamp_ns: int) -> None:
        """Takes the belt's speed, likewise."""
        if isinstance(self.motion, SpeedMotion):
            self.advance(stamp_ns)
            self.motion.on_speed(speed_m_per_sec, stamp_ns)
        self.watcher.on_speed(speed_m_per_sec, stamp_ns)

    def on_frame(self, frame: Frame) -> None:
        """Takes a frame, likewise, and looks at it; what cannot be used is counted.

        Raises:
            ModelError: If the network has failed at ten pictures with items in a row.
        """
        self.advance(frame.stamp_ns)
        position_m = self.motion.position_m(frame.stamp_ns)
        start_ns = self.clock_ns()
        try:
            observation = self.perception.observe(frame, self.clock_ns, position_m)
        except InvalidInputError as error:
            self._refuse(frame, error)
            return
        except ModelError as error:
            self._refuse(frame, error)
            self._failures += 1
            if self._failures >= _MOST_FAILURES:
                raise
            return
        if any(one.probabilities for one in observation.detections):
            self._failures = 0  # a picture of an empty belt asks no network
        self.frames += 1
        due_ns = frame.stamp_ns + round(self.config.latency_sec * NS_PER_SEC)
        self._waiting.append(_Waiting(due_ns, observation, self.clock_ns() - start_ns))
        self.watcher.on_frame(frame, observation, self)

    def _refuse(self, frame: Frame, error: Exception) -> None:
        self.refused += 1
        if len(self.notices) < _KEPT_NOTICES:
            self.notices.append(f"picture at {frame.stamp_ns} ns refused: {error}")

    def advance(self, until_ns: int) -> None:
        """Lets time pass: ticks and observations that fall due before ``until_ns``."""
        if self._tick_ns is None:
            self._tick_ns = until_ns
        step_ns = round(self.config.tick_sec * NS_PER_SEC)
        pause_ns = self._tick_ns + LONGEST_PAUSE_NS
        while True:
            heard_ns = self._waiting[0].due_ns if self._waiting else None
            if heard_ns is not None and heard_ns <= min(self._tick_ns, until_ns):
                self._hear(self._waiting.popleft())
            elif self._tick_ns < until_ns:
                self._tick(self._tick_ns)
                self._tick_ns = self._tick_ns + step_ns if self._tick_ns < pause_ns else until_ns
            else:
                return

    def finish(self, end_ns: int) -> None:
        """Ends the run: what is still waiting is heard, what is on the belt gets its record.

        Raises:
            SourceError: If no picture could be used.
        """
        if self.refused and not self.frames:
            raise SourceError(f"no picture can be used: {self.notices[0]}")
        self.advance(end_ns)
        while self._waiting:
            self._hear(self._waiting.popleft())
        self._took(self.line.flush(end_ns), end_ns)

    def _hear(self, waiting: _Waiting) -> None:
        start_ns = self.clock_ns()
        stamp_ns = waiting.observation.stamp_ns
        events = self.line.on_observation(waiting.observation, stamp_ns, waiting.due_ns)
        self._work_ns = waiting.work_ns + self.clock_ns() - start_ns
        self._took(events, waiting.due_ns)

    def _tick(self, now_ns: int) -> None:
        self._took(self.line.tick(now_ns), now_ns)
        if not self.track or now_ns - self.track[-1][0] >= _TRACK_NS:
            prediction = self.motion.predict(now_ns)
            if prediction is not None:
                self.track.append((now_ns, prediction.position_m))

    def _took(self, events: LineEvents, now_ns: int) -> None:
        for decision, item in zip(events.decisions, events.items, strict=True):
            position_m = self.motion.position_m(decision.stamp_ns) or 0.0
            self.decided.append(Decided(decision, item, item.s_m + position_m, self._work_ns))
        self.records += events.records
        self.log.add(events, now_ns)
        if events.decisions or events.commands or events.records:
            self.watcher.on_events(events, now_ns)
