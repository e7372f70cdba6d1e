# SPDX-License-Identifier: Apache-2.0
"""From a picture's stamp to its classification and to the diverter's command, in one process.

The composed graph that ``recycle-sorter run`` brings up sorts drawn items, 640x480 at 30 fps, for
60 seconds on each of rclpy's executors: an item every 0.6 s, so about 100 commands, and a
classification for every picture. A stamp is the moment at which the picture was due, as a camera's
would be; the end is the moment at which the middleware published the message.

References in the same run: the engine's own p50 (preprocessing and network, as each classification
states it), and an ordinary afternoon's sorter on the same pictures (``reference_node.py``).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from benchmarks.composed import EXECUTORS, Job
from benchmarks.context import Context
from benchmarks.pictures import HEIGHT_PX, WIDTH_PX, write_items
from benchmarks.probe import Record
from benchmarks.processes import Lab, module, open_lab
from benchmarks.report import PERCENTILES, Cell, Figure, Report, Table, at_most, percentile, spread
from recycle_sorter.paths import share_file

FPS_HZ = 30.0
SHOW_SEC, GAP_SEC = 0.4, 0.2
# What `recycle-sorter run` takes.
CHOSEN = "events, inference apart"
REFERENCE = "afternoon"
_LATE_SEC = 5.0
_START_SEC = 60.0  # allowed for imports and loading the model
_P50_MS, _P50_AIM_MS, _P99_MS = 4.0, 2.0, 10.0


def camera_settings(context: Context, folder: Path, duration_sec: float) -> dict[str, Any]:
    """Node settings for a camera that shows drawn items for ``duration_sec``."""
    count = math.ceil(duration_sec / (SHOW_SEC + GAP_SEC))
    return {
        "source": "images",
        "uri": str(write_items(folder / "items", count)),
        "width_px": WIDTH_PX,
        "height_px": HEIGHT_PX,
        "fps_hz": FPS_HZ,
        "show_sec": SHOW_SEC,
        "gap_sec": GAP_SEC,
        "model": str(context.bundle.path),
    }


def run_composed(
    context: Context, lab: Lab, executor: str, settings: dict[str, Any], duration_sec: float
) -> Record:
    """Runs the composed graph in a process of its own.

    Raises:
        SorterError: If it fails.
    """
    context.say(f"composed graph, executor {executor}, {duration_sec:g} s")
    return _run(lab, "composed", executor, settings, duration_sec)


def _run(
    lab: Lab, program: str, executor: str, settings: dict[str, Any], duration_sec: float
) -> Record:
    params_file = str(share_file("config/sorter.yaml"))
    # A graph that keeps up ends with its source; one that does not is cut off.
    job = Job(params_file, executor, settings, duration_sec + _LATE_SEC)
    out = lab.folder / "record.json"
    command = module(program, job.write(lab.folder / "job.json"), out)
    lab.run(command, duration_sec + _LATE_SEC + _START_SEC)
    return Record.read(out)


def run(context: Context) -> Report:
    """Measures all executors and the reference."""
    report = Report("latency", details={"model": context.model_facts(), "fps_hz": FPS_HZ})
    duration_sec = context.pick(60.0, 3.0)
    with open_lab() as lab:
        settings = camera_settings(context, lab.folder, duration_sec)
        records = {
            name: run_composed(context, lab, name, settings, duration_sec) for name in EXECUTORS
        }
        context.say(f"an afternoon's sorter, {duration_sec:g} s")
        records[REFERENCE] = _run(lab, "reference_node", "single", settings, duration_sec)
    _tell_times(report, records)
    _tell_figures(report, records[CHOSEN])
    return report


def _tell_times(report: Report, records: dict[str, Record]) -> None:
    commands = Table("stamp to command", ["graph", *PERCENTILES, "p50 over engine ms"])
    frames = Table(
        "stamp to classification, every picture",
        ["graph", *PERCENTILES, "p50 over engine ms", "engine p50 ms", "lost", "CPU s / s"],
    )
    for name, record in records.items():
        label = name if name == REFERENCE else f"composed: {name}"
        engine_ms = percentile(record.engine_ms, 50)
        over_ms = percentile(record.command_ms, 50) - engine_ms
        commands.rows.append([label, *spread(record.command_ms), round(over_ms, 3)])
        over_ms = percentile(_with_item(record), 50) - engine_ms
        cells: list[Cell] = [label, *spread(record.frame_ms), round(over_ms, 3)]
        cpu = record.cpu_sec / record.run_sec if record.run_sec else None
        frames.rows.append([*cells, round(engine_ms, 3), record.lost, cpu])
    report.tables += [commands, frames]


def _with_item(record: Record) -> list[float]:
    """Empty boards need no network: they would flatter the overhead."""
    return [
        ms for ms, has_item in zip(record.frame_ms, record.item_present, strict=True) if has_item
    ]


def _tell_figures(report: Report, record: Record) -> None:
    engine_ms = percentile(record.engine_ms, 50)
    over_ms = percentile(record.command_ms, 50) - engine_ms
    whole_ms = percentile(record.command_ms, 99)
    report.figures += [
        Figure("engine p50 (preprocessing and network)", round(engine_ms, 3), "ms"),
        at_most(f"command p50 over engine p50 (aim {_P50_AIM_MS:g})", over_ms, "ms", _P50_MS),
        at_most("command p99", whole_ms, "ms", _P99_MS),
        at_most(
            "classification p99, every picture", percentile(record.frame_ms, 99), "ms", _P99_MS
        ),
        at_most(f"pictures dropped of {record.published}", float(record.lost), "frames", 0.0),
    ]
