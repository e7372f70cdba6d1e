# SPDX-License-Identifier: Apache-2.0
"""Starts what is measured as processes, in a ROS domain of their own, on loopback only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import domain_coordinator

from benchmarks.context import ROOT
from recycle_sorter.core.errors import SorterError
from recycle_sorter.paths import share_file
from recycle_sorter.ros.transport import DISCOVERY, OLD_PROFILES, PROFILES

_END_SEC = 15.0


@dataclass(slots=True)
class Lab:
    """A ROS domain, a folder for files, and the processes in it.

    Attributes:
        env: Environment of every process.
        folder: For files; removed at the end.
    """

    env: dict[str, str]
    folder: Path
    _running: list[subprocess.Popen[str]] = field(default_factory=list)

    def without_profile(self) -> dict[str, str]:
        """The same environment with Fast DDS's own transports."""
        return {name: value for name, value in self.env.items() if name != PROFILES}

    def start(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **options: Any
    ) -> subprocess.Popen[str]:
        """Starts a process that ends with the lab at the latest."""
        process = subprocess.Popen(
            list(command), env=dict(env or self.env), cwd=ROOT, text=True, **options
        )
        self._running.append(process)
        return process

    def run(self, command: Sequence[str], timeout_sec: float, **options: Any) -> float:
        """Runs a process to its end.

        Returns:
            How many seconds of CPU time it took.

        Raises:
            SorterError: If it fails or does not end in time.
        """
        before = os.times()
        process = self.start(command, **options)
        try:
            code = process.wait(timeout=timeout_sec)
        except subprocess.TimeoutExpired as error:
            raise SorterError(f"{_name(command)}: still running after {timeout_sec:g} s") from error
        if code:
            raise SorterError(f"{_name(command)}: ended with exit code {code}, expected 0")
        after = os.times()
        return after.children_user + after.children_system - before[2] - before[3]

    def await_line(self, process: subprocess.Popen[str], expected: str) -> None:
        """Waits until a process that was started with ``stdout=PIPE`` writes a line.

        Raises:
            SorterError: If it ends before.
        """
        for line in process.stdout or ():
            if line.strip() == expected:
                return
        raise SorterError(f"ended with exit code {process.wait()} before it was {expected!r}")

    def stop(self, process: subprocess.Popen[str]) -> int:
        """Ends a process as Ctrl-C does and returns its exit code."""
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            return process.wait(timeout=_END_SEC)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def close(self) -> None:
        """Ends whatever still runs, the latest first."""
        for process in reversed(self._running):
            self.stop(process)


@contextmanager
def open_lab() -> Iterator[Lab]:
    """Reserves a ROS domain that no other test or benchmark on this machine uses."""
    env = {name: value for name, value in os.environ.items() if name != OLD_PROFILES}
    env[DISCOVERY] = "LOCALHOST"
    env[PROFILES] = str(share_file("config/fastdds.xml"))
    with domain_coordinator.domain_id() as domain, TemporaryDirectory() as folder:
        env["ROS_DOMAIN_ID"] = str(domain)
        lab = Lab(env, Path(folder))
        try:
            yield lab
        finally:
            lab.close()


def module(name: str, *arguments: object) -> list[str]:
    """Command line of a module of this package."""
    return [sys.executable, "-m", f"benchmarks.{name}", *map(str, arguments)]


def program(name: str, *arguments: object) -> list[str]:
    """Command line of one of the package's programs: the files that launch starts."""
    return [str(Path(sys.executable).parent / name), *map(str, arguments)]


def _name(command: Sequence[str]) -> str:
    return " ".join(Path(part).name for part in command[:3])
