# SPDX-License-Identifier: Apache-2.0
"""Pictures a second through the saturated graph, against the bare engine in a loop.

The camera plays a bag of raw 640x480 pictures 1.25 times as fast as the bare loop runs, so that
the classifier always has a picture waiting; what is counted are its published classifications. The
composed graph runs in one process, as ``recycle-sorter run`` does. Reference in the same run,
before and after it: preprocessing and network on the same pictures in a loop, without ROS. Every
picture counts as an item (``detect_board`` is off): an empty board would need no network.

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
from benchmarks.pictures import draw_items
from benchmarks.probe import Record
from benchmarks.processes import Lab, module, open_lab
from benchmarks.report import Report, Table, at_least
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.classifier import MaterialClassifier
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.paths import share_file
from recycle_sorter.sources.bag_writer import BagWriter

_PICTURES = 24
_OVERLOAD = 1.25
_RECORDED_HZ = 30.0
_START_NS = 1_767_225_600 * NS_PER_SEC
_START_SEC = 60.0
_LEAST_SHARE = 0.8


def run(context: Context) -> Report:
    """Measures the loop, the graph, and the loop again."""
    report = Report("throughput", details={"model": context.model_facts()})
    duration_sec = context.pick(20.0, 2.0)
    loops_hz = [_measure_loop(context, duration_sec)]
    with open_lab() as lab:
        bag = _write_bag(lab.folder / "raw")
        rate = _OVERLOAD * loops_hz[0] / _RECORDED_HZ
        newest = _run_graph(context, lab, bag, {"rate": rate}, duration_sec)
        lossless = _run_graph(context, lab, bag, {"lossless": True}, duration_sec)
    loops_hz.append(_measure_loop(context, duration_sec))
    loop_hz = fmean(loops_hz)
    table = Table("pictures a second", ["what", "pictures/s", "x bare loop", "CPU s / s"])
    table.rows.append(["bare loop, before and after", round(loop_hz, 1), 1.0, None])
    for name, record in (("graph, newest picture", newest), ("graph, lossless", lossless)):
        cpu = record.cpu_sec / record.wall_sec if record.wall_sec else None
        share = round(_rate_hz(record) / loop_hz, 3)
        table.rows.append([name, round(_rate_hz(record), 1), share, cpu])
    report.tables.append(table)
    report.details["loops_hz"] = loops_hz
    name = "saturated graph against the bare loop"
    report.figures.append(at_least(name, _rate_hz(newest) / loop_hz, "x", _LEAST_SHARE))
    return report


def _rate_hz(record: Record) -> float:
    return (len(record.classified) - 1) / record.wall_sec if record.wall_sec else 0.0


def _run_graph(
    context: Context, lab: Lab, bag: Path, more: dict[str, Any], duration_sec: float
) -> Record:
    context.say(f"saturated graph, {', '.join(more)}, {duration_sec:g} s")
    settings = {
        "source": "bag",
        "uri": str(bag),
        "loop": True,
        "model": str(context.bundle.path),
        "detect_board": False,
        **more,
    }
    job = Job(str(share_file("config/sorter.yaml")), "events", settings, duration_sec)
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
