# SPDX-License-Identifier: Apache-2.0
"""The deciding half of the sorter: classification -> evidence -> decision -> schedule -> diverter.

Two clocks are handed in. ``now_ns`` is the clock of the stamps; ``steady_ns`` never jumps and
drives everything that moves or times out, so that a clock set by an hour fires nothing twice.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field

from recycle_sorter.core.diverters import DiverterBank, DiverterSnapshot
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.ports import DiverterDriver
from recycle_sorter.core.routing import Routing
from recycle_sorter.core.safety import StalenessWatch
from recycle_sorter.core.schedule import Schedule, plan
from recycle_sorter.core.station import ItemEvidence, Station, StationConfig
from recycle_sorter.core.types import (
    NS_PER_SEC,
    Classification,
    DiverterStatus,
    PlannedCommand,
    Reason,
    SortDecision,
)


@dataclass(frozen=True, slots=True)
class SorterConfig:
    """Limits of the deciding half.

    Attributes:
        station: How items are counted.
        stale_timeout_sec: Silence after which diverters go home; 0 switches this off.
        max_age_sec: Classifications of older pictures are refused, and commands that are this
            late are not executed; 0 takes any age.
    """

    station: StationConfig = field(default_factory=StationConfig)
    stale_timeout_sec: float = 1.0
    max_age_sec: float = 1.0

    def __post_init__(self) -> None:
        for name in ("stale_timeout_sec", "max_age_sec"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):  # NaN would switch the watch off unseen
                raise InvalidInputError(name, value, "a number from 0")


@dataclass(slots=True)
class SorterCounters:
    """What became of what arrived, for diagnostics."""

    commands: int = 0
    rejected: int = 0
    too_old: int = 0
    malformed: int = 0
    refused: int = 0
    stale_periods: int = 0


class Sorter:
    """Decides each item once and moves its diverter in time.

    Args:
        routing: Where materials go.
        driver: What moves the diverters.
        config: Limits.
    """

    def __init__(self, routing: Routing, driver: DiverterDriver, config: SorterConfig) -> None:
        self.config = config
        self.counters = SorterCounters()
        self.station = Station(config.station)
        self.routing = routing
        self._bank = DiverterBank(driver, routing.diverters)
        self._watch = StalenessWatch(config.stale_timeout_sec)
        self._schedule = Schedule()
        self._is_enabled = True
        self._is_stale = False

    @property
    def is_enabled(self) -> bool:
        """Whether diverters follow commands."""
        return self._is_enabled

    @property
    def is_stale(self) -> bool:
        """Whether classifications stopped arriving."""
        return self._is_stale

    def on_classification(
        self, seen: Classification, now_ns: int, steady_ns: int
    ) -> list[PlannedCommand]:
        """Takes a classification; returns the commands it leads to, to be published.

        Commands that are due are executed before this returns, the others wait for ``tick``.
        """
        if not _is_well_formed(seen):
            self.counters.malformed += 1
            return []
        max_age_ns = self.config.max_age_sec * NS_PER_SEC
        if max_age_ns and now_ns - seen.stamp_ns > max_age_ns:
            self.counters.too_old += 1
            return []
        refused = self.station.counters.stamps_refused
        complete = self.station.update(seen)
        if self.station.counters.stamps_refused == refused:
            self._on_usable(steady_ns)
        commands = [self._command(evidence) for evidence in complete]
        self._queue(commands, now_ns, steady_ns)
        return commands

    def flush(self, now_ns: int, steady_ns: int) -> list[PlannedCommand]:
        """Decides the item in view now: the input has ended."""
        commands = [self._command(evidence) for evidence in self.station.flush()]
        self._queue(commands, now_ns, steady_ns)
        return commands

    def tick(self, steady_ns: int) -> list[DiverterSnapshot]:
        """Fires what is due, follows movements, watches the input; returns changed diverters."""
        if self._watch.is_stale(steady_ns) and not self._is_stale:
            self._is_stale = True
            self.counters.stale_periods += 1
            if self._is_enabled:
                silence = self._watch.silence_sec(steady_ns)
                why = f"no usable classification for {silence:.1f} s"
                self._stop(DiverterStatus.STALE, why, steady_ns)
        self._fire(steady_ns)
        self._bank.tick(steady_ns)
        return self._bank.changes(steady_ns)

    def states(self, steady_ns: int) -> list[DiverterSnapshot]:
        """Every diverter's state now."""
        return self._bank.snapshots(steady_ns)

    def set_enabled(self, enabled: bool, reason: str, steady_ns: int) -> str:
        """Lets diverters follow commands, or sends them home; returns what happened."""
        if enabled == self._is_enabled:
            return f"already {'enabled' if enabled else 'disabled'}"
        self._is_enabled = enabled
        why = reason or "on request"
        if not enabled:
            dropped = self._stop(DiverterStatus.DISABLED, f"disabled: {why}", steady_ns)
            return f"disabled: {why}; {dropped} waiting commands dropped"
        if self._is_stale:
            self._bank.hold_home(DiverterStatus.STALE, "enabled, but no classifications", steady_ns)
        else:
            self._bank.release(f"enabled: {why}", steady_ns)
        return f"enabled: {why}"

    def reconfigure(self, config: SorterConfig) -> None:
        """Puts other limits in force; items in view and counters stay."""
        self.config = config
        self.station.config = config.station
        self._watch.timeout_sec = config.stale_timeout_sec

    def counts(self) -> dict[str, int]:
        """All counters by name."""
        return {**asdict(self.counters), **asdict(self.station.counters)}

    def replace_routing(self, routing: Routing) -> str:
        """Puts another routing in force for the items decided from now on.

        Raises:
            InvalidInputError: If its diverters are not those of the running one; the driver was
                set up for these.
        """
        old, new = self.routing.diverters, routing.diverters
        changed = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        if changed:
            raise InvalidInputError(
                "diverters",
                changed,
                f"the running diverters, unchanged ({', '.join(old)})",
                "restart the actuator node to change diverters",
            )
        self.routing = routing
        return f"{len(routing.rules)} materials into {len(routing.bins)} bins"

    def close(self) -> None:
        """Frees the driver."""
        self._bank.close()

    def _on_usable(self, steady_ns: int) -> None:
        """Notes a sign of life; what was refused is none, however often it comes."""
        self._watch.seen(steady_ns)
        if self._is_stale:
            self._is_stale = False
            if self._is_enabled:
                self._bank.release("classifications arrive again", steady_ns)

    def _stop(self, status: DiverterStatus, why: str, steady_ns: int) -> int:
        dropped = self._schedule.clear()
        self.counters.refused += len(dropped)
        self._bank.hold_home(status, why, steady_ns)
        return len(dropped)

    def _command(self, evidence: ItemEvidence) -> PlannedCommand:
        verdict = self.routing.judge(evidence.probabilities)
        material, confidence = verdict.material, verdict.confidence
        if not evidence.is_enough:
            frames = evidence.frames
            least = self.config.station.min_evidence_frames
            text = f"seen in {frames} frames, fewer than {least}"
            verdict = self.routing.reject(material, confidence, Reason.TOO_FEW_FRAMES, text)
        elif not self._is_enabled:
            text = f"diverters are disabled ({verdict.detail})"
            verdict = self.routing.reject(material, confidence, Reason.DISABLED, text)
        self.counters.commands += 1
        if verdict.reason is not Reason.ACCEPTED:
            self.counters.rejected += 1
        decision = SortDecision(
            stamp_ns=evidence.stamp_ns,
            item_id=evidence.item_id,
            material=material,
            confidence=confidence,
            bin=verdict.bin.name,
            reason=verdict.reason,
            detail=verdict.detail,
            evidence_frames=evidence.frames,
            probabilities=dict(evidence.probabilities),
        )
        return plan(decision, verdict.bin, self.routing)

    def _queue(self, commands: list[PlannedCommand], now_ns: int, steady_ns: int) -> None:
        max_late_ns = self.config.max_age_sec * NS_PER_SEC
        for command in commands:
            wait_ns = command.fire_ns - now_ns
            if command.diverter and max_late_ns and -wait_ns > max_late_ns:
                self.counters.refused += 1  # by now another item may lie there
                continue
            # A sender whose clock is ahead must not put the movement off beyond its delay.
            delay_ns = command.fire_ns - command.decision.stamp_ns
            self._schedule.add(command, steady_ns + min(max(0, wait_ns), delay_ns))
        self._fire(steady_ns)

    def _fire(self, steady_ns: int) -> None:
        for command in self._schedule.due(steady_ns):
            if not self._bank.execute(command, steady_ns):
                self.counters.refused += 1


def _is_well_formed(seen: Classification) -> bool:
    """Whether an item's probabilities fit its materials: messages come from outside."""
    if not seen.item_present:
        return True
    values = seen.probabilities
    return (
        len(values) == len(seen.materials) == len(set(seen.materials))
        and all(0.0 <= p <= 1.0 + 1e-6 for p in values)
        and abs(sum(values) - 1.0) < 1e-2
    )
