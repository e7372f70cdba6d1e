# SPDX-License-Identifier: Apache-2.0
"""A run becomes a bundle: complete, measured, credited; and nothing else becomes one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.learning import CLASSES, write_folders
from support.runs import SPEC, write_run
from typer.testing import CliRunner

from recycle_sorter.cli.app import app
from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.thresholds import Thresholds
from recycle_sorter.ml import bundling
from recycle_sorter.ml.bundling import ExportJob, export_bundle, track_export
from recycle_sorter.ml.dataset.manifest import make_manifest, read_manifest
from recycle_sorter.ml.dataset.records import read_dataset
from recycle_sorter.ml.held_out import leaks_of
from recycle_sorter.ml.record_reader import read_record
from recycle_sorter.ml.run_data import splits_of
from recycle_sorter.ml.tracking import open_tracker
from recycle_sorter.ml.training.material import write_manifest
from recycle_sorter.ml.training.run_folder import load_run

pytestmark = pytest.mark.ml


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set, pictures of another kind, and a run that started from open_nsfw."""
    home = tmp_path_factory.mktemp("home")
    write_folders(home / "photos", each=10)
    write_folders(home / "chute", each=2, first=50)
    write_run(
        home / "thin_v1", home / "photos", "resnet50_thin", hyperparameters={"weights": "packaged"}
    )
    return home


@pytest.fixture(scope="module")
def bundle(home: Path) -> ModelBundle:
    job = ExportJob(home / "thin_v1", home / "out", measure=[home / "chute"], note="A remark.")
    return export_bundle(job, lambda line: None)


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Path:
    shutil.copytree(home / "thin_v1", tmp_path / "run")
    return tmp_path / "run"


def change(run: Path, **fields: Any) -> None:
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    (run / "config.json").write_text(json.dumps({**config, **fields}), encoding="utf-8")


def test_it_holds_what_the_run_was(bundle: ModelBundle) -> None:
    assert bundle.labels == CLASSES
    assert bundle.preprocessing == SPEC
    assert bundle.model_id.startswith("resnet50_thin-")
    assert bundle.licence == "Apache-2.0 AND BSD-2-Clause"
    assert "open_nsfw" in bundle.started_from
    assert "Yahoo Inc." in (bundle.path / "NOTICE").read_text(encoding="utf-8")
    assert "Apache License" in (bundle.path / "LICENSE").read_text(encoding="utf-8")
    assert ("int8" in bundle.networks) == bundle.figures["int8_kept"]
    assert not bundle.path.with_name("out.partial").exists()


def test_every_set_is_measured_by_every_network(bundle: ModelBundle) -> None:
    figures = bundle.figures
    assert figures["split"] == "test"
    precisions = [row["precision"] for row in figures["measured"]]
    assert precisions[0] == "fp32"
    assert ("int8" in precisions) == figures["int8_kept"]
    for row in figures["measured"]:
        counts = {name: found["n"] for name, found in row["sets"].items()}
        assert counts == {"val": 6, "test": 6, "chute": 6}
        for found in row["sets"].values():
            low, high = found["interval"]
            assert 0 <= low <= found["accuracy"] <= high <= 1
    assert figures["accuracy"] == figures["measured"][0]["sets"]["test"]["accuracy"]
    assert set(figures["parity"]) == {"openvino", "onnxruntime", "torch"}
    assert max(figures["parity"].values()) <= 1e-3


def test_the_card_tells_it(bundle: ModelBundle) -> None:
    card = (bundle.path / "MODEL_CARD.md").read_text(encoding="utf-8")
    for words in (
        "# thin_v1",
        "glass, metal and paper",
        f"**{100 * bundle.figures['accuracy']:.1f} %**",
        "| chute (6) | onnxruntime fp32 |",
        f"softmax(logits / {bundle.temperature:.4f})",
        "Started from Yahoo's open_nsfw",
        "1.5 minutes on 2 x a CPU; commit 0123456789",
        "| train | photos | 18 | glass 6, metal 6, paper 6 |",
        "| measured | chute | 6 | glass 2, metal 2, paper 2 |",
        "recycle-sorter train --data photos\nrecycle-sorter export ",
        "A remark.",
        "bf16 has no file of its own",
        "## Known weaknesses",
    ):
        assert words in card
    if bundle.temperature == 1:  # six pictures make no network surer
        assert "The temperature stays 1:" in card.replace("\n", " ")
    assert bundle.temperature >= 1
    prose = [line for line in card.splitlines() if not line.startswith(("|", "recycle-sorter"))]
    assert max(map(len, prose)) <= 100


def test_an_older_bundle_is_replaced_as_a_whole(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    out.mkdir()
    (out / "bundle.json").write_text("{}", encoding="utf-8")
    (out / "stale.bin").write_bytes(b"")

    def fail(*_: Any, **__: Any) -> None:
        raise ModelError("no int8 today")

    with monkeypatch.context() as patch:
        patch.setattr(bundling, "write_int8", fail)
        with pytest.raises(ModelError, match="no int8 today"):
            export_bundle(ExportJob(run, out), lambda line: None)
    assert (out / "stale.bin").is_file()
    # The data has moved, int8 costs too much, and the run's record grows.
    data = Path(json.loads((run / "config.json").read_text(encoding="utf-8"))["data"])
    parts = [
        {"run": "a", "command": "train a", "commit": "abc1234567", "hyperparameters": {}},
        {"run": "b", "command": "train b", "commit": "", "hyperparameters": {}},
    ]
    change(run, data="/gone/photos", soup_of=parts)
    monkeypatch.setattr(bundling, "INT8_MAX_LOSS", -1.0)
    # Six pictures promise nothing by themselves.
    limits = Thresholds(0.4, 0.05, 0.98, 0.91, 6)
    monkeypatch.setattr(bundling, "suggest_thresholds", lambda predictions: limits)
    with open_tracker(
        run, job_name="run_train", job_type="train", config={}, mode="disabled"
    ) as tracker:
        trained = tracker.log_artifact("run_trained", "model", [run / "model.safetensors"])
    monkeypatch.setenv("WANDB_MODE", "disabled")
    said: list[str] = []
    job = ExportJob(run, out, data=data, name="my model")
    written = export_bundle(job, said.append)
    track_export(job, written, said.append)
    assert not (out / "stale.bin").exists()
    assert set(written.networks) == {"fp32"}
    assert any("int8 costs" in line for line in said)
    card = (out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "# my model" in card
    assert "- a (commit abc1234567): `train a`\n- b (commit not recorded): `train b`" in card
    assert written.thresholds == limits
    assert "`min_confidence` 0.4 and `min_margin` 0.05; 91.0 % of 6 answers" in card
    assert written.figures["command"] == job.command
    record = read_record(run / "export")
    assert record.state == "finished"
    assert record.used == [trained]
    assert [ref.name for ref in record.logged] == ["run_bundle"]
    assert record.summary["accuracy"] == written.figures["accuracy"]


def test_a_run_without_a_record_is_not_tracked(home: Path, bundle: ModelBundle) -> None:
    track_export(ExportJob(home / "thin_v1", bundle.path), bundle)
    assert not (home / "thin_v1" / "export").exists()


def test_a_folder_that_is_no_bundle_is_not_replaced(run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("years of work\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="an older bundle"):
        export_bundle(ExportJob(run, tmp_path / "thesis"))
    assert (tmp_path / "thesis" / "thesis.txt").is_file()


@pytest.mark.parametrize("name", ["file", "file/x"])
def test_a_folder_that_cannot_be_written_is_named(run: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("years of work\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=rf"bundle: got '{tmp_path / name}'"):
        export_bundle(ExportJob(run, tmp_path / name), lambda line: None)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "years of work\n"


def test_an_unfinished_run_is_named(run: Path, tmp_path: Path) -> None:
    (run / "model.safetensors").unlink()
    with pytest.raises(InvalidInputError, match=r"a finished run with model\.safetensors"):
        export_bundle(ExportJob(run, tmp_path / "bundle"))


def test_data_that_moved_is_asked_for(run: Path, tmp_path: Path) -> None:
    change(run, data="/gone/photos")
    with pytest.raises(InvalidInputError, match="--data DIR"):
        export_bundle(ExportJob(run, tmp_path / "bundle"))


def test_what_was_trained_on_is_not_measured(run: Path, home: Path, tmp_path: Path) -> None:
    for folder in ("photos", "chute"):
        change(run, extra=[str(home / "chute")])
        job = ExportJob(run, tmp_path / "bundle", measure=[home / folder])
        with pytest.raises(InvalidInputError, match=r"--measure: got .* not trained on"):
            export_bundle(job)


@pytest.fixture
def proven(home: Path, run: Path, tmp_path: Path) -> Path:
    """A run with a manifest, of pictures that a test may change: its folder beside ``photos``."""
    shutil.copytree(home / "photos", tmp_path / "photos")
    change(run, data=str(tmp_path / "photos"))
    splits = splits_of(load_run(run), None)
    write_manifest(run / "manifest.json", make_manifest(splits), {})
    return run


def test_pictures_that_changed_since_are_not_measured(proven: Path, tmp_path: Path) -> None:
    splits = splits_of(load_run(proven), None)
    shutil.copy(splits.train[0].path, splits.test[0].path)
    with pytest.raises(InvalidInputError, match=rf"{splits.test[0].name} has changed"):
        export_bundle(ExportJob(proven, tmp_path / "bundle"))
    assert not list(tmp_path.glob("bundle*"))


def test_a_split_that_was_edited_is_not_measured(proven: Path, tmp_path: Path) -> None:
    table = proven / "split.csv"
    name = splits_of(load_run(proven), None).train[0].name
    lines = table.read_text(encoding="utf-8").splitlines()
    edited = [x.replace(",train", ",test") if x.startswith(f"{name},") else x for x in lines]
    table.write_text("\n".join(edited) + "\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=rf"{name} is in test, was in train"):
        export_bundle(ExportJob(proven, tmp_path / "bundle"))


def test_copies_of_what_was_trained_on_are_not_measured(
    run: Path, home: Path, tmp_path: Path
) -> None:
    one = splits_of(load_run(run), None).train[0]
    for number, material in enumerate(CLASSES):
        (tmp_path / "new" / material).mkdir(parents=True)
        source = home / "chute" / material / "50.png"
        if material == CLASSES[one.label]:
            source = one.path
        (tmp_path / "new" / material / f"other{number}.png").write_bytes(source.read_bytes())
    with pytest.raises(InvalidInputError, match=r"--measure: got .*/other\d\.png was"):
        export_bundle(ExportJob(run, tmp_path / "bundle", measure=[tmp_path / "new"]))


@pytest.mark.parametrize("option", ["--extra", "--unlabelled"])
def test_copies_of_a_folder_that_is_gone_are_not_measured(
    proven: Path, home: Path, tmp_path: Path, option: str
) -> None:
    manifest, chute = proven / "manifest.json", home / "chute"
    digests = make_manifest(read_dataset(chute)).parts["all"]
    write_manifest(manifest, read_manifest(manifest), {f"{option} /gone/crops": digests})
    job = ExportJob(proven, tmp_path / "bundle", measure=[chute])
    with pytest.raises(InvalidInputError, match=r"--measure: got .* and 3 more were"):
        export_bundle(job)


def told_of(folder: Path) -> list[str]:
    """What is said of a run's forerunners."""
    run = load_run(folder)
    return leaks_of(run.folder, run.config, make_manifest(splits_of(run, None)))


def swap(folder: Path) -> None:
    """Turns a run into one that split the same pictures the other way round."""
    rows = (folder / "split.csv").read_text(encoding="utf-8")
    swapped = rows.replace(",train", ",x").replace(",val", ",train").replace(",x", ",val")
    (folder / "split.csv").write_text(swapped, encoding="utf-8")
    if (folder / "manifest.json").is_file():
        hashes = make_manifest(splits_of(load_run(folder), None))
        write_manifest(folder / "manifest.json", hashes, {})


def test_what_an_old_forerunner_was_trained_on_is_told(run: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(run, teacher)
    change(run, teacher=str(teacher))
    assert told_of(run) == []
    swap(teacher)
    (line,) = told_of(run)
    assert line.startswith("teacher, which this run builds on, was trained on 6 of the 12 pictures")
    change(teacher, data="/elsewhere/photos")
    (line,) = told_of(run)
    assert "is not known" in line, "its names may mean other pictures"


def test_what_a_forerunner_was_trained_on_is_told_whatever_it_was_called(
    proven: Path, tmp_path: Path
) -> None:
    start, middle = tmp_path / "start", tmp_path / "middle"
    shutil.copytree(proven, start)
    # The same pictures, in another folder and by other names.
    for path in sorted((tmp_path / "photos").glob("*/*.png")):
        there = tmp_path / "photos_2" / path.parent.name / f"x{path.name}"
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, there)
    table = (start / "split.csv").read_text(encoding="utf-8")
    (start / "split.csv").write_text(re.sub(r"(?m)^(\w+)/(\d)", r"\1/x\2", table), "utf-8")
    change(start, data=str(tmp_path / "photos_2"))
    swap(start)
    shutil.copytree(proven, middle)
    settings = json.loads((proven / "config.json").read_text(encoding="utf-8"))["hyperparameters"]
    for folder, former in ((middle, start), (proven, middle)):
        weights = str(former / "model.safetensors")
        change(folder, hyperparameters={**settings, "weights": weights})
    (line,) = told_of(proven)
    assert line.startswith("start, which this run builds on, was trained on 6 of the 12 pictures")


def test_what_a_forerunner_learned_from_beside_its_data_counts(
    proven: Path, tmp_path: Path
) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(proven, teacher)
    change(proven, teacher=str(teacher))
    assert told_of(proven) == []
    hashes = read_manifest(proven / "manifest.json")
    write_manifest(teacher / "manifest.json", hashes, {"--extra /gone": hashes.parts["test"]})
    (line,) = told_of(proven)
    assert line.startswith("teacher, which this run builds on, was trained on 6 of the 12 pictures")


def test_the_forerunners_of_every_run_of_a_mean_count(proven: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(proven, teacher)
    swap(teacher)
    recipes = [{"run": "a", "hyperparameters": {}}, {"run": "b", "hyperparameters": {
        "weights": str(teacher / "model.safetensors"), "teacher": str(teacher)}}]  # fmt: skip
    change(proven, soup_of=recipes)
    (line,) = told_of(proven)
    assert line.startswith("teacher, which this run builds on, was trained on")


def test_runs_that_name_one_another_end(proven: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(proven, teacher)
    change(proven, teacher=str(teacher))
    change(teacher, teacher=str(proven))
    assert told_of(proven) == []


@pytest.mark.parametrize("gone", ["split.csv", "config.json"])
def test_a_forerunner_that_carries_no_split_is_said_to_be_unknown(
    run: Path, tmp_path: Path, gone: str
) -> None:
    teacher = tmp_path / "teacher"
    shutil.copytree(run, teacher)
    (teacher / gone).unlink()
    change(run, teacher=str(teacher))
    (line,) = told_of(run)
    assert line.startswith("teacher, which this run builds on, carries no split")
    assert "is not known" in line


def test_another_licence_needs_its_text(run: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"the text of CC-BY-4\.0"):
        export_bundle(ExportJob(run, tmp_path / "bundle", licence="CC-BY-4.0"))


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", str(tmp_path), str(tmp_path / "bundle")])
    assert isinstance(result.exception, InvalidInputError)
    assert "train first" in str(result.exception)


def test_the_help_shows_examples() -> None:
    result = CliRunner().invoke(app, ["export", "--help"])
    assert result.exit_code == 0
    assert "recycle-sorter export runs/resnet18_v1 models/mine" in result.output
