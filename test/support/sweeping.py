# SPDX-License-Identifier: Apache-2.0
"""Small sweeps, and a process that runs one until it is done or killed.

As a program: ``python sweeping.py FOLDER STORAGE TRIALS METHOD HANG_AT TOGETHER``. It starts when
so many as TOGETHER stand ready. Each trial leaves a line in ``FOLDER/log.jsonl``; at slot HANG_AT
the process makes ``FOLDER/hangs`` and stands still.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from recycle_sorter.ml.sweep.space import SweepSpec, parse_sweep
from recycle_sorter.ml.sweep.study import Sweep, TrialReport
from recycle_sorter.ml.sweep.summary import summarise

PARAMETERS: dict[str, Any] = {
    "learn_rate": {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
    "batch_size": {"values": [8, 16, 32]},
    "transform_horz": {"values": [True, False]},
    "seed": {"value": 4},
}
GRID: dict[str, Any] = {
    "batch_size": {"values": [8, 16, 32]},
    "epoch_qty": {"min": 1, "max": 2},
    "transform_horz": {"values": [True, False]},
    "seed": {"value": 4},
}


def make_spec(method: str = "random", **changes: Any) -> SweepSpec:
    """A sweep of a few hyperparameters; the more accurate, the better."""
    return parse_sweep(
        {
            "name": "small",
            "method": method,
            "metric": {"name": "val/accuracy", "goal": "maximize"},
            "parameters": GRID if method == "grid" else PARAMETERS,
            **changes,
        }
    )


_OPEN = ExitStack()


def open_sweep(spec: SweepSpec, folder: Path, **settings: Any) -> Sweep:
    """Opens a sweep that `close_sweeps` closes."""
    return _OPEN.enter_context(Sweep(spec, folder, **settings))


def close_sweeps() -> None:
    """Closes every sweep that `open_sweep` opened."""
    _OPEN.close()


def accuracy(hyperparameters: dict[str, Any]) -> float:
    """Best at a learning rate of 0.001; mirrored pictures help a little."""
    rate = hyperparameters.get("learn_rate", 0.001)
    return 0.9 - 0.1 * abs(math.log10(rate) + 3) + 0.01 * bool(hyperparameters["transform_horz"])


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Every trial that a process started or ended: event, slot, process and hyperparameters."""
    lines = (folder / "log.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def start_process(
    folder: Path, storage: str, trials: int, method: str, hang_at: int = -1, together: int = 1
) -> subprocess.Popen[str]:
    """Starts this file as a program."""
    words = [str(folder), storage, str(trials), method, str(hang_at), str(together)]
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-W", "error", __file__, *words],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Waits until a process has made a file; it must not end before."""
    while not path.exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.02)


def ended(process: subprocess.Popen[str]) -> None:
    """Waits until a process has ended, and well."""
    output = process.communicate(timeout=200)[0]
    assert process.returncode == 0, output


def check_shared(folder: Path, sweep: Sweep, count: int) -> dict[int, int]:
    """Checks that each slot was run once; returns how many trials each process ran."""
    log = read_log(folder)
    for event in ("start", "end"):
        assert sorted(line["slot"] for line in log if line["event"] == event) == list(range(count))
    rows = summarise(sweep).trials
    assert [(row.state, row.attempts) for row in rows] == [("complete", 1)] * count
    assert len({row.hyperparameters["learn_rate"] for row in rows}) == count, "drawn twice"
    assert len(sweep.study.get_trials()) == count
    return Counter(line["process"] for line in log if line["event"] == "end")


def _main(
    folder: Path, storage: str, trials: int, method: str, hang_at: int, together: int
) -> None:
    (folder / f"ready{os.getpid()}").touch()
    while len(list(folder.glob("ready*"))) < together:
        time.sleep(0.01)

    def log(event: str, report: TrialReport, hyperparameters: dict[str, Any]) -> None:
        told = {"event": event, "slot": report.slot, "process": os.getpid(), **hyperparameters}
        with (folder / "log.jsonl").open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(told) + "\n")

    def trial(hyperparameters: dict[str, Any], report: TrialReport) -> float:
        log("start", report, hyperparameters)
        if report.slot == hang_at:
            (folder / "hangs").touch()
            threading.Event().wait()  # until killed
        value = accuracy(hyperparameters)
        report(0, value)
        log("end", report, hyperparameters)
        return value

    settings: dict[str, Any] = {"storage": storage or None, "trials": trials, "seed": 3}
    with Sweep(make_spec(method), folder, **settings) as sweep:
        sweep.run(trial)


if __name__ == "__main__":
    _main(
        Path(sys.argv[1]),
        sys.argv[2],
        int(sys.argv[3]),
        sys.argv[4],
        int(sys.argv[5]),
        int(sys.argv[6]),
    )
