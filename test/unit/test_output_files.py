# SPDX-License-Identifier: Apache-2.0
"""Files are written whole or not at all, and what cannot be written is told in time."""

from __future__ import annotations

from pathlib import Path

import pytest

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.output_files import require_folder, require_writable, write_text


def test_a_file_is_written_with_its_folder_and_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "log.jsonl"
    write_text(path, "a\nb\n")
    write_text(path, "ä\r\n")
    assert path.read_bytes() == "ä\r\n".encode()
    assert [each.name for each in path.parent.iterdir()] == ["log.jsonl"]


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    for path in (tmp_path / "file" / "log", tmp_path):
        with pytest.raises(InvalidInputError, match="output file"):
            write_text(path, "")
        with pytest.raises(InvalidInputError, match="--log"):
            require_writable("--log", path)


def test_asking_leaves_what_stands_there(tmp_path: Path) -> None:
    path = tmp_path / "a" / "log"
    require_writable("--log", path)
    path.write_text("kept", "utf-8")
    require_writable("--log", path)
    assert path.read_text("utf-8") == "kept"


def test_a_folder_is_made_or_its_fault_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    require_folder("--out", tmp_path / "a" / "b")
    require_folder("--out", tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())
    for path in (tmp_path / "file", tmp_path / "file" / "x", Path("/proc/x")):
        with pytest.raises(InvalidInputError, match=rf"--out: got '{path}', expected a folder"):
            require_folder("--out", path)
    with pytest.raises(InvalidInputError, match=r"bundle: got 'mine'"):
        require_folder("bundle", tmp_path / "file", shown=Path("mine"))
