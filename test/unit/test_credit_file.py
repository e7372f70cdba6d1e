# SPDX-License-Identifier: Apache-2.0
"""Credit files: written beside pictures that were made of others', and read for model cards."""

from __future__ import annotations

from pathlib import Path

import pytest

from recycle_sorter.core.errors import SorterError
from recycle_sorter.credit_file import (
    CREDIT_NAME,
    PictureCredit,
    copy_licences,
    licence_files,
    read_credits,
    write_credits,
)

ONE = PictureCredit("cut-outs of TrashNet", "MIT", "(c) 2017 Gary Thung: github.com/garythung")
OTHER = PictureCredit("cut-outs of renderings", "Apache-2.0", "this project's generator")


def test_credits_are_read_back_and_added_to(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    write_credits(folder, [ONE])
    assert read_credits(folder) == (ONE,)
    write_credits(folder, [ONE, OTHER])
    write_credits(folder, [OTHER])
    assert read_credits(folder) == (ONE, OTHER)


def test_values_stay_on_their_line_and_in_their_cell(tmp_path: Path) -> None:
    write_credits(tmp_path, [PictureCredit("a\nlicence: x | y", "L" * 10_000, "me")])
    (found,) = read_credits(tmp_path)
    assert found == PictureCredit("a licence: x / y", "L" * 500, "me")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Photographs by Ann, all rights reserved.\n",
        "what: a\nlicence: b\n",
        "what: a\nlicence:\ncredit: c\n",
        "what: a\nlicence: b\ncredit: c\nwhat: d\n",
        "what: a\nlicence: b\ncredit: c\n\nand others\n",
    ],
)
def test_a_file_of_other_content_tells_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / CREDIT_NAME).write_text(text, encoding="utf-8")
    assert read_credits(tmp_path) == ()


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


def test_licence_files_are_found_and_carried_over(tmp_path: Path) -> None:
    source, target = tmp_path / "photos", tmp_path / "out"
    (source / "LICENSES").mkdir(parents=True)
    target.mkdir()
    for name in ("LICENSE", "Licence.txt", "COPYING.md", "LICENSE-MIT", "licensed.jpg", "a.jpg"):
        (source / name).write_text(name, encoding="utf-8")
    (target / "LICENSE").write_text("mine", encoding="utf-8")
    found = [path.name for path in licence_files(source)]
    assert found == ["COPYING.md", "LICENSE", "LICENSE-MIT", "Licence.txt"]
    copy_licences(source, target)
    assert sorted(path.name for path in target.iterdir()) == found
    assert (target / "LICENSE").read_text(encoding="utf-8") == "mine"
    assert licence_files(tmp_path / "absent") == []
