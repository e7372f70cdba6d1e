# SPDX-License-Identifier: Apache-2.0
"""Layout files: a valid one is taken whole, any fault is refused by the key's path."""

from __future__ import annotations

import math
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.belt_lines import layout_data

from recycle_sorter.core.belt.layout import (
    CameraLayout,
    ConflictRule,
    DiverterPlace,
    MotionLayout,
    SpeedLimits,
)
from recycle_sorter.core.belt.layout_file import parse_layout
from recycle_sorter.core.errors import InvalidInputError

Path = tuple[Any, ...]
GONE = object()


def changed(path: Path, value: object) -> dict[str, Any]:
    """A valid file with one value replaced, added, or (``GONE``) taken out."""
    data = layout_data()
    where: Any = data
    for step in path[:-1]:
        where = where[step]
    if value is GONE:
        del where[path[-1]]
    else:
        where[path[-1]] = value
    return data


def refused(data: object) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        parse_layout(data)
    return caught.value


def test_a_valid_file_is_taken_whole() -> None:
    layout = parse_layout(layout_data())
    assert layout.camera == CameraLayout(0.8, 0.6, 800.0, "right", "")
    assert (layout.decision_line_m, layout.end_m) == (0.7, 2.0)
    assert layout.speed == SpeedLimits(0.0, 1.0)
    assert layout.motion == MotionLayout("encoder", 0.5, 0.0005, 0, None)
    assert [place.name for place in layout.places] == ["flap_1", "flap_2", "flap_3"]
    assert layout.places[1] == DiverterPlace("flap_2", 1.3, 0.04, 0.02, 0.05)
    assert layout.places[1].hold_sec == pytest.approx(0.07)
    assert layout.places[1].away_sec == pytest.approx(0.09)
    assert layout.place("flap_3") is layout.places[2]
    assert layout.conflict == ConflictRule("value_then_confidence", {"metal": 3.0, "glass": 2.0})
    assert (layout.conflict.value("metal"), layout.conflict.value("paper")) == (3.0, 1.0)
    assert (layout.tolerance_sec, layout.reserve_sec) == (0.01, 0.1)
    assert layout.routing.bins["glass"].diverter == "flap_1"
    assert layout.routing.diverters["flap_1"].delay_sec == 0.0
    assert layout.routing.reject_bin == "residue"


def test_a_place_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        parse_layout(layout_data()).place("flap_9")


def test_other_motions_and_cameras_are_taken() -> None:
    data = layout_data()
    data["motion"] = {"source": "speed", "speed_m_per_sec": 0.5, "timeout_sec": 1}
    assert parse_layout(data).motion == MotionLayout("speed", 1.0, speed_m_per_sec=0.5)
    data["motion"] = {"source": "speed", "timeout_sec": 1}
    assert parse_layout(data).motion.speed_m_per_sec is None
    data["motion"] = {"source": "picture", "timeout_sec": 1}
    assert parse_layout(data).motion.source == "picture"
    data["camera"] = {"view_length_m": 0.8, "view_width_m": 0.6, "calibration": "belt.yaml"}
    assert parse_layout(data).camera == CameraLayout(0.8, 0.6, calibration="belt.yaml")
    data["camera"] = {"view_length_m": 0.8, "view_width_m": 0.6, "px_per_m": 800, "direction": "up"}
    assert parse_layout(data).camera.direction == "up"


@pytest.mark.parametrize("data", [None, [], "belt", 7, True])
def test_what_is_no_mapping_is_refused(data: object) -> None:
    assert refused(data).field == "belt"


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        # The belt as a whole.
        (("decision_line_m",), 0.81, "decision_line_m"),
        (("decision_line_m",), 0.0, "decision_line_m"),
        (("decision_line_m",), -0.1, "decision_line_m"),
        (("decision_line_m",), math.nan, "decision_line_m"),
        (("decision_line_m",), "middle", "decision_line_m"),
        (("end_m",), 1.5, "end_m"),
        (("end_m",), math.inf, "end_m"),
        (("tolerance_sec",), 0.0, "tolerance_sec"),
        (("tolerance_sec",), math.nan, "tolerance_sec"),
        (("reserve_sec",), -1, "reserve_sec"),
        (("belt",), 1, "belt"),
        ((1,), 1, "1"),
        (("",), 1, "''"),
        # Where diverters stand, and what they reach.
        (("diverters", 0, "position_m"), 0.7, "diverters[0].position_m"),
        (("diverters", 0, "position_m"), 0.5, "diverters[0].position_m"),
        (("diverters", 0, "position_m"), math.nan, "diverters[0].position_m"),
        (("diverters", 0, "position_m"), GONE, "diverters[0].position_m"),
        (("diverters", 1, "position_m"), 1.0, "diverters[1].position_m"),
        (("diverters", 1, "position_m"), 0.9, "diverters[1].position_m"),
        (("diverters", 2, "position_m"), 1.301, "diverters[2].position_m"),
        (("diverters", 2, "position_m"), 2.1, "end_m"),
        (("diverters", 0, "position_m"), 0.8, "diverters[0].lead_sec"),  # 0.1 s at 1 m/s
        (("diverters", 0, "lead_sec"), 0.02, "diverters[0].lead_sec"),
        (("diverters", 0, "lead_sec"), 0.2, "diverters[0].lead_sec"),
        (("diverters", 0, "lead_sec"), -0.04, "diverters[0].lead_sec"),
        (("diverters", 0, "lead_sec"), GONE, "diverters[0].lead_sec"),
        (("diverters", 0, "delay_sec"), 0.0, "diverters[0].delay_sec"),
        (("diverters", 0, "speed"), 1.0, "diverters[0].speed"),
        (("diverters", 0), "flap_1", "diverters[0]"),
        (("diverters",), GONE, "diverters"),
        (("diverters",), "flap_1", "diverters"),
        (("reserve_sec",), 0.3, "diverters[0].lead_sec"),
        (("speed", "max_m_per_sec"), 2.5, "diverters[0].lead_sec"),
        # What it shares with a station.
        (("diverters", 1, "name"), "flap_1", "diverters[1].name"),
        (("diverters", 0, "name"), GONE, "diverters[0].name"),
        (("diverters", 0, "stroke_sec"), -1, "diverters[0].stroke_sec"),
        (("bins", 1, "name"), "fibre", "bins[1].name"),
        (("bins", 0, "diverter"), "flap_9", "bins[0].diverter"),
        (("materials", "glass", "bin"), "glas", "materials.glass.bin"),
        (("materials", "glass", "colour"), 1, "materials.glass.colour"),
        (("reject_bin",), "glass", "reject_bin"),
        (("reject_bin",), "rest", "reject_bin"),
        (("defaults", "min_margin"), 2, "defaults.min_margin"),
        # Camera.
        (("camera",), GONE, "camera"),
        (("camera",), [], "camera"),
        (("camera", "view_length_m"), 0.0, "camera.view_length_m"),
        (("camera", "view_width_m"), math.nan, "camera.view_width_m"),
        (("camera", "view_width_m"), GONE, "camera.view_width_m"),
        (("camera", "px_per_m"), GONE, "camera.px_per_m"),
        (("camera", "px_per_m"), True, "camera.px_per_m"),
        (("camera", "calibration"), "belt_calibration.yaml", "camera.calibration"),
        (("camera", "direction"), "north", "camera.direction"),
        (("camera", "direction"), ["up"], "camera.direction"),
        (("camera", "fps"), 30, "camera.fps"),
        # Speed and motion.
        (("speed", "min_m_per_sec"), 1.5, "speed.max_m_per_sec"),
        (("speed", "min_m_per_sec"), -1, "speed.min_m_per_sec"),
        (("speed", "max_m_per_sec"), 0.0, "speed.max_m_per_sec"),
        (("speed", "max_m_per_sec"), math.nan, "speed.max_m_per_sec"),
        (("speed", "mean"), 1, "speed.mean"),
        (("motion", "source"), "gps", "motion.source"),
        (("motion", "source"), GONE, "motion.source"),
        (("motion", "m_per_tick"), GONE, "motion.m_per_tick"),
        (("motion", "m_per_tick"), -0.1, "motion.m_per_tick"),
        (("motion", "wrap_bits"), 1.5, "motion.wrap_bits"),
        (("motion", "wrap_bits"), 3, "motion.wrap_bits"),
        (("motion", "wrap_bits"), 65, "motion.wrap_bits"),
        (("motion", "timeout_sec"), 0, "motion.timeout_sec"),
        (("motion", "speed_m_per_sec"), 0.5, "motion.speed_m_per_sec"),
        (("motion", "ticks"), 0.5, "motion.ticks"),
        (("motion",), {"source": "picture", "timeout_sec": 1, "m_per_tick": 1},
         "motion.m_per_tick"),
        (("motion",), {"source": "speed", "timeout_sec": 1, "speed_m_per_sec": 1.1},
         "motion.speed_m_per_sec"),
        # Conflicts.
        (("conflict",), GONE, "conflict"),
        (("conflict", "rule"), "highest", "conflict.rule"),
        (("conflict", "rule"), GONE, "conflict.rule"),
        (("conflict", "values"), [], "conflict.values"),
        (("conflict", "values", "gold"), 9, "conflict.values.gold"),
        (("conflict", "values", "metal"), -1, "conflict.values.metal"),
        (("conflict", "values", "metal"), math.nan, "conflict.values.metal"),
        (("conflict", "value"), {}, "conflict.value"),
    ],
)  # fmt: skip
def test_a_fault_is_refused_by_its_path(path: Path, value: object, field: str) -> None:
    error = refused(changed(path, value))
    assert error.field == field
    assert error.expected


def test_a_calibration_says_the_direction_itself() -> None:
    data = layout_data()
    data["camera"] = {"view_length_m": 1, "view_width_m": 1, "calibration": "a", "direction": "up"}
    assert refused(data).field == "camera.direction"


def test_the_check_of_the_lead_tells_what_would_do() -> None:
    error = refused(changed(("diverters", 0, "position_m"), 0.83))
    assert "at most 0.03" in error.expected
    data = changed(("diverters", 0, "position_m"), 0.83)
    data["speed"]["max_m_per_sec"] = 0.9  # 0.144 s: enough for 0.04 s and the reserve
    parse_layout(data)


def paths(value: object, start: Path = ()) -> list[Path]:
    found = [start] if start else []
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        found += paths(inner, (*start, key))
    return found


@given(
    st.sampled_from(paths(layout_data())),
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.none(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)
def test_whatever_stands_there_is_taken_or_refused_by_name(path: Path, value: object) -> None:
    data = changed(path, value)
    before = deepcopy(data)
    named = "taken"
    try:
        parse_layout(data)
    except InvalidInputError as error:
        named = error.field
    assert named
    assert repr(data) == repr(before)
