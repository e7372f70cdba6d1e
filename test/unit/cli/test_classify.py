# SPDX-License-Identifier: Apache-2.0
"""``classify`` from the command line's side."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
import typer
from rich.console import Console
from support.bundles import item_image, make_tiny_bundle
from typer.testing import CliRunner, Result

from recycle_sorter.cli import classify_cmd
from recycle_sorter.cli.classify_cmd import classify
from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.materials import MATERIALS


def call(*arguments: str | Path) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(classify)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for material in MATERIALS:
        cv2.imwrite(str(folder / f"{material}.jpg"), item_image(material, 64, 48))
    return folder


def test_a_pipe_gets_one_line_a_picture(bundle: Path, folder: Path) -> None:
    result = call(folder / "glass.jpg", folder / "metal.jpg", "--model", bundle)
    assert result.exit_code == 0, result.output
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [row[:2] for row in rows] == [
        [str(folder / "glass.jpg"), "glass"],
        [str(folder / "metal.jpg"), "metal"],
    ]
    assert all(0.95 < float(row[2]) <= 1 for row in rows)
    assert "\x1b" not in result.output


def test_a_folder_and_top_three(bundle: Path, folder: Path) -> None:
    result = call(folder, "--top", "3", "--model", bundle, "--engine", "onnxruntime")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [Path(row[0]).stem for row in rows] == [row[1] for row in rows] == sorted(MATERIALS)
    for row in rows:
        values = [float(value) for value in row[2::2]]
        assert len(values) == 3
        assert values == sorted(values, reverse=True)


def test_what_cannot_be_read_is_named_and_counted(
    bundle: Path, folder: Path, tmp_path: Path
) -> None:
    damaged, empty, nothing = tmp_path / "damaged.jpg", tmp_path / "empty", tmp_path / "gone.png"
    damaged.write_bytes((folder / "glass.jpg").read_bytes()[:200])
    empty.mkdir()
    result = call(damaged, empty, folder / "paper.jpg", nothing, "--model", bundle)
    assert result.exit_code == 1
    assert result.stdout.splitlines()[0].startswith(f"{folder / 'paper.jpg'}\tpaper\t")
    for path in (damaged, empty, nothing):
        assert f"{path}: " in result.stderr
    assert "3 of 4 pictures could not be read" in result.stderr


def test_json_has_all_probabilities_and_failures(
    bundle: Path, folder: Path, tmp_path: Path
) -> None:
    result = call(folder / "trash.jpg", tmp_path / "gone", "--json", "--model", bundle)
    assert result.exit_code == 1
    shown = json.loads(result.stdout)
    assert shown["engine"] == "openvino"
    assert shown["model_id"].startswith("mean_colour-")
    (picture,) = shown["pictures"]
    assert picture["material"] == "trash"
    assert picture["probabilities"]["trash"] == picture["confidence"]
    assert sum(picture["probabilities"].values()) == pytest.approx(1.0)
    assert shown["failed"][0]["path"] == str(tmp_path / "gone")


def test_a_terminal_gets_a_table(
    bundle: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(force_terminal=True, width=200, record=True)
    monkeypatch.setattr(classify_cmd, "Console", lambda: console)
    result = call(folder / "glass.jpg", folder / "gone.jpg", "--model", bundle)
    assert result.exit_code == 1
    text = console.export_text()
    assert "mean_colour-" in text
    assert "probability" in text
    assert "glass.jpg" in text
    assert "failed" in text


def test_a_bad_model_or_engine_is_an_error(bundle: Path, folder: Path, tmp_path: Path) -> None:
    picture = folder / "glass.jpg"
    assert isinstance(call(picture, "--model", tmp_path / "none").exception, ModelError)
    wrong = call(picture, "--model", bundle, "--engine", "abacus").exception
    assert isinstance(wrong, InvalidInputError)


def test_help_has_examples() -> None:
    assert "recycle-sorter classify photos/" in call("--help").output
