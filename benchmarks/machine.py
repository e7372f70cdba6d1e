# SPDX-License-Identifier: Apache-2.0
"""On what it was measured: processor, memory, versions, commit."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parent.parent
# What decides how fast a network runs: any of the flags on the right.
_CPU_FEATURES = {
    "amx": ("amx_tile",),
    "avx2": ("avx2",),
    "avx512": ("avx512f",),
    "avx512_bf16": ("avx512_bf16",),
    "vnni": ("avx512_vnni", "avx_vnni"),
}
_PACKAGES = (
    "numpy",
    "opencv-python-headless",
    "openvino",
    "onnxruntime",
    "torch",
    "rosbags",
    "ros-rclpy",
    "ros-rmw-fastrtps-cpp",
    "ros-fastdds",
)


def hardware() -> dict[str, Any]:
    """Processor, usable cores, features and memory."""
    fields = _first_processor()
    flags = set(fields.get("flags", "").split())
    return {
        "cpu_model": fields.get("model name", platform.processor()),
        "cpu_family_model_stepping": [
            int(fields.get(name, -1)) for name in ("cpu family", "model", "stepping")
        ],
        "cores": len(os.sched_getaffinity(0)),
        "features": {
            name: any(flag in flags for flag in names) for name, names in _CPU_FEATURES.items()
        },
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def has_amx() -> bool:
    """Whether the CPU multiplies matrices of bf16 and int8 in tiles."""
    return bool(hardware()["features"]["amx"])


def versions() -> dict[str, str]:
    """Of Python and of every package that is measured; those not installed are left out."""
    installed = {str(one.metadata["Name"]).lower(): one.version for one in metadata.distributions()}
    found = {package: installed[package] for package in _PACKAGES if package in installed}
    return {"python": platform.python_version(), **found}


def commit() -> dict[str, Any]:
    """The checkout's commit and whether files differ from it; empty outside a checkout."""
    try:
        sha = _git("rev-parse", "HEAD")
        # The results themselves are no change.
        changed = _git("status", "--porcelain", "--untracked-files=no", "--", ":!benchmarks/out")
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"sha": sha, "is_clean": not changed}


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=_ROOT, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def _first_processor() -> dict[str, str]:
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return {}
    first = path.read_text(encoding="utf-8").split("\n\n", 1)[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
