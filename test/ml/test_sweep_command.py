# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter sweep`` with real trainings, small ones."""

from __future__ import annotations

import html
import json
import shlex
from pathlib import Path

import pytest
from support.pictures import write_dataset
from typer.testing import CliRunner

from recycle_sorter.cli.app import app
from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.ml.record_reader import read_record

pytestmark = pytest.mark.ml

SWEEP = """
method: grid
metric: {name: val/accuracy, goal: maximize}
parameters:
  transform_horz: {values: [true, false]}
  epoch_qty: {value: 1}
  batch_size: {value: 8}
  size_px: {value: 32}
"""


def sweep(folder: Path, *words: str) -> str:
    """Runs the command on a small data set; returns what it said."""
    common = ["--data", str(folder / "set"), "--out", str(folder / "out"), "--threads", "1"]
    found = ["--config", str(folder / "small.yaml"), "--tracking", "disabled"]
    done = CliRunner().invoke(app, ["sweep", *common, *found, *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def write_sweep(folder: Path, text: str) -> None:
    (folder / "small.yaml").write_text(text, encoding="utf-8")


def test_a_sweep_trains_and_says_what_was_best(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", train_each=4)
    write_sweep(tmp_path, SWEEP)
    said = sweep(tmp_path, "--set", "learn-rate=0.003")
    assert "trial0000: transform_horz=True" in said
    assert "trial0001 complete val/accuracy" in said
    assert "2 of 2 trials (2 complete); best val/accuracy" in said
    assert "--learn_rate=0.003" in said
    told = json.loads((tmp_path / "out" / "sweep.json").read_text("utf-8"))
    for trial, folder in zip(told["trials"], ("trial0000", "trial0001"), strict=True):
        record = read_record(tmp_path / "out" / folder)
        assert record.config["transform_horz"] == trial["hyperparameters"]["transform_horz"]
        assert record.config["learn_rate"] == 0.003
        assert record.history[-1]["val/accuracy"] == pytest.approx(trial["value"], abs=1e-6)
        assert record.group == "out"
        left = {path.name for path in (tmp_path / "out" / folder).iterdir()}
        assert "model.safetensors" in left
        assert "last.ckpt" not in left, "dozens of checkpoints would fill the disk"
    again = sweep(tmp_path, "--set", "learn-rate=0.003")
    assert "trial0000" not in again.replace("(trial0000)", ""), "nothing is left to train"
    with pytest.raises(InvalidInputError, match="a sweep of other parameters"):
        sweep(tmp_path, "--set", "learn-rate=0.1")
    # Its results are of this data and no other.
    picture = next((tmp_path / "set" / "images" / "glass").iterdir())
    picture.write_bytes(picture.read_bytes() + b" ")
    with pytest.raises(InvalidInputError, match=r"sweep small: got 'other (train|val|test)'"):
        sweep(tmp_path, "--set", "learn-rate=0.003")
    with pytest.raises(InvalidInputError, match=r"sweep small: got 'other .*seed'"):
        sweep(tmp_path, "--set", "learn-rate=0.003", "--seed", "1")


def test_trials_without_an_epoch_left_are_not_stopped(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", train_each=4)
    rates = "[0.00000001, 0.0001, 0.001, 0.01]"
    text = SWEEP.replace("val/accuracy, goal: maximize", "val/loss, goal: minimize")
    write_sweep(
        tmp_path,
        f"{text}  learn_rate: {{values: {rates}}}\n"
        "early_terminate: {type: hyperband, min_iter: 1, eta: 3}\n",
    )
    assert "8 of 8 trials (8 complete)" in sweep(tmp_path)


def test_a_sweep_whose_trials_all_fail_is_an_error(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", train_each=4)
    write_sweep(tmp_path, SWEEP.replace("val/accuracy", "val/acuracy"))
    with pytest.raises(SorterError, match=r"every trial failed.*metric\.name: got 'val/acuracy'"):
        sweep(tmp_path)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--set", "learning_rate=1"), "parameters.learning_rate.*did you mean learn_rate"),
        (("--set", "learn_rate"), "--set: got 'learn_rate', expected name=value"),
        (("--pruner", "hard"), "--pruner: got 'hard'"),
        (("--split-by", "day"), "--split-by: got 'day'"),
        (("--storage", "oracle://a"), "--storage: got 'oracle'"),
    ],
)
def test_bad_words_are_named_before_anything_is_trained(
    tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    write_sweep(tmp_path, SWEEP)
    with pytest.raises(InvalidInputError, match=told):
        sweep(tmp_path, *words)


def test_help_shows_examples() -> None:
    said = CliRunner().invoke(app, ["sweep", "--help"]).output
    assert "recycle-sorter sweep --data ../shared/trashnet" in said
    assert "postgresql://me@host/sweeps" in said


def test_the_printed_best_trains_on_the_sweeps_split(tmp_path: Path) -> None:
    write_dataset(tmp_path / "set", train_each=4)
    text = SWEEP.replace("[true, false]", "[true]") + "  seed: {value: 4}\n"
    write_sweep(tmp_path, text)
    said = sweep(tmp_path, "--seed", "2")
    line = next(line for line in said.splitlines() if line.startswith("the best: "))
    line = line.removeprefix("the best: ")
    assert html.escape(line) in (tmp_path / "out" / "sweep.html").read_text("utf-8")
    words = [*shlex.split(line)[1:], "--out", str(tmp_path / "run"), "--tracking", "disabled"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    tables = [(tmp_path / at / "split.csv").read_bytes() for at in ("run", "out/trial0000")]
    assert tables[0] == tables[1]
