# SPDX-License-Identifier: Apache-2.0
"""Checks a belt's layout as a file gives it, as a whole: faults are named by their key.

Takes plain mappings; reading YAML is ``recycle_sorter.config_files``' work. The keys that a belt
shares with a station (bins, materials, the diverters' angles) are checked by ``parse_routing``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recycle_sorter.core import checks
from recycle_sorter.core.belt.layout import (
    DIRECTIONS,
    CameraLayout,
    ConflictRule,
    DiverterPlace,
    Layout,
    MotionLayout,
    SpeedLimits,
)
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.fields import mapping, need, number, only, sequence, text
from recycle_sorter.core.routing import Routing
from recycle_sorter.core.routing_file import TOP_KEYS, parse_routing

SOURCES = ("encoder", "speed", "picture")
RULES = ("value_then_confidence", "confidence_then_value", "first")

_BELT_KEYS = {
    "camera", "decision_line_m", "end_m", "speed", "motion", "conflict", "tolerance_sec",
    "reserve_sec",
}  # fmt: skip
_CAMERA_KEYS = {"view_length_m", "view_width_m", "px_per_m", "direction", "calibration"}
_SPEED_KEYS = {"min_m_per_sec", "max_m_per_sec"}
_MOTION_KEYS = {"source", "timeout_sec", "m_per_tick", "wrap_bits", "speed_m_per_sec"}
_CONFLICT_KEYS = {"rule", "values"}
# A diverter's keys that only a belt has; the others are the routing's.
_PLACE_KEYS = ("position_m", "lead_sec")
_MAX_M = 1000.0
_MAX_SPEED_M_PER_SEC = 10.0
# Two diverters closer than this cannot stand side by side.
_LEAST_GAP_M = 0.01


def parse_layout(data: object) -> Layout:
    """Checks a layout and builds it.

    Args:
        data: Mapping with the keys of a routing (``parse_routing``) and those of the belt;
            ``config/belt.yaml`` is the commented example.

    Returns:
        The layout, its routing included.

    Raises:
        InvalidInputError: Naming the first faulty key by its path, what was expected, and the fix.
    """
    top = mapping(data, "belt")
    only(top, _BELT_KEYS | TOP_KEYS, "")
    routing = _routing(top)
    camera = _camera(top)
    speed = _speed(top)
    tolerance_sec = number(top, "tolerance_sec", "", 0.0005, 1.0)
    reserve_sec = number(top, "reserve_sec", "", 0.0, 10.0, default=0.1)
    line_m = number(top, "decision_line_m", "", 0.0, _MAX_M)
    if not 0.0 < line_m <= camera.view_length_m:
        raise InvalidInputError(
            "decision_line_m",
            line_m,
            f"within the camera's view (above 0 up to {camera.view_length_m:g} m)",
            "items must be seen before they are decided",
        )
    places = tuple(
        _place(entry, f"diverters[{i}]", routing, tolerance_sec)
        for i, entry in enumerate(sequence(top, "diverters"))
    )
    _check_places(places, line_m, speed.max_m_per_sec, reserve_sec)
    end_m = number(top, "end_m", "", 0.0, _MAX_M)
    last_m = places[-1].position_m if places else line_m
    if end_m < max(last_m, camera.view_length_m):
        raise InvalidInputError(
            "end_m",
            end_m,
            f"at or beyond the last diverter ({last_m:g} m) and the view's end "
            f"({camera.view_length_m:g} m)",
        )
    return Layout(
        routing=routing,
        camera=camera,
        decision_line_m=line_m,
        end_m=end_m,
        speed=speed,
        motion=_motion(top, speed),
        places=places,
        conflict=_conflict(top, routing),
        tolerance_sec=tolerance_sec,
        reserve_sec=reserve_sec,
    )


def _routing(top: Mapping[str, Any]) -> Routing:
    entries = []
    for i, entry in enumerate(sequence(top, "diverters")):
        where = f"diverters[{i}]"
        diverter = dict(mapping(entry, where))
        if "delay_sec" in diverter:
            raise InvalidInputError(
                f"{where}.delay_sec", diverter["delay_sec"], "no delay on a belt", "use `lead_sec`"
            )
        entries.append({k: v for k, v in diverter.items() if k not in _PLACE_KEYS})
    shared = {key: value for key, value in top.items() if key in TOP_KEYS}
    return parse_routing({**shared, "diverters": entries})


def _camera(top: Mapping[str, Any]) -> CameraLayout:
    camera = _section(top, "camera", _CAMERA_KEYS)
    given = [key for key in ("px_per_m", "calibration") if key in camera]
    if len(given) != 1:
        raise InvalidInputError(
            "camera.calibration" if given else "camera.px_per_m",
            "both" if given else "neither",
            "either `px_per_m` or `calibration`",
            "`recycle-sorter calibrate` writes a calibration",
        )
    if "calibration" in camera and "direction" in camera:
        raise InvalidInputError(
            "camera.direction", camera["direction"], "none beside a calibration", "remove it"
        )
    by_hand = "px_per_m" in camera
    return CameraLayout(
        view_length_m=number(camera, "view_length_m", "camera", 0.01, 100.0),
        view_width_m=number(camera, "view_width_m", "camera", 0.01, 100.0),
        px_per_m=number(camera, "px_per_m", "camera", 1.0, 1e6) if by_hand else None,
        direction=_one_of(camera, "direction", "camera", DIRECTIONS, "right"),
        calibration="" if by_hand else text(camera, "calibration", "camera"),
    )


def _speed(top: Mapping[str, Any]) -> SpeedLimits:
    speed = _section(top, "speed", _SPEED_KEYS)
    low = number(speed, "min_m_per_sec", "speed", 0.0, _MAX_SPEED_M_PER_SEC)
    high = number(speed, "max_m_per_sec", "speed", 0.001, _MAX_SPEED_M_PER_SEC)
    if low > high:
        raise InvalidInputError(
            "speed.max_m_per_sec", high, f"at least min_m_per_sec ({low:g})", "swap the two"
        )
    return SpeedLimits(low, high)


def _motion(top: Mapping[str, Any], limits: SpeedLimits) -> MotionLayout:
    motion = _section(top, "motion", _MOTION_KEYS)
    source = _one_of(motion, "source", "motion", SOURCES)
    for key, owner in (("m_per_tick", "encoder"), ("wrap_bits", "encoder"),
                       ("speed_m_per_sec", "speed")):  # fmt: skip
        if key in motion and source != owner:
            raise InvalidInputError(
                f"motion.{key}", motion[key], f"none for source {source!r}", "remove it"
            )
    wrap_bits = number(motion, "wrap_bits", "motion", 0, 64, default=0)
    if not wrap_bits.is_integer() or 0 < wrap_bits < 4:
        raise InvalidInputError("motion.wrap_bits", wrap_bits, "0, or a whole number from 4 to 64")
    constant = None
    if "speed_m_per_sec" in motion:
        low, high = limits.min_m_per_sec, limits.max_m_per_sec
        constant = number(motion, "speed_m_per_sec", "motion", low, high)
    return MotionLayout(
        source=source,
        timeout_sec=number(motion, "timeout_sec", "motion", 0.01, 60.0),
        m_per_tick=(
            number(motion, "m_per_tick", "motion", 1e-7, 1.0) if source == "encoder" else None
        ),
        wrap_bits=int(wrap_bits),
        speed_m_per_sec=constant,
    )


def _conflict(top: Mapping[str, Any], routing: Routing) -> ConflictRule:
    conflict = _section(top, "conflict", _CONFLICT_KEYS)
    values = mapping(conflict.get("values", {}), "conflict.values")
    only(values, routing.materials, "conflict.values.")
    return ConflictRule(
        _one_of(conflict, "rule", "conflict", RULES),
        {key: number(values, key, "conflict.values", 0.0, 1e9) for key in values},
    )


def _place(data: object, where: str, routing: Routing, tolerance_sec: float) -> DiverterPlace:
    entry = mapping(data, where)
    spec = routing.diverters[entry["name"]]
    lead_sec = number(entry, "lead_sec", where, 0.0, 60.0)
    least_sec = spec.stroke_sec + tolerance_sec
    if lead_sec < least_sec:
        raise InvalidInputError(
            f"{where}.lead_sec",
            lead_sec,
            f"at least stroke_sec + tolerance_sec ({least_sec:g})",
            "or the diverter may still be on its way when the item arrives",
        )
    if lead_sec > spec.stroke_sec + spec.dwell_sec:
        raise InvalidInputError(
            f"{where}.lead_sec",
            lead_sec,
            f"at most stroke_sec + dwell_sec ({spec.stroke_sec + spec.dwell_sec:g})",
            "raise dwell_sec, or the diverter is on its way home when the item arrives",
        )
    position_m = number(entry, "position_m", where, 0.0, _MAX_M)
    return DiverterPlace(spec.name, position_m, lead_sec, spec.stroke_sec, spec.dwell_sec)


def _check_places(
    places: Sequence[DiverterPlace], line_m: float, speed_m_per_sec: float, reserve_sec: float
) -> None:
    before_m = line_m
    for i, place in enumerate(places):
        where = f"diverters[{i}]"
        if place.position_m <= line_m:
            raise InvalidInputError(
                f"{where}.position_m",
                place.position_m,
                f"downstream of the decision line ({line_m:g} m)",
                "move the diverter or `decision_line_m`",
            )
        if i and place.position_m < before_m + _LEAST_GAP_M:
            raise InvalidInputError(
                f"{where}.position_m",
                place.position_m,
                f"at least {_LEAST_GAP_M:g} m downstream of the diverter before ({before_m:g} m)",
                "list the diverters in the order in which items pass them",
            )
        before_m = place.position_m
        ride_sec = (place.position_m - line_m) / speed_m_per_sec
        if ride_sec < place.lead_sec + reserve_sec:
            raise InvalidInputError(
                f"{where}.lead_sec",
                place.lead_sec,
                f"at most {max(0.0, ride_sec - reserve_sec):.3g}: the ride from the decision line "
                f"takes {ride_sec:.3g} s at max_m_per_sec, and reserve_sec is {reserve_sec:g}",
                "move the diverter downstream or the decision line upstream",
            )


def _section(top: Mapping[str, Any], key: str, known: set[str]) -> Mapping[str, Any]:
    section = mapping(need(top, key, ""), key)
    only(section, known, f"{key}.")
    return section


def _one_of(
    entry: Mapping[str, Any],
    key: str,
    where: str,
    allowed: Sequence[str],
    default: str | None = None,
) -> str:
    value = entry.get(key, default) if default is not None else need(entry, key, f"{where}.")
    return checks.one_of(f"{where}.{key}", value, allowed)
