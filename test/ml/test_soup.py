# SPDX-License-Identifier: Apache-2.0
"""Averaging runs: the mean of their weights, and only of runs that fit together."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from support.learning import write_folders
from typer.testing import CliRunner

from recycle_sorter.cli.app import app
from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.ml.dataset.manifest import DataManifest, make_manifest, read_manifest
from recycle_sorter.ml.dataset.records import read_dataset
from recycle_sorter.ml.dataset.splits import split_dataset, write_split_file
from recycle_sorter.ml.lineage import read_lineage
from recycle_sorter.ml.models.zoo import build_model
from recycle_sorter.ml.record_reader import read_record
from recycle_sorter.ml.tracking import open_tracker
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.material import write_manifest
from recycle_sorter.ml.training.soup import make_soup
from recycle_sorter.vision.preprocessing import PreprocessingSpec

pytestmark = pytest.mark.ml

CLASSES = ("glass", "metal")


def write_run(folder: Path, seed: int, **changes: Any) -> Path:
    folder.mkdir(parents=True)
    torch.manual_seed(seed)
    model = build_model("resnet18", len(CLASSES))
    run_folder.write_weights(model, folder / run_folder.WEIGHTS_NAME)
    config = {
        "architecture": "resnet18",
        "classes": list(CLASSES),
        "preprocessing": PreprocessingSpec(width_px=32, height_px=32).to_dict(),
        "data": "photos",
        "split": {"by": "picture", "seed": 0},
        "command": f"train {seed}",
        "commit": "",
        "hyperparameters": {"seed": seed},
        "minutes": 1.5,
        **changes,
    }
    run_folder.write_config(folder, config)
    (folder / run_folder.SPLIT_NAME).write_text("path,material,split\n", encoding="utf-8")
    DataManifest({"val": {"a.png": 64 * "0"}}).write(folder / run_folder.MANIFEST_NAME)
    return folder


def test_weights_are_the_mean_and_the_recipes_are_kept(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), seed) for seed in (1, 2, 3)]
    out = make_soup(runs, tmp_path / "soup", "recycle-sorter soup ...")
    mean = load_file(out / run_folder.WEIGHTS_NAME)
    parts = [load_file(run / run_folder.WEIGHTS_NAME) for run in runs]
    for name, value in mean.items():
        expected = sum(part[name].double() for part in parts) / 3
        torch.testing.assert_close(value.double(), expected, rtol=0, atol=1e-7)
    config = json.loads((out / run_folder.CONFIG_NAME).read_text(encoding="utf-8"))
    assert [part["command"] for part in config["soup_of"]] == ["train 1", "train 2", "train 3"]
    assert config["minutes"] == 4.5
    assert run_folder.load_run(out).classes == CLASSES


def test_what_any_run_learned_from_is_kept(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / "1", 1, extra=["crops", "belts"]),
        write_run(tmp_path / "2", 2, extra=["chutes", "crops"], unlabelled=["caltech"]),
    ]
    config = run_folder.read_config(make_soup(runs, tmp_path / "soup"))
    assert config["extra"] == ["crops", "belts", "chutes"]
    assert config["unlabelled"] == ["caltech"]


def test_a_share_of_the_start_is_kept(tmp_path: Path) -> None:
    run, start = write_run(tmp_path / "1", 1), write_run(tmp_path / "2", 2)
    (start / run_folder.WEIGHTS_NAME).rename(run / run_folder.UNTRAINED_NAME)
    out = make_soup([run], tmp_path / "soup", start_share=0.25)
    made = load_file(out / run_folder.WEIGHTS_NAME)
    before = load_file(run / run_folder.UNTRAINED_NAME)
    after = load_file(run / run_folder.WEIGHTS_NAME)
    for name, value in made.items():
        expected = 0.25 * before[name].double() + 0.75 * after[name].double()
        torch.testing.assert_close(value.double(), expected, rtol=0, atol=1e-6)
    config = json.loads((out / run_folder.CONFIG_NAME).read_text(encoding="utf-8"))
    assert config["start_share"] == 0.25


@pytest.mark.parametrize("share", [-0.1, 1.0, float("nan")])
def test_shares_beyond_are_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(InvalidInputError, match="start-share"):
        make_soup([write_run(tmp_path / "1", 1)], tmp_path / "soup", start_share=share)
    assert not (tmp_path / "soup").exists()


def test_a_start_with_another_head_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", 1)
    other = build_model("resnet18", 5)
    run_folder.write_weights(other, run / run_folder.UNTRAINED_NAME)
    with pytest.raises(InvalidInputError, match="untrained"):
        make_soup([run], tmp_path / "soup", start_share=0.5)
    assert not (tmp_path / "soup").exists()


def test_runs_of_other_pictures_are_refused(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), seed) for seed in (1, 2)]
    (runs[1] / run_folder.SPLIT_NAME).write_text("path,material,split\na,glass,val\n")
    with pytest.raises(InvalidInputError, match=r"split\.csv"):
        make_soup(runs, tmp_path / "soup")
    assert not (tmp_path / "soup").exists()


def test_runs_may_have_learned_from_other_things_beside_the_data(tmp_path: Path) -> None:
    runs = []
    for seed in (1, 2):
        material = {f"--extra crops/{seed}": {"a.png": 64 * str(seed)}}
        told = {"material": {"crops": seed}, "shipped_epoch": seed}
        run = write_run(tmp_path / str(seed), seed, **told)
        manifest = run / run_folder.MANIFEST_NAME
        write_manifest(manifest, read_manifest(manifest), material)
        runs.append(run)
    out = make_soup(runs, tmp_path / "soup")
    assert read_manifest(out / run_folder.MANIFEST_NAME).parts == {"val": {"a.png": 64 * "0"}}
    assert "crops" not in (out / run_folder.MANIFEST_NAME).read_text(encoding="utf-8")
    config = json.loads((out / run_folder.CONFIG_NAME).read_text(encoding="utf-8"))
    assert [one["material"] for one in config["soup_of"]] == [{"crops": 1}, {"crops": 2}]
    assert not {"material", "shipped_epoch"} & config.keys(), "of one run, not of the mean"
    DataManifest({"val": {"a.png": 64 * "1"}}).write(runs[1] / run_folder.MANIFEST_NAME)
    with pytest.raises(InvalidInputError, match=r"manifest\.json"):
        make_soup(runs, tmp_path / "other")


def test_runs_of_another_size_are_refused_by_name(tmp_path: Path) -> None:
    other = PreprocessingSpec(width_px=64, height_px=64).to_dict()
    runs = [write_run(tmp_path / "1", 1), write_run(tmp_path / "2", 2, preprocessing=other)]
    with pytest.raises(InvalidInputError, match="preprocessing"):
        make_soup(runs, tmp_path / "soup")


def test_data_that_is_gone_leaves_no_soup(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), seed, data=str(tmp_path / "gone")) for seed in (1, 2)]
    words = ["soup", *map(str, runs), "--out", str(tmp_path / "soup")]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, InvalidInputError)
    assert "gone" in str(done.exception)
    assert not (tmp_path / "soup").exists()


def test_data_that_changed_leaves_no_soup(tmp_path: Path) -> None:
    photos = write_folders(tmp_path / "photos", each=4, classes=CLASSES)
    splits = split_dataset(read_dataset(photos))
    runs = [write_run(tmp_path / str(seed), seed, data=str(photos)) for seed in (1, 2)]
    for run in runs:
        write_split_file(splits, CLASSES, run / run_folder.SPLIT_NAME)
        make_manifest(splits).write(run / run_folder.MANIFEST_NAME)
    shutil.copy(splits.train[0].path, splits.test[0].path)
    words = ["soup", *map(str, runs), "--out", str(tmp_path / "soup")]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, InvalidInputError)
    assert f"{splits.test[0].name} has changed" in str(done.exception)
    assert not (tmp_path / "soup").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), seed) for seed in (1, 2)]
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"--out: got .*file/x.* can be written"):
        make_soup(runs, tmp_path / "file" / "x")


def test_one_run_and_an_old_folder_are_refused(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), seed) for seed in (1, 2)]
    with pytest.raises(InvalidInputError, match="at least two"):
        make_soup(runs[:1], tmp_path / "soup")
    with pytest.raises(InvalidInputError, match="new folder"):
        make_soup(runs, runs[0])


def test_a_run_with_a_head_for_other_classes_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "1", 1, classes=["glass", "metal", "paper"])
    with pytest.raises(ModelError, match="3 classes"):
        run_folder.load_run(run)


def test_a_soup_is_recorded_and_linked_to_its_runs(tmp_path: Path) -> None:
    photos = write_folders(tmp_path / "photos", each=4, classes=CLASSES)
    splits = split_dataset(read_dataset(photos))
    runs = [write_run(tmp_path / name, seed, data=str(photos)) for seed, name in enumerate("ab")]
    for run in runs:
        write_split_file(splits, CLASSES, run / run_folder.SPLIT_NAME)
        make_manifest(splits).write(run / run_folder.MANIFEST_NAME)
    shutil.copy(runs[1] / run_folder.WEIGHTS_NAME, runs[0] / run_folder.UNTRAINED_NAME)
    # One run tells of itself, the other is older than records.
    with open_tracker(
        runs[0], job_name="a_train", job_type="train", config={}, mode="disabled"
    ) as tracker:
        made = tracker.log_artifact("a_trained", "model", [runs[0] / run_folder.WEIGHTS_NAME])
        start = tracker.log_artifact("a_untrained", "model", [runs[0] / run_folder.UNTRAINED_NAME])
        split = tracker.log_artifact("photos_split", "split_data", [runs[0] / "split.csv"])
    out = tmp_path / "mean"
    words = ["soup", *map(str, runs), "--out", str(out), "--start-share", "0.2"]
    done = CliRunner().invoke(app, [*words, "--tracking", "disabled"])
    assert done.exit_code == 0, done.output
    record, test = read_record(out), read_record(out / "test")
    assert (record.job_name, record.job_type, record.state) == ("mean_soup", "soup", "finished")
    assert [ref.name for ref in record.used] == ["a_trained", "b_trained", "a_untrained"]
    assert record.used[0] == made
    assert record.used[2] == start
    assert [ref.name for ref in record.logged] == ["mean_trained"]
    assert record.config == {"runs": ["a", "b"], "start_share": 0.2}
    assert test.job_name == "mean_test"
    assert test.used == [record.logged[0], split]
    assert test.summary["n"] == len(splits.test)
    # The way from the run through the soup to its test is whole.
    lineage = read_lineage([tmp_path])
    layers, title = lineage.layers(), {node.title: node.key for node in lineage.nodes}
    way = ("a_train", "a_trained", "mean_soup", "mean_trained", "mean_test")
    assert [layers[title[name]] for name in way] == [0, 1, 2, 3, 4]


def test_an_unknown_way_of_tracking_leaves_no_soup(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(seed), seed) for seed in (1, 2)]
    words = ["soup", *map(str, runs), "--out", str(tmp_path / "soup"), "--tracking", "sometimes"]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, InvalidInputError)
    assert "--tracking: got 'sometimes'" in str(done.exception)
    assert not (tmp_path / "soup").exists()
