# SPDX-License-Identifier: Apache-2.0
"""Credit files: written beside pictures that were made of others', and read for model cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from recycle_sorter.core.errors import SorterError
from recycle_sorter.credit_file import (
    CREDIT_NAME,
    Credit,
    copy_licences,
    licence_files,
    read_credits,
    write_credits,
)
from recycle_sorter.ml.provenance import data_credit

ONE = Credit("cut-outs of TrashNet", "MIT", "(c) 2017 Gary Thung: github.com/garythung")
OTHER = Credit("cut-outs of renderings", "Apache-2.0", "this project's generator")


def test_credits_are_read_back_and_added_to(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_credits(folder, [ONE])
    assert read_credits(folder) == (ONE,)
    write_credits(folder, [ONE, OTHER])
    write_credits(folder, [OTHER])
    assert read_credits(folder) == (ONE, OTHER)


def test_values_stay_on_their_line_and_in_their_cell(tmp_path: Path) -> None:
    write_credits(tmp_path, [Credit("a\nlicence: x | y", "L" * 10_000, "me")])
    (found,) = read_credits(tmp_path)
    assert found == Credit("a licence: x / y", "L" * 2000, "me")


@pytest.mark.parametrize("text", ["", "\n\n", "# a remark\n", "\ufeff"])
def test_a_file_without_words_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / CREDIT_NAME).write_text(text, encoding="utf-8")
    assert read_credits(tmp_path) == ()


BLOCK = "what: a\nlicence: b\ncredit: c\n"


@pytest.mark.parametrize(
    "text", [BLOCK, f"\n{BLOCK}", f"# remark\n\n{BLOCK}", f"\ufeff# remark\n{BLOCK}\n\n# end\n"]
)
def test_remarks_and_blank_lines_tell_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / CREDIT_NAME).write_text(text, encoding="utf-8")
    assert read_credits(tmp_path) == (Credit("a", "b", "c"),)


@pytest.mark.parametrize(
    "words",
    [
        "Photographs by Ann, all rights reserved.",
        "what: a licence: b",
        "what: a licence: credit: c",
        "and others",
    ],
)
def test_other_words_are_a_credit_of_their_own(tmp_path: Path, words: str) -> None:
    (tmp_path / CREDIT_NAME).write_text(f"{BLOCK}\n{words}\n", encoding="utf-8")
    own = Credit(tmp_path.name, "as in CREDIT.txt", words)
    assert read_credits(tmp_path) == (Credit("a", "b", "c"), own)


@pytest.mark.parametrize(
    "credit",
    [
        ONE,
        Credit("a | b", "MIT", "x"),
        Credit("a", "MIT", "w" * 6000),
        Credit("a", "MIT", ""),
    ],
)
def test_what_is_told_again_is_written_once(tmp_path: Path, credit: Credit) -> None:
    (tmp_path / CREDIT_NAME).write_text("Photographs by Ann.\n", encoding="utf-8")
    for _ in range(3):
        write_credits(tmp_path, [credit])
    assert (tmp_path / CREDIT_NAME).read_text(encoding="utf-8").count("what:") == 1
    assert len(read_credits(tmp_path)) == 2


def test_what_somebody_wrote_stays(tmp_path: Path) -> None:
    (tmp_path / CREDIT_NAME).write_text("Photographs by Ann.\n", encoding="utf-8")
    write_credits(tmp_path, [ONE])
    text = (tmp_path / CREDIT_NAME).read_text(encoding="utf-8")
    assert text.startswith("Photographs by Ann.\n\nwhat: cut-outs of TrashNet\n")


def test_a_file_that_is_no_text_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / CREDIT_NAME).write_bytes(b"\xff\xfe\x00")
    assert read_credits(tmp_path) == ()
    with pytest.raises(SorterError, match=r"CREDIT\.txt cannot be added to. Fix:"):
        write_credits(tmp_path, [ONE])
    assert (tmp_path / CREDIT_NAME).read_bytes() == b"\xff\xfe\x00"


def test_the_licence_beside_a_data_sets_images_is_theirs_and_that_beside_a_table_is_not(
    tmp_path: Path,
) -> None:
    images = tmp_path / "photos" / "images"
    images.mkdir(parents=True)
    (tmp_path / "photos" / "LICENSE").write_text("MIT", encoding="utf-8")
    (tmp_path / "photos" / "table.csv").write_text("path,material\n", encoding="utf-8")
    assert [path.parent.name for path in licence_files(images)] == ["photos"]
    copy_licences(images, tmp_path)
    assert (tmp_path / "LICENSE").read_text(encoding="utf-8") == "MIT"
    assert licence_files(tmp_path / "photos" / "table.csv") == []
    assert data_credit(tmp_path / "photos" / "table.csv").licence == "not stated"


def test_licence_files_are_found_and_carried_over(tmp_path: Path) -> None:
    source, target = tmp_path / "photos", tmp_path / "out"
    (source / "LICENSES").mkdir(parents=True)
    target.mkdir()
    for name in ("LICENSE", "Licence.txt", "COPYING.md", "LICENSE-MIT", "licensed.jpg", "a.jpg"):
        (source / name).write_text(name, encoding="utf-8")
    (source / "licence-plate.jpg").write_text("a picture", encoding="utf-8")
    (target / "LICENSE").write_text("mine", encoding="utf-8")
    found = [path.name for path in licence_files(source)]
    assert found == ["COPYING.md", "LICENSE", "LICENSE-MIT", "Licence.txt"]
    for _ in range(2):
        copy_licences(source, target)
    assert sorted(path.name for path in target.iterdir()) == sorted([*found, "LICENSE-photos"])
    assert (target / "LICENSE").read_text(encoding="utf-8") == "mine"
    assert (target / "LICENSE-photos").read_text(encoding="utf-8") == "LICENSE"
    assert licence_files(tmp_path / "absent") == []
