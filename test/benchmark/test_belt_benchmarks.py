# SPDX-License-Identifier: Apache-2.0
"""What the belt's benchmarks measure with; no duration is asserted."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.belt_load import measure_core
from benchmarks.belt_probe import Heard
from benchmarks.belt_reference import AfternoonSorter, TruthTracker
from benchmarks.belt_runs import with_motion
from benchmarks.belt_scenes import scene, write_scenario
from benchmarks.belt_verdict import judge
from support.belt_twins import make_cutouts, make_twin, tiny_perception
from support.bundles import make_tiny_bundle

from recycle_sorter.belt_run.parts import twin_diverters
from recycle_sorter.belt_run.simulate import simulate
from recycle_sorter.belt_run.watchers import Watchers
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.belt.motion import PictureMotion, SpeedMotion
from recycle_sorter.core.belt.motion_choice import choose_motion
from recycle_sorter.core.belt.types import Cause, Outcome
from recycle_sorter.core.errors import SorterError
from recycle_sorter.core.types import NS_PER_SEC, Reason
from recycle_sorter.twin.library import load_library
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin

pytestmark = pytest.mark.benchmark

START_NS = 1_800_000_000 * NS_PER_SEC
SPEED_M_PER_SEC = 0.5
M_PER_TICK = 0.0005


def at(seconds: float) -> int:
    return START_NS + round(seconds * NS_PER_SEC)


def heard_belt() -> Heard:
    """A belt of 10 s with three items of metal, entering 1, 2 and 9.9 s after its start."""
    heard = Heard()
    for step in range(2001):
        seconds = step * 0.005
        heard.encoder.append([at(seconds), int(seconds * SPEED_M_PER_SEC / M_PER_TICK + 1e-6)])
    for frame in range(300):
        heard.sent.append([at(frame / 30), at(frame / 30)])
        if frame != 7:
            heard.observed.append([at(frame / 30), at(frame / 30) + 30_000_000, 1, 20_000_000])
    for number, enter_sec in enumerate((1.0, 2.0, 9.9), start=1):
        heard.truths.append(
            {
                "enter_ns": at(enter_sec), "item_id": number, "material": "metal",
                "s_m": -enter_sec * SPEED_M_PER_SEC, "y_m": 0.0, "length_m": 0.1,
                "is_separate": True, "source": "made",
            }
        )  # fmt: skip
    return heard


def decide(heard: Heard, item_id: int, enter_sec: float) -> None:
    """Says that an item that entered then is metal, when it has gone 0.7 m."""
    seconds = enter_sec + 0.7 / SPEED_M_PER_SEC
    heard.decisions.append(
        {
            "stamp_ns": at(seconds), "published_ns": at(seconds) + 40_000_000, "item_id": item_id,
            "x_m": 0.701, "y_m": 0.001, "material": "metal", "confidence": 0.9, "bin": "metal",
            "reason": int(Reason.ACCEPTED), "detail": "sure", "evidence_frames": 20,
        }
    )  # fmt: skip


def fire(heard: Heard, item_id: int, enter_sec: float, late_sec: float) -> None:
    """Says that its diverter was commanded, so much after its time."""
    place = load_layout().place("paddle_3")
    due_sec = enter_sec + place.position_m / SPEED_M_PER_SEC - place.lead_sec
    issued_ns = at(due_sec + late_sec)
    heard.commands.append([item_id, at(due_sec), issued_ns + 1_000_000])
    heard.records.append(
        {
            "item_id": item_id, "outcome": int(Outcome.FIRED), "cause": int(Cause.NONE),
            "diverter": "paddle_3", "scheduled_ns": at(due_sec), "issued_ns": issued_ns,
            "x_m": place.position_m, "rival_id": 0, "detail": "fired", "ended_ns": issued_ns,
        }
    )  # fmt: skip
    heard.landings.append((item_id, "metal"))


def test_a_graph_is_judged_by_what_it_was_heard_to_say() -> None:
    heard = heard_belt()
    decide(heard, 1, 1.0)
    fire(heard, 1, 1.0, 0.004)
    verdict = judge(heard, load_layout())
    items, records = verdict.summary["items"], verdict.summary["records"]
    # The second was not found; the third came too late to be asked for.
    assert (items["true"], items["found"], items["missed"]) == (2, 1, 1)
    assert (items["doubled"], items["phantoms"]) == (0, 0)
    assert (records["lost"], records["fired"], records["fired_late"]) == (0, 1, 0)
    assert verdict.issued_ms == pytest.approx([4.0])
    assert verdict.published_ms == pytest.approx([5.0])
    # 4 ms at 0.5 m/s; the encoder tells half a tick.
    assert verdict.error_mm == pytest.approx([2.0], abs=0.26)
    assert (verdict.pictures, verdict.lost) == (300, 1)
    assert verdict.decided_ms == pytest.approx([40.0])
    metal = next(row for row in verdict.summary["bins"] if row["bin"] == "metal")
    assert (metal["purity"], metal["recovery"]) == (1.0, 1.0)


def test_doubled_late_and_lost_are_told() -> None:
    heard = heard_belt()
    decide(heard, 1, 1.0)
    fire(heard, 1, 1.0, 0.02)
    decide(heard, 2, 1.0)
    summary = judge(heard, load_layout()).summary
    assert summary["items"]["doubled"] == 1
    assert summary["records"]["lost"] == 1
    assert summary["records"]["fired_late"] == 1


def test_where_the_belt_was_after_the_last_count_is_not_guessed() -> None:
    heard = heard_belt()
    decide(heard, 1, 1.0)
    fire(heard, 1, 1.0, 0.0)
    heard.encoder = [row for row in heard.encoder if row[0] < at(4.0)]
    assert judge(heard, load_layout()).error_mm == []


def test_a_belt_of_which_nothing_was_heard_is_refused() -> None:
    with pytest.raises(SorterError, match="nothing was heard"):
        judge(Heard(), load_layout())


@pytest.mark.parametrize("per_min", [80.0, 240.0])
def test_a_scene_has_its_pace_and_ends_empty(tmp_path: Path, per_min: float) -> None:
    scenario = load_scenario(write_scenario(tmp_path / "twin.yaml", scene(per_min, 3, 60.0)))
    layout = load_layout()
    diverters = twin_diverters(layout)
    twin = Twin(scenario, load_library(), diverters, layout.routing.reject_bin)
    first, last = twin.items[0], twin.items[-1]
    pace = 60 * NS_PER_SEC * (len(twin.items) - 1) / (last.enter_ns - first.enter_ns)
    assert pace == pytest.approx(per_min, rel=0.05)
    assert not any(item.is_overlapping for item in twin.items)
    assert len(twin.landed()) == len(twin.items)
    assert (twin.end_ns - twin.start_ns) / NS_PER_SEC == pytest.approx(60.0, abs=3.0)


def test_other_sources_of_motion_are_the_layouts_own() -> None:
    layout = load_layout()
    assert with_motion(layout, "encoder") == layout
    assert isinstance(choose_motion(with_motion(layout, "picture")), PictureMotion)
    assert isinstance(choose_motion(with_motion(layout, "speed")), SpeedMotion)


def test_references_look_on_without_a_say(tmp_path: Path) -> None:
    cutouts, bundle = make_cutouts(tmp_path / "cutouts"), make_tiny_bundle(tmp_path / "bundle")
    changes = {"duration_sec": None, "items__count": 9}
    twin, layout = make_twin(cutouts, **changes)
    tracker = TruthTracker(twin, layout)
    library = load_library(cutouts)
    sorters = [AfternoonSorter.beside(twin, library, layout, holds) for holds in (False, True)]
    watched = simulate(
        twin, layout, tiny_perception(twin, layout, bundle), time.perf_counter_ns,
        watcher=Watchers([tracker, *sorters]),
    )  # fmt: skip
    alone_twin, _ = make_twin(cutouts, **changes)
    perception = tiny_perception(alone_twin, layout, bundle)
    alone = simulate(alone_twin, layout, perception, time.perf_counter_ns)
    assert watched.log == alone.log
    truths = [item.truth for item in watched.items if item.truth is not None]
    assert tracker.result(truths) == {"items": 9, "material_right": 9, "bin_right": 9}
    free, holding = (sorter.result(truths)["sorting"] for sorter in sorters)
    assert free["items"] == holding["items"] == 9
    # At an even speed a fixed delay is right; who waits for it misses what comes meanwhile.
    assert free["sorted_right"] >= 0.8
    assert holding["sorted_right"] < 0.7
    hidden = [replace(truth, is_separate=False) for truth in truths]
    assert tracker.result(hidden)["items"] == 0


def test_a_load_has_so_many_items_under_way() -> None:
    load = measure_core(10, 0.5)
    assert load.items == pytest.approx(10, abs=1.5)
    assert 0 < load.in_view < load.items
    assert len(load.picture_ms) == 15
    assert len(load.tick_ms) == 125
    assert load.cpu_ms > 0
