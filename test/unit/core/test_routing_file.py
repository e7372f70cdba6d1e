# SPDX-License-Identifier: Apache-2.0
"""Routing files: a valid one is taken, any corruption of it is refused by the key's name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sorting import routing_data

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.routing import BinSpec, DiverterSpec, MaterialRule
from recycle_sorter.core.routing_file import parse_routing

Data = dict[str, Any]
Path = tuple[Any, ...]


def refused(data: object) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        parse_routing(data)
    return caught.value


def at(data: Data, path: Path) -> Any:
    found: Any = data
    for step in path:
        found = found[step]
    return found


def put(data: Data, path: Path, value: object) -> Data:
    at(data, path[:-1])[path[-1]] = value
    return data


def take(data: Data, path: Path) -> Data:
    del at(data, path[:-1])[path[-1]]
    return data


def paths(value: object, start: Path = ()) -> list[Path]:
    """Every place in a routing, containers included."""
    found = [start] if start else []
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    for key, inner in pairs:
        found += paths(inner, (*start, key))
    return found


def test_a_valid_file_is_taken_whole() -> None:
    routing = parse_routing(routing_data(delay_sec=0.25))
    assert list(routing.diverters) == ["flap_1", "flap_2"]
    assert routing.diverters["flap_1"] == DiverterSpec("flap_1", 0.0, -0.8, 0.8, 0.16, 0.3, 0.25)
    assert routing.bins["glass"] == BinSpec("glass", "flap_1", 0.6)
    assert routing.bins["residue"] == BinSpec("residue", "", 0.0)
    assert routing.reject_bin == "residue"
    assert routing.rules["metal"] == MaterialRule("metal", "metal", 0.5, 0.1)
    assert routing.rules["glass"] == MaterialRule("glass", "glass", 0.7, 0.1)
    assert routing.rules["trash"] == MaterialRule("trash", "residue", 0.0, 0.0)


def test_a_delay_is_optional() -> None:
    data = take(routing_data(), ("diverters", 0, "delay_sec"))
    assert parse_routing(data).diverters["flap_1"].delay_sec == 0.0


def test_defaults_are_optional_where_each_material_says_its_own() -> None:
    data = take(routing_data(), ("defaults",))
    assert refused(data).field == "materials.cardboard.min_confidence"
    for rule in data["materials"].values():
        rule.update(min_confidence=0.5, min_margin=0.1)
    assert parse_routing(data).rules["paper"].min_margin == 0.1


def test_one_bin_and_no_diverter_make_a_routing() -> None:
    only = {"name": "all", "diverter": ""}
    rule = {"bin": "all", "min_confidence": 0, "min_margin": 0}
    data = {"diverters": [], "bins": [only], "reject_bin": "all", "materials": {"glass": rule}}
    assert parse_routing(data).bins["all"].diverter == ""


@pytest.mark.parametrize("data", [None, [], "routing", 7, True])
def test_what_is_no_mapping_is_refused(data: object) -> None:
    assert refused(data).field == "routing"


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("diverters",), None, "diverters"),
        (("diverters",), b"", "diverters"),
        (("diverters", 1), "flap_2", "diverters[1]"),
        (("diverters", 1, "name"), "flap_1", "diverters[1].name"),
        (("diverters", 0, "name"), " ", "diverters[0].name"),
        (("diverters", 0, "home_rad"), 0.9, "diverters[0].home_rad"),
        (("diverters", 0, "home_rad"), True, "diverters[0].home_rad"),
        (("diverters", 0, "min_rad"), -4.0, "diverters[0].min_rad"),
        (("diverters", 0, "max_rad"), -0.8, "diverters[0].max_rad"),
        (("diverters", 0, "stroke_sec"), 0, "diverters[0].stroke_sec"),
        (("diverters", 0, "dwell_sec"), -0.1, "diverters[0].dwell_sec"),
        (("diverters", 0, "delay_sec"), None, "diverters[0].delay_sec"),
        (("diverters", 0, "speed"), 1.0, "diverters[0].speed"),
        (("bins",), [], "bins"),
        (("bins", 1, "name"), "fibre", "bins[1].name"),
        (("bins", 0, "diverter"), "flap_9", "bins[0].diverter"),
        (("bins", 0, "diverter"), ["flap_1"], "bins[0].diverter"),
        (("bins", 0, "diverter"), {}, "bins[0].diverter"),
        (("bins", 0, "diverter"), None, "bins[0].diverter"),
        (("bins", 0, "position_rad"), -0.81, "bins[0].position_rad"),
        (("bins", 0, "position_rad"), math.nan, "bins[0].position_rad"),
        (("bins", 0, "position_rad"), 0.0, "bins[0].position_rad"),
        (("bins", 0, "position_rad"), 0.6, "bins.glass"),
        (("bins", 4, "position_rad"), 0.6, "bins[4].position_rad"),
        (("bins", 4, "position_rad"), False, "bins[4].position_rad"),
        (("bins", 4, "position_rad"), None, "bins[4].position_rad"),
        (("bins", 0), {"name": "end_2", "diverter": ""}, "bins.residue"),
        (("reject_bin",), "nowhere", "reject_bin"),
        (("reject_bin",), "glass", "reject_bin"),
        (("reject_bin",), ["residue"], "reject_bin"),
        (("defaults",), None, "defaults"),
        (("defaults", "min_confidence"), math.nan, "defaults.min_confidence"),
        (("defaults", "min_margin"), "high", "defaults.min_margin"),
        (("defaults", "min_confidance"), 0.5, "defaults.min_confidance"),
        (("materials",), {}, "materials"),
        (("materials",), ["glass"], "materials"),
        (("materials", "glass"), "glass", "materials.glass"),
        (("materials", "glass", "bin"), "glas", "materials.glass.bin"),
        (("materials", "glass", "min_confidence"), 1.01, "materials.glass.min_confidence"),
        (("materials", "glass", "min_margin"), -1e-9, "materials.glass.min_margin"),
        (("materials", "glass", "max_margin"), 0.1, "materials.glass.max_margin"),
        (("materials", 7), {"bin": "glass"}, "materials"),
        (("materials", ""), {"bin": "glass"}, "materials"),
        (("colour",), "green", "colour"),
        ((7,), "green", "7"),
        (("",), "green", "''"),
        (("defaults", " "), 0.5, "defaults.' '"),
    ],
)
def test_a_wrong_value_is_refused_by_its_key(path: Path, value: object, field: str) -> None:
    error = refused(put(routing_data(), path, value))
    assert error.field == field
    assert error.expected


@pytest.mark.parametrize("key", ["diverters", "bins", "materials", "reject_bin"])
def test_a_missing_part_is_refused_with_the_fix(key: str) -> None:
    error = refused(take(routing_data(), (key,)))
    assert (error.field, error.fix) == (key, f"add the key `{key}`")


def test_a_missing_bin_lists_those_there_are() -> None:
    error = refused(put(routing_data(), ("materials", "paper", "bin"), "paper"))
    assert error.expected == "one of `bins` (fibre, glass, metal, plastic, residue)"


# Never right anywhere in a routing, whatever stands there.
JUNK = st.sampled_from(
    [
        None, True, False, [], {}, [[]], [None], {"a": 1}, ("glass",), b"", b"glass", object(),
        math.nan, math.inf, -math.inf, 1e9, -1e9, 10**400, 2 + 1j, "", " ", "nobody", "0.5",
        frozenset(), {1, 2},
    ]
)  # fmt: skip
NOT_A_KEY = st.one_of(
    st.sampled_from([None, True, 7, -1.5, math.nan, ("a",), b"bin"]),
    st.text(max_size=8).map(lambda text: f"x_{text}"),
)
PLACES = paths(routing_data())
# Valid without them: a bin at the end is what "" means, and each material may be left out.
OPTIONAL = {("diverters", i, "delay_sec") for i in (0, 1)} | {
    path for path in PLACES if path[0] == "materials" and len(path) > 1 and path[2:] != ("bin",)
}
MAPPINGS = [
    path
    for path in [(), *PLACES]
    if isinstance(at(routing_data(), path), dict) and path != ("materials",)
]


def replace_anything(data: Data, draw: Callable[[Any], Any]) -> Data:
    path = draw(st.sampled_from(PLACES))
    # `""` is what the bin at the end has for its diverter.
    junk = JUNK.filter(lambda value: value != "") if path[2:] == ("diverter",) else JUNK
    return put(data, path, draw(junk))


def remove_something_needed(data: Data, draw: Callable[[Any], Any]) -> Data:
    return take(data, draw(st.sampled_from([p for p in PLACES if p not in OPTIONAL])))


def add_an_unknown_key(data: Data, draw: Callable[[Any], Any]) -> Data:
    where = draw(st.sampled_from(MAPPINGS))
    return put(data, (*where, draw(NOT_A_KEY)), draw(st.one_of(JUNK, st.just("glass"))))


def add_a_material_that_is_no_name(data: Data, draw: Callable[[Any], Any]) -> Data:
    key = draw(st.sampled_from([None, True, 7, math.nan, ("glass",), b"glass", "", "\t"]))
    return put(data, ("materials", key), {"bin": "glass"})


def double_an_entry(data: Data, draw: Callable[[Any], Any]) -> Data:
    entries = data[draw(st.sampled_from(["diverters", "bins"]))]
    entries.insert(draw(st.integers(0, len(entries))), dict(draw(st.sampled_from(entries))))
    return data


def double_a_name(data: Data, draw: Callable[[Any], Any]) -> Data:
    entries = data[draw(st.sampled_from(["diverters", "bins"]))]
    first, second = draw(st.permutations(range(len(entries))))[:2]
    entries[first]["name"] = entries[second]["name"]
    return data


def double_a_place(data: Data, draw: Callable[[Any], Any]) -> Data:
    first, second = draw(st.permutations(range(len(data["bins"]))))[:2]
    name = data["bins"][first]["name"]
    data["bins"][first] = {**data["bins"][second], "name": name}
    return data


CORRUPTIONS = [
    replace_anything,
    remove_something_needed,
    add_an_unknown_key,
    add_a_material_that_is_no_name,
    double_an_entry,
    double_a_name,
    double_a_place,
]


@pytest.mark.parametrize("corrupt", CORRUPTIONS)
@given(data=st.data())
def test_any_corruption_is_refused_and_nothing_else_is_raised(
    corrupt: Callable[[Data, Callable[[Any], Any]], Data], data: st.DataObject
) -> None:
    broken = corrupt(routing_data(), data.draw)
    error = refused(broken)
    top = re.split(r"[.\[]", error.field)[0]
    assert top in routing_data() or error.field in map(str, broken)
    assert error.expected
    assert str(error).startswith(f"{error.field}: got ")


@given(
    limits=st.dictionaries(
        st.text(min_size=1).filter(str.strip),
        st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
        min_size=1,
    ),
    low=st.floats(-math.pi, -0.01),
    high=st.floats(0.01, math.pi),
)
def test_whatever_keeps_to_the_rules_is_taken_as_written(
    limits: dict[str, tuple[float, float]], low: float, high: float
) -> None:
    data = routing_data()
    data["diverters"][0].update(min_rad=low, max_rad=high, home_rad=0)
    data["bins"][0]["position_rad"] = low
    data["bins"][1]["position_rad"] = high
    data["materials"] = {
        name: {"bin": "glass", "min_confidence": confidence, "min_margin": margin}
        for name, (confidence, margin) in limits.items()
    }
    routing = parse_routing(data)
    assert routing.materials == tuple(limits)
    assert (routing.bins["fibre"].position_rad, routing.bins["glass"].position_rad) == (low, high)
    for name, (confidence, margin) in limits.items():
        assert routing.rules[name] == MaterialRule(name, "glass", confidence, margin)


def with_costs(costs: object) -> Data:
    return put(routing_data(), ("costs",), costs)


def test_costs_are_optional_and_filled_up_with_defaults() -> None:
    assert parse_routing(routing_data()).costs is None
    glass = {"loss": 0.2, "bins": {"fibre": 5.0}}
    found = parse_routing(with_costs({"contamination": 2, "materials": {"glass": glass}})).costs
    assert found is not None
    assert found.costs["glass"] == {
        "fibre": 5.0, "glass": 0.0, "metal": 2.0, "plastic": 2.0, "residue": 0.2,
    }  # fmt: skip
    assert found.costs["metal"]["residue"] == 0.5
    assert found.costs["trash"]["residue"] == 0.0
    assert list(found.costs) == list(routing_data()["materials"])


@pytest.mark.parametrize(
    ("costs", "field"),
    [
        (None, "costs"),
        ({"los": 1}, "costs.los"),
        ({"loss": -1}, "costs.loss"),
        ({"contamination": math.nan}, "costs.contamination"),
        ({"materials": []}, "costs.materials"),
        ({"materials": {"wood": {}}}, "costs.materials.wood"),
        ({"materials": {"glass": 3}}, "costs.materials.glass"),
        ({"materials": {"glass": {"loss": "high"}}}, "costs.materials.glass.loss"),
        ({"materials": {"trash": {"loss": 1}}}, "costs.materials.trash.loss"),
        ({"materials": {"glass": {"bins": {"glass": 1}}}}, "costs.materials.glass.bins.glass"),
        ({"materials": {"glass": {"bins": {"residue": 1}}}}, "costs.materials.glass.bins.residue"),
        ({"materials": {"glass": {"bins": {"metal": True}}}}, "costs.materials.glass.bins.metal"),
    ],
)
def test_a_wrong_cost_is_refused_by_its_key(costs: object, field: str) -> None:
    assert refused(with_costs(costs)).field == field
