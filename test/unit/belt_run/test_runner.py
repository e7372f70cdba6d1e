# SPDX-License-Identifier: Apache-2.0
"""The runner: faulty pictures and wild stamps cost themselves and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.belt_twins import make_cutouts, make_twin, tiny_perception
from support.bundles import make_tiny_bundle

from recycle_sorter.belt_run.perception import BeltPerception
from recycle_sorter.belt_run.runner import BeltRunner, RunnerConfig
from recycle_sorter.core.belt.types import LineEvents
from recycle_sorter.core.errors import ModelError, SourceError
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.inference.classifier import MaterialClassifier
from recycle_sorter.twin.twin import Twin


@pytest.fixture(scope="module")
def cutouts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_cutouts(tmp_path_factory.mktemp("cutouts"))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"))


def make_runner(cutouts: Path, bundle: Path) -> tuple[BeltRunner, Twin]:
    twin, layout = make_twin(cutouts, duration_sec=5.0)
    perception = tiny_perception(twin, layout, bundle)
    config = RunnerConfig()
    return BeltRunner.on_line_of(layout, twin.diverters, perception, lambda: 0, config), twin


def feed(runner: BeltRunner, twin: Twin, odd: dict[int, Frame] | None = None) -> int:
    """Plays the twin; ``odd`` frames come beside the twin's own. The end's stamp."""
    for index, frame in enumerate(twin.frames()):
        runner.on_ticks(twin.encoder_ticks(frame.stamp_ns), frame.stamp_ns)
        if odd and index in odd:
            runner.on_frame(odd[index])
        runner.on_frame(frame)
    return twin.end_ns


def test_pictures_of_another_size_are_refused_counted_and_told(cutouts: Path, bundle: Path) -> None:
    good, twin = make_runner(cutouts, bundle)
    good.finish(feed(good, twin))
    assert good.records
    odd_runner, twin = make_runner(cutouts, bundle)
    small = np.zeros((10, 12, 3), np.uint8)
    odd = {n: Frame(twin.start_ns + 1000 + n, small, "bgr8") for n in range(40, 48)}
    odd_runner.finish(feed(odd_runner, twin, odd))
    assert odd_runner.refused == 8
    assert len(odd_runner.notices) == 5
    assert "12" in odd_runner.notices[0]
    assert odd_runner.log.text == good.log.text


def test_a_network_that_fails_costs_its_picture(
    cutouts: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, twin = make_runner(cutouts, bundle)
    calls = 0
    observe = BeltPerception.observe

    def failing(self: BeltPerception, *args: object) -> object:
        nonlocal calls
        calls += 1
        if calls % 10 == 0:
            raise ModelError("the engine answers NaN")
        return observe(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(BeltPerception, "observe", failing)
    runner.finish(feed(runner, twin))
    assert runner.refused == calls // 10
    assert runner.frames == calls - runner.refused
    assert "NaN" in runner.notices[0]
    ids = [record.decision.item_id for record in runner.records]
    assert len(ids) == len(set(ids)) > 3


def test_a_network_that_goes_on_failing_ends_the_run(
    cutouts: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pictures of an empty belt ask nothing of it, and must not hide it.
    runner, twin = make_runner(cutouts, bundle)

    def failing(self: MaterialClassifier, pictures: Sequence[object]) -> list[object]:
        if pictures:
            raise ModelError("the engine was closed")
        return []

    monkeypatch.setattr(MaterialClassifier, "classify_batch", failing)
    with pytest.raises(ModelError, match="closed"):
        feed(runner, twin)
    assert runner.refused == 10
    assert runner.frames > 10


def test_a_run_without_a_usable_picture_is_none(cutouts: Path, bundle: Path) -> None:
    runner, twin = make_runner(cutouts, bundle)
    runner.on_frame(Frame(twin.start_ns + 1, np.zeros((10, 12, 3), np.uint8), "bgr8"))
    with pytest.raises(SourceError, match="no picture can be used: picture at"):
        runner.finish(twin.end_ns)


@pytest.mark.parametrize("tolerance_sec", [0.0005, 0.0019, 0.00207, 0.0025, 0.004])
def test_ticks_are_as_often_as_any_tolerance_needs(
    cutouts: Path, bundle: Path, tolerance_sec: float
) -> None:
    twin, layout = make_twin(cutouts, duration_sec=5.0)
    strict = replace(layout, tolerance_sec=tolerance_sec)
    perception = tiny_perception(twin, strict, bundle)
    runner = BeltRunner.on_line_of(strict, twin.diverters, perception, lambda: 0, RunnerConfig())
    assert runner.config.tick_sec == min(0.005, 2 * tolerance_sec)


def test_a_tolerance_below_half_a_tick_makes_ticks_as_often(cutouts: Path, bundle: Path) -> None:
    twin, layout = make_twin(cutouts, duration_sec=5.0)
    strict = replace(layout, tolerance_sec=0.001)
    perception = tiny_perception(twin, strict, bundle)
    runner = BeltRunner.on_line_of(strict, twin.diverters, perception, lambda: 0, RunnerConfig())
    assert runner.config.tick_sec == 0.002
    runner.finish(feed(runner, twin))
    fired = [record for record in runner.records if record.issued_ns]
    assert fired
    assert all(abs(r.issued_ns - r.scheduled_ns) <= 1_000_000 for r in fired)


def test_a_leap_of_years_is_not_gone_through_and_ends_what_lies_on_the_belt(
    cutouts: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, twin = make_runner(cutouts, bundle)
    end_ns = feed(runner, twin)
    on_belt = runner.line.in_flight
    assert on_belt
    ticks: list[int] = []
    tick = type(runner.line).tick

    def counted(line: object, now_ns: int) -> LineEvents:
        ticks.append(now_ns)
        return tick(line, now_ns)  # type: ignore[arg-type]

    monkeypatch.setattr(type(runner.line), "tick", counted)
    runner.advance(end_ns + 10**9 * NS_PER_SEC)
    assert 1000 < len(ticks) <= 60 / runner.config.tick_sec + 2
    runner.finish(end_ns + 10**9 * NS_PER_SEC + 1)
    lines = [json.loads(line) for line in runner.log.text.splitlines()]
    ids = [line["item_id"] for line in lines if line["event"] == "record"]
    assert sorted(ids) == [decided.decision.item_id for decided in runner.decided]
