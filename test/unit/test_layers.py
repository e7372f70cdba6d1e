# SPDX-License-Identifier: Apache-2.0
"""The architecture: arrows point down only, and each layer imports no more than it may.

``core`` <- root modules, ``vision``, ``drivers`` <- ``sources``, ``inference``, ``render``,
``twin`` <- ``belt_run`` <- ``ros``, ``ml`` <- ``cli``. Folders on one level do not import each
other. The first half reads the code; the second imports each layer in a fresh interpreter and looks
at ``sys.modules``.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = "recycle_sorter"
ROOT = Path(__file__).parents[2] / "src" / PACKAGE
FILES = sorted(ROOT.rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in FILES]

# Level of each folder; "" stands for the modules beside them (paths, config_files).
LEVELS = {
    "core": 0,
    "": 1,
    "vision": 2,
    "sources": 3,
    "drivers": 2,
    "inference": 3,
    "render": 3,
    "twin": 3,
    "belt_run": 4,
    "ros": 5,
    "ml": 5,
    "cli": 6,
}
MAX_LINES = 300
MAX_NODE_LINES = 150
ROS = {"rclpy", "rcl_interfaces", "std_srvs", "cv_bridge", "builtin_interfaces"}
HEAVY = {"torch", "torchvision", "wandb", "mitsuba"}
HEAVY_RUN = HEAVY | {"onnx", "nncf"}
ENGINES = {"openvino", "onnxruntime"}
# Each wraps one library and is imported only when it is chosen.
ADAPTERS = {
    f"{PACKAGE}.inference.{name}"
    for name in (
        "openvino_core",
        "openvino_engine",
        "onnx_engine",
        "torch_engine",
        "torch_networks",
    )
}


def is_ros(name: str) -> bool:
    """Whether a top-level package is rclpy, messages, or what only makes sense with them."""
    return name in ROS or name.endswith("_msgs")


def layer_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    if parts[-1] == "__main__.py" and len(parts) == 1:
        return "cli"
    return parts[0] if len(parts) > 1 else ""


def module_of(path: Path) -> str:
    parts = [PACKAGE, *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, delayed imports included, with the line."""
    package = module_of(path) if path.name == "__init__.py" else module_of(path).rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level + (node.module or "")
            base = importlib.util.resolve_name(dots, package) if node.level else dots
            yield base, node.lineno
            # `from recycle_sorter import ros` imports the module recycle_sorter.ros.
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)


def target_layer(module: str) -> str | None:
    """The layer that an imported name of ours lies in; None for names from elsewhere."""
    parts = module.split(".")
    if parts[0] != PACKAGE:
        return None
    if len(parts) > 1 and (ROOT / parts[1]).is_dir():
        return parts[1]
    # `from recycle_sorter import __version__` needs nothing; a module beside the folders does.
    is_module = len(parts) > 1 and (ROOT / f"{parts[1]}.py").is_file()
    return "" if is_module else None


def test_the_adapters_are_there() -> None:
    assert {module_of(path) for path in FILES} >= ADAPTERS


def test_every_folder_has_its_level() -> None:
    folders = {layer_of(path) for path in FILES}
    assert folders <= set(LEVELS), "give the new folder a level, here and in docs/architecture.md"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_arrows_point_down_only(path: Path) -> None:
    own = layer_of(path)
    for module, line in imports_of(path):
        layer = target_layer(module)
        if layer is not None and layer != own:
            assert LEVELS[layer] < LEVELS[own], f"line {line}: {own} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_only_ros_imports_ros(path: Path) -> None:
    if layer_of(path) == "ros":
        return
    found = [(module, line) for module, line in imports_of(path) if is_ros(module.split(".")[0])]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_only_ml_tracking_imports_wandb(path: Path) -> None:
    if path == ROOT / "ml" / "tracking.py":
        return
    assert "wandb" not in {module.split(".")[0] for module, _ in imports_of(path)}


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_modules_can_be_read_in_one_sitting(path: Path) -> None:
    is_node = layer_of(path) == "ros" and path.name.endswith("_node.py")
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= (MAX_NODE_LINES if is_node else MAX_LINES)


@cache
def loaded_by(layer: str) -> frozenset[str]:
    """What ``sys.modules`` holds after every module of a layer was imported, and not before."""
    names = [module_of(path) for path in FILES if layer_of(path) == layer]
    names = [n for n in names if n not in ADAPTERS and not n.endswith(".__main__")]
    assert names, f"no modules in {layer!r}"
    code = (
        "import importlib, json, sys\n"
        "import numpy\n"
        "before = set(sys.modules)\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *names], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return frozenset(found)


def tops(modules: frozenset[str]) -> set[str]:
    return {module.split(".")[0] for module in modules}


def test_core_needs_the_standard_library_and_numpy_only() -> None:
    foreign = tops(loaded_by("core")) - set(sys.stdlib_module_names) - {PACKAGE, "numpy"}
    assert foreign == set()


@pytest.mark.parametrize(
    "layer", ["", "vision", "sources", "drivers", "inference", "twin", "belt_run"]
)
def test_the_run_path_needs_neither_ros_nor_training(layer: str) -> None:
    found = tops(loaded_by(layer))
    assert {name for name in found if is_ros(name)} == set()
    assert found & (HEAVY_RUN | ENGINES) == set()


def test_the_command_line_starts_without_anything_heavy() -> None:
    found = tops(loaded_by("cli"))
    assert {name for name in found if is_ros(name)} == set()
    assert found & (HEAVY_RUN | ENGINES) == set()


@pytest.mark.ml
def test_training_never_loads_ros() -> None:
    assert {name for name in tops(loaded_by("ml")) if is_ros(name)} == set()


@pytest.mark.render
def test_the_renderer_loads_neither_ros_nor_training() -> None:
    found = tops(loaded_by("render"))
    assert {name for name in found if is_ros(name)} == set()
    assert found & (HEAVY - {"mitsuba"}) == set()


@pytest.mark.node
def test_the_nodes_never_load_training() -> None:
    modules = loaded_by("ros")
    assert tops(modules) & HEAVY_RUN == set()
    assert {m for m in modules if m.startswith((f"{PACKAGE}.ml", f"{PACKAGE}.cli"))} == set()


@pytest.mark.parametrize(
    "layer", ["vision", "sources", "drivers", "inference", "twin", "belt_run", "cli"]
)
def test_what_a_layer_loads_lies_below_it(layer: str) -> None:
    ours = {module for module in loaded_by(layer) if module.startswith(f"{PACKAGE}.")}
    assert ours
    for module in ours:
        loaded = target_layer(module)
        assert loaded == layer or (loaded is not None and LEVELS[loaded] < LEVELS[layer]), module
