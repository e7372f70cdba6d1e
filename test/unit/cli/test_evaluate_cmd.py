# SPDX-License-Identifier: Apache-2.0
"""``evaluate`` from the command line's side, on a bundle whose answers are known."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from rich.console import Console
from support.bundles import item_image, make_tiny_bundle
from typer.testing import CliRunner, Result

from recycle_sorter.cli import evaluate_cmd
from recycle_sorter.cli.evaluate_cmd import evaluate
from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.classifier import MaterialClassifier
from recycle_sorter.inference.factory import create_engine


def call(*arguments: str | Path) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(evaluate)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three pictures a material; one glass picture shows paper."""
    root = tmp_path / "photos"
    for material in MATERIALS:
        (root / material).mkdir(parents=True)
        for index in range(3):
            shown = "paper" if (material, index) == ("glass", 2) else material
            image = item_image(shown, 64 + index, 48, seed=index)
            cv2.imwrite(str(root / material / f"{index}.png"), image)
    return root


def write_split(data: Path, splits: str = "train val test") -> Path:
    names = splits.split()
    rows = [
        f"{material}/{i}.png,{material},{names[i % len(names)]}"
        for material in MATERIALS
        for i in range(3)
    ]
    path = data / "split.csv"
    path.write_text("path,material,split\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_a_pipe_gets_plain_lines(bundle: Path, data: Path) -> None:
    result = call("--data", data, "--model", bundle)
    assert result.exit_code == 0, result.output
    lines = dict(line.split(": ", 1) for line in result.stdout.splitlines())
    assert lines["pictures"] == "18"
    assert lines["accuracy"].startswith("94.4 % (95 %: ")
    assert lines["glass"] == "recall 66.7 %, precision 100.0 %, F1 80.0 %, 3 pictures"
    assert lines["most confused"] == "glass as paper 1"
    assert "\x1b" not in result.output
    assert result.stderr == ""


def test_json_holds_the_promised_figures(bundle: Path, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "new" / "figures.json"
    result = call("--data", data, "--model", bundle, "--json", file)
    assert result.exit_code == 0, result.output
    values = json.loads(file.read_text(encoding="utf-8"))
    assert values["n"] == 18
    assert values["accuracy"] == pytest.approx(17 / 18, abs=1e-6)
    assert values["recall"]["glass"] == pytest.approx(2 / 3, abs=1e-6)
    assert values["confusion"][MATERIALS.index("paper")][MATERIALS.index("glass")] == 1
    assert 0 <= values["ece"] <= 1
    assert set(values["accuracy_at_coverage"]) == {"0.8", "0.9", "0.95"}
    assert values["failed"] == []
    assert values["about"]["engine"] == "openvino"
    assert values["about"]["model_id"].startswith("mean_colour-")
    assert len(values["about"]["data_sha256"]) == 64


def test_json_on_standard_output_is_alone_there(bundle: Path, data: Path) -> None:
    result = call("--data", data, "--model", bundle, "--json", "-", "--engine", "onnxruntime")
    assert json.loads(result.stdout)["about"]["engine"] == "onnxruntime"
    assert "accuracy: 94.4 %" in result.stderr


def test_the_probabilities_are_the_nodes(bundle: Path, data: Path, tmp_path: Path) -> None:
    from recycle_sorter.ml.dataset.records import read_dataset
    from recycle_sorter.ml.evaluation.evaluate import evaluate_bundle

    loaded = ModelBundle.load(bundle)
    engine = create_engine("onnxruntime", loaded)
    pictures = read_dataset(data, loaded.labels).pictures
    predictions = evaluate_bundle(loaded, engine, pictures, "photos").predictions
    image = cv2.imread(str(pictures[0].path))
    assert image is not None
    answer = MaterialClassifier(loaded, engine).classify_image(np.asarray(image, np.uint8))
    engine.close()
    assert predictions.probabilities[0] == pytest.approx(list(answer.values()), abs=1e-6)


def test_unreadable_pictures_are_named_and_counted(bundle: Path, data: Path) -> None:
    (data / "metal" / "0.png").write_bytes(b"")
    (data / "metal" / "9.jpg").write_bytes(b"no picture")
    (data / "metal" / "notes.txt").write_text("no picture either", encoding="utf-8")
    result = call("--data", data, "--model", bundle, "--json", "-")
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert (values["n"], values["n_failed"]) == (17, 2)
    assert values["failed"] == [
        {"picture": "metal/0.png", "error": "is empty"},
        {"picture": "metal/9.jpg", "error": "is no picture that OpenCV decodes"},
    ]
    assert "metal/0.png: is empty" in result.stderr
    assert "2 of 19 pictures could not be read" in result.stderr
    assert "pictures: 17, 2 not read" in result.stderr


def test_one_material_alone_is_measured(bundle: Path, data: Path) -> None:
    for material in set(MATERIALS) - {"trash"}:
        shutil.rmtree(data / material)
    result = call("--data", data, "--model", bundle, "--json", "-")
    assert json.loads(result.stdout)["recall"] == {"trash": 1.0}


def test_only_a_split_is_measured(bundle: Path, data: Path, tmp_path: Path) -> None:
    file = write_split(data)
    named = call("--data", data, "--model", bundle, "--split-name", "val", "--json", "-")
    assert named.exit_code == 0, named.output
    assert json.loads(named.stdout)["accuracy"] == 1.0
    assert json.loads(named.stdout)["n"] == 6
    assert json.loads(named.stdout)["about"]["data"] == "photos (val)"
    elsewhere = file.rename(tmp_path / "elsewhere.csv")
    test = call("--data", data, "--model", bundle, "--split", elsewhere, "--json", "-")
    assert json.loads(test.stdout)["accuracy"] == pytest.approx(5 / 6, abs=1e-6)


def test_a_split_that_is_not_there_is_an_error(bundle: Path, data: Path) -> None:
    missing = call("--data", data, "--model", bundle, "--split-name", "val").exception
    assert isinstance(missing, InvalidInputError)
    assert "split.csv" in str(missing)
    write_split(data, "train val")
    for options, message in (
        (["--split-name", "test"], r"a split with pictures.*train, val"),
        (["--split-name", "all"], "one of train, val, test"),
    ):
        error = call("--data", data, "--model", bundle, *options).exception
        assert isinstance(error, InvalidInputError)
        with pytest.raises(InvalidInputError, match=message):
            raise error


@pytest.mark.parametrize("make_bad", ["unknown", "empty", "missing"])
def test_data_that_cannot_be_measured_is_an_error(
    bundle: Path, data: Path, tmp_path: Path, make_bad: str
) -> None:
    if make_bad == "unknown":
        (data / "glass").rename(data / "wood")
    elif make_bad == "empty":
        shutil.rmtree(data)
        (data / "glass").mkdir(parents=True)
    else:
        shutil.rmtree(data)
    error = call("--data", data, "--model", bundle).exception
    assert isinstance(error, InvalidInputError)
    text = str(error)
    assert "Fix: " in text
    if make_bad == "unknown":
        assert "wood" in text
        assert "cardboard, glass" in text
    else:
        assert str(data) in text


def test_nothing_but_unreadable_pictures_is_an_error(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "data" / "glass").mkdir(parents=True)
    (tmp_path / "data" / "glass" / "a.jpg").write_bytes(b"")
    error = call("--data", tmp_path / "data", "--model", bundle).exception
    assert isinstance(error, InvalidInputError)
    assert "glass/a.jpg is empty" in str(error)


def test_a_bad_model_or_engine_is_an_error(bundle: Path, data: Path, tmp_path: Path) -> None:
    none = call("--data", data, "--model", tmp_path / "none").exception
    assert isinstance(none, ModelError)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text("{}", encoding="utf-8")
    run = call("--data", data, "--model", tmp_path / "run").exception
    assert isinstance(run, InvalidInputError)
    assert "recycle-sorter export RUN BUNDLE" in str(run)
    abacus = call("--data", data, "--model", bundle, "--engine", "abacus").exception
    assert isinstance(abacus, InvalidInputError)


def test_explain_needs_a_report(bundle: Path, data: Path) -> None:
    error = call("--data", data, "--model", bundle, "--explain", "glass/0.png").exception
    assert isinstance(error, InvalidInputError)
    assert "--report" in str(error)


def test_a_terminal_gets_a_table_with_bars(
    bundle: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(force_terminal=True, width=80, record=True)
    monkeypatch.setattr(evaluate_cmd, "Console", lambda **_: console)
    result = call("--data", data.rename(data.with_name("[red]")), "--model", bundle)
    assert result.exit_code == 0, result.output
    text = console.export_text()
    assert "on [red]" in text, "a folder's name is no markup"
    row = next(line for line in text.splitlines() if line.startswith("glass"))
    assert "66.7 %" in row
    assert "━" in row
    assert all(len(line) <= 80 for line in text.splitlines())


# As after `make run`, where none of the extra `train` is installed.
RUN_PATH_ONLY = """
import sys
for name in ("torch", "torchvision", "matplotlib", "jinja2", "sklearn", "pandas", "torchmetrics"):
    sys.modules[name] = None
from recycle_sorter.cli.app import main
sys.exit(main())
"""


def run_path_only(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN_PATH_ONLY, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)


def test_figures_need_the_run_path_only(bundle: Path, data: Path) -> None:
    write_split(data)
    options = ("--data", data, "--model", bundle, "--split-name", "val", "--json", "-")
    done = run_path_only("evaluate", *options)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["n"] == 6


def test_a_report_without_its_packages_fails_before_the_work(
    bundle: Path, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = run_path_only("evaluate", "--data", data, "--model", bundle, "--report", out)
    assert done.returncode == 2
    assert "recycle_sorter[train]" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not out.exists()


@pytest.mark.ml
def test_the_report_folder(bundle: Path, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = call("--data", data, "--model", bundle, "--report", out)
    assert result.exit_code == 0, result.output
    files = {"figures.json", "predictions.csv", "report.html"}
    assert {path.name for path in out.iterdir()} == files
    assert all(str(out / name) in result.stderr for name in files)
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "glass/2.png: glass, predicted paper" in page
    assert "No Grad-CAM here." in page, "torch knows no such architecture, and the report says so"
    shown = json.loads((out / "figures.json").read_text(encoding="utf-8"))
    assert shown["n"] == 18


def test_help_has_examples() -> None:
    assert "recycle-sorter evaluate --data photos" in call("--help").output
