#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds `recycle_sorter_msgs` into a virtual environment that holds the ROS 2 wheels.

Plain CMake, with the environment as prefix and as install prefix, so that its Python imports
`recycle_sorter_msgs.msg` with nothing sourced. Only the standard library is used.

The wheels' exported CMake targets name the include folders of the machine on which the wheels were
built (its Python's and its numpy's). They are rewritten to this environment's first; CMake would
refuse the targets otherwise, as those folders do not exist here.

Run by `tools/setup_venv.py`; by hand:

    .venv/bin/python tools/build_interfaces.py
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from pathlib import Path

from prerequisites import has_cmake

PACKAGE = "recycle_sorter_msgs"
# Into the environment where the machine has none; version 4 drops policies that the wheels' CMake
# files still ask for.
CMAKE_WHEEL = "cmake>=3.25,<4"
ROOT = Path(__file__).resolve().parent.parent
SOURCE_DIR = ROOT / "src" / PACKAGE

# How the manylinux images that built the wheels lay out Python: /opt/python/cp311-cp311/...
_BUILD_PREFIX = r"/opt/python/cp3\d+-cp3\d+"
_NUMPY_INCLUDE = re.compile(
    _BUILD_PREFIX + r"/lib/python3\.\d+/site-packages/numpy/(?:_core|core)/include"
)
_PYTHON_INCLUDE = re.compile(_BUILD_PREFIX + r"/include/python3\.\d+")


class BuildError(RuntimeError):
    """The interfaces could not be built; the message says what to do."""


def rewrite_include_paths(text: str, python_include: str, numpy_include: str) -> str:
    """Returns a CMake file's text with the build machine's include folders replaced.

    Args:
        text: an exported CMake targets file of a ROS 2 wheel.
        python_include: folder that holds this environment's `Python.h`.
        numpy_include: folder that holds this environment's `numpy/arrayobject.h`.
    """
    # A function, not a string: a backslash in a path is no group reference.
    text = _NUMPY_INCLUDE.sub(lambda _: numpy_include, text)
    return _PYTHON_INCLUDE.sub(lambda _: python_include, text)


def rewrite_exported_targets(prefix: Path, python_include: str, numpy_include: str) -> int:
    """Rewrites every exported CMake file below `prefix/share`; returns how many changed."""
    changed = 0
    for path in sorted((prefix / "share").glob("*/cmake/*Export.cmake")):
        before = path.read_text(encoding="utf-8")
        after = rewrite_include_paths(before, python_include, numpy_include)
        if after != before:
            # pip may have hard-linked the file from a cache: replace it, do not write through it.
            partial = path.with_name(path.name + ".part")
            partial.write_text(after, encoding="utf-8")
            partial.replace(path)
            changed += 1
    return changed


def remove_installed(prefix: Path, site_packages: Path) -> None:
    """Removes what an earlier build installed, so that a deleted message does not live on."""
    for folder in (
        prefix / "share" / PACKAGE,
        prefix / "include" / PACKAGE,
        site_packages / PACKAGE,
    ):
        shutil.rmtree(folder, ignore_errors=True)
    for library in (prefix / "lib").glob(f"lib{PACKAGE}__*"):
        library.unlink()
    for info in site_packages.glob(f"{PACKAGE}-*.egg-info"):
        shutil.rmtree(info, ignore_errors=True)


def build_environment(prefix: Path) -> dict[str, str]:
    """Returns the environment for CMake: this prefix alone, whatever else has been sourced."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in {"CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH", "PYTHONPATH"}
    }
    environment["AMENT_PREFIX_PATH"] = str(prefix)
    environment["PATH"] = os.pathsep.join([str(prefix / "bin"), os.environ.get("PATH", "")])
    return environment


def _run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Runs one command with its output in `log`; raises `BuildError` with the log's end."""
    with log.open("a", encoding="utf-8") as stream:
        stream.write(f"$ {' '.join(command)}\n")
        stream.flush()
        done = subprocess.run(
            command, env=dict(environment), stdout=stream, stderr=subprocess.STDOUT, check=False
        )
    if done.returncode:
        tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-30:])
        raise BuildError(
            f"{' '.join(command[:2])} ended with exit code {done.returncode}, expected 0. "
            f"Last lines of {log}:\n{tail}"
        )


def build(build_dir: Path) -> int:
    """Configures, compiles and installs the interfaces into the running environment.

    Args:
        build_dir: scratch folder for CMake, made anew.

    Returns:
        How many exported CMake files had to be rewritten (0 when they already were).

    Raises:
        BuildError: not in a virtual environment, numpy is missing, or CMake failed.
    """
    prefix = Path(sys.prefix)
    if sys.prefix == sys.base_prefix:
        raise BuildError(
            f"python is {sys.executable}, expected that of a virtual environment: run `make setup`"
        )
    try:
        import numpy as np
    except ImportError as error:
        raise BuildError(f"numpy is missing in {prefix}: run `make setup` ({error})") from error

    site_packages = Path(sysconfig.get_path("platlib"))
    rewritten = rewrite_exported_targets(
        prefix, sysconfig.get_path("include"), str(np.get_include())
    )
    shutil.rmtree(build_dir, ignore_errors=True)
    build_dir.mkdir(parents=True)
    log = build_dir / "build.log"
    environment = build_environment(prefix)
    if not has_cmake(environment["PATH"]):
        _run([sys.executable, "-m", "pip", "install", "-q", CMAKE_WHEEL], environment, log)
    _run(
        [
            "cmake",
            "-S",
            str(SOURCE_DIR),
            "-B",
            str(build_dir),
            f"-DCMAKE_PREFIX_PATH={prefix}",
            f"-DCMAKE_INSTALL_PREFIX={prefix}",
            "-DCMAKE_BUILD_TYPE=Release",
            "-DBUILD_TESTING=OFF",
            f"-DPython3_EXECUTABLE={sys.executable}",
            "-DPython3_FIND_VIRTUALENV=ONLY",
            "-Wno-dev",
        ],
        environment,
        log,
    )
    jobs = str(os.cpu_count() or 1)
    _run(["cmake", "--build", str(build_dir), "--parallel", jobs], environment, log)
    # Only now: until here the running environment kept its old messages.
    remove_installed(prefix, site_packages)
    _run(["cmake", "--install", str(build_dir)], environment, log)
    return rewritten


def main() -> int:
    """Entry point; the exit code is 0 when the interfaces are installed."""
    build_dir = Path(sys.prefix) / ".setup" / "build-interfaces"
    try:
        rewritten = build(build_dir)
    except BuildError as error:
        print(f"build_interfaces: {error}", file=sys.stderr)
        return 1
    print(f"{PACKAGE} installed into {sys.prefix} ({rewritten} CMake files rewritten)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
