# SPDX-License-Identifier: Apache-2.0
"""Reads the project's YAML files strictly: a key given twice is an error."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.layout_file import parse_layout
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.routing import Routing
from recycle_sorter.core.routing_file import parse_routing
from recycle_sorter.paths import share_file

MAX_BYTES = 1 << 20
_MERGE_TAG = "tag:yaml.org,2002:merge"
# PyYAML lets its constructors' own errors out: `2026-99-99`, `!!bool maybe`, `[[[[...` and others.
_CONSTRUCTOR_ERRORS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses doubled keys, which YAML forbids and PyYAML lets pass.

    Merge keys (``<<``) are refused too: a few lines of them expand to gigabytes.
    """

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            line = f"line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode):
                raise InvalidInputError(line, "a list or mapping as a key", "a name as a key")
            if key.tag == _MERGE_TAG:
                raise InvalidInputError("<<", line, "no merge keys", "write the entries out")
            if key.value in seen:
                shown = key.value.strip() or repr(key.value)
                raise InvalidInputError(shown, f"twice ({line})", "each key once", "remove one")
            seen.add(key.value)
        return node


def load_yaml(path: str | Path) -> Any:
    """Reads a YAML file.

    Args:
        path: The file; ``~`` stands for the home folder. At most ``MAX_BYTES``.

    Returns:
        What it holds: mappings, lists, text, numbers.

    Raises:
        InvalidInputError: If it cannot be read, is not YAML, or gives a key twice.
    """
    return parse_yaml(_read(path), str(path))


def parse_yaml(text: str, name: str) -> Any:
    """Reads YAML from a text.

    Args:
        text: What stands in the file.
        name: How errors call it.

    Returns:
        What it holds: mappings, lists, text, numbers.

    Raises:
        InvalidInputError: If it is not YAML, or gives a key twice.
    """
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader, made stricter
    except InvalidInputError:
        raise
    except yaml.MarkedYAMLError as error:
        raise InvalidInputError(name, _where(error), "valid YAML") from error
    except (yaml.YAMLError, *_CONSTRUCTOR_ERRORS) as error:
        what = str(error) or type(error).__name__
        raise InvalidInputError(name, what, "valid YAML") from error


def load_routing(path: str | Path) -> Routing:
    """Reads and checks a routing file (see ``config/routing.yaml``).

    Raises:
        InvalidInputError: Naming the faulty key.
    """
    return parse_routing(load_yaml(path))


def load_layout(path: str | Path = "") -> Layout:
    """Reads and checks a belt's layout; the shipped ``config/belt.yaml`` if no path is given.

    A relative path of a calibration starts at the file's folder.

    Raises:
        InvalidInputError: Naming the faulty key.
    """
    path = path or share_file("config/belt.yaml")
    layout = parse_layout(load_yaml(path))
    if not layout.camera.calibration:
        return layout
    calibration = Path(path).expanduser().parent / Path(layout.camera.calibration).expanduser()
    return replace(layout, camera=replace(layout.camera, calibration=str(calibration)))


def _read(path: str | Path) -> str:
    expected = "a readable YAML file"
    try:
        file = Path(path).expanduser()
        is_regular = stat.S_ISREG(file.stat().st_mode)  # a pipe or /dev/zero would never end
        data = _head(file) if is_regular else b""
        text = data.decode("utf-8")
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidInputError(str(path), str(error), expected, "check the path") from error
    if not is_regular:
        raise InvalidInputError(str(path), "a folder or device", expected, "check the path")
    if len(data) > MAX_BYTES:
        raise InvalidInputError(str(path), "a larger file", f"at most {MAX_BYTES} bytes")
    return text


def _head(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(MAX_BYTES + 1)


def _where(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    at = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{at}{error.problem}"
