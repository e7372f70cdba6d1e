# SPDX-License-Identifier: Apache-2.0
"""A belt's run as `recycle-sorter run --mode belt` makes it: its account comes, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import rclpy
from support.belt_graphs import ITEMS, write_parts

from recycle_sorter.belt_run.watched import WatchedRun
from recycle_sorter.core.belt.types import ItemRecord
from recycle_sorter.core.errors import SorterError
from recycle_sorter.paths import share_file
from recycle_sorter.ros.belt_session import run_belt_session
from recycle_sorter.ros.session import SessionOptions

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("domain")]

PARAMS = str(share_file("config/sorter.yaml"))
CLI = [sys.executable, "-m", "recycle_sorter.cli.app"]


class FakeDisplay:
    """Notes what it was told."""

    def __init__(self, on_record: Callable[[], None] = lambda: None) -> None:
        self.starts: list[tuple[str, str, str, str]] = []
        self.frames = 0
        self.records: list[ItemRecord] = []
        self._on_record = on_record

    def started(self, model_id: str, engine: str, precision: str, source: str) -> None:
        self.starts.append((model_id, engine, precision, source))

    def frame(self, run: WatchedRun) -> None:
        self.frames = run.frames

    def record(self, record: ItemRecord) -> None:
        self.records.append(record)
        self._on_record()


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return write_parts(tmp_path_factory.mktemp("belt_session"))


def options(parts: dict[str, Any], bundle: Path, **more: Any) -> SessionOptions:
    settings = {"source": "twin", "model": str(bundle), "lossless": True, **parts}
    return SessionOptions(PARAMS, {**settings, **more.pop("settings", {})}, **more)


def check(summary: Any) -> None:
    items, records = summary["items"], summary["records"]
    assert items["true"] == items["separate"] == items["found"] == items["decided"] == ITEMS
    assert (items["doubled"], items["phantoms"]) == (0, 0)
    assert records["written"] == ITEMS
    assert (records["lost"], records["doubled"], records["fired_late"]) == (0, 0, 0)
    assert summary["classifier"]["fused_accuracy"] == 1.0
    assert summary["sorting"]["sorted_right"] == 1.0


def test_a_run_ends_with_the_account_of_a_simulation(
    parts: dict[str, Any], tiny_bundle: Path, tmp_path: Path
) -> None:
    display = FakeDisplay()
    record = tmp_path / "bag"
    run = options(parts, tiny_bundle, record=str(record), settings={"wait_for_listeners": 2})
    outcome = run_belt_session(run, display)
    summary = outcome.result.summary
    check(summary)
    for row in summary["bins"]:
        assert row["purity"] in (1.0, None)
        assert row["recovery"] in (1.0, None)
    assert outcome.error == summary["error"] == ""
    assert summary["frames_published"] == summary["frames_in"] == summary["frames"]
    assert summary["frames"] == display.frames > 100
    assert summary["counts"]["decisions"] == len(display.records) == ITEMS
    assert summary["timing_error_ms"]["max"] <= 2.001, "the nearest tick of 250 a second"
    assert summary["position_error_mm"]["n"] == summary["records"]["fired"] > 0
    assert summary["position_error_mm"]["max"] < 10.0
    for name in ("latency_ms", "work_ms"):
        assert 0 < summary[name]["p50"] <= summary[name]["p99"]
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert display.starts == [
        (summary["model_id"], "onnxruntime", "fp32", "twin of seed 1, 6 items")
    ]
    assert "<svg" in outcome.result.page("A run")
    assert not rclpy.ok()

    # The recording of it, which has truth but nobody who sees what falls.
    again = {**parts, "uri": str(record), "model": str(tiny_bundle), "lossless": True}
    for name in ("scenario", "cutouts"):
        del again[name]
    replayed = run_belt_session(SessionOptions(PARAMS, again), FakeDisplay()).result.summary
    check(replayed)
    assert replayed["contamination"] == summary["contamination"]


def test_a_belt_in_its_own_time_in_a_lane(parts: dict[str, Any], tiny_bundle: Path) -> None:
    more = {"lossless": False, "duration_sec": 4.0}
    run = options(parts, tiny_bundle, namespace="lane1", settings=more)
    summary = run_belt_session(run, FakeDisplay()).result.summary
    assert summary["frames"] > 0
    assert summary["records"]["lost"] == summary["records"]["doubled"] == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_still_gives_its_account(
    parts: dict[str, Any], tiny_bundle: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    left = [lambda: os.kill(os.getpid(), number)]
    display = FakeDisplay(lambda: left.pop()() if left else None)
    summary = run_belt_session(options(parts, tiny_bundle), display).result.summary
    assert not left
    assert summary["records"]["written"] == summary["items"]["decided"] >= 1
    assert signal.getsignal(number) is before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layout": "/nowhere.yaml"}, "/nowhere.yaml"),
        ({"evidence_frames": 3}, "evidence_frames"),
        ({"uri": "bag"}, "uri: got 'bag', expected nothing"),
    ],
)
def test_a_refused_run_can_be_tried_again(
    parts: dict[str, Any], tiny_bundle: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(SorterError, match=message):
        run_belt_session(options(parts, tiny_bundle, settings=settings), FakeDisplay())
    assert not rclpy.ok()


def call(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, "run", "--mode", "belt", *arguments],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_command_writes_summary_and_page(
    parts: dict[str, Any], tiny_bundle: Path, tmp_path: Path
) -> None:
    found = call(
        "--model", str(tiny_bundle), "--engine", "onnxruntime", "--layout", parts["layout"],
        "--scenario", parts["scenario"], "--seed", "2", "-p", f"cutouts={parts['cutouts']}",
        "--lossless", "--summary", str(tmp_path / "run.json"),
        "--report", str(tmp_path / "out" / "run.html"),
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    summary = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    check(summary)
    assert summary["about"]["source"] == "twin of seed 2, 6 items"
    assert "separate items found: 6 of 6 (100.0 %)" in found.stdout
    assert found.stdout.count(" -> ") == ITEMS
    page = (tmp_path / "out" / "run.html").read_text(encoding="utf-8")
    assert "Run of a belt" in page


def test_the_command_refuses_in_one_line(tiny_bundle: Path) -> None:
    found = call("--model", str(tiny_bundle), "--layout", "/nowhere.yaml", "--lossless")
    assert found.returncode == 2
    assert "/nowhere.yaml" in found.stderr
    assert "Traceback" not in found.stderr
