# SPDX-License-Identifier: Apache-2.0
"""The manifest: every file is there, listed and unchanged, and none lies outside."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

import pytest

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference.manifest import (
    MANIFEST_NAME,
    is_plain_name,
    read_manifest,
    verify_manifest,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.bin").write_bytes(b"alpha")
    (tmp_path / "LICENSE").write_text("text")
    write_manifest(tmp_path)
    return tmp_path


def test_what_was_written_verifies(folder: Path) -> None:
    assert verify_manifest(folder) == {
        "LICENSE": hashlib.sha256(b"text").hexdigest(),
        "a.bin": hashlib.sha256(b"alpha").hexdigest(),
    }


def test_sha256sum_reads_it(folder: Path) -> None:
    program = shutil.which("sha256sum")
    assert program is not None, "coreutils' sha256sum is needed"
    subprocess.run([program, "--check", "--strict", MANIFEST_NAME], cwd=folder, check=True)


def test_a_changed_file_is_named_with_both_hashes_and_the_fix(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"beta")
    with pytest.raises(ModelError) as caught:
        verify_manifest(folder)
    text = str(caught.value)
    assert "a.bin" in text
    assert hashlib.sha256(b"alpha").hexdigest() in text
    assert hashlib.sha256(b"beta").hexdigest() in text
    assert "Fix:" in text


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "a.bin").unlink()
    with pytest.raises(ModelError, match=r"a\.bin: missing"):
        verify_manifest(folder)


def test_a_file_too_many_is_named(folder: Path) -> None:
    (folder / "extra.pkl").write_bytes(b"")
    with pytest.raises(ModelError, match=r"extra\.pkl: not listed"):
        verify_manifest(folder)


def test_a_folder_inside_is_refused(folder: Path) -> None:
    (folder / "sub").mkdir()
    with pytest.raises(ModelError, match="sub: not listed"):
        verify_manifest(folder)
    with pytest.raises(ModelError, match="only plain files"):
        write_manifest(folder)


def test_no_manifest_at_all(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"MANIFEST\.sha256: missing"):
        verify_manifest(tmp_path)


@pytest.mark.parametrize(
    "name", ["../a.bin", "/etc/passwd", "sub/a.bin", "..", ".hidden", "c:a", "a\\b", "a b", "é", ""]
)
def test_names_outside_the_folder_are_refused(folder: Path, name: str) -> None:
    assert not is_plain_name(name)
    (folder / MANIFEST_NAME).write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(ModelError, match=r"MANIFEST\.sha256:1: got"):
        read_manifest(folder)


@pytest.mark.parametrize("line", ["nonsense", f"{'0' * 63}  a.bin", f"{'g' * 64}  a.bin", "", "\0"])
def test_malformed_lines_are_named_by_number(folder: Path, line: str) -> None:
    good = (folder / MANIFEST_NAME).read_text()
    (folder / MANIFEST_NAME).write_text(f"{good}{line}\n")
    with pytest.raises(ModelError, match=r"MANIFEST\.sha256:3: got"):
        read_manifest(folder)


def test_a_doubled_line_is_refused(folder: Path) -> None:
    good = (folder / MANIFEST_NAME).read_text()
    (folder / MANIFEST_NAME).write_text(good + good)
    with pytest.raises(ModelError, match="listed twice"):
        read_manifest(folder)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * ((1 << 20) + 1)])
def test_a_manifest_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST_NAME).write_bytes(content)
    with pytest.raises(ModelError, match=r"cannot be read|larger than"):
        read_manifest(folder)


def test_a_bundle_of_links_verifies_as_colcon_symlink_install_makes_it(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    installed = tmp_path_factory.mktemp("install")
    for path in folder.iterdir():
        (installed / path.name).symlink_to(path)
    assert verify_manifest(installed) == verify_manifest(folder)
