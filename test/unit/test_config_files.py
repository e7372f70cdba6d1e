# SPDX-License-Identifier: Apache-2.0
"""YAML files are read strictly, and whatever is wrong with one is an ``InvalidInputError``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from support.sorting import routing_data

from recycle_sorter import config_files
from recycle_sorter.config_files import MAX_BYTES, load_layout, load_routing, load_yaml
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.routing_file import parse_routing

SHIPPED = Path(__file__).parents[2] / "config" / "routing.yaml"
SHIPPED_BELT = SHIPPED.with_name("belt.yaml")


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def refused(path: str | Path) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as caught:
        load_yaml(path)
    return caught.value


def test_the_shipped_routing_routes_every_material() -> None:
    routing = load_routing(SHIPPED)
    assert sorted(routing.materials) == sorted(MATERIALS)
    assert routing.reject_bin == "residue"


def test_the_shipped_belt_serves_every_material() -> None:
    layout = load_layout(SHIPPED_BELT)
    assert sorted(layout.routing.materials) == sorted(MATERIALS)
    assert {spec.diverter for spec in layout.routing.bins.values()} == {
        "",
        *(place.name for place in layout.places),
    }
    # 240 items a minute, one behind the other: no diverter is away for longer than their gap.
    assert max(place.away_sec + place.lead_sec for place in layout.places) < 60 / 240


def test_the_costs_that_the_shipped_belt_shows_can_be_taken(tmp_path: Path) -> None:
    text = SHIPPED_BELT.read_text(encoding="utf-8")
    assert load_layout().routing.costs is None
    head, example = text.split("# costs:\n", 1)
    lines, rest = example.split("\n\n", 1)
    shown = "\n".join(line.removeprefix("# ") for line in lines.splitlines())
    path = tmp_path / "belt.yaml"
    path.write_text(f"{head}costs:\n{shown}\n\n{rest}", encoding="utf-8")
    costs = load_layout(str(path)).routing.costs
    assert costs is not None
    assert costs.costs["glass"]["fibre"] == 5.0
    assert costs.costs["metal"]["residue"] == 2.0
    assert costs.costs["paper"] == {
        "fibre": 0.0, "glass": 1.0, "metal": 1.0, "plastic": 1.0, "residue": 0.5,
    }  # fmt: skip


def test_a_calibration_lies_beside_the_belt_that_names_it(tmp_path: Path) -> None:
    data = load_yaml(SHIPPED_BELT)
    camera = {"view_length_m": 0.8, "view_width_m": 0.6, "calibration": "seen/belt.yaml"}
    path = write(tmp_path, yaml.safe_dump({**data, "camera": camera}))
    assert load_layout(path).camera.calibration == str(tmp_path / "seen" / "belt.yaml")
    camera["calibration"] = "/etc/belt.yaml"
    path = write(tmp_path, yaml.safe_dump({**data, "camera": camera}))
    assert load_layout(path).camera.calibration == "/etc/belt.yaml"


def test_a_file_becomes_plain_values(tmp_path: Path) -> None:
    path = write(tmp_path, "a: 1\nb: [x, 2.5, true, null]\nc: {d: é}\n")
    assert load_yaml(path) == {"a": 1, "b": ["x", 2.5, True, None], "c": {"d": "é"}}


def test_aliases_are_taken(tmp_path: Path) -> None:
    assert load_yaml(write(tmp_path, "a: &x {k: 1}\nb: *x\n"))["b"] == {"k": 1}


def test_the_home_folder_has_its_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "a: 1\n")
    assert load_yaml("~/some.yaml") == {"a": 1}


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "a", 3),
        ("a:\n  b: 1\n  b: 1\n", "b", 3),
        ("- {x: 1, x: 2}\n", "x", 1),
        ("a: {'k': 1, \"k\": 2}\n", "k", 1),
        ("{'': 1, '': 2}\n", "''", 1),
    ],
)
def test_a_doubled_key_is_refused_with_its_line(
    tmp_path: Path, text: str, key: str, line: int
) -> None:
    error = refused(write(tmp_path, text))
    assert (error.field, error.value) == (key, f"twice (line {line})")


def test_a_routing_file_with_a_material_twice_is_refused(tmp_path: Path) -> None:
    text = yaml.safe_dump(routing_data(), sort_keys=False)
    path = write(tmp_path, text + "  glass: {bin: metal}\n")
    with pytest.raises(InvalidInputError) as caught:
        load_routing(path)
    assert caught.value.field == "glass"


def test_faults_of_yaml_name_line_and_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a: 1\nb: [1, 2\nc: 3\n")
    error = refused(path)
    assert error.field == str(path)
    assert str(error.value).startswith("line 3, column 2: ")


@pytest.mark.parametrize(
    "text",
    [
        "a: 1\n---\nb: 2\n",
        "a: *nobody\n",
        "a: !!python/object/apply:os.system [true]\n",
        "when: 2026-99-99\n",
        "n: !!int nope\n",
        "n: !!int ''\n",
        "b: !!bool maybe\n",
        "t: !!timestamp soon\n",
        f"n: {'9' * 5000}\n",
        "[" * 20_000,
        "a: \x00\n",
        b"\xff\xfe\x00",
        "@",
    ],
)
def test_what_pyyaml_cannot_build_is_refused_under_the_files_name(
    tmp_path: Path, text: str | bytes
) -> None:
    path = write(tmp_path, text)
    assert refused(path).field == str(path)


@pytest.mark.parametrize("text", ["? [a, b]\n: 1\n", "? {a: 1}\n: 1\n", "{[a]: 1}\n"])
def test_keys_that_are_no_names_are_refused_with_their_line(tmp_path: Path, text: str) -> None:
    assert refused(write(tmp_path, text)).field == "line 1"


def test_merge_keys_are_refused_by_name(tmp_path: Path) -> None:
    error = refused(write(tmp_path, "a: &x {k: 1}\nb:\n  <<: *x\n"))
    assert (error.field, error.value) == ("<<", "line 3")


def test_a_file_that_expands_to_gigabytes_is_refused_in_no_time(tmp_path: Path) -> None:
    lines = ["colour:", "  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"  a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    with pytest.raises(InvalidInputError) as caught:
        load_routing(write(tmp_path, "\n".join(lines)))
    assert caught.value.field == "colour"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("name", ["missing.yaml", "", "x\0y", "~nobody_here/x.yaml", "a/" * 5000])
def test_a_path_that_leads_nowhere_is_refused(tmp_path: Path, name: str) -> None:
    path = name if name.startswith("~") else f"{tmp_path}/{name}"
    error = refused(path)
    assert (error.field, error.fix) == (path, "check the path")


def test_a_pipe_is_refused_rather_than_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refused(tmp_path / "pipe").value == "a folder or device"
    assert refused("/dev/zero").value == "a folder or device"


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    exact = write(tmp_path, "a: 1 #" + "x" * (MAX_BYTES - 6))
    assert load_yaml(exact) == {"a": 1}
    assert refused(write(tmp_path, "a: 1 #" + "x" * (MAX_BYTES - 5))).value == "a larger file"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(PLAIN)
def test_whatever_yaml_writes_is_read_back(value: Any) -> None:
    text = yaml.safe_dump(value)
    assert config_files.parse_yaml(text, "text") == value


@given(st.text(alphabet="ab:-[]{}&*?!|>'\"#%@,. \n\t<=~0x1", max_size=40) | st.text(max_size=40))
@example("!!float x")
@example("&a [*a]")
def test_any_short_text_is_refused_and_nothing_else_is_raised(text: str) -> None:
    # Nothing so short is a routing: it is refused by the reader or by the parser, cleanly.
    with pytest.raises(InvalidInputError) as caught:
        parse_routing(config_files.parse_yaml(text, "text"))
    assert caught.value.field
    assert str(caught.value)
