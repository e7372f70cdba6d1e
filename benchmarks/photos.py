# SPDX-License-Identifier: Apache-2.0
"""How many items the real graph sorts right: 300 real photographs, and the sample that ships.

``recycle-sorter make-bag`` turns labelled photographs (TrashNet's ``val`` split, which no model
was trained on, or a folder of one's own) into a bag: items with empty board between them, noise,
shake. ``recycle-sorter run`` then sorts it twice: lossless, where every frame counts once and two
runs give the same decisions, and in real time. An item is sorted right if its command names its
material and was trusted; rejected and missed items are not. The truth travels in the bag; no node
reads it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.context import ROOT, Context
from benchmarks.pictures import find_photos
from benchmarks.processes import Lab, open_lab
from benchmarks.report import Figure, Report, Table, at_least
from recycle_sorter.core.errors import SorterError

_COUNT = 300
_TIMEOUT_SEC = 900.0
_SAMPLE = ROOT / "samples" / "recyclables"
_SAMPLE_SHARE = 0.9
_COLUMNS = [
    "bag", "mode", "items", "right", "right %", "rejected", "missed", "doubled",
    "frames", "dropped", "p50 ms", "p95 ms", "p99 ms",
]  # fmt: skip


def run(context: Context) -> Report:
    """Sorts both bags in both ways."""
    report = Report("photos", details={"model": context.model_facts(), "summaries": {}})
    report.tables.append(Table("items sorted right", list(_COLUMNS)))
    with open_lab() as lab:
        bags: dict[str, Path] = {}
        try:
            find_photos(context.photos)
            bags["photographs"] = _make_bag(context, lab)
        except SorterError as error:
            report.notes.append(f"photographs left out: {error}")
        if _SAMPLE.is_dir():
            bags["sample"] = _SAMPLE
        else:
            report.notes.append("sample left out: samples/recyclables is not there")
        for name, bag in bags.items():
            for mode in ("lossless", "real time"):
                context.say(f"sorting the {name}, {mode}")
                _tell(report, name, mode, _sort(context, lab, bag, mode))
    return report


def _tell(report: Report, name: str, mode: str, found: dict[str, Any]) -> None:
    items, right = found["items"], found["correct"]
    late = found["latency_ms"]
    counts = [found[key] for key in ("rejected", "missed", "doubled")]
    share = right / items
    row = [name, mode, items, right, round(100 * share, 1), *counts, found["frames_in"]]
    row += [found["frames_dropped"], late["p50"], late["p95"], late["p99"]]
    report.tables[0].rows.append(row)
    report.details["summaries"][f"{name}, {mode}"] = found
    label = f"{name} sorted right, {mode} ({right} of {items})"
    if name == "sample":
        report.figures.append(at_least(label, share, "share", _SAMPLE_SHARE))
    else:
        report.figures.append(Figure(label, round(share, 4), "share"))


def _make_bag(context: Context, lab: Lab) -> Path:
    count = int(context.pick(_COUNT, 6))
    context.say(f"making a bag of {count} photographs")
    bag = lab.folder / "photographs"
    options = ["--count", str(count), "--out", str(bag)]
    if (context.photos / "split.csv").is_file():
        options += ["--images", str(context.photos / "images"), "--split", "val"]
        options += ["--split-file", str(context.photos / "split.csv")]
    else:
        options += ["--images", str(context.photos)]
    _command(lab, "make-bag", *options)
    return bag


def _sort(context: Context, lab: Lab, bag: Path, mode: str) -> dict[str, Any]:
    out = lab.folder / "summary.json"
    options = ["--uri", str(bag), "--quiet", "--summary", str(out)]
    options += ["--model", str(context.bundle.path)]
    if mode == "lossless":
        options.append("--lossless")
    _command(lab, "run", *options)
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def _command(lab: Lab, name: str, *options: str) -> None:
    command = [sys.executable, "-m", "recycle_sorter.cli.app", name, *options]
    lab.run(command, _TIMEOUT_SEC, stdout=subprocess.DEVNULL)
