# SPDX-License-Identifier: Apache-2.0
"""Reads scenarios (``config/twin.yaml``) and changes single values of them by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Final

from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.fields import mapping, only
from recycle_sorter.paths import share_file
from recycle_sorter.twin.scenario import (
    BeltSpec,
    CameraSpec,
    ItemsSpec,
    LightSpec,
    MachineSpec,
    Scenario,
)
from recycle_sorter.twin.speed import SpeedSpec

SHIPPED: Final = "config/twin.yaml"
_SECTIONS: Mapping[str, Any] = {
    "camera": CameraSpec,
    "items": ItemsSpec,
    "belt": BeltSpec,
    "light": LightSpec,
    "speed": SpeedSpec,
    "machine": MachineSpec,
}


def load_scenario(
    path: str | Path | None = None, changes: Mapping[str, object] | None = None
) -> Scenario:
    """Reads and checks a scenario.

    Args:
        path: The YAML file; None for the shipped one.
        changes: Values that replace the file's, as of ``changed``.

    Raises:
        InvalidInputError: Naming the faulty key.
    """
    data = load_yaml(share_file(SHIPPED) if path is None else path)
    return changed(parse_scenario(data), changes or {})


def parse_scenario(data: object) -> Scenario:
    """Checks a scenario as YAML gives it; what is missing takes its default.

    Args:
        data: Mapping with ``seed``, ``duration_sec`` and the sections, each a mapping.

    Raises:
        InvalidInputError: Naming the faulty or unknown key.
    """
    top = mapping(data, "scenario")
    only(top, [each.name for each in fields(Scenario)], "")
    values: dict[str, Any] = dict(top)
    for name, section in _SECTIONS.items():
        if name in values:
            entry = mapping(values[name], name)
            only(entry, [each.name for each in fields(section)], f"{name}.")
            values[name] = section(**{key: _frozen(key, value) for key, value in entry.items()})
    return Scenario(**values)


def changed(scenario: Scenario, changes: Mapping[str, object]) -> Scenario:
    """Returns the scenario with other values.

    Args:
        scenario: What to start from.
        changes: Values by name: ``"seed"``, ``"items.per_min"``, ``"speed.kind"``, ...

    Raises:
        InvalidInputError: Naming the faulty or unknown key.
    """
    top: dict[str, Any] = {}
    sections: dict[str, dict[str, Any]] = {}
    for key, value in changes.items():
        head, _, name = key.partition(".")
        if not name and head in ("seed", "duration_sec"):
            top[head] = value
            continue
        if head not in _SECTIONS:
            names = ", ".join(["seed", "duration_sec", *(f"{each}.*" for each in _SECTIONS)])
            raise InvalidInputError(key, value, f"a key of the scenario: {names}")
        known = [each.name for each in fields(_SECTIONS[head])]
        only({name: value}, known, f"{head}.")
        sections.setdefault(head, {})[name] = _frozen(name, value)
    for head, entry in sections.items():
        top[head] = replace(getattr(scenario, head), **entry)
    return replace(scenario, **top)


def _frozen(key: str, value: Any) -> Any:
    """Lists as tuples; the specs check what is in them."""
    if key == "materials":
        return dict(mapping({} if value is None else value, "items.materials"))
    if key == "is_rotated" and not isinstance(value, bool):
        raise InvalidInputError("items.is_rotated", value, "true or false")
    if isinstance(value, list):
        return tuple(tuple(each) if isinstance(each, list) else each for each in value)
    return value
