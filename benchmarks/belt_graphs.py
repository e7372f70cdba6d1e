# SPDX-License-Identifier: Apache-2.0
"""Runs belts' graphs in real time, in one process or in several, under the probe."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.belt_composed import BeltJob
from benchmarks.belt_probe import read_heard
from benchmarks.belt_scenes import write_scenario
from benchmarks.belt_verdict import Verdict, judge
from benchmarks.context import Context
from benchmarks.probe import READY
from benchmarks.processes import Lab, module, program
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.errors import SorterError
from recycle_sorter.paths import share_file

_START_SEC = 120.0  # allowed for imports, loading the model and painting the belt
_POLL_SEC = 0.25
_EDGE_SEC = 1.0  # at both ends, when a run begins and ends


@dataclass(slots=True)
class GraphRun:
    """What came of a run.

    Attributes:
        verdicts: Of each lane.
        cpu: CPU seconds a second of each process, by name; the probe's is left out.
    """

    verdicts: list[Verdict]
    cpu: dict[str, float]

    @property
    def cpu_total(self) -> float:
        """Of all processes."""
        return sum(self.cpu.values())


@dataclass(slots=True)
class CpuMeter:
    """Notes the CPU time of processes while they run; Linux only, else it notes nothing."""

    samples: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    @contextmanager
    def watching(self, pids: Mapping[str, int]) -> Iterator[None]:
        """Notes until the block ends."""
        stop = threading.Event()

        def note() -> None:
            while not stop.wait(_POLL_SEC):
                for name, pid in pids.items():
                    cpu_sec = _cpu_sec(pid)
                    if cpu_sec is not None:
                        self.samples.setdefault(name, []).append((time.monotonic(), cpu_sec))

        thread = threading.Thread(target=note, name="cpu meter", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def rates(self, duration_sec: float, until_sec: float) -> dict[str, float]:
        """CPU seconds a second of each process in the middle of a run that ended then."""
        found = {}
        for name, samples in self.samples.items():
            begin_sec = until_sec - duration_sec + _EDGE_SEC
            inner = [one for one in samples if begin_sec <= one[0] <= until_sec - _EDGE_SEC]
            if len(inner) > 1:
                (first_sec, first), (last_sec, last) = inner[0], inner[-1]
                found[name] = (last - first) / (last_sec - first_sec)
        return found


def _cpu_sec(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def node_settings(
    context: Context, lab: Lab, changes: Mapping[str, Any], cutouts: Path | None = None
) -> dict[str, Any]:
    """Parameters of a belt's nodes that show a scenario to the model that is measured."""
    return {
        "scenario": str(write_scenario(lab.folder / "twin.yaml", changes)),
        "cutouts": "" if cutouts is None else str(cutouts),
        "model": str(context.bundle.path),
        # The probe must not miss the beginning.
        "wait_for_listeners": 1,
        "wait_for_graph_sec": 60.0,
    }


def run_one_process(
    lab: Lab, settings: Mapping[str, Any], duration_sec: float, lanes: Sequence[str] = ("",)
) -> GraphRun:
    """All belts in one process, as ``recycle-sorter run`` has one.

    Raises:
        SorterError: If it fails.
    """
    with _probed(lab, lanes) as heard_file:
        out = lab.folder / "composed.json"
        job = _job(settings, lanes).write(lab.folder / "job.json")
        lab.run(module("belt_composed", job, out), duration_sec + _START_SEC)
        done = json.loads(out.read_text(encoding="utf-8"))
    cpu = {"all nodes": float(done["cpu_sec"]) / float(done["run_sec"])}
    return GraphRun(_verdicts(heard_file, lanes), cpu)


def run_process_each(
    lab: Lab, settings: Mapping[str, Any], duration_sec: float, lanes: Sequence[str]
) -> GraphRun:
    """A process for each belt, all at once.

    Raises:
        SorterError: If one fails.
    """
    cpu = {}
    with _probed(lab, lanes) as heard_file:
        outs, running = {}, {}
        for lane in lanes:
            outs[lane] = lab.folder / f"{lane}.json"
            job = _job(settings, (lane,)).write(lab.folder / f"{lane}_job.json")
            running[lane] = lab.start(module("belt_composed", job, outs[lane]))
        for lane, process in running.items():
            _await(process, f"lane {lane}", duration_sec + _START_SEC)
            done = json.loads(outs[lane].read_text(encoding="utf-8"))
            cpu[lane] = float(done["cpu_sec"]) / float(done["run_sec"])
    return GraphRun(_verdicts(heard_file, lanes), cpu)


def run_nodes_apart(lab: Lab, settings: Mapping[str, Any], duration_sec: float) -> GraphRun:
    """Twin, classifier and actuator as three processes: the programs that launch starts.

    Raises:
        SorterError: If one fails.
    """
    meter = CpuMeter()
    with _probed(lab, ("",)) as heard_file:
        model = {"model": settings["model"]}
        nodes = {
            "classifier": lab.start(_node("belt_classifier_node", model)),
            "actuator": lab.start(_node("belt_actuator_node", {})),
        }
        shown = {name: value for name, value in settings.items() if name != "model"}
        nodes["twin"] = lab.start(_node("twin_node", shown))
        with meter.watching({name: process.pid for name, process in nodes.items()}):
            _await(nodes["twin"], "twin_node", duration_sec + _START_SEC)
            until_sec = time.monotonic()
        for name in ("actuator", "classifier"):
            code = lab.stop(nodes[name])
            if code:
                raise SorterError(f"{name}: ended with exit code {code}, expected 0")
    return GraphRun(_verdicts(heard_file, ("",)), meter.rates(duration_sec, until_sec))


def _job(settings: Mapping[str, Any], lanes: Sequence[str]) -> BeltJob:
    # Each lane carries its own items.
    own = {lane: {"seed": 100 + number} for number, lane in enumerate(lanes)} if lanes[0] else {}
    return BeltJob(str(share_file("config/sorter.yaml")), tuple(lanes), dict(settings), own)


@contextmanager
def _probed(lab: Lab, lanes: Sequence[str]) -> Iterator[Path]:
    out = lab.folder / "heard.json"
    probe = lab.start(module("belt_probe", out, *lanes), stdout=subprocess.PIPE)
    lab.await_line(probe, READY)
    try:
        yield out
    finally:
        lab.stop(probe)


def _verdicts(heard_file: Path, lanes: Sequence[str]) -> list[Verdict]:
    layout = load_layout()
    heard = read_heard(heard_file)
    return [judge(heard[lane], layout) for lane in lanes]


def _await(process: subprocess.Popen[str], name: str, timeout_sec: float) -> None:
    try:
        code = process.wait(timeout=timeout_sec)
    except subprocess.TimeoutExpired as error:
        raise SorterError(f"{name}: still running after {timeout_sec:g} s") from error
    if code:
        raise SorterError(f"{name}: ended with exit code {code}, expected 0")


def _node(name: str, settings: Mapping[str, Any]) -> list[str]:
    ros_args = ["--ros-args", "--log-level", "warn"]
    ros_args += ["--params-file", str(share_file("config/sorter.yaml"))]
    for key, value in settings.items():
        if value != "":
            ros_args += ["-p", f"{key}:={value}"]
    return program(name, *ros_args)
