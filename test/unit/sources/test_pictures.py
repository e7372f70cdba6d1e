# SPDX-License-Identifier: Apache-2.0
"""Folders of pictures: finding, splitting, choosing, ordering, reading."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.source_data import item_picture, jpeg_bytes, write_folder

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.sources.pictures import (
    Picture,
    arrange,
    choose,
    decode_picture,
    find_pictures,
    is_cut_jpeg,
    load_picture,
    pick_split,
)


def pictures(counts: dict[str, int]) -> list[Picture]:
    return [
        Picture(Path(f"{name}/{i}.jpg"), f"{name}/{i}.jpg", name)
        for name, count in counts.items()
        for i in range(count)
    ]


def test_class_folders_tell_the_material_and_loose_files_none(tmp_path: Path) -> None:
    write_folder(tmp_path, {"metal": 2, "glass": 1, "": 1})
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    (tmp_path / "glass" / ".thumb.jpg").write_bytes(b"")
    found = find_pictures(tmp_path)
    assert [(picture.label, picture.material) for picture in found] == [
        ("glass/glass0.jpg", "glass"),
        ("item0.jpg", ""),
        ("metal/metal0.jpg", "metal"),
        ("metal/metal1.jpg", "metal"),
    ]


def test_no_pictures_and_no_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no picture.*Fix"):
        find_pictures(tmp_path)
    with pytest.raises(SourceError, match="is not a folder"):
        find_pictures(tmp_path / "absent")


def test_a_split_keeps_its_pictures_and_may_name_materials(tmp_path: Path) -> None:
    table = tmp_path / "split.csv"
    table.write_text("path,material,split\na/0.jpg,glass,val\na/1.jpg,,val\na/2.jpg,a,train\n")
    kept = pick_split(pictures({"a": 3}), table, "val")
    assert [(picture.label, picture.material) for picture in kept] == [
        ("a/0.jpg", "glass"),
        ("a/1.jpg", "a"),
    ]


@pytest.mark.parametrize(
    ("text", "split", "message"),
    [
        ("file,part\nx,val\n", "val", "columns"),
        ("", "val", "columns"),
        ("path,split\na/0.jpg,train\n", "val", "split: got 'val', expected one of train"),
        ("path,split\nb/9.jpg,val\n", "val", "1 pictures, first b/9.jpg"),
        ("path,split\na/0.jpg\n", "val", "split: got 'val'"),
    ],
)
def test_a_bad_table_is_told(tmp_path: Path, text: str, split: str, message: str) -> None:
    table = tmp_path / "split.csv"
    table.write_text(text)
    with pytest.raises(InvalidInputError, match=message):
        pick_split(pictures({"a": 2}), table, split)


@pytest.mark.parametrize("content", [None, b"path,split\n\xff\xfe,val\n"])
def test_an_unreadable_table_is_told(tmp_path: Path, content: bytes | None) -> None:
    table = tmp_path / "split.csv"
    if content is not None:
        table.write_bytes(content)
    with pytest.raises(SourceError, match=r"split\.csv cannot be read"):
        pick_split(pictures({"a": 2}), table, "val")


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 40), min_size=1),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_a_choice_is_exact_proportional_and_repeatable(
    counts: dict[str, int], share: float, seed: int
) -> None:
    known = pictures(counts)
    count = max(1, round(share * len(known)))
    chosen = choose(known, count, seed)
    assert len(chosen) == count
    assert chosen == choose(known, count, seed)
    assert chosen == [picture for picture in known if picture in chosen]
    got = Counter(picture.material for picture in chosen)
    for name, there in counts.items():
        assert abs(got[name] - count * there / len(known)) < 1


@pytest.mark.parametrize("count", [0, 4])
def test_more_than_there_are_cannot_be_chosen(count: int) -> None:
    with pytest.raises(InvalidInputError, match="1 to 3"):
        choose(pictures({"a": 3}), count, 0)


def test_orders() -> None:
    known = pictures({"a": 3, "b": 1, "c": 2})
    assert arrange(known, "given", 0) == known
    shuffled = arrange(known, "shuffle", 1)
    assert sorted(shuffled, key=str) == sorted(known, key=str)
    assert shuffled == arrange(known, "shuffle", 1)
    assert shuffled != arrange(known, "shuffle", 2)
    turns = [picture.material for picture in arrange(known, "round_robin", 1)]
    assert turns == ["a", "b", "c", "a", "c", "a"]
    with pytest.raises(InvalidInputError, match="shuffle, round_robin, given"):
        arrange(known, "random", 0)


def test_every_common_format_becomes_three_bytes_a_pixel(tmp_path: Path) -> None:
    grey16 = np.full((20, 30), 40_000, np.uint16)
    rgba = np.full((20, 30, 4), 128, np.uint8)
    for name, pixels in (("a.png", grey16), ("b.png", rgba), ("c.bmp", item_picture())):
        cv2.imwrite(str(tmp_path / name), pixels)
        loaded = load_picture(tmp_path / name)
        assert loaded.dtype == np.uint8
        assert loaded.shape == (*pixels.shape[:2], 3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"\x00" * 100, "is no picture"),
        (jpeg_bytes(item_picture())[:-200], "cut off"),
        (jpeg_bytes(item_picture(15, 40)), "is 15 x 40 px"),
        (b"\x89PNG\r\n\x1a\n" + b"\xff" * 50, "is no picture"),
    ],
)
def test_a_bad_picture_says_what_is_wrong(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=why):
        load_picture(path)


@given(
    st.sampled_from(
        [b"", b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\x00\x00\x00\x00WEBP", b"BM"]
    ),
    st.binary(max_size=300),
)
def test_no_bytes_crash_the_decoder(magic: bytes, rest: bytes) -> None:
    try:
        pixels = decode_picture(magic + rest, cv2.IMREAD_COLOR)
    except SourceError as error:
        outcome = str(error)
    else:
        outcome = "picture" if pixels.ndim == 3 and pixels.dtype == np.uint8 else ""
    assert outcome


def test_a_vanished_picture_says_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file"):
        load_picture(tmp_path / "gone.jpg")


def test_data_behind_a_jpeg_is_no_cut() -> None:
    whole = jpeg_bytes(item_picture())
    assert not is_cut_jpeg(whole)
    assert not is_cut_jpeg(whole + b"maker's data")
    assert is_cut_jpeg(whole[: len(whole) // 2])
