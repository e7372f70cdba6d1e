# SPDX-License-Identifier: Apache-2.0
"""The benchmarks start, measure and write what they promise; no duration is asserted."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from recycle_sorter.core.errors import SorterError

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "engines",
    "latency",
    "throughput",
    "transport",
    "across_processes",
    "startup",
    "photos",
    "training",
    "belt",
    "belt_motion",
    "belt_sorting",
    "belt_growth",
)

pytestmark = pytest.mark.benchmark


def run_benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=240
    )


def test_help_names_every_benchmark() -> None:
    done = run_benchmarks("--help")
    assert done.returncode == 0, done.stderr
    for name in NAMES:
        assert name in done.stdout
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()


def test_unknown_name_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    done = run_benchmarks("speed", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "'speed'" in done.stderr
    assert "transport" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_missing_model_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    done = run_benchmarks("engines", "--model", str(tmp_path / "none"), "--out", str(tmp_path))
    assert done.returncode == 1
    assert "expected a model bundle's folder" in done.stdout
    assert "Traceback" not in done.stderr


def test_quick_run_writes_a_whole_report(tmp_path: Path) -> None:
    done = run_benchmarks("transport", "--quick", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "transport.json").read_text(encoding="utf-8"))
    require_report(report)
    assert report["name"] == "transport"
    assert report["quick"] is True
    table = report["tables"][0]
    profiles = {(row[0], row[1]) for row in table["rows"]}
    assert len(profiles) == 4
    received = table["columns"].index("N")
    # Loss is the machine's matter; a profile through which nothing comes is ours.
    ours = [row[received] for row in table["rows"] if row[0] == "config/fastdds.xml"]
    assert all(count > 0 for count in ours)


def require_report(report: dict[str, Any]) -> None:
    """The schema that readers of ``benchmarks/out`` rely on."""
    kinds = {
        "format": int, "name": str, "measures": str, "date": str, "command": str, "quick": bool,
        "commit": dict, "hardware": dict, "versions": dict, "load_before": float,
        "seconds": float, "figures": list, "tables": list, "notes": list, "details": dict,
    }  # fmt: skip
    assert {name: type(value) for name, value in report.items()} == kinds
    assert report["format"] == 1
    assert report["hardware"]["cores"] >= 1
    assert report["hardware"]["memory_gb"] > 0
    assert {"amx", "avx512_bf16", "vnni"} <= set(report["hardware"]["features"])
    assert {"python", "numpy", "openvino", "ros-rclpy"} <= set(report["versions"])
    assert report["command"].startswith("python -m benchmarks")
    for figure in report["figures"]:
        assert set(figure) == {"name", "value", "unit", "target", "holds"}
    for table in report["tables"]:
        assert set(table) == {"title", "columns", "rows"}
        for row in table["rows"]:
            assert len(row) == len(table["columns"])


def test_figures_know_whether_they_hold() -> None:
    from benchmarks.report import at_least, at_most

    assert at_most("latency", 3.0, "ms", 4.0).holds is True
    assert at_most("latency", 4.1, "ms", 4.0).holds is False
    assert at_least("ratio", 0.8, "x", 0.8).holds is True
    assert at_least("ratio", 0.79, "x", 0.8).holds is False
    # Nothing measured meets no target.
    assert at_most("latency", math.nan, "ms", 4.0).holds is False


def test_lost_pictures_show_as_gaps_between_stamps() -> None:
    from benchmarks.across_processes import FPS_HZ, count_lost
    from benchmarks.probe import Record

    period_ns = round(1e9 / FPS_HZ)
    stamps = [10**18 + index * period_ns for index in range(10)]
    record = Record(classified=[[stamp, stamp + 1_000_000] for stamp in stamps])
    assert count_lost(record) == 0
    del record.classified[4]
    assert count_lost(record) == 1
    record.sent = [[stamps[-1] + period_ns, 0]]
    assert count_lost(record) == 2


def test_photographs_that_are_not_there_are_named(tmp_path: Path) -> None:
    from benchmarks.pictures import find_photos

    with pytest.raises(SorterError, match="--photos"):
        find_photos(tmp_path / "none")
