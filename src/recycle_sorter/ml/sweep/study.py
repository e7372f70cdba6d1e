# SPDX-License-Identifier: Apache-2.0
"""Runs a sweep on Optuna: TPE, random or grid, with early stopping, resumed after a kill."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.study import Study
from optuna.trial import TrialState

from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.ml.sweep import claims, database
from recycle_sorter.ml.sweep.claims import Claim
from recycle_sorter.ml.sweep.parameters import Scalar
from recycle_sorter.ml.sweep.space import SweepSpec
from recycle_sorter.ml.sweep.strategy import SamplerBySlot, distribution_of, make_pruner
from recycle_sorter.ml.sweep.watcher import Outcome, Watcher
from recycle_sorter.output_files import require_folder

_FAILURES_IN_A_ROW = 3
_FINGERPRINT = "fingerprint"
_DATA = "data"
Result = TypeVar("Result")


class TrialReport:
    """Given to a training: takes its figure after each epoch and says when to stop.

    Attributes:
        slot: Number of the trial's hyperparameters in the sweep, from 0.
        folder: Where the training may write; the same again after a kill.
    """

    def __init__(self, claim: Claim, folder: Path, sweep: Sweep, watcher: Watcher) -> None:
        self.slot = claim.slot
        self.folder = folder
        self._trial = claim.trial
        self._sweep = sweep
        self._watcher = watcher
        self._last = -1
        self.is_stopped = False

    def __call__(self, epoch: int, value: float, *, is_last: bool = False) -> bool:
        """Takes the metric after an epoch.

        Args:
            epoch: Counted from 0.
            value: The sweep's metric.
            is_last: Whether the trial has no epoch left. There is nothing to save then, and only a
                complete trial counts in the ranking of what mattered.

        Returns:
            Whether to stop now: the trial lies too far behind others.
        """
        if epoch > self._last:
            self._last = epoch
            ask, say = self._sweep.ask, self._watcher.note
            ask(lambda: self._trial.report(float(value), epoch + 1), say)
            self._watcher.epoch(self.slot, epoch, float(value))
            self.is_stopped = not is_last and ask(self._trial.should_prune, say)
        return self.is_stopped


def trial_name(slot: int) -> str:
    """Returns the name of a slot's trial, which its folder has too."""
    return f"trial{slot:04d}"


RunTrial = Callable[[dict[str, Scalar], TrialReport], float]


class Sweep:
    """A sweep in its database, which any number of processes may work on.

    Leaving its ``with`` block, or `close`, ends the connection.

    Args:
        spec: What to search.
        folder: For trials, and for the database unless `storage` names one.
        storage: Address of a database, such as ``postgresql://user@host/sweeps``.
        trials: How many sets of hyperparameters to try; by default what the file says.
        seed: Of all random choices.
        pruner: ``file`` (what it says), ``hyperband``, ``median`` or ``none``.

    Raises:
        InvalidInputError: If the sweep has no end or no folder, or the database holds another by
            its name.
    """

    def __init__(
        self,
        spec: SweepSpec,
        folder: Path,
        *,
        storage: str | None = None,
        trials: int | None = None,
        seed: int = 0,
        pruner: str = "file",
    ) -> None:
        self.spec = spec
        self.folder = folder
        self.url = database.read_address(storage or f"sqlite:///{folder.absolute() / 'sweep.db'}")
        self._searched = [p for p in spec.parameters if not p.is_constant]
        names = [p.name for p in self._searched]
        points = spec.grid() if spec.method == "grid" else []
        self._grid = [{name: point[name] for name in names} for point in points]
        self._claimant = claims.new_claimant()
        self.limit = _limit(spec, trials, len(self._grid))
        self._distributions = {
            p.name: distribution_of(p, is_grid=spec.method == "grid") for p in self._searched
        }
        require_folder("--out", folder)
        chosen = make_pruner(spec.hyperband, pruner)
        with database.told_plainly(self.url), claims.exclusive(self.url):
            self._storage = database.connect(self.url)
            try:
                self.study = _open(spec, self._storage)
            except InvalidInputError:
                self.close()
                raise
        self.study.sampler = SamplerBySlot(spec.method, seed)
        self.study.pruner = chosen

    def __enter__(self) -> Sweep:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection to the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def ask(self, call: Callable[[], Result], say: database.Say) -> Result:
        """Asks the database, and again where it does not answer (see `database.patiently`)."""
        return database.patiently(self.url, call, say)

    def check_data(self, data: Mapping[str, str]) -> None:
        """Notes what the sweep's trials are trained on; whoever joins later must bring the same.

        A sweep of an older version does not know: it takes the first that is brought for its own,
        as refusing would end all of them.

        Args:
            data: Digests by the names of what they are of (see `data_fingerprint`).

        Raises:
            InvalidInputError: Naming what is another.
        """
        with database.told_plainly(self.url), claims.exclusive(self.url):
            former = self.study.user_attrs.get(_DATA)
            if former is None:
                self.study.set_user_attr(_DATA, dict(data))
                return
        other = [name for name in {**former, **data} if former.get(name) != data.get(name)]
        if other:
            raise InvalidInputError(
                f"sweep {self.spec.name}", f"other {', '.join(other)}",
                "the data, split and seed that it was begun with: results would not compare",
                "bring the same, or choose another name or another output folder",
            )  # fmt: skip

    def run(self, run_trial: RunTrial, watcher: Watcher | None = None) -> None:
        """Runs trials until none is left to start.

        Args:
            run_trial: Trains with hyperparameters, reports each epoch, returns the metric.
            watcher: Hears of each trial, and when the database does not answer.

        Raises:
            SorterError: If the first trials all fail.
            DatabaseError: If the database does not answer for so long that waiting is no use. The
                trial that ran is run again later.
        """
        watcher = watcher or Watcher()
        failures = 0
        while not self.ask(self._has_reached_target, watcher.note):
            claim = self.ask(self._claim, watcher.note)
            if claim is None:
                return
            outcome = self._run_one(claim, run_trial, watcher)
            watcher.trial(outcome)
            failures = failures + 1 if outcome.state == "failed" else 0
            if failures == _FAILURES_IN_A_ROW:
                text = f"{failures} trials in a row failed, the last one: {outcome.text}"
                raise SorterError(f"sweep {self.spec.name}: {text}")

    def hyperparameters(self, drawn: Mapping[str, Any]) -> dict[str, Scalar]:
        """Returns the hyperparameters for what Optuna drew, constants included."""
        if self._grid:
            return {p.name: drawn.get(p.name, p.spec.get("value")) for p in self.spec.parameters}
        return {
            p.name: p.spec["value"] if p.is_constant else p.value_of(drawn[p.name])
            for p in self.spec.parameters
        }

    def _claim(self) -> Claim | None:
        study, grid, claimant = self.study, self._grid or None, self._claimant
        return claims.claim(
            study, self.url, self.limit, self._distributions, grid, claimant=claimant
        )

    def _run_one(self, claim: Claim, run_trial: RunTrial, watcher: Watcher) -> Outcome:
        values = self.hyperparameters(claim.trial.params)
        folder = self.folder / trial_name(claim.slot)
        started = Outcome(claim.slot, claim.attempt, "started", values)
        watcher.trial(started)
        report = TrialReport(claim, folder, self, watcher)
        start_sec = time.monotonic()
        value: float | None = None
        error = ""
        try:
            with claims.heartbeat(claim.trial, watcher.note):
                value = float(run_trial(values, report))
            if not math.isfinite(value):
                error, value = f"the metric is {value}", None
        except database.DatabaseError:
            raise  # no fault of the trial: once this process has ended, it is run again
        except Exception as raised:  # noqa: BLE001 - one bad trial must not end the sweep
            error = f"{type(raised).__name__}: {raised}"
        except BaseException:
            # Interrupted: to be tried again, as after a kill, which it counts for without a mark.
            with suppress(*database.ERRORS):
                self._tell(claim, TrialState.FAIL, remarks={claims.INTERRUPTED: True})
            raise
        remarks = {}
        if error:
            remarks[claims.ERROR] = error
            state, word = TrialState.FAIL, "failed"
        elif report.is_stopped:
            state, word = TrialState.PRUNED, "stopped"
        else:
            state, word = TrialState.COMPLETE, "complete"
        if not self.ask(lambda: self._tell(claim, state, value, remarks), watcher.note):
            # It was silent for so long that another machine has begun it anew.
            word = "taken over"
        seconds = time.monotonic() - start_sec
        return Outcome(claim.slot, claim.attempt, word, values, value, error, seconds)

    def _tell(
        self,
        claim: Claim,
        state: TrialState,
        value: float | None = None,
        remarks: Mapping[str, Any] | None = None,
    ) -> bool:
        with claims.exclusive(self.url):
            number = claim.trial.number
            (trial,) = (t for t in self.study.get_trials(deepcopy=False) if t.number == number)
            if trial.state != TrialState.RUNNING:
                # Others only ever mark it as failed: any other end is ours, told before the
                # connection broke.
                return trial.state == state != TrialState.FAIL
            for name, text in (remarks or {}).items():
                claim.trial.set_user_attr(name, text)
            values = value if state == TrialState.COMPLETE else None
            self.study.tell(claim.trial, values, state)
            return True

    def _has_reached_target(self) -> bool:
        target = self.spec.target
        if target is None:
            return False
        ended = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = 1 if self.spec.is_maximized else -1
        return any(t.value is not None and sign * t.value >= sign * target for t in ended)


def _open(spec: SweepSpec, storage: optuna.storages.RDBStorage) -> Study:
    study = optuna.create_study(
        storage=storage,
        study_name=spec.name,
        direction="maximize" if spec.is_maximized else "minimize",
        load_if_exists=True,
    )
    former = study.user_attrs.get(_FINGERPRINT)
    if former is None:
        study.set_user_attr(_FINGERPRINT, spec.fingerprint())
    elif former != spec.fingerprint():
        fix = "choose another name or another output folder"
        raise InvalidInputError(
            f"sweep {spec.name}", "a sweep of other parameters", "the same", fix
        )
    return study


def _limit(spec: SweepSpec, trials: int | None, points: int) -> int:
    limit = trials if trials is not None else spec.trial_count
    if spec.method == "grid":
        return points if limit is None else min(limit, points)
    if limit is None:
        raise InvalidInputError("run_cap", None, "how many trials", "give --trials")
    return limit
