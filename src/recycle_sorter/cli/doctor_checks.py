# SPDX-License-Identifier: Apache-2.0
"""What ``recycle-sorter doctor`` looks at. Each check answers with findings and never raises."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from recycle_sorter.core.errors import SorterError
from recycle_sorter.paths import share_file, shipped_model

if TYPE_CHECKING:
    from recycle_sorter.inference.bundle import ModelBundle

Status = Literal["ok", "warn", "fail"]

MIN_PYTHON: Final = (3, 10)
# Distribution names; the first that is installed counts. System ROS brings OpenCV by apt.
PACKAGES: Final = (
    ("numpy",),
    ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv"),
    ("PyYAML",),
    ("openvino",),
    ("onnxruntime",),
    ("rosbags",),
    ("typer",),
    ("rich",),
)
EXTRAS: Final = {"torch": "torch", "nncf": "train", "mitsuba": "render"}
# Instruction sets that the fast precisions stand on, by the kernel's name.
CPU_FLAGS: Final = {
    "amx_tile": "AMX",
    "avx512_bf16": "AVX-512 bf16",
    "avx512_vnni": "AVX-512 VNNI (int8)",
    "avx_vnni": "AVX VNNI (int8)",
    "avx512f": "AVX-512",
    "avx2": "AVX2",
}
TIMED_RUNS: Final = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.

    Attributes:
        name: What was looked at.
        status: ``"ok"``, ``"warn"`` (something will be missed) or ``"fail"`` (it cannot run).
        text: What was found.
        fix: What to do about it; empty if nothing needs to be done.
    """

    name: str
    status: Status
    text: str
    fix: str = ""


def check_python() -> Iterator[Finding]:
    """Interpreter and platform."""
    text = f"{platform.python_version()} ({sys.executable}), {platform.platform()}"
    if sys.version_info < MIN_PYTHON:
        wanted = ".".join(map(str, MIN_PYTHON))
        yield Finding("python", "fail", text, f"install Python {wanted} or newer")
    else:
        yield Finding("python", "ok", text)


def check_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Iterator[Finding]:
    """Cores, and which instruction sets the engines can use."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    fields: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(":")
        fields.setdefault(key.strip(), value.strip())
    flags = set(fields.get("flags", fields.get("Features", "")).split())
    found = [name for flag, name in CPU_FLAGS.items() if flag in flags]
    model = fields.get("model name") or platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    yield Finding("cpu", "ok", f"{model}, {cores} cores for us; {', '.join(found) or 'no vectors'}")


def check_packages() -> Iterator[Finding]:
    """Python packages and their versions."""
    for names in PACKAGES:
        version = next((v for v in map(_version, names) if v), "")
        if version:
            yield Finding(names[0], "ok", version)
        elif names[0].startswith("opencv") and _cv2_version():
            yield Finding(names[0], "ok", f"{_cv2_version()} (the system's)")
        else:
            yield Finding(
                names[0], "fail", "not installed", "make setup, or: pip install " + names[0]
            )
    for name, extra in EXTRAS.items():
        version = _version(name)
        text = version or f"not installed; only the extra {extra!r} needs it"
        yield Finding(name, "ok", text)


def check_cameras() -> Iterator[Finding]:
    """V4L2 cameras, and whether we may open them."""
    from recycle_sorter.sources.devices import describe_cameras, list_cameras

    cameras = list_cameras()
    text = describe_cameras(cameras)
    closed = [camera.path for camera in cameras if not os.access(camera.path, os.R_OK | os.W_OK)]
    if not cameras:
        yield Finding("cameras", "warn", text, "plug one in; bags, videos and pictures do without")
    elif closed:
        fix = 'sudo usermod -aG video "$USER", then log in again'
        yield Finding("cameras", "warn", f"{text}; no right to open {', '.join(closed)}", fix)
    else:
        yield Finding("cameras", "ok", text)


def check_model(path: Path | None) -> Iterator[Finding | ModelBundle]:
    """Loads the bundle; yields it as well, if it is good."""
    from recycle_sorter.inference.bundle import ModelBundle

    try:
        bundle = ModelBundle.load(path or shipped_model())
    except SorterError as error:
        yield Finding("model", "fail", *_split_fix(error))
        return
    accuracy = bundle.figures.get("accuracy")
    measured = f", accuracy {accuracy} on {bundle.figures.get('dataset')}" if accuracy else ""
    yield Finding("model", "ok", f"{bundle.model_id} in {bundle.path}{measured}")
    yield bundle


def check_engines(bundle: ModelBundle, default: str = "openvino") -> Iterator[Finding]:
    """Builds every engine and times it: median of some inferences of one picture."""
    from recycle_sorter.inference.factory import ENGINES, create_engine

    batch = np.zeros((1, *bundle.input_shape), np.float32)
    for name in ENGINES:
        try:
            engine = create_engine(name, bundle)
        except SorterError as error:
            text, fix = _split_fix(error)
            if name == default:
                yield Finding(f"engine {name}", "fail", text, fix)
            elif not _version(name):
                yield Finding(f"engine {name}", "ok", f"not installed; to have it: {fix}")
            else:
                yield Finding(f"engine {name}", "warn", text, fix)
            continue
        seconds = []
        for _ in range(TIMED_RUNS):
            start = time.perf_counter()
            engine.infer(batch)
            seconds.append(time.perf_counter() - start)
        engine.close()
        median_ms = float(np.median(seconds)) * 1e3
        text = f"{_version(name)}, {engine.precision}, {median_ms:.1f} ms a picture"
        yield Finding(f"engine {name}", "ok", text)


def check_routing(path: Path | None, bundle: ModelBundle | None) -> Iterator[Finding]:
    """Loads the routing and checks that the model fits it."""
    from recycle_sorter.config_files import load_routing

    try:
        file = path or share_file("config/routing.yaml")
        routing = load_routing(file)
        unused = bundle.require_fits(routing.materials) if bundle else ()
    except SorterError as error:
        yield Finding("routing", "fail", *_split_fix(error))
        return
    text = f"{file}: {', '.join(routing.materials)}"
    if unused:
        yield Finding("routing", "warn", f"{text}; the model never answers {', '.join(unused)}")
    else:
        yield Finding("routing", "ok", text)


def check_sample() -> Iterator[Finding]:
    """The bag that ``run`` sorts by default."""
    try:
        folder = share_file("samples/recyclables")
    except SorterError as error:
        yield Finding("sample bag", "warn", *_split_fix(error))
    else:
        yield Finding("sample bag", "ok", str(folder))


def check_shared_memory(
    folder: Path = Path("/dev/shm"),  # noqa: S108 - where the kernel has it, not a temporary file
    wanted_bytes: int = 256 << 20,
) -> Iterator[Finding]:
    """Room for Fast DDS: one segment of 32 MB a process, and some more."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        yield Finding("shared memory", "fail", f"{folder}: {error.strerror}", f"mount {folder}")
        return
    text = f"{free / 2**20:.0f} MB free in {folder}"
    if free < wanted_bytes:
        fix = f"free {wanted_bytes >> 20} MB there; in a container: docker run --shm-size=512m"
        yield Finding("shared memory", "warn", text, fix)
    else:
        yield Finding("shared memory", "ok", text)


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _cv2_version() -> str:
    try:
        import cv2
    except ImportError:
        return ""
    return str(cv2.__version__)


def _split_fix(error: SorterError) -> tuple[str, str]:
    """Text and fix of an error that carries its fix behind ``Fix:``."""
    text, _, fix = str(error).partition(" Fix: ")
    return text.rstrip("."), fix


def environment_text(environment: Mapping[str, str], name: str) -> str:
    """A variable as the report shows it."""
    return f"{name}={environment[name]}" if environment.get(name) else f"{name} is not set"
