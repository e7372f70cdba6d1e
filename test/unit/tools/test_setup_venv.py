# SPDX-License-Identifier: Apache-2.0
"""Set-up does what is left to do, and nothing twice."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import prerequisites
import setup_venv


class Workshop:
    """A checkout in a temporary folder, whose steps only note that they ran."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.ran: list[str] = []
        self.fails_at = ""
        self.venv = root / ".venv"
        monkeypatch.setattr(setup_venv, "ROOT", root)
        monkeypatch.setattr(setup_venv, "VENV", self.venv)
        monkeypatch.setattr(setup_venv, "PYTHON", self.venv / "bin" / "python")
        monkeypatch.setattr(setup_venv, "STATE", self.venv / ".setup")
        monkeypatch.setattr(setup_venv, "make_environment", self._make_environment)
        step = setup_venv.Step
        steps = (
            step("packages", "packages", self._run, inputs=("list.txt",), disk_mb=1),
            step("messages", "messages", self._run, inputs=("msg",), after=("packages",)),
        )
        monkeypatch.setattr(setup_venv, "STEPS", {each.name: each for each in steps})
        monkeypatch.setattr(setup_venv, "PROFILES", {"run": ("packages", "messages")})
        (root / "list.txt").write_text("numpy\n")
        (root / "msg").mkdir()
        (root / "msg" / "A.msg").write_text("bool a\n")

    def _make_environment(self, python: str | None) -> None:
        del python
        self.ran.append("environment")
        shutil.rmtree(self.venv, ignore_errors=True)
        (self.venv / "bin").mkdir(parents=True)
        (self.venv / "bin" / "python").touch()
        (self.venv / "pyvenv.cfg").write_text("version = 3.11.7\n")

    def _run(self, step: setup_venv.Step) -> None:
        self.ran.append(step.name)
        if step.name == self.fails_at:
            raise setup_venv.SetupError("cut off")

    def set_up(self) -> list[str]:
        """Calls set-up; returns the steps that it ran."""
        self.ran.clear()
        setup_venv.set_up("run", None)
        return list(self.ran)


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(tmp_path, monkeypatch)


def test_the_second_call_does_nothing(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workshop.set_up() == ["environment", "packages", "messages"]
    assert "MB to download" in capsys.readouterr().out
    assert workshop.set_up() == []
    assert capsys.readouterr().out == ""


def test_an_interrupted_set_up_goes_on_where_it_stopped(workshop: Workshop) -> None:
    workshop.fails_at = "messages"
    with pytest.raises(setup_venv.SetupError, match="cut off"):
        workshop.set_up()
    workshop.fails_at = ""
    assert workshop.set_up() == ["messages"]


def _edit_message(workshop: Workshop) -> None:
    (workshop.root / "msg" / "A.msg").write_text("bool b\n")


def _add_message(workshop: Workshop) -> None:
    (workshop.root / "msg" / "B.msg").write_text("bool b\n")


def _rename_message(workshop: Workshop) -> None:
    (workshop.root / "msg" / "A.msg").rename(workshop.root / "msg" / "B.msg")


def _edit_list(workshop: Workshop) -> None:
    (workshop.root / "list.txt").write_text("numpy\nrich\n")


def _break_stamp(workshop: Workshop) -> None:
    (workshop.venv / ".setup" / "packages.json").write_text("{half a st")


def _replace_python(workshop: Workshop) -> None:
    (workshop.venv / "pyvenv.cfg").write_text("version = 3.12.1\n")


def _remove_python(workshop: Workshop) -> None:
    (workshop.venv / "bin" / "python").unlink()


@pytest.mark.parametrize(
    ("change", "again"),
    [
        (_edit_message, ["messages"]),
        (_add_message, ["messages"]),
        (_rename_message, ["messages"]),
        (_edit_list, ["packages", "messages"]),
        (_break_stamp, ["packages"]),
        (_replace_python, ["environment", "packages", "messages"]),
        (_remove_python, ["environment", "packages", "messages"]),
    ],
)
def test_a_change_repeats_what_depends_on_it(
    workshop: Workshop, change: Callable[[Workshop], None], again: list[str]
) -> None:
    workshop.set_up()
    change(workshop)
    assert workshop.set_up() == again
    assert workshop.set_up() == []


def test_a_full_disk_is_told_before_anything_is_fetched(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prerequisites, "free_bytes", lambda _: 1_000_000)
    with pytest.raises(setup_venv.SetupError, match=r"1 MB are free .* free some"):
        workshop.set_up()
    assert workshop.ran == []


def test_a_package_that_was_cut_off_is_forgotten(workshop: Workshop) -> None:
    site_packages = workshop.venv / "lib" / "python3.11" / "site-packages"
    for name in ("whole-1.0.dist-info", "half-1.0.dist-info"):
        (site_packages / name / "licenses").mkdir(parents=True)
        (site_packages / name / "METADATA").touch()
    (site_packages / "whole-1.0.dist-info" / "RECORD").touch()
    setup_venv.remove_half_installed()
    assert [path.name for path in site_packages.iterdir()] == ["whole-1.0.dist-info"]


def test_missing_tools_are_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    text = "\n".join(prerequisites.missing_tools())
    for what in ("g++", "gcc", "make"):
        assert f"apt-get install {what}" in text


def test_a_foreign_machine_is_told_to_use_a_system_ros(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert any("aarch64" in problem for problem in prerequisites.missing_tools())


@pytest.mark.parametrize(
    ("version", "is_supported"),
    [((3, 9), False), ((3, 10), True), ((3, 13), True), ((3, 14), False)],
)
def test_the_wheels_bound_the_python(version: tuple[int, int], is_supported: bool) -> None:
    python = prerequisites.Interpreter("python", version, True, True, is_free_threaded=False)
    assert python.is_supported is is_supported


def test_no_python_that_fits_is_an_error_with_a_way_out() -> None:
    found, problems = prerequisites.find_interpreter("/nowhere/python3")
    assert found is None
    assert "expected a CPython from 3.10 to 3.13" in problems[0]
    assert "PYTHON=" in problems[0]
