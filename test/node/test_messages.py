# SPDX-License-Identifier: Apache-2.0
"""The interfaces: every field says what it means, and the core's numbers are the messages'."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest

from recycle_sorter.core.belt.types import Cause, Outcome
from recycle_sorter.core.types import DiverterStatus, Reason
from recycle_sorter.ros import definitions
from recycle_sorter_msgs import msg, srv
from recycle_sorter_msgs.msg import DiverterCommand, DiverterState, ItemRecord, SortDecision

SOURCES = Path(__file__).resolve().parents[2] / "src" / "recycle_sorter_msgs"
FILES = sorted([*SOURCES.glob("msg/*.msg"), *SOURCES.glob("srv/*.srv")])


def blocks(text: str) -> list[list[str]]:
    """Runs of lines without a blank one; the parts of a service are apart, too."""
    found: list[list[str]] = [[]]
    for line in text.splitlines():
        if not line.strip() or line.startswith("---"):
            found.append([])
        else:
            found[-1].append(line)
    return [block for block in found if block]


def is_comment(line: str) -> bool:
    return line.lstrip().startswith("#")


def test_there_are_interfaces_to_look_at() -> None:
    assert {path.stem for path in FILES} >= {
        "MaterialClassification", "DiverterCommand", "DiverterState", "ModelInfo", "GroundTruth",
        "SetEnabled", "ReloadRouting", "BeltEncoder", "BeltObservation", "BeltTruth", "BeltLanding",
        "BeltState", "SortDecision", "ItemRecord",
    }  # fmt: skip


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_field_and_constant_is_commented(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert is_comment(text.splitlines()[0]), "says at the top what it is"
    for block in blocks(text):
        is_explained = False
        for line in block:
            if is_comment(line):
                is_explained = True
                continue
            assert is_explained or "#" in line, f"{path.name}: {line!r} has no comment"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_interface_is_built(path: Path) -> None:
    assert hasattr(msg if path.suffix == ".msg" else srv, path.stem)


def test_the_installed_definitions_are_these() -> None:
    installed = {p.name: p.read_text() for p in definitions.message_folder().glob("*.msg")}
    assert installed == {p.name: p.read_text() for p in FILES if p.suffix == ".msg"}


@pytest.mark.parametrize(
    ("enum", "kind", "prefix"),
    [
        (Reason, DiverterCommand, "REASON_"),
        (Reason, SortDecision, "REASON_"),
        (DiverterStatus, DiverterState, "STATE_"),
        (Outcome, ItemRecord, "OUTCOME_"),
        (Cause, ItemRecord, "CAUSE_"),
    ],
)
def test_the_core_numbers_things_as_the_messages_do(
    enum: type[IntEnum], kind: Any, prefix: str
) -> None:
    text = (SOURCES / "msg" / f"{kind.__name__}.msg").read_text(encoding="utf-8")
    names = [line.split()[1].split("=")[0] for line in text.splitlines() if f" {prefix}" in line]
    names = [name for name in names if name.startswith(prefix)]
    constants = {name.removeprefix(prefix): getattr(kind, name) for name in names}
    assert constants == {member.name: member.value for member in enum}


def test_the_types_for_bags_are_those_of_the_graph() -> None:
    store = definitions.typestore()
    for path in SOURCES.glob("msg/*.msg"):
        fields = [name for name, _ in store.fielddefs[f"recycle_sorter_msgs/msg/{path.stem}"][1]]
        assert fields == list(getattr(msg, path.stem).get_fields_and_field_types())
