# SPDX-License-Identifier: Apache-2.0
"""Finding shipped files in a checkout and in an install."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from recycle_sorter import paths
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.paths import share_file


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An install: the module lies apart from any checkout."""
    module = tmp_path / "lib" / "python" / "recycle_sorter" / "paths.py"
    monkeypatch.setattr(paths, "__file__", str(module))
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    return tmp_path


def ship(prefix: Path, text: str) -> Path:
    file = prefix / "share" / "recycle_sorter" / "config" / "sorter.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return file


def test_in_a_checkout_its_own_files_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", "/nowhere")
    root = Path(__file__).resolve().parents[2]
    assert share_file("config") == root / "config"
    assert (share_file("package.xml")).read_text().startswith("<?xml")


def test_an_ament_prefix_is_found_by_the_environment(
    installed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = ship(installed / "overlay", "overlay")
    ship(installed / "underlay", "underlay")
    monkeypatch.setenv(
        "AMENT_PREFIX_PATH",
        f"{installed / 'gone'}:{installed / 'overlay'}:{installed / 'underlay'}",
    )
    assert share_file("config/sorter.yaml") == file


def test_a_virtual_environment_is_found(installed: Path) -> None:
    file = ship(installed / "venv", "venv")
    assert share_file("config/sorter.yaml") == file


def test_what_is_nowhere_says_where_it_was_looked_for(installed: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"'models/none', expected to exist in .*venv.*Fix"):
        share_file("models/none")


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "config/../../x", "", "."])
def test_paths_that_lead_outside_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="share file"):
        share_file(name)
