# SPDX-License-Identifier: Apache-2.0
"""State of the diverters: each goes out for an item, holds, and returns home."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from recycle_sorter.core.errors import DriverError, InvalidInputError
from recycle_sorter.core.ports import DiverterDriver
from recycle_sorter.core.routing import DiverterSpec
from recycle_sorter.core.types import NS_PER_SEC, DiverterStatus, PlannedCommand


@dataclass(frozen=True, slots=True)
class DiverterSnapshot:
    """One diverter at one time; the fields are those of ``DiverterState.msg``."""

    diverter: str
    status: DiverterStatus
    position_rad: float
    item_id: int
    actuations: int
    detail: str


# How long after a fault the way home is tried again.
RETRY_SEC = 1.0


@dataclass(slots=True)
class _Motion:
    """One diverter's way; ``home_at_ns`` is when it goes home, or tries to again after a fault."""

    snapshot: DiverterSnapshot
    arrive_ns: int = 0
    home_at_ns: int | None = None
    is_homing: bool = False


@dataclass(slots=True)
class DiverterBank:
    """Moves diverters through a driver and says what state each is in.

    ``hold_home`` names the state in which all stay home and refuse commands (disabled or stale).
    """

    driver: DiverterDriver
    specs: Mapping[str, DiverterSpec]
    _motions: dict[str, _Motion] = field(default_factory=dict)
    _changed: dict[str, DiverterSnapshot] = field(default_factory=dict)
    _held: DiverterStatus | None = None
    _held_why: str = ""

    def __post_init__(self) -> None:
        missing = [name for name in self.specs if name not in self.driver.diverters]
        if missing:
            known = ", ".join(self.driver.diverters)
            raise InvalidInputError("diverters", missing, f"diverters of the driver ({known})")
        for name in self.specs:
            snapshot = DiverterSnapshot(name, DiverterStatus.NEUTRAL, math.nan, 0, 0, "started")
            self._motions[name] = _Motion(snapshot)

    @property
    def is_held(self) -> bool:
        """Whether the diverters stay home and refuse commands."""
        return self._held is not None

    def snapshots(self, now_ns: int) -> list[DiverterSnapshot]:
        """The state of every diverter now."""
        return [
            replace(m.snapshot, position_rad=self._position(name, now_ns))
            for name, m in self._motions.items()
        ]

    def changes(self, now_ns: int) -> list[DiverterSnapshot]:
        """The diverters whose state changed since the last call."""
        changed = [
            replace(s, position_rad=self._position(name, now_ns))
            for name, s in self._changed.items()
        ]
        self._changed.clear()
        return changed

    def execute(self, command: PlannedCommand, now_ns: int) -> bool:
        """Moves the command's diverter; returns whether it did.

        Commands without a diverter succeed and move nothing. While held, commands are refused.
        """
        if not command.diverter:
            return True
        if self._held is not None or command.diverter not in self._motions:
            return False
        motion = self._motions[command.diverter]
        try:
            motion.arrive_ns = self.driver.move(command.diverter, command.position_rad, now_ns)
        except (DriverError, InvalidInputError) as error:
            self._fault(command.diverter, error, now_ns)
            return False
        motion.is_homing = False
        motion.home_at_ns = motion.arrive_ns + round(command.dwell_sec * NS_PER_SEC)
        decision = command.decision
        self._set(
            command.diverter,
            DiverterStatus.MOVING,
            f"to {command.position_rad:.2f} rad for bin {decision.bin}",
            item_id=decision.item_id,
            actuations=motion.snapshot.actuations + 1,
        )
        return True

    def tick(self, now_ns: int) -> None:
        """Follows the movements: arrived, held long enough, home again."""
        for name, motion in self._motions.items():
            if motion.snapshot.status is DiverterStatus.MOVING and now_ns >= motion.arrive_ns:
                if motion.is_homing:
                    status = self._held or DiverterStatus.NEUTRAL
                    self._set(name, status, self._held_why or "home", item_id=0)
                else:
                    self._set(name, DiverterStatus.DIVERTING, "in position")
            if motion.home_at_ns is not None and now_ns >= motion.home_at_ns:
                self._go_home(name, now_ns, "returning home")

    def hold_home(self, status: DiverterStatus, detail: str, now_ns: int) -> None:
        """Sends every diverter home and refuses commands until ``release``."""
        self._held, self._held_why = status, detail
        for name in self._motions:
            self._go_home(name, now_ns, detail)
            if self._motions[name].snapshot.status is not DiverterStatus.FAULT:
                self._set(name, status, detail, item_id=0)

    def release(self, detail: str, now_ns: int) -> None:
        """Follows commands again; a diverter at fault stays so until it is home."""
        self._held, self._held_why = None, ""
        for name, motion in self._motions.items():
            if motion.snapshot.status is DiverterStatus.FAULT:
                continue
            is_home = now_ns >= motion.arrive_ns
            status = DiverterStatus.NEUTRAL if is_home else DiverterStatus.MOVING
            self._set(name, status, detail, item_id=0)

    def close(self) -> None:
        """Frees the driver."""
        self.driver.close()

    def _go_home(self, name: str, now_ns: int, detail: str) -> None:
        motion = self._motions[name]
        motion.home_at_ns = None
        motion.is_homing = True
        try:
            motion.arrive_ns = self.driver.move(name, self.specs[name].home_rad, now_ns)
        except (DriverError, InvalidInputError) as error:
            self._fault(name, error, now_ns)
            return
        self._set(name, DiverterStatus.MOVING, detail)

    def _fault(self, name: str, error: Exception, now_ns: int) -> None:
        self._motions[name].home_at_ns = now_ns + round(RETRY_SEC * NS_PER_SEC)
        self._set(name, DiverterStatus.FAULT, str(error) or type(error).__name__)

    def _position(self, name: str, now_ns: int) -> float:
        try:
            return self.driver.position_rad(name, now_ns)
        except (DriverError, InvalidInputError):
            return math.nan

    def _set(
        self,
        name: str,
        status: DiverterStatus,
        detail: str,
        item_id: int | None = None,
        actuations: int | None = None,
    ) -> None:
        motion = self._motions[name]
        old = motion.snapshot
        motion.snapshot = replace(
            old,
            status=status,
            detail=detail,
            item_id=old.item_id if item_id is None else item_id,
            actuations=old.actuations if actuations is None else actuations,
        )
        self._changed[name] = motion.snapshot
