# SPDX-License-Identifier: Apache-2.0
"""Reading folders and splits: what is wrong is named, what is unreadable is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.pictures import make_store, write_dataset

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ml.data import (
    UNLABELLED,
    PictureStore,
    Record,
    decode,
    read_class_folders,
    read_split,
    read_unlabelled,
    repeat_rare,
)

pytestmark = pytest.mark.ml


def test_splits_are_read_apart(tmp_path: Path) -> None:
    write_dataset(tmp_path, train_each=3, val_each=2)
    train, val = read_split(tmp_path, "train"), read_split(tmp_path, "val")
    assert (len(train), len(val)) == (18, 12)
    assert not {r.path for r in train} & {r.path for r in val}
    assert all(r.path.parent.name == MATERIALS[r.label] for r in train + val)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("glass/glass0.png,stone,train", "stone"),
        ("glass/nothing.png,glass,train", "nothing.png"),
        ("../split.csv,glass,train", "a picture below images"),
        ("glass/glass0.png,glass,train", "every picture once"),
    ],
)
def test_a_bad_row_is_named_with_its_line(tmp_path: Path, row: str, words: str) -> None:
    write_dataset(tmp_path)
    with (tmp_path / "split.csv").open("a", encoding="utf-8") as file:
        file.write(row + "\n")
    with pytest.raises(InvalidInputError, match=r"split\.csv line 26") as caught:
        read_split(tmp_path, "train")
    assert words in str(caught.value)


def test_missing_files_columns_and_splits_are_errors(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"split\.csv"):
        read_split(tmp_path, "train")
    write_dataset(tmp_path)
    with pytest.raises(InvalidInputError, match="holdout"):
        read_split(tmp_path, "holdout")
    (tmp_path / "split.csv").write_text("file,material\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"split\.csv columns"):
        read_split(tmp_path, "train")


def test_class_folders_refuse_unknown_materials(tmp_path: Path) -> None:
    images = write_dataset(tmp_path) / "images"
    assert len(read_class_folders(images)) == 24
    (images / "trash").rename(images / "stone")
    with pytest.raises(InvalidInputError, match="stone"):
        read_class_folders(images)


def test_empty_and_missing_folders_are_errors(tmp_path: Path) -> None:
    for read in (read_class_folders, read_unlabelled):
        with pytest.raises(InvalidInputError):
            read(tmp_path)
        with pytest.raises(InvalidInputError, match="a folder of pictures"):
            read(tmp_path / "nothing")


def test_unlabelled_pictures_have_no_label(tmp_path: Path) -> None:
    records = read_unlabelled(write_dataset(tmp_path))
    assert {record.label for record in records} == {UNLABELLED}


def test_unreadable_pictures_are_left_out_and_reported(tmp_path: Path) -> None:
    records = read_split(write_dataset(tmp_path), "train")
    records[0].path.write_bytes(b"not a picture")
    said: list[str] = []
    store = PictureStore.load(records, report=said.append)
    assert len(store) == len(records) - 1
    assert said == [f"left out 1 unreadable pictures: {records[0].path.name}"]
    with pytest.raises(InvalidInputError, match="at least one readable picture"):
        PictureStore.load(records[:1], report=said.append)


def test_decoding_shrinks_but_never_enlarges(tmp_path: Path) -> None:
    path = read_split(write_dataset(tmp_path), "val")[0].path
    for shorter, shape in ((None, (30, 40, 3)), (15, (15, 20, 3)), (99, (30, 40, 3))):
        image = decode(path, shorter)
        assert image is not None
        assert image.shape == shape


def test_stores_join_and_check_their_labels() -> None:
    one, two = make_store(1), make_store(2)
    assert len(one + two) == 18
    assert (one + two).labels.tolist() == one.labels.tolist() + two.labels.tolist()
    with pytest.raises(InvalidInputError, match="labels"):
        PictureStore(one.images, np.zeros(5, dtype=np.int64))


def test_rare_materials_are_repeated_and_common_ones_are_not() -> None:
    records = [Record(Path(f"{i}.png"), 0) for i in range(40)] + [Record(Path("rare.png"), 5)] * 7
    labels = [record.label for record in repeat_rare(records)]
    assert labels.count(0) == 40
    assert labels.count(5) == 21
    assert repeat_rare([]) == []
