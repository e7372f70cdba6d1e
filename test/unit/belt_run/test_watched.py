# SPDX-License-Identifier: Apache-2.0
"""A run that is listened to has the account that its messages tell."""

from __future__ import annotations

import math

import pytest

from recycle_sorter.belt_run.watched import KEEP_NS, WatchedRun
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.belt.judged import EnteringItem
from recycle_sorter.core.belt.types import Detection, ItemRecord, Observation, Outcome
from recycle_sorter.core.types import NS_PER_SEC, Reason, SortDecision

LAYOUT = load_layout()
BINS = {name: rule.bin for name, rule in LAYOUT.routing.rules.items()}
MATERIALS = ("glass", "metal", "trash")
START_NS = 10**18  # stamps are of a wall clock
FRAME_NS = NS_PER_SEC // 30
SPEED_M_PER_SEC = 0.5
# The truth counts the belt's metres from another start.
ORIGIN_M = 3.0
LEAD_NS = round(LAYOUT.places[0].lead_sec * NS_PER_SEC)


def position_m(stamp_ns: int) -> float:
    return (stamp_ns - START_NS) / NS_PER_SEC * SPEED_M_PER_SEC


def time_ns(at_m: float) -> int:
    return START_NS + round(at_m / SPEED_M_PER_SEC * NS_PER_SEC)


def observation(stamp_ns: int, things: dict[float, str]) -> Observation:
    found = []
    for s_m, material in things.items():
        x_m = s_m + position_m(stamp_ns)
        if 0.0 < x_m < 0.8:
            probabilities = tuple(0.8 if name == material else 0.1 for name in MATERIALS)
            size_m = (0.08, 0.05)
            found.append(
                Detection((0, 0, 9, 9), (x_m, 0.1), size_m, 0.004, probabilities=probabilities)
            )
    return Observation(stamp_ns, tuple(found), MATERIALS, "m", inference_time_sec=0.02)


def watched(said: dict[float, str], total_sec: float = 8.0) -> WatchedRun:
    """A line that decides as ``said`` (material by place on the belt) and fires in time."""
    run = WatchedRun()
    for number in range(round(total_sec * 30)):
        stamp_ns = START_NS + number * FRAME_NS
        run.on_observation(observation(stamp_ns, said))
        run.on_belt(stamp_ns, position_m(stamp_ns), SPEED_M_PER_SEC)
    for item_id, (s_m, material) in enumerate(said.items(), 1):
        at_ns = time_ns(0.7 - s_m)
        stamp_ns = at_ns - (at_ns - START_NS) % FRAME_NS
        decision = SortDecision(
            stamp_ns, item_id, material, 0.8, BINS[material], Reason.ACCEPTED, "sure", 40
        )
        run.on_decision(decision, s_m + position_m(stamp_ns), 0.1, 30_000_000)
        bin_spec = LAYOUT.routing.bins[decision.bin]
        if not bin_spec.diverter:
            run.on_record(ItemRecord(decision, Outcome.PASSED, ended_ns=time_ns(2.5 - s_m)))
            continue
        due_ns = time_ns(LAYOUT.place(bin_spec.diverter).position_m - s_m) - LEAD_NS
        run.on_record(
            ItemRecord(
                decision, Outcome.FIRED, diverter=bin_spec.diverter, scheduled_ns=due_ns,
                issued_ns=due_ns + 1_000_000,
            )
        )  # fmt: skip
    return run


def truth(item_id: int, material: str, s_m: float) -> EnteringItem:
    stamp_ns = time_ns(-s_m)  # as its middle enters the view
    place_m = position_m(stamp_ns) + ORIGIN_M
    return EnteringItem(stamp_ns, item_id, material, 0.0, 0.1, 0.08, 0.05, place_m, False, "")


SAID = {-0.2: "glass", -0.5: "metal", -0.8: "trash"}


def test_what_was_said_is_judged_by_the_truth() -> None:
    run = watched(SAID)
    for item_id, (s_m, material) in enumerate({**SAID, -0.5: "glass"}.items(), 1):
        run.on_truth(truth(item_id, material, s_m))
    result = run.result(LAYOUT, {"model": "m"}, error="")
    summary = result.summary
    items, records = summary["items"], summary["records"]
    assert (items["true"], items["found"], items["phantoms"], items["doubled"]) == (3, 3, 0, 0)
    assert (records["fired"], records["passed"], records["lost"], records["fired_late"]) == (
        2, 1, 0, 0,
    )  # fmt: skip
    by_bin = {row["bin"]: row for row in summary["bins"]}
    assert (by_bin["glass"]["purity"], by_bin["glass"]["recovery"]) == (1.0, 0.5)
    assert by_bin["metal"]["purity"] == 0.0
    assert by_bin["residue"]["recovery"] == 1.0
    # Each network's answer is that of its item, so one of three is wrong in every picture.
    assert summary["classifier"]["crop_accuracy"] == pytest.approx(2 / 3, abs=0.01)
    assert summary["classifier"]["fused_accuracy"] == pytest.approx(2 / 3, abs=0.01)
    assert summary["timing_error_ms"]["max"] == pytest.approx(1.0)
    # Half a millimetre of belt goes by in the millisecond that the command was late.
    assert summary["position_error_mm"]["max"] == pytest.approx(0.5, abs=0.01)
    assert summary["latency_ms"]["p50"] == pytest.approx(30.0)
    assert summary["work_ms"]["p50"] == pytest.approx(20.0)
    assert summary["frames"] == 240
    assert summary["duration_sec"] == pytest.approx(8.0, abs=0.05)
    assert summary["error"] == ""
    assert "<svg" in result.page("A run")


def test_landings_tell_where_items_fell() -> None:
    run = watched({-0.2: "glass"})
    run.on_truth(truth(1, "glass", -0.2))
    run.on_landing(1, "residue")
    summary = run.result(LAYOUT, {}).summary
    assert summary["contamination"]["residue"]["glass"] == 1
    assert summary["sorting"]["wrong_place"] == 1


def test_an_item_fired_for_when_no_picture_tells_of_the_belt_is_off_by_nothing() -> None:
    # The second is fired for after the last picture, or in a gap between two of them.
    said = {-0.5: "glass", -1.5: "glass"}
    ready_ns = time_ns(LAYOUT.places[1].position_m + 1.5)
    for gone in (
        range(ready_ns, ready_ns + 10**12),
        range(ready_ns - 200_000_000, ready_ns + 10**8),
    ):
        run = watched(said, 12.0)
        run._track = {stamp: at for stamp, at in run._track.items() if stamp not in gone}
        for number, s_m in enumerate(said, 1):
            run.on_truth(truth(number, "glass", s_m))
        errors = run.result(LAYOUT, {}).summary["position_error_mm"]
        assert errors["n"] == 1
        assert errors["max"] < 1.0


def test_an_item_that_the_run_s_end_met_in_view_is_missed_by_nobody() -> None:
    run = watched({-0.2: "glass"}, total_sec=5.0)
    run.on_truth(truth(1, "glass", -0.2))
    run.on_truth(truth(2, "metal", -2.2))
    summary = run.result(LAYOUT, {}).summary
    assert (summary["items"]["true"], summary["items"]["missed"]) == (1, 0)
    run.on_truth(truth(3, "metal", -1.0))
    assert run.result(LAYOUT, {}).summary["items"]["missed"] == 1


def test_a_decision_told_twice_is_a_doubled_item() -> None:
    run = watched({-0.2: "glass"})
    run.on_truth(truth(1, "glass", -0.2))
    one = run.decided[1]
    run.on_decision(one.decision, one.x_m, one.y_m, one.latency_ns)
    run.on_record(run.records[0])
    summary = run.result(LAYOUT, {}).summary
    assert summary["items"]["doubled"] == 1
    assert summary["records"]["doubled"] == 1


def test_without_motion_there_is_still_an_account() -> None:
    run = WatchedRun()
    run.on_observation(observation(START_NS, {0.3: "glass"}))
    run.on_belt(START_NS, math.nan, math.nan)
    run.on_truth(truth(1, "glass", -0.2))
    result = run.result(LAYOUT, {})
    assert result.summary["frames"] == 1
    assert result.summary["items"]["true"] == 0
    assert math.isnan(run.speed_m_per_sec)


def test_what_enters_before_the_motion_is_known_is_left_out() -> None:
    run = watched({-0.2: "glass"})
    run.on_truth(truth(1, "glass", -0.2))
    run.on_truth(truth(2, "metal", 0.3))
    assert run.result(LAYOUT, {}).summary["items"]["true"] == 1


def test_a_run_of_days_forgets_its_first_hours() -> None:
    run = watched(SAID)
    for item_id, (s_m, material) in enumerate(SAID.items(), 1):
        run.on_truth(truth(item_id, material, s_m))
        run.on_landing(item_id, BINS[material])
    late_ns = time_ns(0.7 + 0.35) + KEEP_NS  # between the first decision and the second
    run.on_belt(late_ns, position_m(late_ns), SPEED_M_PER_SEC)
    assert sorted(run.decided) == [2, 3]
    assert [record.decision.item_id for record in run.records] == [2, 3]
    assert run.forgotten == 1
    summary = run.result(LAYOUT, {}).summary
    assert summary["forgotten"] == 1
    assert summary["items"]["decided"] == 2
    assert summary["records"]["lost"] == 0
    much_later_ns = late_ns + KEEP_NS
    run.on_belt(much_later_ns, 0.0, 0.0)
    assert not run.decided
    assert not run.records
    assert run.forgotten == 3
    assert run.result(LAYOUT, {}).summary["items"]["true"] == 0
