# SPDX-License-Identifier: Apache-2.0
"""What the commands say of themselves."""

from __future__ import annotations

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from recycle_sorter.cli.app import app
from recycle_sorter.cli.help import with_examples

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


def test_a_docstring_loses_the_indentation_of_its_source() -> None:
    def command() -> None:
        """Sort.

        All of it.
        """

    assert with_examples(command, "\nExamples\n") == "Sort.\n\nAll of it.\n\nExamples\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_flush_left(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], terminal_width=100)
    assert result.exit_code == 0
    text = result.output.split("╭")[0]
    assert "Usage: " in text
    indented = [line for line in text.splitlines() if line.strip() and line.startswith("  ")]
    assert indented == []


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "data"])
def test_help_has_examples(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"], terminal_width=100)
    assert "Examples" in result.output
    assert f"recycle-sorter {command}" in result.output
