# SPDX-License-Identifier: Apache-2.0
"""Camera, classifier and actuator as three processes, as the launch file starts them.

The same programs with the shipped Fast DDS profile sort drawn items, 640x480 at 30 fps, for
60 seconds; a fourth process listens. A picture counts as lost if it has no classification: stamps
of a recorded source are evenly spaced, so that gaps show even if nobody heard of the picture.
Reference in the same run: the composed graph on the same pictures, whose latency is subtracted.
"""

from __future__ import annotations

import subprocess
from typing import Any

from benchmarks.context import Context
from benchmarks.latency import CHOSEN, FPS_HZ, camera_settings, run_composed
from benchmarks.probe import READY, Record
from benchmarks.processes import Lab, module, open_lab, program
from benchmarks.report import PERCENTILES, Figure, Report, Table, at_most, percentile, spread
from recycle_sorter.core.errors import SorterError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.paths import share_file

_START_SEC = 60.0
_CAMERA = ("source", "uri", "width_px", "height_px", "fps_hz", "show_sec", "gap_sec")


def run(context: Context) -> Report:
    """Measures the processes, then the composed graph."""
    report = Report("across_processes", details={"model": context.model_facts()})
    duration_sec = context.pick(60.0, 3.0)
    with open_lab() as lab:
        settings = camera_settings(context, lab.folder, duration_sec)
        context.say(f"three processes, {duration_sec:g} s")
        apart = _run_apart(lab, settings, duration_sec)
        composed = run_composed(context, lab, CHOSEN, settings, duration_sec)
    frames = Table("stamp to classification, every picture", ["graph", *PERCENTILES, "lost"])
    commands = Table("stamp to command", ["graph", *PERCENTILES])
    for name, record in (("three processes", apart), ("composed", composed)):
        frames.rows.append([name, *spread(record.frame_ms), count_lost(record)])
        commands.rows.append([name, *spread(record.command_ms)])
    report.tables += [frames, commands]
    added_ms = {
        percent: percentile(apart.frame_ms, percent) - percentile(composed.frame_ms, percent)
        for percent in (50, 95, 99)
    }
    lost = float(count_lost(apart))
    report.figures.append(at_most(f"lost across processes, {duration_sec:g} s", lost, "frames", 0))
    for percent, value in added_ms.items():
        name = f"p{percent} added by processes, stamp to classification"
        report.figures.append(Figure(name, round(value, 3), "ms"))
    return report


def count_lost(record: Record) -> int:
    """Pictures without a classification, told by the even spacing of the stamps."""
    stamps = [stamp for stamp, _ in record.sent] + [stamp for stamp, _ in record.classified]
    if not stamps:
        return record.published
    expected = round((max(stamps) - min(stamps)) * FPS_HZ / NS_PER_SEC) + 1
    return max(expected, record.published) - len({stamp for stamp, _ in record.classified})


def _run_apart(lab: Lab, settings: dict[str, Any], duration_sec: float) -> Record:
    out = lab.folder / "apart.json"
    probe = lab.start(module("probe", out), stdout=subprocess.PIPE)
    lab.await_line(probe, READY)
    classifier = lab.start(_node("classifier_node", {"model": settings["model"]}))
    actuator = lab.start(_node("actuator_node", {}))
    # The camera begins when it sees the others, and ends with its source.
    camera = {name: settings[name] for name in _CAMERA}
    lab.run(_node("camera_node", camera), duration_sec + _START_SEC)
    for name, process in (("actuator_node", actuator), ("classifier_node", classifier)):
        code = lab.stop(process)
        if code:
            raise SorterError(f"{name}: ended with exit code {code}, expected 0")
    lab.stop(probe)
    return Record.read(out)


def _node(name: str, settings: dict[str, Any]) -> list[str]:
    ros_args = ["--ros-args", "--log-level", "warn"]
    ros_args += ["--params-file", str(share_file("config/sorter.yaml"))]
    for key, value in settings.items():
        ros_args += ["-p", f"{key}:={value}"]
    return program(name, *ros_args)
