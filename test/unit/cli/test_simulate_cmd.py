# SPDX-License-Identifier: Apache-2.0
"""``simulate`` and ``replay`` from the command line's side."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from rich.console import Console
from support.belt_runs import made_view
from support.belt_twins import make_cutouts
from support.bundles import make_tiny_bundle
from typer.testing import CliRunner, Result

from recycle_sorter.cli.app import app
from recycle_sorter.cli.belt_output import show
from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.credit_file import Credit, read_credits, write_credits
from recycle_sorter.paths import share_file

SMALL = (
    "--engine", "onnxruntime", "--duration-sec", "5", "--items-per-min", "100", "--belt", "plain",
    "--set", "items.empty_sec=1", "--set", "camera.width_px=320", "--set", "camera.height_px=240",
    "--set", "camera.px_per_m=400",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("simulate")
    make_cutouts(path / "cutouts")
    make_tiny_bundle(path / "bundle")
    layout = share_file("config/belt.yaml").read_text(encoding="utf-8")
    assert "px_per_m: 800.0" in layout
    text = layout.replace("px_per_m: 800.0", "px_per_m: 400.0")
    (path / "belt.yaml").write_text(text, encoding="utf-8")
    return path


def call(command: str, folder: Path, *arguments: str) -> Result:
    given = [command, "--model", str(folder / "bundle"), *arguments]
    result = CliRunner().invoke(app, given)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture(scope="module")
def run(folder: Path) -> Result:
    return call(
        "simulate", folder, *SMALL, "--cutouts", str(folder / "cutouts"),
        "--json", str(folder / "run.json"), "--report", str(folder / "run.html"),
        "--log", str(folder / "run.jsonl"), "--record", str(folder / "bag"),
        "--video", str(folder / "run.mp4"),
    )  # fmt: skip


def test_crops_say_whose_pictures_they_were_made_of(folder: Path, tmp_path: Path) -> None:
    library = tmp_path / "mine"
    shutil.copytree(folder / "cutouts", library)
    write_credits(library, [Credit("cut-outs of Ann's", "CC0-1.0", "Ann")])
    (library / "LICENSE").write_text("CC0", encoding="utf-8")
    crops = tmp_path / "crops"
    call("simulate", folder, *SMALL, "--cutouts", str(library), "--crops", str(crops))
    told = Credit("crops of simulated belts with cut-outs of Ann's", "CC0-1.0", "Ann")
    assert list(crops.glob("*/*.jpg"))
    assert read_credits(crops) == (told,)
    assert (crops / "LICENSE").read_text(encoding="utf-8") == "CC0"
    # The same crops written anew are of whoever's they are now, too.
    (library / "CREDIT.txt").unlink()
    write_credits(library, [Credit("cut-outs of Bob's", "CC-BY-NC-4.0", "Bob")])
    call("simulate", folder, *SMALL, "--cutouts", str(library), "--crops", str(crops))
    assert [credit.whose for credit in read_credits(crops)] == ["Ann", "Bob"]


def test_a_credit_file_that_is_no_text_is_refused_before_the_run(
    folder: Path, tmp_path: Path
) -> None:
    crops = tmp_path / "crops"
    crops.mkdir()
    (crops / "CREDIT.txt").write_bytes(b"\xe9t\xe9")
    with pytest.raises(SorterError, match=r"CREDIT\.txt cannot be added to"):
        call(
            "simulate", folder, *SMALL, "--cutouts", str(folder / "cutouts"),
            "--crops", str(crops),
        )  # fmt: skip
    assert [path.name for path in crops.iterdir()] == ["CREDIT.txt"]


def test_a_folder_that_got_no_crop_gets_no_credit(folder: Path, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    call(
        "simulate", folder, *SMALL, "--cutouts", str(folder / "cutouts"), "--crops", str(photos),
        "--crops-every", "100000",
    )  # fmt: skip
    assert list(photos.iterdir()) == []


def test_a_run_writes_what_was_asked_for(run: Result, folder: Path) -> None:
    assert run.exit_code == 0
    values = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert values["frames"] == 150
    assert values["items"]["found_separate"] == values["items"]["separate"] >= 3
    assert values["records"]["lost"] == values["records"]["fired_late"] == 0
    assert values["about"]["model"].startswith("mean_colour-")
    assert "Simulated belt" in (folder / "run.html").read_text(encoding="utf-8")
    lines = (folder / "run.jsonl").read_text(encoding="utf-8").splitlines()
    assert sum('"event":"decision"' in line for line in lines) == values["items"]["decided"]
    assert (folder / "run.mp4").stat().st_size > 10_000
    assert (folder / "bag" / "metadata.yaml").is_file()


def test_a_pipe_gets_plain_lines(run: Result) -> None:
    assert "\x1b" not in run.stdout
    for start in ("separate items found: ", "records: ", "fired late: 0", "bin fibre: "):
        assert any(line.startswith(start) for line in run.stdout.splitlines()), start
    assert "frame 150 of 150" in run.stderr
    assert "s of belt in" in run.stderr


def test_a_replay_judges_the_bag_and_json_on_standard_output_is_alone_there(
    run: Result, folder: Path
) -> None:
    result = call(
        "replay", folder, str(folder / "bag"), "--engine", "onnxruntime", "--json", "-", "--quiet",
        "--layout", str(folder / "belt.yaml"), "--log", str(folder / "replay.jsonl"),
    )  # fmt: skip
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    assert values["frames"] == 150
    assert values["items"]["found_separate"] == values["items"]["separate"] >= 3
    assert "separate items found: " in result.stderr
    assert (folder / "replay.jsonl").stat().st_size > 0


def test_a_layout_for_other_pictures_is_refused(run: Result, folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="decision_line_m"):
        call("replay", folder, str(folder / "bag"), "--engine", "onnxruntime")


def test_a_bag_that_is_there_is_not_replaced_unasked(run: Result, folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="out"):
        call(
            "simulate", folder, *SMALL, "--cutouts", str(folder / "cutouts"),
            "--record", str(folder / "bag"),
        )  # fmt: skip


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("--belt", "pink", "--belt"),
        ("--set", "light.glare", "--set"),
        ("--set", "light.glair=1", "glair"),
        ("--items-per-min", "-1", "items.per_min"),
        ("--profile", "zigzag", "speed.kind"),
        ("--video", "run.gif", "video"),
        ("--background", "pink", "background"),
        ("--report", "/dev/null/run.html", "--report"),
        ("--log", "/dev/null/log.jsonl", "--log"),
        ("--scenario", "nowhere.yaml", "nowhere.yaml"),
        ("--layout", "nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_faults_are_named(folder: Path, option: str, value: str, named: str) -> None:
    with pytest.raises(InvalidInputError, match=named):
        call("simulate", folder, *SMALL, "--cutouts", str(folder / "cutouts"), option, value)


def test_a_terminal_gets_tables() -> None:
    console = Console(force_terminal=True, width=120)
    with console.capture() as captured:
        show(made_view().summary, {"model": "m"}, console)
    text = captured.get()
    assert "purity" in text
    assert "fibre" in text
    assert "fired late" in text
