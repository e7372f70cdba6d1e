# SPDX-License-Identifier: Apache-2.0
"""Pictures a second through the saturated graph, against the bare engine in a loop.

The composed graph runs in one process, as ``recycle-sorter run`` does, and its camera plays a bag
of raw 640x480 pictures at several rates around that of the bare loop; what counts is the highest
number of classifications a second. Pictures beyond it are dropped, and to publish them costs time,
too. Reference in the same run, before and after: preprocessing and network on the same pictures in
a loop, without ROS. Every picture counts as an item (``detect_board`` is off): an empty board would
need no network.

Lossless mode is measured beside it: there each picture waits for the result of the one before.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.composed import Job
from benchmarks.context import Context
from benchmarks.latency import CHOSEN
from benchmarks.pictures import draw_items
from benchmarks.probe import Record
from benchmarks.processes import Lab, module, open_lab
from benchmarks.report import Cell, Report, Table, at_least
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.classifier import MaterialClassifier
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.paths import share_file
from recycle_sorter.sources.bag_writer import BagWriter

_PICTURES = 24
_OFFERED = (0.7, 0.85, 1.0, 1.25)
_RECORDED_HZ = 30.0
_START_NS = 1_767_225_600 * NS_PER_SEC
_START_SEC = 60.0
_LEAST_SHARE = 0.8


def run(context: Context) -> Report:
    """Measures the loop, the graph, and the loop again."""
    report = Report("throughput", details={"model": context.model_facts()})
    duration_sec = context.pick(15.0, 2.0)
    loops_hz = [_measure_loop(context, duration_sec)]
    records: dict[tuple[str, str], Record] = {}
    with open_lab() as lab:
        bag = _write_bag(lab.folder / "raw")
        for executor in (CHOSEN, "events"):
            for offered in _OFFERED:
                rate = offered * loops_hz[0] / _RECORDED_HZ
                record = _run_graph(context, lab, bag, executor, {"rate": rate}, duration_sec)
                records[executor, f"{offered:g} x bare loop"] = record
            record = _run_graph(context, lab, bag, executor, {"lossless": True}, duration_sec)
            records[executor, "lossless"] = record
    loops_hz.append(_measure_loop(context, duration_sec))
    loop_hz = fmean(loops_hz)
    columns = ["graph", "offered", "offered/s", "classified/s", "x bare loop", "CPU s / s"]
    table = Table("pictures a second", columns)
    table.rows.append(["bare loop, before and after", "-", None, round(loop_hz, 1), 1.0, None])
    for (executor, offered_text), record in records.items():
        rates = (record.published / record.run_sec, record.answered / record.run_sec)
        cells = [*rates, rates[1] / loop_hz, record.cpu_sec / record.run_sec]
        row: list[Cell] = [f"composed: {executor}", offered_text]
        table.rows.append([*row, *(round(cell, 3) for cell in cells)])
    report.tables.append(table)
    report.details["loops_hz"] = loops_hz
    best_hz = max(
        record.answered / record.run_sec
        for (executor, offered_text), record in records.items()
        if executor == CHOSEN and offered_text != "lossless"
    )
    name = "saturated graph against the bare loop"
    report.figures.append(at_least(name, best_hz / loop_hz, "x", _LEAST_SHARE))
    return report


def _run_graph(
    context: Context,
    lab: Lab,
    bag: Path,
    executor: str,
    more: dict[str, Any],
    duration_sec: float,
) -> Record:
    context.say(f"saturated graph, {executor}, {more}, {duration_sec:g} s")
    settings = {
        "source": "bag",
        "uri": str(bag),
        "loop": True,
        "model": str(context.bundle.path),
        "detect_board": False,
        **more,
    }
    params_file = str(share_file("config/sorter.yaml"))
    job = Job(params_file, executor, settings, duration_sec, is_watched=False)
    out = lab.folder / "record.json"
    lab.run(module("composed", job.write(lab.folder / "job.json"), out), duration_sec + _START_SEC)
    return Record.read(out)


def _write_bag(path: Path) -> Path:
    with BagWriter(path, raw=True) as writer:
        for index, pixels in enumerate(draw_items(_PICTURES)):
            stamp_ns = _START_NS + round(index * NS_PER_SEC / _RECORDED_HZ)
            writer.write(Frame(stamp_ns, pixels))
    return path


def _measure_loop(context: Context, duration_sec: float) -> float:
    context.say(f"bare loop, {duration_sec:g} s")
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        return pool.submit(_loop, context.bundle.path, duration_sec).result()


def _loop(bundle_path: Path, duration_sec: float) -> float:
    """Pictures a second of preprocessing and network alone."""
    bundle = ModelBundle.load(bundle_path)
    classifier = MaterialClassifier(bundle, create_engine("openvino", bundle))
    frames = [Frame(index + 1, pixels) for index, pixels in enumerate(draw_items(_PICTURES))]
    for frame in frames:
        classifier.classify(frame, time.perf_counter_ns)
    count, start_sec = 0, time.perf_counter()
    while (passed_sec := time.perf_counter() - start_sec) < duration_sec:
        classifier.classify(frames[count % len(frames)], time.perf_counter_ns)
        count += 1
    return count / passed_sec
