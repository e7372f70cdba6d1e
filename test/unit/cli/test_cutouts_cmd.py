# SPDX-License-Identifier: Apache-2.0
"""``cutouts`` from the command line's side."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from recycle_sorter.cli.cutouts_cmd import cutouts
from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.credit_file import Credit, read_credits
from recycle_sorter.twin.library import load_library

TRASHNET = Path(__file__).parents[4] / "shared" / "trashnet" / "images"


def call(*arguments: str | Path) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(cutouts)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(folder: Path, material: str, number: int, *, is_blank: bool = False) -> None:
    """A box on a plain board, a little different each time."""
    rng = np.random.default_rng(number)
    pixels = np.full((120, 160, 3), (206, 208, 204), np.uint8)
    if not is_blank:
        colour = rng.integers(20, 150, 3).tolist()
        cv2.rectangle(pixels, (35, 30), (110 + number, 90), [*colour[:2], 10], -1)
    (folder / material).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / material / f"{number}.png"), pixels)


def test_folders_become_a_library(tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / "in", "glass", number)
        write(tmp_path / "in", "cans", number)
    write(tmp_path / "in", "glass", 9, is_blank=True)
    (tmp_path / "in/glass/torn.jpg").write_bytes(b"\xff\xd8\xff torn")
    result = call(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "6 cut-outs (cans 3, glass 3)" in result.stdout
    assert "left out glass/9.png" in result.stderr
    assert "left out glass/torn.jpg" in result.stderr
    found = load_library(tmp_path / "out")
    assert [c.source for c in found.of("glass")] == ["glass/0.png", "glass/1.png", "glass/2.png"]
    # The same again, byte by byte; another seed changes lengths only.
    call(tmp_path / "in", "--out", tmp_path / "again")
    call(tmp_path / "in", "--out", tmp_path / "other", "--seed", "2")
    files = sorted(path.relative_to(tmp_path / "out") for path in (tmp_path / "out").rglob("*.*"))
    for name in files:
        data = (tmp_path / "out" / name).read_bytes()
        assert data == (tmp_path / "again" / name).read_bytes()
        is_index = name.suffix == ".csv"
        assert (data == (tmp_path / "other" / name).read_bytes()) is not is_index


def test_a_library_says_whose_pictures_it_was_made_of(tmp_path: Path) -> None:
    write(tmp_path / "in", "glass", 1)
    (tmp_path / "in" / "LICENSE").write_text("mine\n", encoding="utf-8")
    call(tmp_path / "in", "--out", tmp_path / "out")
    whose = Credit("cut-outs of in", "as in LICENSE", "LICENSE of in")
    assert read_credits(tmp_path / "out") == (whose,)
    assert (tmp_path / "out" / "LICENSE").read_text(encoding="utf-8") == "mine\n"
    (tmp_path / "in" / "LICENSE").unlink()
    (tmp_path / "in" / "truth.csv").write_text("file,material\n", encoding="utf-8")
    call(tmp_path / "in", "--out", tmp_path / "drawn")
    assert [one.licence for one in read_credits(tmp_path / "drawn")] == ["Apache-2.0"]


def test_transparent_pictures_are_believed(tmp_path: Path) -> None:
    pixels = np.zeros((100, 100, 4), np.uint8)
    pixels[..., :3] = (200, 180, 190)  # as the board: colour would not tell
    pixels[20:80, 30:60, 3] = 255
    (tmp_path / "in/paper").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "in/paper/sheet.png"), pixels)
    result = call(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    (found,) = load_library(tmp_path / "out").cutouts
    assert (found.length_px, found.aspect) == pytest.approx((60.0, 0.5))


def with_orientation(png: bytes, orientation: int) -> bytes:
    """A PNG with an EXIF chunk behind its header."""
    entry = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    chunk = b"eXIf" + entry
    chunk = struct.pack(">I", len(entry)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return png[:33] + chunk + png[33:]


def test_colour_and_transparency_of_a_turned_picture_fit(tmp_path: Path) -> None:
    pixels = np.zeros((100, 160, 4), np.uint8)
    pixels[..., :3] = (200, 180, 190)
    pixels[20:80, 30:60] = (30, 60, 200, 255)
    (tmp_path / "in/paper").mkdir(parents=True)
    png = with_orientation(cv2.imencode(".png", pixels)[1].tobytes(), 6)
    (tmp_path / "in/paper/sheet.png").write_bytes(png)
    turned = cv2.imread(str(tmp_path / "in/paper/sheet.png"), cv2.IMREAD_COLOR)
    assert turned is not None
    assert turned.shape == (160, 100, 3)
    result = call(tmp_path / "in", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    (found,) = load_library(tmp_path / "out").cutouts
    assert (found.length_px, found.aspect) == pytest.approx((60.0, 0.5))
    solid = found.pixels[..., 3] > 250
    assert np.median(found.pixels[solid][:, :3], axis=0) == pytest.approx((30, 60, 200), abs=30)


def test_count_is_a_limit_for_each_material(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / "in", "glass", number)
        write(tmp_path / "in", "metal", number)
    result = call(tmp_path / "in", "--out", tmp_path / "out", "--count", "2")
    assert "4 cut-outs (glass 2, metal 2)" in result.stdout


def test_only_one_part_of_a_split_is_cut_out(tmp_path: Path) -> None:
    for number in range(4):
        write(tmp_path / "in", "glass", number)
    parts = ("train", "val", "test", "train")
    rows = [f"glass/{number}.png,glass,{part}" for number, part in enumerate(parts)]
    split = tmp_path / "split.csv"
    split.write_text("\n".join(["path,material,split", *rows]), encoding="utf-8")
    call(tmp_path / "in", "--split", split, "--out", tmp_path / "train")
    call(tmp_path / "in", "--split", split, "--split-name", "val", "--out", tmp_path / "val")
    told = {name: [c.source for c in load_library(tmp_path / name).cutouts] for name in parts[:2]}
    assert told == {"train": ["glass/0.png", "glass/3.png"], "val": ["glass/1.png"]}
    result = call(tmp_path / "in", "--split", split, "--split-name", "x", "--out", tmp_path / "x")
    assert isinstance(result.exception, InvalidInputError)
    assert "split: got 'x', expected one of test, train, val" in str(result.exception)


def test_nothing_to_cut_is_an_error(tmp_path: Path) -> None:
    write(tmp_path / "in", "glass", 1, is_blank=True)
    result = call(tmp_path / "in", "--out", tmp_path / "out")
    assert isinstance(result.exception, SourceError)
    assert not (tmp_path / "out").exists()
    write(tmp_path / "flat", ".", 1)
    result = call(tmp_path / "flat", "--out", tmp_path / "out")
    assert isinstance(result.exception, InvalidInputError)


@pytest.mark.skipif(not TRASHNET.is_dir(), reason="needs ../shared/trashnet")
def test_photographs(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("metal", "trash"):
        (folder / name).mkdir(parents=True)
        for path in sorted((TRASHNET / name).glob("*.jpg"))[:5]:
            (folder / name / path.name).symlink_to(path)
    result = call(folder, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    found = load_library(tmp_path / "out")
    assert set(found.materials) == {"metal", "trash"}
