# SPDX-License-Identifier: Apache-2.0
"""What a machine must have before set-up can start, and what to install when it has not.

Only the standard library is used, and nothing newer than Python 3.8, so that the oldest `python3`
around can at least say what is missing.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# The ROS 2 wheels exist for these, on x86_64 with glibc 2.28 or newer (manylinux_2_28).
OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 13)
OLDEST_GLIBC = (2, 28)
OLDEST_CMAKE = (3, 20)

_PROBE = """
import json, os, sys, sysconfig
try:
    import ensurepip, venv
except ImportError:
    can_make_venv = False
else:
    can_make_venv = True
include = sysconfig.get_path("include")
print(json.dumps({
    "version": list(sys.version_info[:2]),
    "has_headers": os.path.isfile(os.path.join(include, "Python.h")),
    "can_make_venv": can_make_venv,
    "is_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
}))
"""


@dataclass(frozen=True)
class Interpreter:
    """One Python on this machine.

    Attributes:
        path: the program.
        version: major and minor version.
        has_headers: whether its C headers (`Python.h`) are installed.
        can_make_venv: whether its `venv` and `ensurepip` are installed.
        is_free_threaded: whether it is a build without the GIL, for which no wheels exist.
    """

    path: str
    version: tuple[int, int]
    has_headers: bool
    can_make_venv: bool
    is_free_threaded: bool

    @property
    def is_supported(self) -> bool:
        """Whether ROS 2 wheels exist for it."""
        return OLDEST_PYTHON <= self.version <= NEWEST_PYTHON and not self.is_free_threaded


def probe_interpreter(path: str) -> Interpreter | None:
    """Asks a Python program what it has; returns None if it does not run."""
    try:
        done = subprocess.run(
            [path, "-I", "-c", _PROBE], capture_output=True, text=True, timeout=30, check=True
        )
        facts = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return Interpreter(
        path=path,
        version=(facts["version"][0], facts["version"][1]),
        has_headers=facts["has_headers"],
        can_make_venv=facts["can_make_venv"],
        is_free_threaded=facts["is_free_threaded"],
    )


def find_interpreter(wanted: str | None = None) -> tuple[Interpreter | None, list[str]]:
    """Picks the Python for the virtual environment.

    Args:
        wanted: the one asked for with `--python`; None takes the running one if it fits, else the
            newest that does.

    Returns:
        The interpreter, or None; and what is wrong, one sentence a problem, empty if it will do.
    """
    candidates = [wanted] if wanted else [sys.executable]
    if not wanted:
        minors = range(NEWEST_PYTHON[1], OLDEST_PYTHON[1] - 1, -1)
        candidates += [f"python3.{minor}" for minor in minors] + ["python3"]
    first_incomplete: Interpreter | None = None
    for name in candidates:
        path = shutil.which(name)
        found = probe_interpreter(path) if path else None
        if found is None or not found.is_supported:
            continue
        if found.has_headers and found.can_make_venv:
            return found, []
        first_incomplete = first_incomplete or found
    if first_incomplete is None:
        asked = wanted or f"python3 is {platform.python_version()} ({sys.executable})"
        return None, [
            f"{asked}: expected a CPython from {_dotted(OLDEST_PYTHON)} to "
            f"{_dotted(NEWEST_PYTHON)} (with the GIL). Install one, then name it: "
            "make setup PYTHON=/path/to/python3.12"
        ]
    return first_incomplete, _incomplete(first_incomplete)


def _incomplete(python: Interpreter) -> list[str]:
    """Returns what a supported interpreter lacks."""
    dotted = _dotted(python.version)
    problems = []
    if not python.has_headers:
        problems.append(
            f"{python.path} has no C headers (Python.h). "
            f"Debian, Ubuntu: apt-get install python{dotted}-dev; Fedora: dnf install python3-devel"
        )
    if not python.can_make_venv:
        problems.append(
            f"{python.path} has no venv or ensurepip. "
            f"Debian, Ubuntu: apt-get install python{dotted}-venv"
        )
    return problems


def missing_tools() -> list[str]:
    """Returns what the machine lacks besides Python, one sentence a problem."""
    problems = []
    machine = platform.machine()
    if platform.system() != "Linux" or machine not in {"x86_64", "AMD64"}:
        problems.append(
            f"this machine is {platform.system()} {machine}, expected Linux x86_64: the ROS 2 "
            "wheels exist for no other. Use a system ROS 2 (see README, 'With ROS 2 installed')"
        )
    libc, version = platform.libc_ver()
    if libc != "glibc" or _numbers(version) < OLDEST_GLIBC:
        problems.append(
            f"the C library is {libc or 'unknown'} {version}, expected glibc "
            f"{_dotted(OLDEST_GLIBC)} or newer (Debian 10, Ubuntu 20.04, RHEL 8 or later)"
        )
    if not any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        problems.append(_install("a C++ compiler", "g++", "gcc-c++"))
    if not any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        problems.append(_install("a C compiler", "gcc", "gcc"))
    if not shutil.which("make"):
        problems.append(_install("make", "make", "make"))
    return problems


def has_cmake(path: str | None = None) -> bool:
    """Whether a CMake that is new enough lies on `path` (default: the environment's PATH).

    A missing one is no reason to stop: PyPI has it as a wheel.
    """
    cmake = shutil.which("cmake", path=path)
    if cmake is None:
        return False
    text = subprocess.run([cmake, "--version"], capture_output=True, text=True, check=False)
    return _numbers(text.stdout) >= OLDEST_CMAKE


def free_bytes(folder: Path) -> int:
    """Returns the free space of the disk that holds `folder`, in bytes."""
    return shutil.disk_usage(folder).free


def _install(what: str, debian: str, fedora: str) -> str:
    return (
        f"{what} is missing. Debian, Ubuntu: apt-get install {debian}; Fedora: dnf install {fedora}"
    )


def _numbers(text: str) -> tuple[int, int]:
    """Returns the first "major.minor" in a text, (0, 0) if there is none."""
    match = re.search(r"(\d+)\.(\d+)", text)
    return (int(match.group(1)), int(match.group(2))) if match else (0, 0)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
