# SPDX-License-Identifier: Apache-2.0
"""``data check``, ``data split`` and ``data verify`` from the command line's side."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
from support.datasets import write_things
from typer.testing import CliRunner, Result

from recycle_sorter.cli.app import app
from recycle_sorter.core.errors import InvalidInputError


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["data", *(str(argument) for argument in arguments)])


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return write_things(tmp_path / "photos", {"glass": range(5), "paper": range(5, 10)}, views=2)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TestCheck:
    def test_sound_data_passes_the_strict_check(self, photos: Path) -> None:
        result = call("check", photos, "--strict")
        assert result.exit_code == 0, result.output
        assert result.stdout.splitlines() == [
            "20 pictures: glass 10, paper 10",
            "findings: none",
            "10 objects; 100 % of the pictures have company, at most 2 of one object",
        ]
        assert "checking: 20 of 20 pictures" in result.stderr
        assert "comparing: 2 of 20 pictures" in result.stderr
        # Plain lines in a pipe.
        assert "\x1b" not in result.output

    def test_findings_are_lines_and_strict_is_exit_code_1(self, photos: Path) -> None:
        (photos / "glass" / "empty.jpg").write_bytes(b"")
        result = call("check", photos, "--no-objects")
        assert result.exit_code == 0
        assert result.stdout.splitlines() == [
            "unreadable: glass/empty.jpg: is empty",
            "21 pictures: glass 11, paper 10",
            "findings: unreadable 1",
        ]
        assert "comparing" not in result.stderr
        assert call("check", photos, "--no-objects", "--strict").exit_code == 1

    def test_json_and_page(self, photos: Path, tmp_path: Path) -> None:
        files = (tmp_path / "check.json", tmp_path / "check.html")
        result = call("check", photos, "--json", files[0], "--report", files[1])
        assert result.exit_code == 0, result.output
        values = json.loads(files[0].read_text())
        assert values["classes"] == {"glass": 10, "paper": 10}
        assert values["objects"]["objects"] == 10
        assert files[1].read_text().startswith("<!doctype html>")
        printed = call("check", photos, "--json", "-")
        assert json.loads(printed.stdout) == values

    def test_what_leaks_through_a_split_is_counted(self, photos: Path, tmp_path: Path) -> None:
        table = tmp_path / "split.csv"
        names = sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
        # Of each class: two things cut apart, one whole in val, two whole in train.
        val = {f"{n}" for n in names if n[-6:] == "_1.png" and int(n[-9:-6]) % 5 < 2}
        val |= {n for n in names if int(n[-9:-6]) % 5 == 2}
        lines = [f"{n},{n.split('/')[0]},{'val' if n in val else 'train'}" for n in names]
        table.write_text("path,material,split\n" + "\n".join(lines))
        result = call("check", photos, "--split-file", table)
        assert result.stdout.splitlines()[-1] == (
            "val: 4 of 8 pictures (50 %) show an object that is in train too"
        )

    def test_limits_are_options(self, photos: Path) -> None:
        result = call("check", photos, "--no-objects", "--min-side-px", "193")
        assert "findings: tiny 20" in result.stdout
        assert isinstance(call("check", photos, "--min-side-px", "0").exception, InvalidInputError)

    def test_data_that_is_none_is_an_error(self, tmp_path: Path) -> None:
        error = call("check", tmp_path).exception
        assert isinstance(error, InvalidInputError)
        assert "at least one picture" in str(error)

    def test_a_place_that_cannot_be_written_is_named(self, photos: Path, tmp_path: Path) -> None:
        for option in ("--json", "--report"):
            error = call("check", photos, "--no-objects", option, tmp_path / "no" / "x").exception
            assert isinstance(error, InvalidInputError)
            assert "file to write" in str(error)


class TestSplit:
    def test_by_picture(self, photos: Path, tmp_path: Path) -> None:
        out = tmp_path / "split.csv"
        result = call("split", photos, "--out", out)
        assert result.exit_code == 0, result.output
        assert Counter((row["material"], row["split"]) for row in rows(out)) == {
            ("glass", "train"): 6, ("glass", "val"): 2, ("glass", "test"): 2,
            ("paper", "train"): 6, ("paper", "val"): 2, ("paper", "test"): 2,
        }  # fmt: skip
        assert result.stdout.splitlines() == [
            "train: 12 pictures: glass 6, paper 6",
            "val: 4 pictures: glass 2, paper 2",
            "test: 4 pictures: glass 2, paper 2",
        ]

    def test_by_object_things_stay_whole(self, photos: Path, tmp_path: Path) -> None:
        out = tmp_path / "split.csv"
        result = call("split", photos, "--out", out, "--split-by", "object", "--seed", "3")
        assert result.exit_code == 0, result.output
        homes: dict[str, set[str]] = {}
        for row in rows(out):
            homes.setdefault(row["path"].rpartition("_")[0], set()).add(row["split"])
        assert len(homes) == 10
        assert all(len(home) == 1 for home in homes.values())
        assert "10 objects, none of them in two splits" in result.stdout

    def test_seed_and_ratios(self, photos: Path, tmp_path: Path) -> None:
        ratios = ("--train-ratio", "0.8", "--val-ratio", "0.1", "--test-ratio", "0.1")
        files = [tmp_path / f"{number}.csv" for number in range(3)]
        for file, seed in zip(files, ("1", "1", "2"), strict=True):
            assert call("split", photos, "--out", file, "--seed", seed, *ratios).exit_code == 0
        first, again, other = (file.read_text() for file in files)
        assert first == again != other
        assert Counter(row["split"] for row in rows(files[0])) == {
            "train": 16, "val": 2, "test": 2,
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("--train-ratio", "0.7"), "got 1.1, expected 1"),
            (("--split-by", "colour"), "split_by: got 'colour', expected picture or object"),
        ],
    )
    def test_wrong_settings_are_told_before_anything_is_read(
        self, tmp_path: Path, arguments: tuple[str, ...], words: str
    ) -> None:
        out = tmp_path / "split.csv"
        error = call("split", tmp_path / "absent", "--out", out, *arguments).exception
        assert isinstance(error, InvalidInputError)
        assert words in str(error)
        assert not out.exists()


class TestVerify:
    def test_a_changed_picture_is_named_with_exit_code_1(
        self, photos: Path, tmp_path: Path
    ) -> None:
        manifest = tmp_path / "manifest.json"
        split = call("split", photos, "--out", tmp_path / "s.csv", "--manifest", manifest)
        assert split.exit_code == 0, split.output
        good = call("verify", photos, manifest)
        assert good.exit_code == 0
        assert good.stdout == "20 of 20 pictures are as the manifest says\n"
        path = photos / "paper" / "005_0.png"
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
        (photos / "glass" / "000_0.png").unlink()
        bad = call("verify", photos, manifest)
        assert bad.exit_code == 1
        lines = bad.stdout.splitlines()
        assert lines[0] == "glass/000_0.png: cannot be read: No such file or directory"
        assert lines[1].startswith("paper/005_0.png: sha256 ")
        assert lines[2] == "18 of 20 pictures are as the manifest says"


@pytest.mark.parametrize("command", ["check", "split", "verify"])
def test_help_has_examples(command: str) -> None:
    assert f"recycle-sorter data {command} photos" in call(command, "--help").output
