#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sets the sorter up in `.venv`, with ROS 2 from PyPI wheels: no ROS installation is needed.

    python3 tools/setup_venv.py run       what `make run` needs
    python3 tools/setup_venv.py test      what `make test` needs: everything (torch, the renderer)

Set-up is a list of steps. A finished step leaves a stamp, which holds a hash of what went into it
(requirement files, message definitions, the steps before it). A later call runs only those steps
whose stamp is missing or no longer fits: after an interruption it goes on where it stopped, and
with nothing to do it calls no pip and takes a few hundredths of a second.

Only the standard library is used.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import prerequisites

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STATE = VENV / ".setup"
PIP_INSTALL = (str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check")
# Raise it when this program changes in a way that finished environments must follow.
FORMAT = 1


class SetupError(RuntimeError):
    """Set-up cannot go on; the message says what to do."""


@dataclass(frozen=True)
class Step:
    """One step of set-up.

    Attributes:
        name: also the name of its stamp.
        text: what it does, for people.
        run: does it.
        inputs: files and folders below the root whose content it depends on.
        after: steps whose change makes this one run again.
        download_mb: what it downloads at most, in megabytes, as measured on Python 3.11.
        disk_mb: what it adds to `.venv`, likewise.
        duration: how long it takes, for people.
        modules: what must import afterwards.
    """

    name: str
    text: str
    run: Callable[[Step], None]
    inputs: tuple[str, ...] = ()
    after: tuple[str, ...] = ("environment",)
    download_mb: int = 0
    disk_mb: int = 0
    duration: str = "seconds"
    modules: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()


def call(command: Sequence[str]) -> None:
    """Runs a command in the root folder, its output on ours; raises `SetupError` if it fails."""
    done = subprocess.run(command, cwd=ROOT, check=False)
    if done.returncode:
        raise SetupError(
            f"{' '.join(command[:4])} ... ended with exit code {done.returncode}, expected 0. "
            "Its own words are above. Repair that and call again: finished steps are not repeated"
        )


def make_environment(python: str | None) -> None:
    """Makes `.venv` anew with a Python for which ROS 2 wheels exist."""
    call([find_python(python), "-m", "venv", "--clear", str(VENV)])


def find_python(wanted: str | None) -> str:
    """Returns the Python to build on; raises `SetupError` with all that this machine lacks."""
    interpreter, problems = prerequisites.find_interpreter(wanted)
    problems += prerequisites.missing_tools()
    if interpreter is None or problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise SetupError(f"this machine lacks something:\n{listed}")
    return interpreter.path


def install_requirements(step: Step) -> None:
    """Installs the step's requirement files by pip, within the locked versions."""
    command = list(PIP_INSTALL)
    # Progress bars on a terminal; a pipe gets one line a package.
    command += [] if sys.stdout.isatty() else ["--progress-bar", "off"]
    command += ["--constraint", "constraints.txt"]
    for name in step.requirements:
        command += ["--requirement", f"requirements/{name}.txt"]
    if (STATE / f"{step.name}.started").exists():
        # Interrupted in the middle: pip may hold a half-written package for an installed one.
        print("  (the last try was interrupted: checking its packages)")
        remove_half_installed()
    (STATE / f"{step.name}.started").touch()
    run_filtered(command)
    verify(step)
    (STATE / f"{step.name}.started").unlink()


def run_filtered(command: Sequence[str]) -> None:
    """Runs pip; in a pipe, only the lines that tell of large files and of results are shown."""
    if sys.stdout.isatty():
        call(command)
        return
    told = re.compile(r"  Downloading .* MB\)|Building|Installing|Successfully|ERROR")
    last: list[str] = []
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            last = [*last[-30:], line]
            if told.match(line):
                print(f"  {line.strip()[:120]}", flush=True)
    if process.returncode:
        print("".join(last), file=sys.stderr)
        raise SetupError(
            f"pip ended with exit code {process.returncode}, expected 0. Its last words are above. "
            "Repair that (a network?) and call again: finished steps are not repeated"
        )


def remove_half_installed() -> None:
    """Removes the metadata of packages that were cut off, so that pip installs them again.

    pip writes a package's files first and its `RECORD` last.
    """
    for site_packages in VENV.glob("lib/python3*/site-packages"):
        for info in site_packages.glob("*.dist-info"):
            if not (info / "RECORD").is_file():
                shutil.rmtree(info)


def verify(step: Step) -> None:
    """Imports what the step is for; raises `SetupError` if that fails."""
    if step.modules:
        call([str(PYTHON), "-c", f"import {', '.join(step.modules)}"])


def build_interfaces(step: Step) -> None:
    """Generates and compiles the messages."""
    call([str(PYTHON), "tools/build_interfaces.py"])
    verify(step)


def install_project(step: Step) -> None:
    """Installs the project itself, editable: changes to `src/` need no new set-up."""
    del step
    offline = ("--no-deps", "--no-build-isolation", "--no-index")
    call([*PIP_INSTALL, "--quiet", *offline, "--editable", "."])


def requirement_step(name: str, text: str, requirements: tuple[str, ...], **more: object) -> Step:
    """Returns a step that installs requirement files."""
    files = tuple(f"requirements/{file}.txt" for file in requirements)
    return Step(
        name,
        text,
        install_requirements,
        inputs=("constraints.txt", *files),
        requirements=requirements,
        **more,  # type: ignore[arg-type]
    )


STEPS: dict[str, Step] = {
    step.name: step
    for step in (
        requirement_step(
            "run",
            "ROS 2, OpenVINO, OpenCV from PyPI",
            ("run", "build-interfaces"),
            download_mb=270,
            disk_mb=740,
            duration="half a minute to 3 minutes",
            modules=("rclpy", "cv_bridge", "openvino", "onnxruntime", "rosbags", "typer"),
        ),
        Step(
            "interfaces",
            "messages and services compiled",
            build_interfaces,
            inputs=("src/recycle_sorter_msgs", "tools/build_interfaces.py"),
            after=("run",),
            disk_mb=10,
            duration="10 to 30 s",
            modules=("recycle_sorter_msgs.msg", "recycle_sorter_msgs.srv"),
        ),
        Step(
            "project",
            "recycle_sorter itself, editable",
            install_project,
            inputs=("setup.py", "setup.cfg", "package.xml"),
            after=("run",),
            duration="3 s",
        ),
        requirement_step(
            "train",
            "torch and the training tools",
            ("train",),
            download_mb=3000,
            disk_mb=5800,
            duration="1 to 15 minutes",
            modules=("torch", "torchvision", "onnx"),
        ),
        requirement_step(
            "render", "the renderer", ("render",), download_mb=60, disk_mb=210, modules=("mitsuba",)
        ),
        requirement_step(
            "test", "test tools", ("test",), download_mb=5, disk_mb=10, modules=("pytest",)
        ),
        requirement_step("lint", "linters", ("lint",), download_mb=30, disk_mb=90),
    )
}
RUN = ("run", "interfaces", "project")
PROFILES: dict[str, tuple[str, ...]] = {
    "run": RUN,
    "bench": (*RUN, "train"),
    "train": (*RUN, "train"),
    "render": (*RUN, "render"),
    "test": (*RUN, "train", "render", "test"),
    # The type checker reads the types of torch and of pytest.
    "lint": (*RUN, "train", "render", "test", "lint"),
}


def content_hash(inputs: Sequence[str]) -> str:
    """Returns a sha256 over the names and contents of files, and of all files in folders."""
    digest = hashlib.sha256()
    for name in inputs:
        path = ROOT / name
        files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in files:
            if "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(ROOT)}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def environment_key() -> str:
    """Returns what `.venv` is: this program's format, its place, its Python; "" if it is not there.

    A moved checkout has a broken environment (programs name their Python by full path), and so has
    one whose Python was upgraded under it.
    """
    config = VENV / "pyvenv.cfg"
    if not PYTHON.exists() or not config.is_file():
        return ""
    facts = [str(FORMAT), str(VENV), os.path.realpath(PYTHON), config.read_text(encoding="utf-8")]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def step_key(name: str) -> str:
    """Returns the hash that the step's stamp must hold."""
    if name == "environment":
        return environment_key()
    step = STEPS[name]
    before = [step_key(other) for other in step.after]
    return hashlib.sha256(
        "\0".join([name, content_hash(step.inputs), *before]).encode()
    ).hexdigest()


def is_finished(name: str) -> bool:
    """Whether the step's stamp is there and fits."""
    try:
        stamp = json.loads((STATE / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    key = step_key(name)
    return bool(key) and isinstance(stamp, dict) and stamp.get("key") == key


def finish(name: str, seconds: float) -> None:
    """Writes the step's stamp."""
    STATE.mkdir(parents=True, exist_ok=True)
    partial = STATE / f"{name}.json.part"
    partial.write_text(json.dumps({"key": step_key(name), "seconds": round(seconds, 1)}))
    partial.replace(STATE / f"{name}.json")


def set_up(profile: str, python: str | None) -> None:
    """Brings `.venv` to what a profile needs."""
    fresh = not is_finished("environment")
    todo = [STEPS[name] for name in PROFILES[profile] if fresh or not is_finished(name)]
    if not todo:
        return
    download_mb = sum(step.download_mb for step in todo)
    disk_mb = sum(step.disk_mb for step in todo)
    print(
        f"Setting up {VENV} for `{profile}`, {len(todo)} of {len(PROFILES[profile])} steps to do:"
    )
    print(f"at most {download_mb} MB to download, about {disk_mb} MB on disk when finished.")
    if prerequisites.free_bytes(ROOT) < 1.2e6 * disk_mb:
        raise SetupError(
            f"{prerequisites.free_bytes(ROOT) // 10**6} MB are free on the disk of {ROOT}, "
            f"expected {disk_mb * 12 // 10} or more: free some"
        )
    began = time.monotonic()
    if fresh:
        print("[0] a virtual environment (5 s)", flush=True)
        make_environment(python)
        finish("environment", time.monotonic() - began)
    for number, step in enumerate(todo, 1):
        size = f"{step.download_mb} MB, " if step.download_mb else ""
        print(f"[{number}/{len(todo)}] {step.text} ({size}{step.duration})", flush=True)
        step_began = time.monotonic()
        step.run(step)
        finish(step.name, time.monotonic() - step_began)
        print(f"  done in {time.monotonic() - step_began:.0f} s", flush=True)
    print(f"Set-up took {time.monotonic() - began:.0f} s. The next call skips it.", flush=True)


def main() -> int:
    """Entry point; the exit code is 0 when the environment is ready."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("profile", nargs="?", choices=sorted(PROFILES), default="run")
    parser.add_argument("--python", help="the Python to build on (default: the newest that fits)")
    arguments = parser.parse_args()
    # Beside .venv, not in it: a fresh set-up empties that folder.
    with (ROOT / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up is running here: waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            set_up(arguments.profile, arguments.python)
        except SetupError as error:
            print(f"setup: {error}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("\nInterrupted. Call again: finished steps are not repeated.", file=sys.stderr)
            return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
