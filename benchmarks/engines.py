# SPDX-License-Identifier: Apache-2.0
"""One picture through preprocessing and network, engine by engine, against eager fp32 torch.

Every engine runs in a process of its own, with all cores, at batch 1, on the same drawn 640x480
pictures. The engines take turns in short rounds, so that whatever else the machine does hits all
of them. Reference: engine ``torch``, which is PyTorch in eager mode, in the same run. Where
photographs are at hand, each engine also classifies them: what does a narrower number cost?
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.context import Context
from benchmarks.pictures import draw_items, find_photos
from benchmarks.report import (
    PERCENTILES,
    Cell,
    Figure,
    Report,
    Table,
    at_least,
    at_most,
    percentile,
    spread,
)
from recycle_sorter.core.errors import ModelError, SorterError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.sources.pictures import Picture, load_picture
from recycle_sorter.vision.preprocessing import preprocess

REFERENCE = "torch"
DEFAULT = "openvino auto"
_ENGINES: dict[str, tuple[str, str]] = {
    DEFAULT: ("openvino", "auto"),
    "openvino int8": ("openvino", "int8"),
    "openvino bf16": ("openvino", "bf16"),
    "openvino fp32": ("openvino", "fp32"),
    "onnxruntime": ("onnxruntime", "fp32"),
    REFERENCE: ("torch", "fp32"),
}
_PICTURES = 16
_WARM_UP = 10
_FAST_AMX = 8.0  # promised with AMX
_FAST_ELSE = 1.0
_ACCURACY_POINTS = 0.3


@dataclass(slots=True)
class _Measured:
    """One engine's results: milliseconds of each picture, and its precision."""

    precision: str
    whole_ms: list[float] = field(default_factory=list)
    network_ms: list[float] = field(default_factory=list)
    probabilities: list[dict[str, float]] = field(default_factory=list)


def run(context: Context) -> Report:
    """Measures all engines."""
    report = Report("engines", details={"model": context.model_facts()})
    try:
        photos = find_photos(context.photos)[: int(context.pick(1_000_000, 12))]
    except SorterError as error:
        photos = []
        report.notes.append(f"accuracy left out: {error}")
    measured: dict[str, _Measured] = {}
    rounds = int(context.pick(8, 1))
    with _workers(context, report) as workers:
        for turn in range(rounds):
            context.say(f"engines: round {turn + 1} of {rounds}")
            for name, worker in workers.items():
                found = measured.setdefault(name, _Measured(_ask(worker, "precision")))
                whole_ms, network_ms = _ask(worker, "time", int(context.pick(150, 5)))
                found.whole_ms += whole_ms
                found.network_ms += network_ms
        for name, worker in workers.items() if photos else ():
            context.say(f"engines: {len(photos)} photographs on {name}")
            measured[name].probabilities = _ask(worker, "classify", photos)
    _tell_times(report, measured)
    if photos:
        _tell_accuracy(report, measured, [picture.material for picture in photos])
    return report


def _tell_times(report: Report, measured: dict[str, _Measured]) -> None:
    table = Table(
        "preprocessing and network, batch 1, 640x480",
        ["engine", "precision", *PERCENTILES, "x torch", "network p50 ms", "network x torch"],
    )
    reference = measured[REFERENCE]
    whole_ms = percentile(reference.whole_ms, 50)
    network_ms = percentile(reference.network_ms, 50)
    ratios = {}
    for name, found in measured.items():
        own_ms = percentile(found.network_ms, 50)
        ratios[name] = whole_ms / percentile(found.whole_ms, 50)
        row: list[Cell] = [name, found.precision, *spread(found.whole_ms), round(ratios[name], 2)]
        table.rows.append([*row, round(own_ms, 3), round(network_ms / own_ms, 2)])
    report.tables.append(table)
    limit = _FAST_AMX if machine.has_amx() else _FAST_ELSE
    where = "with AMX" if machine.has_amx() else "without AMX"
    name = f"default engine, times as fast as eager torch ({where})"
    report.figures.append(at_least(name, ratios[DEFAULT], "x", limit))


def _tell_accuracy(report: Report, measured: dict[str, _Measured], truth: list[str]) -> None:
    table = Table(
        f"accuracy on {len(truth)} photographs",
        ["engine", "precision", "right", "accuracy %", "lost points", "largest difference"],
    )
    base = measured[REFERENCE].probabilities
    lost = {}
    right_base = _count_right(base, truth)
    for name, found in measured.items():
        right = _count_right(found.probabilities, truth)
        lost[name] = 100 * (right_base - right) / len(truth)
        gap = max(
            abs(one[material] - other[material])
            for one, other in zip(found.probabilities, base, strict=True)
            for material in one
        )
        share = 100 * right / len(truth)
        row: list[Cell] = [name, found.precision, right, round(share, 2), round(lost[name], 2)]
        table.rows.append([*row, round(gap, 4)])
    report.tables.append(table)
    name = "accuracy that the default engine loses against fp32"
    report.figures.append(at_most(name, lost[DEFAULT], "points", _ACCURACY_POINTS))
    accuracy = 100 * (right_base - lost[DEFAULT] * len(truth) / 100) / len(truth)
    report.figures.append(Figure("accuracy of the default engine", round(accuracy, 2), "%"))
    one_picture = 100 / len(truth)
    report.notes.append(f"one photograph of {len(truth)} is {one_picture:.2f} points")


def _count_right(answers: list[dict[str, float]], truth: list[str]) -> int:
    best = [max(answer, key=lambda name: answer[name]) for answer in answers]
    return sum(one == other for one, other in zip(best, truth, strict=True))


@contextmanager
def _workers(context: Context, report: Report) -> Iterator[dict[str, Connection]]:
    """Starts a process an engine; those that cannot run here are noted and left out."""
    spawn = multiprocessing.get_context("spawn")
    running: dict[str, Connection] = {}
    processes = []
    try:
        for name, (engine, precision) in _ENGINES.items():
            context.say(f"engines: loading {name}")
            ours, theirs = spawn.Pipe()
            arguments = (theirs, context.bundle.path, engine, precision)
            process = spawn.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
            problem = ours.recv()
            if problem:
                report.notes.append(f"{name} left out: {problem}")
                ours.close()
                if name in (DEFAULT, REFERENCE):
                    raise ModelError(f"{name} is needed: {problem}")
            else:
                running[name] = ours
        yield running
    finally:
        for connection in running.values():
            connection.close()
        for process in processes:
            process.join(timeout=10)


def _ask(worker: Connection, *question: Any) -> Any:
    worker.send(question)
    return worker.recv()


def _serve(connection: Connection, bundle_path: Path, name: str, precision: str) -> None:
    """One engine's process: loads it, then answers until the other end closes."""
    # Imported here: the classifier brings the board, which the engines' figures do not need.
    from recycle_sorter.inference.classifier import MaterialClassifier

    try:
        bundle = ModelBundle.load(bundle_path)
        engine = create_engine(name, bundle, precision)
    except SorterError as error:
        connection.send(str(error))
        return
    classifier = MaterialClassifier(bundle, engine)
    images = draw_items(_PICTURES)
    connection.send("")
    while True:
        try:
            what, *arguments = connection.recv()
        except EOFError:
            return
        if what == "precision":
            connection.send(engine.precision)
        elif what == "time":
            connection.send(_time(classifier, images, *arguments))
        else:
            connection.send(_classify(classifier, *arguments))


def _time(classifier: Any, images: list[Any], count: int) -> tuple[list[float], list[float]]:
    spec, engine = classifier.bundle.preprocessing, classifier.engine
    whole_ms, network_ms = [], []
    for index in range(-_WARM_UP, count):
        image = images[index % len(images)]
        start = time.perf_counter_ns()
        batch = preprocess(image, spec)
        middle = time.perf_counter_ns()
        scores = engine.infer(batch)
        end = time.perf_counter_ns()
        if not np.isfinite(scores).all():
            raise ModelError(f"{engine.name}: scores are not finite")
        if index >= 0:
            whole_ms.append((end - start) / 1e6)
            network_ms.append((end - middle) / 1e6)
    return whole_ms, network_ms


def _classify(classifier: Any, photos: list[Picture]) -> list[dict[str, float]]:
    answers: list[dict[str, float]] = []
    for photo in photos:
        answers += classifier.classify_batch([load_picture(photo.path)])
    return answers
