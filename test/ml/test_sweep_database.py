# SPDX-License-Identifier: Apache-2.0
"""A sweep whose database does not answer for a while, or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy import exc
from support.sweeping import accuracy, close_sweeps, make_spec, open_sweep

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.sweep import claims, database
from recycle_sorter.ml.sweep.study import TrialReport
from recycle_sorter.ml.sweep.summary import summarise
from recycle_sorter.ml.sweep.watcher import Outcome, Watcher

pytestmark = pytest.mark.ml

URL = "postgresql://me:secret@host/sweeps"


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(database, "WAITS_SEC", (0.0, 0.0, 0.0))
    yield
    close_sweeps()


class Heard(Watcher):
    """Remembers what a sweep tells."""

    def __init__(self) -> None:
        self.states: list[str] = []
        self.notes: list[str] = []

    def trial(self, outcome: Outcome) -> None:
        if outcome.state != "started":
            self.states.append(outcome.state)

    def note(self, text: str) -> None:
        self.notes.append(text)


def broken(kind: type[exc.DBAPIError] = exc.OperationalError) -> exc.DBAPIError:
    return kind("SELECT 1", {}, Exception("server closed the connection\nunexpectedly"))


def wrapped() -> StorageInternalError:
    """As Optuna raises it."""
    error = StorageInternalError("An exception is raised during the commit.")
    error.__cause__ = broken()
    return error


def fail(times: int, error: Callable[[], Exception], answer: Callable[..., Any]) -> Any:
    """What fails so many times and then answers; notes its calls in ``calls``."""

    def call(*args: Any, **settings: Any) -> Any:
        call.calls += 1  # type: ignore[attr-defined]
        if call.calls <= times:  # type: ignore[attr-defined]
            raise error()
        return answer(*args, **settings)

    call.calls = 0  # type: ignore[attr-defined]
    return call


@pytest.mark.parametrize("error", [broken, wrapped])
def test_a_call_is_made_again_until_there_is_an_answer(error: Callable[[], Exception]) -> None:
    said: list[str] = []
    assert database.patiently(URL, fail(2, error, lambda: 7), said.append) == 7
    told = "the database does not answer (server closed the connection); again in 0 s"
    assert said == [told, told]


@pytest.mark.parametrize("error", [broken, wrapped])
def test_a_database_that_stays_away_is_told_plainly(error: Callable[[], Exception]) -> None:
    call = fail(99, error, lambda: 7)
    expected = r"--storage.*\*\*\*@host.*that answers \(server closed the connection\)"
    with pytest.raises(database.DatabaseError, match=expected) as raised:
        database.patiently(URL, call, lambda text: None)
    assert "secret" not in str(raised.value)
    assert call.calls == 4


def test_what_waiting_cannot_mend_is_told_at_once() -> None:
    call = fail(9, lambda: broken(exc.ProgrammingError), lambda: 7)
    with pytest.raises(database.DatabaseError):
        database.patiently(URL, call, lambda text: None)
    assert call.calls == 1
    with pytest.raises(ZeroDivisionError):
        database.patiently(URL, lambda: 1 // 0, lambda text: None)


def test_signs_of_life_go_on_after_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_SEC", 0.01)
    monkeypatch.setattr(claims, "GRACE_SEC", 0.02)
    sweep, heard = open_sweep(make_spec(), tmp_path, trials=1), Heard()
    beats: list[float] = []

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        taken = optuna.trial.Trial.set_user_attr
        with monkeypatch.context() as patch:
            patch.setattr(optuna.trial.Trial, "set_user_attr", fail(3, wrapped, taken))
            end_sec = time.monotonic() + 30
            while len(set(beats)) < 4 and time.monotonic() < end_sec:
                (running,) = sweep.study.get_trials(states=(TrialState.RUNNING,))
                beats.append(running.user_attrs[claims.ALIVE])
        return accuracy(hyperparameters)

    sweep.run(trial, heard)
    assert heard.states == ["complete"]
    assert heard.notes == [
        "the database takes no sign of life (server closed the connection); trying again",
        "2 signs of life are lost: other machines may begin this trial",
        "the database takes signs of life again, after 3 that were lost",
    ]


def test_signs_of_life_end_where_another_machine_took_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_SEC", 0.01)
    sweep, heard = open_sweep(make_spec(), tmp_path, trials=1), Heard()

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        if not heard.states and len(sweep.study.get_trials()) == 1:
            sweep.study.tell(0, state=TrialState.FAIL)
            time.sleep(0.1)  # a thread that ends by an error fails this test
            raise RuntimeError("slow")
        return accuracy(hyperparameters)

    sweep.run(trial, heard)
    assert heard.states == ["taken over", "complete"]
    assert heard.notes == []


@pytest.mark.parametrize(
    "name",
    [
        "_get_trials",
        "_create_new_trial",
        "set_trial_user_attr",
        "set_trial_intermediate_value",
        "set_trial_state_values",
    ],
)
def test_a_sweep_outlives_a_pause_of_its_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    sweep, heard = open_sweep(make_spec(), tmp_path, trials=2), Heard()

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        report(0, 0.5)
        return accuracy(hyperparameters)

    with monkeypatch.context() as patch:
        patch.setattr(RDBStorage, name, fail(2, wrapped, getattr(RDBStorage, name)))
        sweep.run(trial, heard)
    assert heard.states == ["complete", "complete"]
    assert heard.notes
    assert summarise(sweep).counts == {"complete": 2}
    assert [row.epochs for row in summarise(sweep).trials] == [{0: 0.5}, {0: 0.5}]


@pytest.mark.parametrize("lost", range(1, 8))
def test_a_claim_whose_answer_is_lost_is_not_made_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: int
) -> None:
    sweep, heard = open_sweep(make_spec(), tmp_path, trials=3), Heard()
    lock, uses, ran = claims.exclusive, iter(range(1, 99)), list[int]()

    @contextmanager
    def exclusive(url: str) -> Iterator[None]:
        with lock(url):
            yield
        if next(uses) == lost:
            raise broken()  # all is written, and then the connection is gone

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        ran.append(report.slot)
        report(0, 0.5)
        return accuracy(hyperparameters)

    monkeypatch.setattr(claims, "exclusive", exclusive)
    sweep.run(trial, heard)
    assert ran == [0, 1, 2]
    assert summarise(sweep).counts == {"complete": 3}
    assert [row.attempts for row in summarise(sweep).trials] == [1, 1, 1]
    assert len(heard.notes) == 1


def test_a_claim_that_was_lost_has_the_parameters_that_were_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, lossy = (open_sweep(make_spec(), tmp_path / name, trials=1) for name in ("a", "b"))
    drawn: list[dict[str, Any]] = []
    plain.run(lambda hyperparameters, _: drawn.append(hyperparameters) or 0.5)
    assert lossy._claim() is not None
    lossy.run(lambda hyperparameters, _: drawn.append(hyperparameters) or 0.5)
    assert drawn[1] == drawn[0]
    assert summarise(lossy).counts == {"complete": 1}


def test_claims_that_break_off_give_no_slot_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, heard = open_sweep(make_spec(), tmp_path, trials=1), Heard()
    taken = optuna.trial.Trial.set_user_attr
    monkeypatch.setattr(optuna.trial.Trial, "set_user_attr", fail(3, wrapped, taken))
    sweep.run(lambda hyperparameters, _: accuracy(hyperparameters), heard)
    assert heard.states == ["complete"]


def test_another_sweep_of_this_process_takes_another_trial(tmp_path: Path) -> None:
    sweeps = [open_sweep(make_spec(), tmp_path, trials=2) for _ in range(2)]
    taken = [sweep._claim() for sweep in sweeps]
    assert [claim and claim.slot for claim in taken] == [0, 1]


def test_an_end_whose_answer_is_lost_is_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, heard = open_sweep(make_spec(), tmp_path, trials=1), Heard()
    ends = sweep.study.tell
    lost = [1]

    def tell(*args: Any, **settings: Any) -> Any:
        ends(*args, **settings)
        if lost.pop() if lost else False:
            raise wrapped()

    monkeypatch.setattr(sweep.study, "tell", tell)
    sweep.run(lambda hyperparameters, _: accuracy(hyperparameters), heard)
    assert heard.states == ["complete"]
    assert len(heard.notes) == 1


def test_a_trial_that_the_database_ended_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep, drawn = open_sweep(make_spec(), tmp_path, trials=2), []

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        drawn.append(hyperparameters)
        if len(drawn) == 2:
            gone = fail(99, wrapped, accuracy)
            with monkeypatch.context() as patch:
                patch.setattr(RDBStorage, "set_trial_intermediate_value", gone)
                report(0, 0.5)
        return accuracy(hyperparameters)

    with pytest.raises(InvalidInputError, match=r"--storage.*that answers"):
        sweep.run(trial)
    assert summarise(sweep).counts == {"complete": 1, "running": 1}
    monkeypatch.setattr(claims, "_is_alive", lambda attrs: False)  # this process has ended
    sweep.run(trial)
    assert summarise(sweep).counts == {"complete": 2}
    assert drawn[2] == drawn[1]


def test_ctrl_c_is_heard_while_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = open_sweep(make_spec(), tmp_path, trials=1)

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        monkeypatch.setattr(RDBStorage, "_get_trials", fail(99, wrapped, accuracy))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep.run(trial)


DATA = {"train": "a", "val": "b", "test": "c", "classes": "glass, metal", "seed": "0"}


def test_a_sweep_belongs_to_its_data(tmp_path: Path) -> None:
    open_sweep(make_spec(), tmp_path, trials=1).check_data(DATA)
    open_sweep(make_spec(), tmp_path, trials=9).check_data(dict(reversed(DATA.items())))
    told = r"sweep small: got 'other val, seed', expected the data, split and seed .*another name"
    with pytest.raises(InvalidInputError, match=told):
        open_sweep(make_spec(), tmp_path, trials=1).check_data({**DATA, "val": "x", "seed": "1"})


def test_a_sweep_of_an_older_version_takes_the_data_that_is_brought(tmp_path: Path) -> None:
    sweep = open_sweep(make_spec(), tmp_path, trials=1)
    sweep.run(lambda hyperparameters, _: accuracy(hyperparameters))
    again = open_sweep(make_spec(), tmp_path, trials=2)
    again.check_data(DATA)
    with pytest.raises(InvalidInputError, match="other classes"):
        again.check_data({**DATA, "classes": "glass"})
