# SPDX-License-Identifier: Apache-2.0
"""``compare`` from the command line's side."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest
import typer
from rich.console import Console
from support.evaluations import predictions_of
from typer.testing import CliRunner, Result

from recycle_sorter.cli import compare_cmd
from recycle_sorter.cli.compare_cmd import compare
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.evaluate import evaluate_predictions
from recycle_sorter.ml.evaluation.report import write_evaluation

ACTUAL = [i % 6 for i in range(120)]


def call(*arguments: str | Path) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(compare)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write_run(folder: Path, wrong: int, *, skip: int = 0) -> Path:
    """A run that has ``wrong`` pictures wrong, from picture ``skip`` on."""
    answers = [(a + 1) % 6 if skip <= i < skip + wrong else a for i, a in enumerate(ACTUAL)]
    made = predictions_of(answers, ACTUAL, names=[f"{i:03d}.jpg" for i in range(120)])
    evaluation = evaluate_predictions(made, folder.name, {})
    write_evaluation(folder / "evaluation", evaluation, report=False)
    return folder


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write_run(tmp_path / "old", 20),
        write_run(tmp_path / "new", 4, skip=10),
        write_run(tmp_path / "newer", 3, skip=12),
    ]


def test_a_pipe_gets_a_table_and_verdicts(runs: list[Path]) -> None:
    result = call(*runs)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    head, *rows = (line.split("\t") for line in lines[:4])
    table = [dict(zip(head, row, strict=True)) for row in rows]
    assert [row["run"] for row in table] == ["old", "new", "newer"]
    assert [row["verdict"] for row in table] == ["worse", "noise", "reference"]
    assert table[0]["accuracy"] == "0.8333"
    assert float(table[0]["low"]) < 0.8333 < float(table[0]["high"])
    assert table[0]["difference"] == "-0.1417"
    assert lines[4].startswith("old: worse: 0 right that newer has wrong, 17 the other way")
    assert lines[5].startswith("new: noise: ")
    assert "\x1b" not in result.output


def test_folders_that_are_no_runs_are_left_out(runs: list[Path], tmp_path: Path) -> None:
    sweeps = tmp_path / "sweeps"
    (sweeps / "study").mkdir(parents=True)
    result = call(*runs, sweeps)
    assert result.exit_code == 0, result.output
    assert result.stdout == call(*runs).stdout
    assert result.stderr == f"left out {sweeps}: no evaluation/figures.json in it\n"
    error = call(runs[0], sweeps).exception
    assert isinstance(error, InvalidInputError)
    assert "sweeps" in str(error)
    assert "expected two or more, each a folder with evaluation/figures.json" in str(error)
    assert isinstance(call(*runs, tmp_path / "absent").exception, InvalidInputError)


def test_against_another_run(runs: list[Path]) -> None:
    shown = json.loads(call(*runs, "--against", "old", "--json", "-").stdout)
    assert shown["reference"] == "old"
    assert {one["run"]: one["verdict"] for one in shown["differences"]} == {
        "new": "better",
        "newer": "better",
    }
    error = call(*runs, "--against", "none").exception
    assert isinstance(error, InvalidInputError)


def test_files(runs: list[Path], tmp_path: Path) -> None:
    result = call(*runs, "--json", tmp_path / "c.json", "--csv", tmp_path / "c.csv")
    assert result.exit_code == 0, result.output
    values = json.loads((tmp_path / "c.json").read_text(encoding="utf-8"))
    assert [run["run"] for run in values["runs"]] == ["old", "new", "newer"]
    assert all(len(run["interval"]) == 2 and run["n"] == 120 for run in values["runs"])
    with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["recall_glass"] for row in rows] == ["0.8000", "0.9500", "0.9500"]
    assert rows[2]["reference"] == "newer"
    assert rows[2]["difference"] == ""


@pytest.mark.ml
def test_a_page(runs: list[Path], tmp_path: Path) -> None:
    result = call(*runs, "--html", tmp_path / "c.html")
    assert result.exit_code == 0, result.output
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "<strong>noise</strong>" in page
    assert "<strong>worse</strong>" in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)


def test_a_terminal_gets_colours(runs: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(force_terminal=True, width=100, record=True)
    monkeypatch.setattr(compare_cmd, "Console", lambda: console)
    assert call(*runs).exit_code == 0
    text = console.export_text()
    assert "verdict" in text
    assert re.search(r"old .*83\.3 %.*-14\.2 +worse", text)
    assert re.search(r"newer .*97\.5 %.*reference", text)


def test_one_run_or_no_figures_is_an_error(runs: list[Path], tmp_path: Path) -> None:
    assert isinstance(call(runs[0]).exception, InvalidInputError)
    assert isinstance(call(runs[0], tmp_path).exception, InvalidInputError)


def test_help_has_examples() -> None:
    assert "recycle-sorter compare runs/" in call("--help").output
