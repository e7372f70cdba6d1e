# SPDX-License-Identifier: Apache-2.0
"""A sweep goes on after kill -9, and two processes share one, as two machines would."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
from support.sweeping import (
    accuracy,
    check_shared,
    close_sweeps,
    ended,
    make_spec,
    open_sweep,
    read_log,
    start_process,
    wait_for,
)

from recycle_sorter.ml.sweep import claims
from recycle_sorter.ml.sweep.summary import summarise

pytestmark = pytest.mark.ml


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_sweeps()


@pytest.mark.parametrize("method", ["random", "grid"])
def test_a_killed_trial_is_marked_and_run_again(tmp_path: Path, method: str) -> None:
    with start_process(tmp_path, "", 6, method, hang_at=2) as process:
        wait_for(tmp_path / "hangs", process)
        process.send_signal(signal.SIGKILL)
    sweep = open_sweep(make_spec(method), tmp_path, trials=6, seed=3)
    assert [row.state for row in summarise(sweep).trials] == ["complete", "complete", "running"]

    sweep.run(lambda hyperparameters, _: accuracy(hyperparameters))
    rows = summarise(sweep).trials
    assert [(row.state, row.attempts) for row in rows] == [
        ("complete", 2 if slot == 2 else 1) for slot in range(6)
    ]
    states = [trial.state.name for trial in sweep.study.get_trials()]
    assert states == [
        "COMPLETE",
        "COMPLETE",
        "FAIL",
        "COMPLETE",
        "COMPLETE",
        "COMPLETE",
        "COMPLETE",
    ]
    log = read_log(tmp_path)
    assert [line["slot"] for line in log if line["event"] == "start"] == [0, 1, 2]
    killed = {key: log[-1][key] for key in rows[2].hyperparameters}
    assert rows[2].hyperparameters == killed, "again with the same hyperparameters"
    whole = open_sweep(make_spec(method), tmp_path / "whole", trials=6, seed=3)
    whole.run(lambda hyperparameters, _: accuracy(hyperparameters))
    assert [row.hyperparameters for row in summarise(whole).trials] == [
        row.hyperparameters for row in rows
    ]


def test_a_trial_that_kills_its_process_is_given_up(tmp_path: Path) -> None:
    for _ in range(claims.MAX_ATTEMPTS):
        (tmp_path / "hangs").unlink(missing_ok=True)
        with start_process(tmp_path, "", 2, "random", hang_at=0) as process:
            wait_for(tmp_path / "hangs", process)
            process.kill()
    with start_process(tmp_path, "", 2, "random", hang_at=0) as process:
        ended(process)
    rows = summarise(open_sweep(make_spec(), tmp_path, trials=2, seed=3)).trials
    assert [(row.state, row.attempts) for row in rows] == [("failed", 3), ("complete", 1)]


class Killed(BaseException):
    """As if the process were killed here."""


def kill(*_: Any, **__: Any) -> Any:
    raise Killed


@pytest.mark.parametrize(
    ("owner", "name"),
    [(optuna.Study, "enqueue_trial"), (optuna.Study, "ask"), (optuna.Trial, "set_user_attr")],
)
def test_a_kill_amid_a_claim_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: type, name: str
) -> None:
    sweep = open_sweep(make_spec(), tmp_path, trials=3, seed=3)
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, kill)
        with pytest.raises(Killed):
            sweep.run(lambda hyperparameters, _: accuracy(hyperparameters))
    sweep.run(lambda hyperparameters, _: accuracy(hyperparameters))
    rows = summarise(sweep).trials
    assert [(row.slot, row.state) for row in rows] == [(n, "complete") for n in range(3)]


def test_two_processes_share_a_file(tmp_path: Path) -> None:
    count = 12
    processes = [start_process(tmp_path, "", count, "random", together=2) for _ in range(2)]
    for process in processes:
        ended(process)
    check_shared(tmp_path, open_sweep(make_spec(), tmp_path, trials=count, seed=3), count)


@pytest.mark.parametrize(
    ("attrs", "is_alive"),
    [
        ({}, False),
        ({"owner": {"machine": "here", "pid": os.getpid(), "start": "now"}}, False),
        ({"owner": {"machine": "there", "pid": 1, "start": "1"}, "alive_unix_sec": 1000.0}, True),
        ({"owner": {"machine": "there", "pid": 1, "start": "1"}, "alive_unix_sec": 300.0}, False),
        ({"owner": {"machine": "there", "pid": 1, "start": None}}, False),
    ],
)
def test_who_is_dead(
    monkeypatch: pytest.MonkeyPatch, attrs: dict[str, Any], is_alive: bool
) -> None:
    monkeypatch.setattr(claims, "_machine", lambda: "here")
    assert claims._is_alive(attrs, now=lambda: 1001.0) == is_alive


def test_this_process_lives_until_it_has_ended() -> None:
    me = {"owner": claims._this_process()}
    assert claims._is_alive(me)
    with subprocess.Popen(["sleep", "100"]) as other:
        started = claims._start_of(other.pid)
        assert started is not None
        them = {"owner": {**me["owner"], "pid": other.pid, "start": started}}
        assert claims._is_alive(them)
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
        assert not claims._is_alive(them)
    assert not claims._is_alive(them)


def test_other_machines_hear_that_a_trial_lives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claims, "HEARTBEAT_SEC", 0.01)
    sweep = open_sweep(make_spec(), tmp_path, trials=1)
    beats: list[float] = []

    def trial(hyperparameters: dict[str, Any], _: Any) -> float:
        while len(set(beats)) < 3:
            (running,) = sweep.study.get_trials(states=(optuna.trial.TrialState.RUNNING,))
            beats.append(running.user_attrs[claims.ALIVE])
        return accuracy(hyperparameters)

    sweep.run(trial)
    assert len(set(beats)) == 3


def test_each_server_has_its_lock() -> None:
    take, leave = claims.lock_statements("postgresql")
    assert "pg_advisory_lock" in take
    assert "pg_advisory_unlock" in leave
    assert claims.lock_statements("mariadb") == claims.lock_statements("mysql")
