# SPDX-License-Identifier: Apache-2.0
"""What ``run`` refuses before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from recycle_sorter.cli.app import app
from recycle_sorter.core.errors import InvalidInputError


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (("--mode", "conveyor"), "--mode"),
        (("--report", "run.html"), "--report"),
        (("--mode", "belt", "--params", "/nowhere.yaml"), "--params"),
        (("--mode", "belt", "--param", "seed"), "--param"),
        (("--mode", "belt", "--report", "/proc/none/run.html"), "--report"),
        (("--mode", "belt", "--summary", "/proc/none/run.json"), "--summary"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    arguments: tuple[str, ...], field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["run", *arguments])
    assert isinstance(result.exception, InvalidInputError)
    assert result.exception.field == field
    assert not list(tmp_path.iterdir())
