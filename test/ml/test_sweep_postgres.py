# SPDX-License-Identifier: Apache-2.0
"""A sweep that several processes share through a PostgreSQL server, as several machines would."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from support.postgres import find_programs, run_postgres
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

from recycle_sorter.ml.sweep import claims, database
from recycle_sorter.ml.sweep.study import TrialReport
from recycle_sorter.ml.sweep.summary import summarise
from recycle_sorter.ml.sweep.watcher import Watcher

PROGRAMS = find_programs()
pytestmark = [
    pytest.mark.ml,
    pytest.mark.skipif(
        PROGRAMS is None,
        reason="no PostgreSQL server here: apt-get install postgresql",
    ),
]


@pytest.fixture
def storage() -> Iterator[str]:
    assert PROGRAMS is not None
    with run_postgres(PROGRAMS) as address:
        yield address
        close_sweeps()


def test_two_processes_run_each_trial_once(tmp_path: Path, storage: str) -> None:
    count = 24
    processes = [start_process(tmp_path, storage, count, "random", together=2) for _ in range(2)]
    for process in processes:
        ended(process)
    sweep = open_sweep(make_spec(), tmp_path, storage=storage, trials=count, seed=3)
    shares = check_shared(tmp_path, sweep, count)
    logging.getLogger(__name__).info("trials by process: %s", sorted(shares.values()))
    assert set(shares) == {process.pid for process in processes}, "both had a share"
    assert {row.process.split()[1] for row in summarise(sweep).trials} == {
        str(process.pid) for process in processes
    }
    alone = open_sweep(make_spec(), tmp_path / "alone", trials=count, seed=3)
    alone.run(lambda hyperparameters, _: accuracy(hyperparameters))
    assert [row.hyperparameters for row in summarise(alone).trials] == [
        row.hyperparameters for row in summarise(sweep).trials
    ], "two at once draw what one would have drawn"


def test_a_killed_process_leaves_its_trial_to_the_other(tmp_path: Path, storage: str) -> None:
    with start_process(tmp_path, storage, 8, "random", hang_at=1) as killed:
        wait_for(tmp_path / "hangs", killed)
        with start_process(tmp_path, storage, 4, "random") as other:
            ended(other)
        # Nobody takes a trial whose process lives.
        sweep = open_sweep(make_spec(), tmp_path, storage=storage, trials=8, seed=3)
        assert [row.state for row in summarise(sweep).trials] == [
            "complete", "running", "complete", "complete",
        ]  # fmt: skip
        killed.kill()
    with start_process(tmp_path, storage, 8, "random") as last:
        ended(last)
    rows = summarise(sweep).trials
    assert [(row.state, row.attempts) for row in rows] == [
        ("complete", 2 if slot == 1 else 1) for slot in range(8)
    ]
    ends = [line for line in read_log(tmp_path) if line["event"] == "end"]
    assert sorted(line["slot"] for line in ends) == list(range(8))
    assert {line["process"] for line in ends if line["slot"] == 1} == {last.pid}


def test_a_server_that_is_away_for_a_while_ends_nothing(
    tmp_path: Path, storage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "WAITS_SEC", (0.2, 0.4, 0.8, 1.6, 3.2))
    monkeypatch.setattr(claims, "HEARTBEAT_SEC", 0.05)
    door = Path(storage.partition("host=")[2]) / ".s.PGSQL.5432"
    hidden = door.with_name("hidden")
    sweep, notes = open_sweep(make_spec(), tmp_path, storage=storage, trials=3), []

    class Heard(Watcher):
        def note(self, text: str) -> None:
            notes.append(text)

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        back = threading.Timer(0.5, lambda: hidden.rename(door))
        if report.slot == 1:
            door.rename(hidden)
            engine = sweep.study._storage._backend.engine  # type: ignore[attr-defined]
            with engine.connect() as connection:
                own = sqlalchemy.text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )
                connection.execute(own)
                connection.invalidate()
            back.start()
        report(0, 0.5)
        if report.slot == 1:
            back.join()
            time.sleep(0.2)
        return accuracy(hyperparameters)

    sweep.run(trial, Heard())
    assert summarise(sweep).counts == {"complete": 3}
    assert any("does not answer" in note for note in notes)
    assert any("takes signs of life again" in note for note in notes)
