# SPDX-License-Identifier: Apache-2.0
"""Sweeps on Optuna: what is tried, when a trial is stopped, what is found."""

from __future__ import annotations

import csv
import html
import json
import math
import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest
from support.sweeping import PARAMETERS, accuracy, close_sweeps, make_spec, open_sweep

from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.ml.sweep.report import headline, train_command, write_report
from recycle_sorter.ml.sweep.strategy import SamplerBySlot, distribution_of
from recycle_sorter.ml.sweep.study import TrialReport
from recycle_sorter.ml.sweep.summary import SweepSummary, summarise
from recycle_sorter.ml.sweep.watcher import Outcome, Watcher

pytestmark = pytest.mark.ml

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_sweeps()


class Heard(Watcher):
    """Remembers what a sweep tells."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.epochs: list[tuple[int, int, float]] = []

    def trial(self, outcome: Outcome) -> None:
        if outcome.state != "started":
            self.outcomes.append(outcome)

    def epoch(self, slot: int, epoch: int, value: float) -> None:
        self.epochs.append((slot, epoch, value))


def run(folder: Path, method: str = "random", trials: int = 4, seed: int = 0) -> SweepSummary:
    sweep = open_sweep(make_spec(method), folder, trials=trials, seed=seed)
    sweep.run(lambda hyperparameters, _: accuracy(hyperparameters))
    return summarise(sweep)


def tried(summary: SweepSummary) -> list[dict[str, Any]]:
    return [row.hyperparameters for row in summary.trials]


@pytest.mark.parametrize("name", ["file", "file/x"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=rf"--out: got '{tmp_path / name}'"):
        run(tmp_path / name)


@pytest.mark.parametrize("method", ["random", "bayes"])
def test_trials_are_drawn_from_the_space(tmp_path: Path, method: str) -> None:
    summary = run(tmp_path, method, trials=5)
    assert summary.counts == {"complete": 5}
    for row in summary.trials:
        assert row.hyperparameters.keys() == PARAMETERS.keys()
        assert 1e-5 <= float(row.hyperparameters["learn_rate"] or 0) <= 0.1
        assert row.hyperparameters["batch_size"] in (8, 16, 32)
        assert row.hyperparameters["seed"] == 4
        assert row.value == accuracy(row.hyperparameters)
    assert len({row.hyperparameters["learn_rate"] for row in summary.trials}) == 5
    best = max(summary.trials, key=lambda row: row.value or 0)
    assert summary.best == best
    assert headline(summary).startswith("5 of 5 trials (5 complete); best val/accuracy 0.")


def test_a_grid_covers_every_point_once(tmp_path: Path) -> None:
    sweep = open_sweep(make_spec("grid"), tmp_path)
    assert sweep.limit == 12
    sweep.run(lambda hyperparameters, _: accuracy(hyperparameters))
    points = [tuple(h.values()) for h in tried(summarise(sweep))]
    assert sorted(points) == sorted(product((8, 16, 32), (1, 2), (True, False), (4,)))
    calls: list[int] = []
    sweep.run(lambda _, report: float(calls.append(report.slot) or 0))
    assert calls == [], "nothing is left to do"


def test_tpe_goes_where_it_was_good() -> None:
    space = {p.name: p for p in make_spec().parameters if not p.is_constant}
    distributions = {name: distribution_of(p, is_grid=False) for name, p in space.items()}
    first, later = [], []
    for seed in range(4):
        study = optuna.create_study(direction="maximize", sampler=SamplerBySlot("bayes", seed))
        for slot in range(40):
            study.enqueue_trial({}, user_attrs={"slot": slot})
            trial = study.ask(distributions)
            value = accuracy(trial.params)
            study.tell(trial, value)
            (first if slot < 10 else later).append(value)
    assert fmean(later[-80:]) > fmean(first) + 0.02


@pytest.mark.parametrize(("method", "trials"), [("random", 4), ("bayes", 13)])
def test_a_resumed_sweep_tries_what_an_uninterrupted_one_does(
    tmp_path: Path, method: str, trials: int
) -> None:
    whole = run(tmp_path / "whole", method, trials=trials, seed=5)
    run(tmp_path / "parts", method, trials=trials - 2, seed=5)
    assert tried(run(tmp_path / "parts", method, trials=trials, seed=5)) == tried(whole)
    assert tried(run(tmp_path / "other", method, trials=1, seed=6)) != tried(whole)[:1]


def trained(tops: Sequence[float], epochs: int = 9) -> Any:
    """A training that climbs to the top of its slot, and stops when it is told to."""

    def trial(_: dict[str, Any], report: TrialReport) -> float:
        value = 0.0
        for epoch in range(epochs):
            value = tops[report.slot] * (1 - math.exp(-epoch - 1))
            if report(epoch, value):
                break
        return value

    return trial


TOPS = (0.9, 0.8, 0.5, 0.95, 0.3, 0.97)


def test_hyperband_stops_what_lies_behind_at_its_epochs(tmp_path: Path) -> None:
    spec = make_spec(early_terminate={"type": "hyperband", "min_iter": 3, "eta": 3})
    sweep, heard = open_sweep(spec, tmp_path, trials=6), Heard()
    sweep.run(trained(TOPS), heard)
    assert [outcome.state for outcome in heard.outcomes] == [
        "complete", "stopped", "stopped", "complete", "stopped", "complete",
    ]  # fmt: skip
    lengths = [len(row.epochs) for row in summarise(sweep).trials]
    assert lengths == [9, 3, 3, 9, 3, 9]
    assert heard.epochs[9] == (1, 0, pytest.approx(0.8 * (1 - math.exp(-1))))
    summary = summarise(sweep)
    assert summary.counts == {"complete": 3, "stopped": 3}
    assert summary.best is not None
    assert summary.best.slot == 5, "a stopped trial is never the best"


def test_what_has_run_to_its_end_is_complete_however_far_behind(tmp_path: Path) -> None:
    def trial(_: dict[str, Any], report: TrialReport) -> float:
        for epoch in range(3):
            if report(epoch, TOPS[report.slot], is_last=epoch == 2):
                break
        return TOPS[report.slot]

    spec = make_spec(early_terminate={"type": "hyperband", "min_iter": 3, "eta": 3})
    sweep, heard = open_sweep(spec, tmp_path, trials=6), Heard()
    sweep.run(trial, heard)
    assert {outcome.state for outcome in heard.outcomes} == {"complete"}
    assert [len(row.epochs) for row in summarise(sweep).trials] == [3] * 6


def test_median_stops_what_is_below_it(tmp_path: Path) -> None:
    sweep, heard = open_sweep(make_spec(), tmp_path, trials=6, pruner="median"), Heard()
    sweep.run(trained((0.9, 0.8, 0.7, 0.95, 0.3, 0.97)), heard)
    assert [o.slot for o in heard.outcomes if o.state == "stopped"] == [4]
    assert len(summarise(sweep).trials[4].epochs) == 3


@pytest.mark.parametrize("pruner", ["none", "file"])
def test_nothing_is_stopped_unless_that_is_asked_for(tmp_path: Path, pruner: str) -> None:
    sweep, heard = open_sweep(make_spec(), tmp_path, trials=6, pruner=pruner), Heard()
    sweep.run(trained(TOPS), heard)
    assert {outcome.state for outcome in heard.outcomes} == {"complete"}


def test_less_is_better_where_the_goal_says_so(tmp_path: Path) -> None:
    spec = make_spec(
        metric={"name": "val/loss", "goal": "minimize"},
        early_terminate={"type": "hyperband", "min_iter": 3},
    )
    sweep, heard = open_sweep(spec, tmp_path, trials=3), Heard()
    sweep.run(trained((0.5, 0.9, 0.4)), heard)
    assert [outcome.state for outcome in heard.outcomes] == ["complete", "stopped", "complete"]
    summary = summarise(sweep)
    assert [row.slot for row in summary.ranked()] == [2, 0]


def test_a_target_ends_the_sweep(tmp_path: Path) -> None:
    spec = make_spec(metric={"name": "val/accuracy", "goal": "maximize", "target": 0.949})
    sweep = open_sweep(spec, tmp_path, trials=6)
    sweep.run(trained(TOPS, epochs=30))
    assert len(summarise(sweep).trials) == 4


def test_a_trial_that_fails_is_told_and_the_sweep_goes_on(tmp_path: Path) -> None:
    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        if report.slot == 1:
            raise RuntimeError("out of memory")
        return math.nan if report.slot == 3 else accuracy(hyperparameters)

    sweep, heard = open_sweep(make_spec(), tmp_path, trials=5), Heard()
    sweep.run(trial, heard)
    assert [o.state for o in heard.outcomes] == [
        "complete", "failed", "complete", "failed", "complete",
    ]  # fmt: skip
    rows = summarise(sweep).trials
    assert [row.error for row in rows] == [
        "", "RuntimeError: out of memory", "", "the metric is nan", "",
    ]  # fmt: skip
    again = Heard()
    open_sweep(make_spec(), tmp_path, trials=5).run(trial, again)
    assert again.outcomes == [], "what failed by itself would fail again"


def test_a_sweep_that_only_fails_stops(tmp_path: Path) -> None:
    calls = []

    def trial(_: dict[str, Any], report: TrialReport) -> float:
        calls.append(report.slot)
        raise InvalidInputError("metric.name", "val/acuracy", "a metric")

    with pytest.raises(SorterError, match=r"3 trials in a row failed.*metric\.name"):
        open_sweep(make_spec(), tmp_path, trials=9).run(trial)
    assert calls == [0, 1, 2]


def test_what_was_interrupted_is_run_again(tmp_path: Path) -> None:
    started: list[tuple[int, dict[str, Any]]] = []

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        started.append((report.slot, hyperparameters))
        # More often than a trial may be killed: that somebody presses Ctrl-C is not its fault.
        if [slot for slot, _ in started].count(1) < 6 and report.slot == 1:
            report(0, 0.5)
            raise KeyboardInterrupt
        return accuracy(hyperparameters)

    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            open_sweep(make_spec(), tmp_path, trials=3).run(trial)
    sweep = open_sweep(make_spec(), tmp_path, trials=3)
    assert summarise(sweep).counts == {"complete": 1, "interrupted": 1}
    sweep.run(trial)
    assert [slot for slot, _ in started] == [0, 1, 1, 1, 1, 1, 1, 2]
    assert all(values == started[1][1] for slot, values in started if slot == 1)
    rows = summarise(sweep).trials
    assert [(row.state, row.attempts) for row in rows] == [
        ("complete", 1), ("complete", 6), ("complete", 1),
    ]  # fmt: skip
    assert rows[1].epochs == {0: 0.5}


def test_a_folder_belongs_to_its_slot(tmp_path: Path) -> None:
    folders: list[Path] = []

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        folders.append(report.folder)
        if len(folders) == 1:
            raise KeyboardInterrupt
        return accuracy(hyperparameters)

    with pytest.raises(KeyboardInterrupt):
        open_sweep(make_spec(), tmp_path, trials=2).run(trial)
    open_sweep(make_spec(), tmp_path, trials=2).run(trial)
    assert folders == [tmp_path / name for name in ("trial0000", "trial0000", "trial0001")]


def test_another_sweep_by_that_name_is_refused(tmp_path: Path) -> None:
    run(tmp_path, trials=1)
    other = make_spec(parameters={**PARAMETERS, "dropout": {"values": [0.0, 0.5]}})
    with pytest.raises(InvalidInputError, match="a sweep of other parameters"):
        open_sweep(other, tmp_path, trials=1)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "run_cap: got None.*give --trials"),
        ({"trials": 2, "pruner": "hard"}, "--pruner: got 'hard'"),
        ({"trials": 2, "storage": "sqlite://"}, "--storage.*a file"),
        ({"trials": 2, "storage": "mssql+pyodbc://a/b"}, "--storage: got 'mssql'"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        open_sweep(make_spec(), tmp_path, **changes)


def test_a_server_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    address = "postgresql://me:secret@127.0.0.1:9/sweeps"
    with pytest.raises(InvalidInputError, match=r"--storage.*\*\*\*@127.*that answers") as raised:
        open_sweep(make_spec(), tmp_path, trials=1, storage=address)
    assert "secret" not in str(raised.value)
    with pytest.raises(InvalidInputError, match="an address such as postgresql://"):
        open_sweep(make_spec(), tmp_path, trials=1, storage="my server")


def test_what_matters_comes_first(tmp_path: Path) -> None:
    importance = run(tmp_path, trials=30).importance
    assert next(iter(importance)) == "learn_rate"
    assert importance["learn_rate"] > 0.7
    assert sum(importance.values()) == pytest.approx(1)
    assert "seed" not in importance, "a constant explains nothing"


def test_few_trials_say_nothing_about_importance(tmp_path: Path) -> None:
    assert run(tmp_path, trials=3).importance == {}
    sweep = open_sweep(make_spec(), tmp_path / "same", trials=5)
    sweep.run(lambda *_: 0.5)
    assert summarise(sweep).importance == {}


def test_the_report_stands_alone(tmp_path: Path) -> None:
    spec = make_spec(early_terminate={"type": "hyperband", "min_iter": 3})
    sweep = open_sweep(spec, tmp_path, trials=6)
    sweep.run(trained(TOPS))
    best = "recycle-sorter train --data 'my set' --learn_rate=0.1"
    page = write_report(summarise(sweep), tmp_path, best).read_text("utf-8")
    assert "6 of 6 trials (3 complete, 3 stopped); best val/accuracy 0.9699 (trial0005)" in page
    assert f"<code>{html.escape(best)}</code>" in page
    assert page.count("<img ") == page.count("data:image/png;base64,") == 3  # too few to rank
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    for name in ("history", "epochs", "parameters"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(PNG)
    told = json.loads((tmp_path / "sweep.json").read_text("utf-8"))
    assert told["best"]["slot"] == 5
    assert told["counts"] == {"complete": 3, "stopped": 3}
    assert told["trials"][1]["epochs"].keys() == {"0", "1", "2"}
    with (tmp_path / "trials.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["state"] for row in rows] == [row.state for row in summarise(sweep).trials]
    assert {row["seed"] for row in rows} == {"4"}


def test_a_report_of_nothing_is_written_too(tmp_path: Path) -> None:
    sweep = open_sweep(make_spec(), tmp_path, trials=3)
    page = write_report(summarise(sweep), tmp_path).read_text("utf-8")
    assert "0 of 3 trials (none)" in page
    assert "<img" not in page


@pytest.mark.parametrize(
    ("own", "changes", "words"),
    [
        ({"learn_rate": 0.0012345678912}, {}, ["--learn_rate=0.0012345678912"]),
        ({}, {"data": Path("my set")}, []),
        ({}, {"split_by": "object"}, ["--split-by", "object"]),
        ({}, {"split": Path("a b.csv"), "split_by": "object"}, ["--split", "a b.csv"]),
        ({}, {"seed": 3}, ["--seed=3"]),
        ({"seed": 3}, {"seed": 3}, ["--seed=3"]),
        ({"seed": 4}, {"seed": 3}, ["--split", "out/trial0002/split.csv", "--seed=4"]),
        ({"seed": 0}, {"seed": 3}, ["--split", "out/trial0002/split.csv"]),
        ({"seed": 4}, {"split": Path("s.csv")}, ["--split", "s.csv", "--seed=4"]),
        ({"weights": "$HOME/it's"}, {}, ["--weights=$HOME/it's"]),
    ],
)
def test_the_best_is_trained_on_the_split_that_it_was_chosen_by(
    own: dict[str, Any], changes: dict[str, Any], words: list[str]
) -> None:
    given: dict[str, Any] = {"data": Path("set"), "split": None, "split_by": "picture", "seed": 0}
    given |= {"trial_split": Path("out/trial0002/split.csv"), **changes}
    line = train_command(own, **given)
    assert shlex.split(line) == ["recycle-sorter", "train", "--data", str(given["data"]), *words]
