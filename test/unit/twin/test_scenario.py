# SPDX-License-Identifier: Apache-2.0
"""Scenarios: the shipped file, changes by name, and refusals that name the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.twin.scenario import Scenario
from recycle_sorter.twin.scenario_file import changed, load_scenario, parse_scenario
from recycle_sorter.twin.speed import SpeedSpec


def test_the_shipped_file_holds_the_defaults() -> None:
    assert load_scenario() == Scenario()


def test_a_file_and_changes(tmp_path: Path) -> None:
    path = tmp_path / "twin.yaml"
    path.write_text("seed: 7\nspeed: {kind: points, points: [[0, 0.2], [5, 0.8]]}\n")
    found = load_scenario(path, {"items.per_min": 240, "duration_sec": 12.0, "items.size_m": None})
    assert (found.seed, found.duration_sec, found.items.per_min) == (7, 12.0, 240)
    assert found.speed == SpeedSpec(kind="points", points=((0, 0.2), (5, 0.8)))


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ([], "scenario"),
        ({"sede": 1}, "sede"),
        ({"seed": -1}, "seed"),
        ({"seed": True}, "seed"),
        ({"duration_sec": None}, "duration_sec"),
        ({"duration_sec": 0}, "duration_sec"),
        ({"camera": 3}, "camera"),
        ({"camera": {"fps": 30}}, "camera.fps"),
        ({"camera": {"width_px": 640.0}}, "camera.width_px"),
        ({"camera": {"fps_hz": "30"}}, "camera.fps_hz"),
        ({"camera": {"direction": "north"}}, "camera.direction"),
        ({"camera": {"exposure_sec": 0.1}}, "camera.exposure_sec"),
        ({"camera": {"px_per_m": float("inf")}}, "camera.px_per_m"),
        ({"items": {"count": -1}}, "items.count"),
        ({"items": {"overlap_share": 1.5}}, "items.overlap_share"),
        ({"items": {"size_m": [0.2, 0.1]}}, "items.size_m"),
        ({"items": {"size_m": [0.1]}}, "items.size_m"),
        ({"items": {"size_m": 0.1}}, "items.size_m"),
        ({"items": {"is_rotated": 1}}, "items.is_rotated"),
        ({"items": {"materials": ["glass"]}}, "items.materials"),
        ({"items": {"materials": {"glass": -1}}}, "items.materials.glass"),
        ({"items": {"materials": {"glass": 0}}}, "items.materials"),
        ({"belt": {"texture": "tweed"}}, "belt.texture"),
        ({"belt": {"colour": "pink"}}, "belt.colour"),
        ({"belt": {"colour": [1, 2, 300]}}, r"belt.colour\[2\]"),
        ({"light": {"colour": [1, 1]}}, "light.colour"),
        ({"light": {"gain": 0}}, "light.gain"),
        ({"speed": {"kind": "warp"}}, "speed.kind"),
        ({"speed": {"kind": "points"}}, "speed.points"),
        ({"speed": {"kind": "points", "points": [[0, 1, 2]]}}, r"speed.points\[0\]"),
        ({"speed": {"kind": "points", "points": [[0, 9]]}}, r"speed.points\[0\]\[1\]"),
        ({"speed": {"kind": "points", "points": [[0, -0.5]]}}, "speed.points"),
        ({"speed": {"kind": "points", "points": 5}}, "speed.points"),
        ({"speed": {"points": None}}, "speed.points"),
        ({"speed": {"points": {"0": 1}}}, "speed.points"),
        ({"speed": {"kind": "points", "points": [5]}}, r"speed.points\[0\]"),
        ({"speed": {"low_m_per_sec": 1.0, "high_m_per_sec": 0.5}}, "speed.high_m_per_sec"),
        ({"speed": {"kind": "jog", "back_sec": 90.0}}, "speed.jog"),
        ({"machine": {"m_per_tick": 0}}, "machine.m_per_tick"),
    ],
)
def test_refusals_name_the_key(data: Any, key: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{key}: "):
        parse_scenario(data)


@pytest.mark.parametrize(
    "key", ["", "speed", "seed.x", "items.", "items.pace", "lens.blur", "camera.fps_hz.x"]
)
def test_changes_of_unknown_keys_are_refused(key: str) -> None:
    with pytest.raises(InvalidInputError):
        changed(Scenario(), {key: 1})
