# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter train``: options as people and sweeps write them, and a whole small training."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import typer
from support.learning import CLASSES, tiny_network, write_folders
from support.wandb_files import records_of
from typer.testing import CliRunner

from recycle_sorter.cli.app import app
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.record_reader import read_record
from recycle_sorter.ml.tracking import open_tracker
from recycle_sorter.ml.training import finder, run, run_folder, tracked
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.run import TrainingJob

pytestmark = pytest.mark.ml

SMALL = ["--size_px=32", "--epoch_qty=1", "--batch_size=6", "--precision=fp32", "--devices=1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No account, no settings and no folder of the user's."""
    for name in [name for name in os.environ if name.startswith(("WANDB_", "XDG_"))]:
        monkeypatch.delenv(name)
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.chdir(tmp_path / "here")
    yield
    if sys.modules.get("wandb") is not None:
        sys.modules["wandb"].teardown()


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> list[TrainingJob]:
    """The jobs that would be trained."""
    found: list[TrainingJob] = []
    monkeypatch.setattr(tracked, "run_jobs", lambda job, *args, **kwargs: found.append(job))
    return found


def call(*words: str, fails: bool = False) -> Any:
    result = CliRunner().invoke(app, ["train", *words], catch_exceptions=fails)
    if not fails:
        assert result.exit_code == 0, result.output
    return result


def test_the_studys_command_line_works(data: Path, jobs: list[TrainingJob]) -> None:
    call(
        "--data", str(data), "--epoch_qty=8", "--transform_horz=True", "--architecture=resnet34",
        "--learn_rate=0.001", "--batch_size=8",
    )  # fmt: skip
    settings = jobs[0].settings
    assert (settings.epoch_qty, settings.batch_size, settings.learn_rate) == (8, 8, 0.001)
    assert settings.transform_horz is True
    assert settings.architecture == "resnet34"
    assert settings.transform_vert is False
    assert jobs[0].classes == CLASSES


def test_dashes_and_underscores_are_alike(data: Path, jobs: list[TrainingJob]) -> None:
    call("--data", str(data), "--learn-rate", "0.01", "--label_smoothing", "0.1")
    call("--data", str(data), "--learn_rate=0.01", "--label-smoothing=0.1", "--train_ratio=0.6")
    assert jobs[0].settings == jobs[1].settings
    assert jobs[0].settings.learn_rate == 0.01


def test_every_hyperparameter_is_an_option_with_its_text() -> None:
    command = typer.main.get_command(app).commands["train"]  # type: ignore[attr-defined]
    options = {option.name: option for option in command.params}
    for item in fields(Hyperparameters):
        option = options[item.name]
        assert option.opts == [f"--{item.name.replace('_', '-')}"]
        assert option.help.startswith(item.metadata["help"])
        assert str(item.default or "none" if item.default == "" else item.default) in option.help


def test_help_names_options_and_examples() -> None:
    result = CliRunner().invoke(app, ["train", "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert result.exit_code == 0
    for word in ("--learn-rate", "--split-by", "--find-learn-rate", "one_cycle|cosine|constant"):
        assert word in result.output
    assert "recycle-sorter train --data photos" in result.output


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--lern_rate=1"], "No such option"),
        (["--learn_rate=fast"], "learn_rate: .*a number"),
        (["--learn_rate=99"], "learn_rate: .*from 1e-08 to 10"),
        (["--architecture=vgg"], "architecture: .*one of resnet18"),
        (["--transform_horz=perhaps"], "transform_horz: .*True or False"),
        (["--tracking=loud"], "--tracking: .*one of auto"),
        (["--split-by=colour"], "--split-by: .*picture, object"),
        (["--devices=0"], "--devices: .*auto, or a number from 1"),
        (["--devices=many"], "--devices: .*auto, or a number from 1"),
        (["--train-ratio=0.9"], "ratio"),
        (["--split=missing.csv"], "missing.csv"),
    ],
)
def test_mistakes_are_named(
    data: Path, words: list[str], told: str, jobs: list[TrainingJob]
) -> None:
    result = call("--data", str(data), *words, fails=True)
    assert result.exit_code != 0
    text = f"{result.output} {result.exception}"
    assert re.search(told, text), text
    assert jobs == []


def test_data_that_cannot_be_trained_on_is_named(tmp_path: Path, jobs: list[TrainingJob]) -> None:
    (tmp_path / "empty").mkdir()
    write_folders(tmp_path / "one", classes=("glass",))
    write_folders(tmp_path / "few", each=2)
    (tmp_path / "hollow" / "glass").mkdir(parents=True)
    for name, told in (
        ("missing", "check the path"),
        ("empty", "at least one picture"),
        ("one", "at least 2 classes"),
        ("few", "glass"),
        ("hollow", "at least one picture"),
    ):
        with pytest.raises(InvalidInputError, match=told):
            call("--data", str(tmp_path / name))
    assert jobs == []


def test_corrupt_pictures_are_named_before_a_network_is_built(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set")
    for path in (root / "paper").iterdir():
        path.write_bytes(b"no picture")
    with pytest.raises(InvalidInputError, match=r"data: paper: .*readable training picture"):
        call("--data", str(root), "--tracking=disabled", *SMALL)
    # The record knows that it failed.
    assert read_record(Path("runs/resnet18_v1")).state == "failed"


def test_ratios_and_files_split(data: Path, tmp_path: Path, jobs: list[TrainingJob]) -> None:
    call("--data", str(data), "--train-ratio=0.8", "--val-ratio=0.1", "--test-ratio=0.1")
    assert [len(part) for part in jobs[0].splits.parts().values()] == [24, 3, 3]
    rows = [
        f"{name}/{number}.png,{name},{'train' if number < 4 else 'val'}"
        for name in CLASSES
        for number in range(6)
    ]
    table = tmp_path / "split.csv"
    table.write_text("\n".join(["path,material,split", *rows]) + "\n", encoding="utf-8")
    call("--data", str(data), "--split", str(table))
    assert [len(part) for part in jobs[1].splits.parts().values()] == [12, 6, 0]
    assert jobs[1].splits.by == "file"


def test_pictures_of_one_object_stay_together(tmp_path: Path, jobs: list[TrainingJob]) -> None:
    rng = np.random.default_rng(0)
    for name in CLASSES[:2]:
        (tmp_path / "set" / name).mkdir(parents=True)
        for item in range(6):
            coarse = rng.integers(0, 256, (6, 8, 3)).astype(np.uint8)
            image = cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)
            for view in range(2):
                again = np.clip(image.astype(int) + 6 * view, 0, 255).astype(np.uint8)
                cv2.imwrite(str(tmp_path / "set" / name / f"{item}_{view}.png"), again)
    result = call("--data", str(tmp_path / "set"), "--split-by", "object")
    assert "looking for pictures of one object" in result.output
    parts = jobs[0].splits.parts()
    assert jobs[0].splits.by == "object"
    owners = {one.name.rsplit("_", 1)[0]: part for part in parts for one in parts[part]}
    for part in parts:
        for one in parts[part]:
            assert owners[one.name.rsplit("_", 1)[0]] == part


def test_run_folders_are_numbered_and_an_unfinished_one_is_gone_on_with(
    data: Path, jobs: list[TrainingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    from recycle_sorter.ml.training.job import open_folder

    def out(*words: str) -> str:
        call("--data", str(data), *words)
        open_folder(jobs[-1])
        return str(jobs[-1].out)

    assert out() == "runs/resnet18_v1"
    assert out() == "runs/resnet18_v1"  # killed: goes on
    assert out("--seed=1") == "runs/resnet18_v2"
    (Path("runs/resnet18_v1") / run_folder.WEIGHTS_NAME).touch()
    assert out() == "runs/resnet18_v1"  # killed in its test
    test = Path("runs/resnet18_v1") / tracked.TEST_JOB_NAME
    with open_tracker(test, job_name="any", job_type="test", config={}, mode="disabled"):
        assert out() == "runs/resnet18_v1"  # still
    assert out() == "runs/resnet18_v3"  # the first is finished
    assert out("--seed=1") == "runs/resnet18_v2"
    assert out("--architecture=resnet34") == "runs/resnet34_v1"
    assert out("--out", "elsewhere") == "elsewhere"


def test_another_data_set_gets_another_folder(
    data: Path, tmp_path: Path, jobs: list[TrainingJob]
) -> None:
    from recycle_sorter.ml.training.job import open_folder

    other = write_folders(tmp_path / "other")
    for source, number in ((data, 1), (other, 2), (data.parent / "set", 1), (other, 2)):
        call("--data", str(source))
        open_folder(jobs[-1])
        assert str(jobs[-1].out) == f"runs/resnet18_v{number}"


def test_killed_in_its_test_a_run_is_tested_and_not_trained_again(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)
    monkeypatch.setattr(run_folder, "build_model", tiny_network)
    words = ["--data", str(data), "--tracking=disabled", *SMALL]

    def killed(*args: Any, **settings: Any) -> None:
        raise KeyboardInterrupt

    for place in ("evaluate_run", "save_plots"):  # before its record begins, and amid it
        with monkeypatch.context() as patch:
            patch.setattr(tracked, place, killed)
            call(*words, fails=True)
        weights = Path("runs/resnet18_v1") / run_folder.WEIGHTS_NAME
        trained = weights.stat().st_mtime_ns
    said = call(*words).output
    assert "runs/resnet18_v1 is finished already" in said
    assert weights.stat().st_mtime_ns == trained
    assert read_record(Path("runs/resnet18_v1/test")).state == "finished"
    assert Path("runs/resnet18_v1/evaluation/report.html").is_file()
    assert not Path("runs/resnet18_v2").exists()
    call(*words)
    assert Path("runs/resnet18_v2").exists(), "now there is nothing left to do in the first"


def test_finding_a_rate_prints_it_and_trains_nothing(
    data: Path, jobs: list[TrainingJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)
    result = call("--data", str(data), "--find-learn-rate", *SMALL)
    assert "suggestion: --learn_rate=" in result.output
    assert Path("runs/resnet18_v1/learn_rate.png").is_file()
    assert jobs == []


def test_no_rate_to_be_found_is_said_and_is_no_success(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)
    monkeypatch.setattr(finder, "steepest", lambda rates, losses: None)
    words = ["train", "--data", str(data), "--find-learn-rate", *SMALL]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1
    assert "no suggestion: the loss never falls" in result.output
    assert "suggestion: --learn_rate" not in result.output
    assert Path("runs/resnet18_v1/learn_rate.png").is_file()


def test_a_training_from_folders_to_report_and_record(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    words = ["--data", str(data), "--architecture=resnet50_thin", "--probe=True", *SMALL]
    output = call(*words).output
    assert "18 train, 6 val, 6 test pictures of glass, metal, paper" in output
    assert "next: recycle-sorter export runs/resnet50_thin_v1" in output
    folder = Path("runs/resnet50_thin_v1").absolute()
    check_folder(folder)
    check_record(folder)
    check_wandb(folder)

    # The same command again trains nothing, and tests again.
    before = (folder / run_folder.WEIGHTS_NAME).stat().st_mtime_ns
    call(*words, "--out", str(folder), "--tracking=disabled")
    assert (folder / run_folder.WEIGHTS_NAME).stat().st_mtime_ns == before
    assert not Path("runs/resnet50_thin_v2").exists()


def check_folder(folder: Path) -> None:
    assert {path.name for path in folder.iterdir()} >= {
        "config.json", "split.csv", "manifest.json", "metrics.jsonl", "last.ckpt", "record",
        "untrained.safetensors", "model.safetensors", "evaluation", "wandb", "test",
    }  # fmt: skip
    loaded = run_folder.load_run(folder)
    assert loaded.classes == CLASSES
    report = (folder / "evaluation" / "report.html").read_text(encoding="utf-8")
    assert "resnet50_thin_v1 on set (test)" in report
    figures = json.loads((folder / "evaluation" / "figures.json").read_text(encoding="utf-8"))
    assert "accuracy" in json.dumps(figures)
    with (folder / "evaluation" / "predictions.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 6


def check_record(folder: Path) -> None:
    trained, tested = read_record(folder), read_record(folder / "test")
    assert (trained.job_name, trained.state) == ("resnet50_thin_v1_train", "finished")
    assert (tested.job_name, tested.state) == ("resnet50_thin_v1_test", "finished")
    assert trained.config["epoch_qty"] == 1
    assert [row["step"] for row in trained.history] == [0]
    assert trained.history[0].keys() >= {"train/loss", "val/accuracy", "val/accuracy/glass"}
    assert trained.summary["shipped/epoch"] == 0
    assert trained.summary["shipped/val/accuracy"] == trained.summary["last/val/accuracy"]
    made = {ref.type: ref for ref in trained.logged}
    assert made.keys() == {"split_data", "model"}
    names = {ref.name for ref in trained.logged}
    assert names == {"set_split", "resnet50_thin_v1_untrained", "resnet50_thin_v1_trained"}
    assert {ref.type for ref in trained.used} == {"raw_data", "model"}
    # What the test uses is what the training made.
    assert set(tested.used) == {made["split_data"], made["model"]}
    assert made["model"].name == "resnet50_thin_v1_trained"
    assert tested.summary["accuracy"] >= 0
    assert tested.confusion["confusion"][0] == list(CLASSES)
    names = ("confusion", "confusion_normalised", "reliability", "coverage", "loss", "accuracy")
    assert tested.images.keys() == {f"plots/{name}" for name in names}
    assert all(cv2.imread(str(path)) is not None for path in tested.images.values())
    columns, rows = tested.read_table("predictions")
    assert columns == ["picture", "actual", "predicted", "probability"]
    assert len(rows) == 6


def check_wandb(folder: Path) -> None:
    for place, name in ((folder, "train"), (folder / "test", "test")):
        records = list(records_of(place / "wandb"))
        (told,) = (r.run for r in records if r.WhichOneof("record_type") == "run")
        assert told.display_name == f"resnet50_thin_v1_{name}"
        assert told.job_type == name


def test_a_data_folder_may_be_called_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)
    monkeypatch.setattr(run_folder, "build_model", tiny_network)
    root = write_folders(tmp_path / "here" / "my photos (2)", each=5)
    call("--data", ".", "--tracking=disabled", "--out", "../out", *SMALL, fails=True)
    call("--data", str(root), "--tracking=disabled", "--out", "run 1", *SMALL)
    assert Path("run 1/evaluation/report.html").is_file()
    monkeypatch.chdir(root)
    call("--data", ".", "--tracking=disabled", "--out", "../../out", *SMALL)
    assert (tmp_path / "out" / "evaluation" / "report.html").is_file()
