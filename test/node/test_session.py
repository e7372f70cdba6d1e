# SPDX-License-Identifier: Apache-2.0
"""A whole run as `recycle-sorter run` makes it: its account comes, however it ends."""

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
from support.bags import item_frames, write_item_bag

from recycle_sorter.core.errors import SorterError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.stats import JudgedDecision, RunStats
from recycle_sorter.paths import share_file
from recycle_sorter.ros import camera_node
from recycle_sorter.ros.session import SessionOptions, run_session
from recycle_sorter.sources.fake import FakeSource

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("domain")]

PARAMS = str(share_file("config/sorter.yaml"))
CLI = [sys.executable, "-m", "recycle_sorter.cli.app"]


class FakeDisplay:
    """Notes what it was told."""

    def __init__(self, on_decision: Callable[[], None] = lambda: None) -> None:
        self.starts: list[tuple[str, str, str, str]] = []
        self.frames = 0
        self.decisions: list[tuple[JudgedDecision, str, float]] = []
        self._on_decision = on_decision

    def started(self, model_id: str, engine: str, precision: str, source: str) -> None:
        self.starts.append((model_id, engine, precision, source))

    def frame(self, stats: RunStats) -> None:
        self.frames = stats.frames_classified

    def decision(self, judged: JudgedDecision, diverter: str, position_rad: float) -> None:
        self.decisions.append((judged, diverter, position_rad))
        self._on_decision()


@pytest.fixture(scope="session")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_item_bag(tmp_path_factory.mktemp("bags") / "session", MATERIALS)


def options(bag: Path, bundle: Path, **more: Any) -> SessionOptions:
    settings = {"uri": str(bag), "model": str(bundle), "engine": "onnxruntime", "lossless": True}
    return SessionOptions(PARAMS, {**settings, **more.pop("settings", {})}, **more)


def test_a_run_ends_with_its_account(bag: Path, tiny_bundle: Path) -> None:
    display = FakeDisplay()
    summary = run_session(options(bag, tiny_bundle), display)
    frames = 5 + 6 * 13
    assert summary["frames_published"] == summary["frames_in"] == frames
    assert summary["frames_classified"] == display.frames == frames
    assert summary["frames_dropped"] == 0
    assert (summary["items"], summary["decisions"], summary["correct"]) == (6, 6, 6)
    assert (summary["missed"], summary["doubled"], summary["rejected"]) == (0, 0, 0)
    assert summary["by_bin"] == {"fibre": 2, "glass": 1, "metal": 1, "plastic": 1, "residue": 1}
    assert summary["confusion"] == {material: {material: 1} for material in MATERIALS}
    for name in ("latency_ms", "engine_ms"):
        figures = summary[name]
        assert 0 < figures["p50"] <= figures["p95"] <= figures["p99"] < 10_000
    assert (summary["engine"], summary["precision"]) == ("onnxruntime", "fp32")
    assert summary["counts"]["commands"] == 6
    assert summary["error"] == ""
    assert json.loads(json.dumps(summary)) == summary
    assert display.starts == [(summary["model_id"], "onnxruntime", "fp32", str(bag))]
    materials = [judged.decision.material for judged, _, _ in display.decisions]
    assert materials == list(MATERIALS)
    assert [diverter for _, diverter, _ in display.decisions][:2] == ["flap_1", "flap_1"]
    assert not rclpy.ok()


def test_a_lane_has_its_own_namespace(bag: Path, tiny_bundle: Path) -> None:
    summary = run_session(options(bag, tiny_bundle, namespace="lane1"), FakeDisplay())
    assert summary["correct"] == 6


def test_latency_is_counted_from_the_picture_s_stamp(tmp_path: Path, tiny_bundle: Path) -> None:
    bag = write_item_bag(tmp_path / "bag", ["glass", "metal"], shown=15, gap=10)
    summary = run_session(options(bag, tiny_bundle, settings={"lossless": False}), FakeDisplay())
    assert summary["decisions"] == 2
    assert 0 < summary["latency_ms"]["p50"] < 1_000


def test_a_run_can_be_limited_in_time(bag: Path, tiny_bundle: Path) -> None:
    run = options(bag, tiny_bundle, settings={"loop": True}, duration_sec=0.5)
    summary = run_session(run, FakeDisplay())
    assert summary["frames_classified"] > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_still_gives_its_account(
    bag: Path, tiny_bundle: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    display = FakeDisplay(_once(lambda: os.kill(os.getpid(), number)))
    run = options(bag, tiny_bundle, settings={"loop": True, "lossless": False})
    summary = run_session(run, display)
    assert summary["decisions"] >= 1
    assert signal.getsignal(number) is before


def _once(action: Callable[[], None]) -> Callable[[], None]:
    left = [action]
    return lambda: left.pop()() if left else None


def test_a_source_that_breaks_off_leaves_the_account_of_what_was(
    bag: Path, tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = list(item_frames(["glass", "metal"]))
    source = FakeSource(frames, lost_after=20)
    monkeypatch.setattr(camera_node, "open_source", lambda config, clock_ns: source)
    summary = run_session(options(bag, tiny_bundle), FakeDisplay())
    assert summary["error"] == "broke off: fake: lost, as scripted"
    assert summary["frames_classified"] == 20
    assert summary["decisions"] == 2  # the second from the two frames that showed it


def test_a_refused_run_can_be_tried_again(bag: Path, tiny_bundle: Path) -> None:
    with pytest.raises(SorterError, match="/nowhere"):
        run_session(options(bag, tiny_bundle, settings={"uri": "/nowhere"}), FakeDisplay())
    assert not rclpy.ok()
    assert run_session(options(bag, tiny_bundle), FakeDisplay())["correct"] == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("/**/camera_node:\n  ros__parameters: {fps_hz: fast}\n", "fps_hz"),
        ("/**/camera_node:\n  ros__parameters: {fps_hz: [1, two]}\n", "params"),
        ("][", "params"),
    ],
)
def test_a_bad_parameter_file_is_named(
    bag: Path, tiny_bundle: Path, tmp_path: Path, text: str, message: str
) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(text, encoding="utf-8")
    run = options(bag, tiny_bundle)
    with pytest.raises(SorterError, match=message):
        run_session(SessionOptions(str(params), run.settings), FakeDisplay())
    assert not rclpy.ok()


def test_values_come_from_the_parameter_file(bag: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    params = tmp_path / "params.yaml"
    params.write_text(
        f"/**/camera_node:\n  ros__parameters: {{uri: '{bag}', lossless: true}}\n"
        "/**/classifier_node:\n  ros__parameters:\n"
        f"    {{model: '{tiny_bundle}', engine: onnxruntime, lossless: true}}\n"
        "/**/actuator_node:\n  ros__parameters: {lossless: true, evidence_frames: 3}\n",
        encoding="utf-8",
    )
    display = FakeDisplay()
    assert run_session(SessionOptions(str(params)), display)["correct"] == 6
    assert {judged.decision.evidence_frames for judged, _, _ in display.decisions} == {3}


def run_arguments(bag: Path, bundle: Path, *more: str) -> list[str]:
    return [
        *CLI,
        "run",
        "--uri",
        str(bag),
        "--model",
        str(bundle),
        "--engine",
        "onnxruntime",
        *more,
    ]


def test_the_command_writes_decisions_and_summary(
    bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out" / "summary.json"
    found = subprocess.run(
        run_arguments(bag, tiny_bundle, "--lossless", "--summary", str(path)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    for material in MATERIALS:
        assert material in found.stdout
    assert "6 of 6 (100.0 %)" in found.stdout
    assert json.loads(path.read_text(encoding="utf-8"))["correct"] == 6


def test_ctrl_c_ends_the_command_with_its_summary(
    bag: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    path = tmp_path / "summary.json"
    arguments = run_arguments(bag, tiny_bundle, "--loop", "--summary", str(path))
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            next(line for line in process.stdout if "->" in line)  # the first decision
            process.send_signal(signal.SIGINT)
            out, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "frames: " in out
    summary = json.loads(path.read_text(encoding="utf-8"))
    assert summary["decisions"] >= 1


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--uri", "/nowhere"], "uri: got '/nowhere'"),
        (["-p", "evidence_frame=3"], "did you mean evidence_frames?"),
        (["--namespace", "lane 1"], "namespace: got 'lane 1'"),
    ],
)
def test_the_command_refuses_in_one_line(
    bag: Path, tiny_bundle: Path, more: list[str], message: str
) -> None:
    found = subprocess.run(
        run_arguments(bag, tiny_bundle, *more),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert found.returncode == 2
    assert message in found.stderr
    assert "Traceback" not in found.stderr
