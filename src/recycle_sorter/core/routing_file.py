# SPDX-License-Identifier: Apache-2.0
"""Checks a routing as a file gives it: unknown, missing or doubled keys are refused by name.

Takes plain mappings; reading YAML is ``recycle_sorter.config_files``' work.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.fields import mapping as _mapping
from recycle_sorter.core.fields import need as _need
from recycle_sorter.core.fields import number as _number
from recycle_sorter.core.fields import only as _only
from recycle_sorter.core.fields import sequence as _list
from recycle_sorter.core.fields import text as _text
from recycle_sorter.core.routing import (
    BinSpec,
    CostMatrix,
    DiverterSpec,
    MaterialRule,
    Routing,
)

_Named = TypeVar("_Named", DiverterSpec, BinSpec)

TOP_KEYS = {"diverters", "bins", "materials", "reject_bin", "defaults", "costs"}
_DIVERTER_KEYS = {
    "name", "home_rad", "min_rad", "max_rad", "stroke_sec", "dwell_sec", "delay_sec",
}  # fmt: skip
_BIN_KEYS = {"name", "diverter", "position_rad"}
_RULE_KEYS = {"bin", "min_confidence", "min_margin"}
_DEFAULT_KEYS = {"min_confidence", "min_margin"}
_COST_KEYS = {"contamination", "loss", "materials"}
_MATERIAL_COST_KEYS = {"loss", "bins"}
_CONTAMINATION = 1.0
_LOSS = 0.5
_MAX_COST = 1e6


def parse_routing(data: object) -> Routing:
    """Checks a routing and builds it.

    Args:
        data: Mapping with ``diverters`` (list), ``bins`` (list), ``materials`` (mapping),
            ``reject_bin`` (name) and optionally ``defaults`` (``min_confidence``, ``min_margin``)
            and ``costs`` (``contamination``, ``loss``, ``materials``).
            ``config/routing.yaml`` is the commented example.

    Returns:
        The routing.

    Raises:
        InvalidInputError: Naming the first faulty key, what was expected, and the fix.
    """
    top = _mapping(data, "routing")
    _only(top, TOP_KEYS, "")
    diverters = _unique(
        [_diverter(d, f"diverters[{i}]") for i, d in enumerate(_list(top, "diverters"))],
        "diverters",
    )
    bins = _unique(
        [_bin(b, f"bins[{i}]", diverters) for i, b in enumerate(_list(top, "bins"))], "bins"
    )
    if not bins:
        raise InvalidInputError("bins", [], "one or more bins", "list at least the reject bin")
    _check_shared_positions(bins)
    defaults = _mapping(top.get("defaults", {}), "defaults")
    _only(defaults, _DEFAULT_KEYS, "defaults.")
    for key in defaults:
        _number(defaults, key, "defaults", 0.0, 1.0)
    rules_in = _mapping(_need(top, "materials", ""), "materials")
    if not rules_in:
        raise InvalidInputError("materials", {}, "one or more materials")
    rules = {m: _rule(m, r, defaults, bins) for m, r in rules_in.items()}
    reject_bin = _bin_name(_need(top, "reject_bin", ""), "reject_bin", bins)
    if bins[reject_bin].diverter:
        raise InvalidInputError(
            "reject_bin",
            reject_bin,
            "the bin at the end (one without diverter), where items fall when nothing moves",
            'name a bin with `diverter: ""`',
        )
    costs = _costs(top["costs"], rules, bins, reject_bin) if "costs" in top else None
    return Routing(rules, bins, diverters, reject_bin, costs)


def _diverter(data: object, where: str) -> DiverterSpec:
    entry = _mapping(data, where)
    _only(entry, _DIVERTER_KEYS, f"{where}.")
    low = _number(entry, "min_rad", where, -math.pi, math.pi)
    high = _number(entry, "max_rad", where, -math.pi, math.pi)
    if low >= high:
        raise InvalidInputError(f"{where}.max_rad", high, f"an angle above min_rad ({low})")
    return DiverterSpec(
        name=_text(entry, "name", where),
        home_rad=_number(entry, "home_rad", where, low, high),
        min_rad=low,
        max_rad=high,
        stroke_sec=_number(entry, "stroke_sec", where, 0.001, 60.0),
        dwell_sec=_number(entry, "dwell_sec", where, 0.0, 600.0),
        delay_sec=_number(entry, "delay_sec", where, 0.0, 600.0, default=0.0),
    )


def _bin(data: object, where: str, diverters: Mapping[str, DiverterSpec]) -> BinSpec:
    entry = _mapping(data, where)
    _only(entry, _BIN_KEYS, f"{where}.")
    name = _text(entry, "name", where)
    diverter = _need(entry, "diverter", f"{where}.")
    if diverter == "":
        angle = entry.get("position_rad", 0.0)
        if isinstance(angle, bool) or angle != 0.0:
            raise InvalidInputError(
                f"{where}.position_rad", angle, "no angle without a diverter", "remove it"
            )
        return BinSpec(name, "", 0.0)
    if not isinstance(diverter, str) or diverter not in diverters:
        known = ", ".join(diverters) or "none listed"
        raise InvalidInputError(
            f"{where}.diverter", diverter, f'one of `diverters` ({known}) or ""', "add it there"
        )
    spec = diverters[diverter]
    position = _number(entry, "position_rad", where, spec.min_rad, spec.max_rad)
    if position == spec.home_rad:
        raise InvalidInputError(
            f"{where}.position_rad", position, "an angle other than the diverter's home_rad"
        )
    return BinSpec(name, spec.name, position)


def _check_shared_positions(bins: Mapping[str, BinSpec]) -> None:
    taken: dict[tuple[str, float], str] = {}
    for spec in bins.values():
        key = (spec.diverter, spec.position_rad)
        if key in taken:
            at = f"diverter {spec.diverter!r} at {spec.position_rad} rad"
            what = at if spec.diverter else "no diverter (the end)"
            raise InvalidInputError(
                f"bins.{spec.name}", what, "a place of its own", f"bin {taken[key]!r} is there"
            )
        taken[key] = spec.name


def _rule(
    material: object, data: object, defaults: Mapping[str, Any], bins: Mapping[str, BinSpec]
) -> MaterialRule:
    if not isinstance(material, str) or not material.strip():
        raise InvalidInputError("materials", material, "material names as keys")
    where = f"materials.{material}"
    entry = {**defaults, **_mapping(data, where)}
    _only(entry, _RULE_KEYS, f"{where}.")
    return MaterialRule(
        material=material,
        bin=_bin_name(_need(entry, "bin", f"{where}."), f"{where}.bin", bins),
        min_confidence=_number(entry, "min_confidence", where, 0.0, 1.0),
        min_margin=_number(entry, "min_margin", where, 0.0, 1.0),
    )


def _costs(
    data: object,
    rules: Mapping[str, MaterialRule],
    bins: Mapping[str, BinSpec],
    reject_bin: str,
) -> CostMatrix:
    """A whole matrix: what is left out costs the default, a material in its own bin nothing."""
    entry = _mapping(data, "costs")
    _only(entry, _COST_KEYS, "costs.")
    contamination = _number(entry, "contamination", "costs", 0.0, _MAX_COST, default=_CONTAMINATION)
    loss = _number(entry, "loss", "costs", 0.0, _MAX_COST, default=_LOSS)
    given = _mapping(entry.get("materials", {}), "costs.materials")
    _only(given, rules, "costs.materials.")
    matrix = {}
    for material, rule in rules.items():
        where = f"costs.materials.{material}"
        own = _mapping(given.get(material, {}), where)
        _only(own, _MATERIAL_COST_KEYS, f"{where}.")
        costs = dict.fromkeys(bins, contamination)
        costs[reject_bin] = _number(own, "loss", where, 0.0, _MAX_COST, default=loss)
        if rule.bin == reject_bin and "loss" in own:
            raise InvalidInputError(
                f"{where}.loss", own["loss"], "none where the reject bin is its own", "remove it"
            )
        by_bin = _mapping(own.get("bins", {}), f"{where}.bins")
        _only(by_bin, set(bins) - {rule.bin, reject_bin}, f"{where}.bins.")
        for name in by_bin:
            costs[name] = _number(by_bin, name, f"{where}.bins", 0.0, _MAX_COST)
        matrix[material] = {**costs, rule.bin: 0.0}
    return CostMatrix(matrix, contamination)


def _bin_name(value: object, where: str, bins: Mapping[str, BinSpec]) -> str:
    if not isinstance(value, str) or value not in bins:
        raise InvalidInputError(
            where, value, f"one of `bins` ({', '.join(bins)})", "add the bin or correct the name"
        )
    return value


def _unique(entries: list[_Named], where: str) -> dict[str, _Named]:
    found: dict[str, _Named] = {}
    for index, entry in enumerate(entries):
        if entry.name in found:
            raise InvalidInputError(
                f"{where}[{index}].name", entry.name, "each name once", "rename or remove one"
            )
        found[entry.name] = entry
    return found
