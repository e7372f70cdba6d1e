# SPDX-License-Identifier: Apache-2.0
"""Folders and tables of other people: faults are named with their fix, nothing leaves a folder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.records import (
    UNLABELLED,
    check_name,
    read_dataset,
    read_unlabelled,
)


def fill(root: Path, *names: str) -> Path:
    """Files that only look like pictures: nothing here decodes them."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"pixels")
    return root


def write_table(root: Path, *rows: str, head: str = "path,material,split") -> Path:
    path = root / "split.csv"
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


PAIR = ("paper/b.jpg", "glass/a.PNG")
ROWS = ("glass/a.PNG,glass,train", "paper/b.jpg,paper,val")


@pytest.mark.parametrize("below", ["", "images/"])
def test_class_folders_are_read_sorted(tmp_path: Path, below: str) -> None:
    fill(tmp_path, *(below + name for name in (*PAIR, "glass/new/c.webp", "glass/notes.txt")))
    fill(tmp_path, below + "glass/.hidden.jpg", below + ".cache/x.jpg")
    found = read_dataset(tmp_path)
    assert found.classes == ("glass", "paper")
    assert [(one.name, one.label) for one in found.pictures] == [
        ("glass/a.PNG", 0), ("glass/new/c.webp", 0), ("paper/b.jpg", 1),
    ]  # fmt: skip
    assert all(one.path == found.root / one.name for one in found.pictures)
    assert found.counts() == {"glass": 2, "paper": 1}


@pytest.mark.parametrize("below", ["", "images/"])
def test_a_table_gives_the_same_as_the_folder(tmp_path: Path, below: str) -> None:
    fill(tmp_path, *(below + name for name in PAIR))
    assert read_dataset(write_table(tmp_path, *ROWS)) == read_dataset(tmp_path)


def test_a_table_may_have_a_bom_and_other_columns(tmp_path: Path) -> None:
    fill(tmp_path, *PAIR)
    rows = ("glass,1,glass/a.PNG", "paper,2,paper/b.jpg")
    table = write_table(tmp_path, *rows, head="\ufeffmaterial,weight,path")
    assert len(read_dataset(table).pictures) == 2


def test_the_callers_classes_keep_their_order_and_may_be_empty(tmp_path: Path) -> None:
    fill(tmp_path, "glass/a.jpg")
    (tmp_path / "paper").mkdir()
    found = read_dataset(tmp_path, ["trash", "paper", "glass"])
    assert found.classes == ("trash", "paper", "glass")
    assert [one.label for one in found.pictures] == [2]
    with pytest.raises(InvalidInputError, match=r"got 'glass', expected one of paper, trash\. Fix"):
        read_dataset(tmp_path, ["paper", "trash"])
    for classes in ([], ["glass", "glass"]):
        with pytest.raises(InvalidInputError, match="classes"):
            read_dataset(tmp_path, classes)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ((), "at least one picture"),
        (("glass/notes.txt",), "empty"),
        (("glass/a.jpg",), "at least 2 classes"),
        (("glass/a.jpg", "paper/readme.md"), "paper: empty"),
        (("glass/a.jpg", "paper/b.jpg", "c.jpg"), "in the folder of its class"),
    ],
)
def test_data_that_cannot_be_learnt_from_is_refused(
    tmp_path: Path, names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_dataset(fill(tmp_path, *names))
    assert caught.value.fix


@pytest.mark.parametrize("name", ["absent", "file.txt", "a" * 300])
def test_what_is_neither_folder_nor_table_is_refused(tmp_path: Path, name: str) -> None:
    fill(tmp_path, "file.txt")
    with pytest.raises(InvalidInputError, match="a folder with one folder a class"):
        read_dataset(tmp_path / name)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("glass/a.PNG,glass,test", "line 4.*every picture once; split.csv line 2 has it"),
        ("glass/absent.jpg,glass,test", "line 4.*a picture below"),
        ("../secret.jpg,glass,test", "line 4.*a path below"),
        ("/etc/passwd,glass,test", "line 4.*a path below"),
        ("glass/../../secret.jpg,glass,test", "line 4.*a path below"),
        ("C:/secret.jpg,glass,test", "line 4.*a path below"),
        ("glass\\a.jpg,glass,test", "line 4.*a path below"),
        ("./glass/a.PNG,glass,test", "line 4.*a path below"),
        (f"glass/{'a' * 300}.jpg,glass,test", "line 4.*a picture below"),
        ("split.csv,glass,test", "line 4.*a picture below"),
        ("glass/a.PNG", "line 4, material.*a value"),
        (",glass,test", "line 4, path.*a value"),
        ('"glass/a.PNG,glass,test', "a CSV in UTF-8"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, words: str) -> None:
    fill(tmp_path, "set/glass/a.PNG", "set/paper/b.jpg", "secret.jpg")
    with pytest.raises(InvalidInputError, match=words) as caught:
        read_dataset(write_table(tmp_path / "set", *ROWS, row))
    assert caught.value.fix


def test_a_table_without_its_columns_or_rows_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, *PAIR)
    with pytest.raises(InvalidInputError, match=r"split\.csv columns.*path, material"):
        read_dataset(write_table(tmp_path, head="file,material"))
    with pytest.raises(InvalidInputError, match="at least one picture"):
        read_dataset(write_table(tmp_path))
    (tmp_path / "split.csv").write_bytes(b"path,material\n\xff\xfe,glass\n")
    with pytest.raises(InvalidInputError, match="a CSV in UTF-8"):
        read_dataset(tmp_path / "split.csv")


def test_unlabelled_pictures_have_no_label(tmp_path: Path) -> None:
    fill(tmp_path, "b.jpg", "deep/er/a.png", "deep/.thumb.png", "x.txt")
    found = read_unlabelled(tmp_path)
    assert [(one.name, one.label) for one in found] == [
        ("b.jpg", UNLABELLED), ("deep/er/a.png", UNLABELLED),
    ]  # fmt: skip
    (tmp_path / "empty").mkdir()
    for name in ("absent", "empty"):
        with pytest.raises(InvalidInputError):
            read_unlabelled(tmp_path / name)


def test_links_to_folders_of_pictures_are_followed(tmp_path: Path) -> None:
    fill(tmp_path, "elsewhere/a.jpg", "set/paper/b.jpg")
    (tmp_path / "set" / "glass").symlink_to(tmp_path / "elsewhere")
    assert read_dataset(tmp_path / "set").counts() == {"glass": 1, "paper": 1}


@given(st.text(alphabet="ab./\\:\0\n ", max_size=12))
def test_a_name_that_passes_stays_below_its_root(name: str) -> None:
    try:
        check_name("row", name)
    except InvalidInputError:
        return
    path = (Path("/root/set") / name).resolve()
    assert path.is_relative_to("/root/set")
    assert path != Path("/root/set")
    assert name.splitlines() == [name]


@given(st.lists(st.text("aü #,'\"", min_size=1, max_size=5), min_size=1, max_size=4))
def test_ordinary_names_pass(parts: list[str]) -> None:
    assert check_name("row", "/".join(parts)) == "/".join(parts)


def test_reading_and_checking_need_no_torch() -> None:
    code = (
        "import json, sys\n"
        "from recycle_sorter.ml.dataset import checks, duplicates, manifest, page, splits\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert "cv2" in loaded
    assert loaded & {"torch", "torchvision", "lightning", "wandb", "rclpy", "openvino"} == set()
