# SPDX-License-Identifier: Apache-2.0
"""``make-bag`` from the command line's side."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import typer
from support.source_data import write_folder
from typer.testing import CliRunner, Result

from recycle_sorter.cli.make_bag_cmd import make_bag
from recycle_sorter.core.errors import InvalidInputError, SorterError, SourceError
from recycle_sorter.core.types import Frame
from recycle_sorter.sources.bag import BagSource

QUICK = ("--width-px", "64", "--height-px", "48", "--fps-hz", "10")


def call(*arguments: str | Path) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(make_bag)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def read_all(bag: Path) -> list[Frame]:
    return list(iter(BagSource(bag).read, None))


def test_folders_become_a_bag_with_truth(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", {"glass": 2, "metal": 1})
    result = call("--images", folder, "--out", tmp_path / "bag", *QUICK)
    assert result.exit_code == 0, result.output
    frames = read_all(tmp_path / "bag")
    # Lead 1 s, three items of 0.5 s, two gaps of 0.3 s, tail 0.5 s.
    assert len(frames) == 10 + 3 * 5 + 2 * 3 + 5
    assert frames[0].pixels.shape == (48, 64, 3)
    truths = [frame.truth for frame in frames if frame.truth]
    assert Counter(truth.material for truth in truths) == {"glass": 2, "metal": 1}
    assert f"{tmp_path / 'bag'}: 3 items (glass 2, metal 1), 36 frames, 3.5 s" in result.stdout
    # Plain lines in a pipe, apart from the result.
    assert "item 3 of 3" in result.stderr
    assert "\x1b" not in result.output


def test_a_split_and_a_count_choose(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", {"glass": 6, "metal": 3})
    table = tmp_path / "split.csv"
    rows = [f"glass/glass{i}.jpg,glass,{'val' if i < 4 else 'train'}" for i in range(6)]
    rows += [f"metal/metal{i}.jpg,metal,{'val' if i < 2 else 'train'}" for i in range(3)]
    table.write_text("path,material,split\n" + "\n".join(rows))
    arguments = ("--images", folder, "--split-file", table, "--split", "val", "--count", "3")
    assert call(*arguments, "--out", tmp_path / "bag", *QUICK).exit_code == 0
    truths = [frame.truth for frame in read_all(tmp_path / "bag") if frame.truth]
    assert Counter(truth.material for truth in truths) == {"glass": 2, "metal": 1}
    assert {truth.source for truth in truths} <= {row.split(",")[0] for row in rows if "val" in row}


def test_bad_pictures_are_named_and_left_out(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", {"glass": 1})
    for index in range(12):
        (folder / "glass" / f"bad{index:02}.jpg").write_bytes(b"")
    result = call("--images", folder, "--out", tmp_path / "bag", *QUICK, "--order", "given")
    assert result.exit_code == 0
    assert "bad00.jpg: it is empty" in result.stderr
    assert "skipped 12 pictures in all" in result.stderr
    assert "1 items (glass 1)" in result.stdout


def test_raw_pictures_can_be_had(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", {"": 1})
    result = call("--images", folder, "--out", tmp_path / "bag", *QUICK, "--raw")
    assert "1 items (unlabelled 1)" in result.stdout
    with closing(BagSource(tmp_path / "bag")) as source:
        assert source.topic == "/camera/image_raw"


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("--images", "{root}/absent"), SourceError, "absent is not a folder"),
        (("--images", "{root}/empty"), SourceError, "holds no picture"),
        (("--count", "9"), InvalidInputError, "count: got 9, expected 1 to 1"),
        (("--order", "odd"), InvalidInputError, "order: got 'odd'"),
        (("--fps-hz", "0"), InvalidInputError, "fps_hz: got 0.0"),
        (("--board", "{root}/gone.png"), SourceError, "board picture"),
        (("--split-file", "{root}/gone.csv"), SourceError, "gone.csv cannot be read"),
        (("--out", "{root}/pictures"), InvalidInputError, "a new folder or a bag"),
    ],
)
def test_errors_say_what_is_wrong_and_leave_no_bag(
    tmp_path: Path, arguments: tuple[str, ...], kind: type[SorterError], message: str
) -> None:
    folder = write_folder(tmp_path / "pictures", {"glass": 1})
    (tmp_path / "empty").mkdir()
    given = [argument.format(root=tmp_path) for argument in arguments]
    # A repeated option replaces the one before.
    result = call("--images", folder, "--out", tmp_path / "bag", *QUICK, *given)
    # `recycle-sorter` turns these into one line and exit code 2.
    assert isinstance(result.exception, kind)
    assert message in str(result.exception)
    assert not (tmp_path / "bag").exists()


def test_help_shows_examples() -> None:
    result = call("--help")
    assert result.exit_code == 0
    assert "recycle-sorter make-bag --images photos" in result.output
