# SPDX-License-Identifier: Apache-2.0
"""Who runs what: the trials of a sweep that several processes, or machines, may share.

A sweep has numbered slots, one for each set of hyperparameters. A slot is run until a trial in it
has ended by itself, so after a kill it is run again, with the same hyperparameters. All choices
are made under one lock in the database, hence no slot is run twice or left out.
"""

from __future__ import annotations

import fcntl
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.sweep.database import ERRORS, reason_of

# A trial of another machine whose process has said nothing for so long is taken for dead. The
# machines' clocks may differ by what lies between the two.
HEARTBEAT_SEC, GRACE_SEC = 30.0, 600.0
MAX_ATTEMPTS = 3
SLOT, ATTEMPT, OWNER, ALIVE = "slot", "attempt", "owner", "alive_unix_sec"
_CLAIMANT = "claimant"
ERROR, INTERRUPTED = "error", "interrupted"
_LOCK_KEY = 0x7265_6379  # any number that means this lock to all


@dataclass(frozen=True, slots=True)
class Claim:
    """A trial that this process is to run.

    Attributes:
        slot: Number of its set of hyperparameters, from 0.
        attempt: 1, or more after kills.
        trial: Optuna's trial, its parameters drawn.
    """

    slot: int
    attempt: int
    trial: Trial


def claim(
    study: optuna.Study,
    url: str,
    limit: int,
    distributions: Mapping[str, BaseDistribution],
    fixed: Sequence[Mapping[str, Any]] | None = None,
    *,
    claimant: str,
) -> Claim | None:
    """Takes the next slot that is free, or that a dead process left.

    Made again because the answer was lost, it returns the trial that it took before.

    Args:
        study: The study.
        url: Of its database.
        limit: How many slots there are.
        distributions: What each parameter is drawn from.
        fixed: The parameters of each slot, in a grid.
        claimant: Who asks (see `new_claimant`). It runs one trial at a time, and none now.

    Returns:
        The trial, which is running now; None if nothing is left to start.
    """
    with exclusive(url):
        bury_dead(study)
        # Nobody else would ever end it: its process lives.
        trial = _claimed(study, claimant) or _begin(study, limit, distributions, fixed)
        if trial is None:
            return None
        trial.set_user_attr(ALIVE, time.time())
        trial.set_user_attr(OWNER, {**_this_process(), _CLAIMANT: claimant})
    attrs = trial.user_attrs
    return Claim(attrs[SLOT], attrs[ATTEMPT], trial)


def new_claimant() -> str:
    """Returns a name that nobody else has, also among the threads of a process."""
    return uuid.uuid4().hex


def _claimed(study: optuna.Study, claimant: str) -> Trial | None:
    """The trial that this claimant took without hearing of it."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.user_attrs.get(OWNER, {}).get(_CLAIMANT) == claimant:
            return Trial(study, trial._trial_id)
    return None


def _begin(
    study: optuna.Study,
    limit: int,
    distributions: Mapping[str, BaseDistribution],
    fixed: Sequence[Mapping[str, Any]] | None,
) -> Trial | None:
    slots = attempts_by_slot(study)
    waiting = [s for s, found in slots.items() if found[-1].state == TrialState.WAITING]
    lost = [s for s, found in slots.items() if is_lost(found)]
    if not waiting:  # else a process was killed between the next two steps
        if lost:
            slot = lost[0]
            parameters = dict(slots[slot][-1].params)
        else:
            slot = max(slots, default=-1) + 1
            if slot >= limit:
                return None
            parameters = dict(fixed[slot]) if fixed is not None else {}
        attempt = len(slots.get(slot, ())) + 1
        study.enqueue_trial(parameters, user_attrs={SLOT: slot, ATTEMPT: attempt})
    return study.ask(dict(distributions))


def attempts_by_slot(study: optuna.Study) -> dict[int, list[FrozenTrial]]:
    """Returns the trials of each slot, in the order in which they were made."""
    slots: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        if SLOT in trial.user_attrs:
            slots.setdefault(trial.user_attrs[SLOT], []).append(trial)
    return dict(sorted(slots.items()))


def is_lost(attempts: Sequence[FrozenTrial]) -> bool:
    """Whether a slot's last trial was killed or interrupted, and may be tried again."""
    last = attempts[-1]
    was_killed = last.state == TrialState.FAIL and ERROR not in last.user_attrs
    # One that nobody owned was never run: the claim itself broke off.
    begun = (trial.user_attrs for trial in attempts if OWNER in trial.user_attrs)
    kills = sum(INTERRUPTED not in attrs for attrs in begun)
    return was_killed and kills < MAX_ATTEMPTS


def bury_dead(study: optuna.Study) -> None:
    """Marks trials as failed whose process is gone."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if SLOT in trial.user_attrs and not _is_alive(trial.user_attrs):
            study.tell(trial.number, state=TrialState.FAIL)


@contextmanager
def heartbeat(trial: Trial, say: Callable[[str], None]) -> Iterator[None]:
    """Tells other machines every half minute that the trial's process lives.

    Args:
        trial: The trial.
        say: Told, in the thread that beats, when the database takes no sign of life, when that
            lasts so long that others take the trial for dead, and when it takes one again.
    """
    over = threading.Event()

    def beat() -> None:
        missed = 0
        while not over.wait(HEARTBEAT_SEC):
            try:
                trial.set_user_attr(ALIVE, time.time())
            except UpdateFinishedTrialError:
                return  # another machine has taken it over, which the trial's end will tell
            except ERRORS as error:
                missed += 1
                if missed == 1:
                    say(f"the database takes no sign of life ({reason_of(error)}); trying again")
                elif missed == round(GRACE_SEC / HEARTBEAT_SEC):
                    say(f"{missed} signs of life are lost: other machines may begin this trial")
                continue
            if missed:
                say(f"the database takes signs of life again, after {missed} that were lost")
                missed = 0

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def exclusive(url: str) -> Iterator[None]:
    """Keeps every other process out that shares the database, on whatever machine.

    The lock goes with the process that holds it: a kill leaves nothing locked.

    Raises:
        InvalidInputError: If the database has no such lock, or lies in memory.
    """
    address = sqlalchemy.make_url(url)
    backend = address.get_backend_name()
    if backend == "sqlite":
        if not address.database or address.database == ":memory:":
            raise InvalidInputError("--storage", url, "a file: sqlite:///path/to/sweep.db")
        path = Path(f"{address.database}.lock")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
        return
    take, leave = lock_statements(backend)
    engine = sqlalchemy.create_engine(
        address, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(take))
        try:
            yield
        finally:
            connection.execute(sqlalchemy.text(leave))
    engine.dispose()


def lock_statements(backend: str) -> tuple[str, str]:
    """Returns the SQL that takes and leaves the lock.

    Raises:
        InvalidInputError: If the database has no such lock.
    """
    if backend == "postgresql":
        return f"SELECT pg_advisory_lock({_LOCK_KEY})", f"SELECT pg_advisory_unlock({_LOCK_KEY})"
    if backend in ("mysql", "mariadb"):
        return f"SELECT GET_LOCK('{_LOCK_KEY}', -1)", f"SELECT RELEASE_LOCK('{_LOCK_KEY}')"
    raise InvalidInputError("--storage", backend, "a sqlite, postgresql or mysql address")


def _this_process() -> dict[str, Any]:
    return {"machine": _machine(), "pid": os.getpid(), "start": _start_of(os.getpid())}


def _is_alive(attrs: Mapping[str, Any], now: Callable[[], float] = time.time) -> bool:
    owner = attrs.get(OWNER)
    if owner is None:
        return False  # killed while it held the lock, for it is ours now
    if owner["machine"] == _machine() and owner["start"] is not None:
        return bool(owner["start"] == _start_of(owner["pid"]))
    return now() - float(attrs.get(ALIVE, 0.0)) < GRACE_SEC


def _machine() -> str:
    """What tells this machine, since it was started, from others: a container counts as one."""
    boot, space = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    try:
        parts = [boot.read_text("ascii").strip(), str(space.readlink())]
    except OSError:
        parts = []
    return " ".join([socket.gethostname(), *parts])


def _start_of(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None if there is none, or no way to know."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", errors="replace")
    except OSError:
        return None
    # The name in brackets may hold anything, brackets too. A zombie has ended.
    state, *rest = text.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]
