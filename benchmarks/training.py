# SPDX-License-Identifier: Apache-2.0
"""Training throughput: our trainer against a plain torchvision loop on the same pictures.

Both train the same network at the same size and batch, each in a process of its own, with crops and
mirrors. The plain loop is what tutorials show: PIL decodes every epoch anew in two loader
processes, torchvision transforms, fp32, channels first. Ours decodes once, augments with OpenCV in
a thread, keeps channels last, and computes bf16 where the CPU has it. Counted are whole steps, the
wait for pictures included, without the first ones; the first epoch of ours includes decoding, which
is stated. Peak memory is the kernel's, of the process and the largest of its children.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.context import ROOT, Context
from benchmarks.pictures import find_photos
from benchmarks.report import PERCENTILES, Report, Table, at_least, percentile, spread
from recycle_sorter.core.errors import SorterError

_GOAL = 3.0
_TIMEOUT_SEC = 1800
ROLES = ("plain", "ours")


def run(context: Context) -> Report:
    """Measures both, one after the other."""
    report = Report("training")
    find_photos(context.photos)  # says what is missing before anything is started
    inner = context.photos / "images"
    photos = inner if inner.is_dir() else context.photos
    steps, size_px = (4, 64) if context.quick else (24, 224)
    found = {role: _measure(role, photos, steps, size_px) for role in ROLES}
    table = Table(
        f"resnet18, {size_px} px, batch 32: a step",
        ["loop", *PERCENTILES, "pictures/s", "peak MB", "once s"],
    )
    for role, values in found.items():
        rate = 1000.0 * values["batch"] / percentile(values["step_ms"], 50)
        row = [role, *spread(values["step_ms"]), rate, values["peak_mb"], values["once_sec"]]
        table.rows.append(row)
    report.tables.append(table)
    ratio = percentile(found["plain"]["step_ms"], 50) / percentile(found["ours"]["step_ms"], 50)
    report.figures.append(at_least("pictures a second, ours against plain", ratio, "x", _GOAL))
    report.notes.append(f"ours computed in {found['ours']['precision']}, plain in fp32")
    report.details.update(found)
    return report


def _measure(role: str, photos: Any, steps: int, size_px: int) -> dict[str, Any]:
    command = [
        sys.executable, "-m", "benchmarks.training_roles", role, str(photos), str(steps),
        str(size_px),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=_TIMEOUT_SEC
    )
    if done.returncode:
        raise SorterError(f"training ({role}) ended with {done.returncode}: {done.stderr[-600:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
