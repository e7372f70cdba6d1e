# SPDX-License-Identifier: Apache-2.0
"""The line as a whole: stamps, ticks, truth, and the bins that items fall into."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.twin_data import library, scenario, seeded

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.diverters import TwinDiverter
from recycle_sorter.twin.scenario import START_NS
from recycle_sorter.twin.twin import Twin

MS = 1_000_000
GATES = [
    TwinDiverter("second", 1.3, {"metal": 0.5}, stroke_sec=0.016, delay_sec=0.01),
    TwinDiverter("first", 1.0, {"glass": 0.5, "paper": -0.5}, stroke_sec=0.016, delay_sec=0.01),
]


def sorted_by_truth(twin: Twin, late_ms: float = 0.0) -> None:
    """Opens each item's gate in time and closes it behind it."""
    gate_of = {"glass": ("first", 0.5, 1.0), "paper": ("first", -0.5, 1.0),
               "metal": ("second", 0.5, 1.3)}  # fmt: skip
    for item in twin.items:
        name, angle, x_m = gate_of[item.material]
        at_ns = twin.arrival_ns(item, x_m)
        assert at_ns is not None
        twin.command(name, angle, at_ns - 30 * MS + round(late_ms * MS))
        twin.command(name, 0.0, at_ns + 10 * MS + round(late_ms * MS))


def test_stamps_begin_at_the_epoch_and_are_whole() -> None:
    twin = Twin(scenario(duration_sec=2.0), library())
    stamps = [frame.stamp_ns for frame in twin.frames()]
    assert stamps[0] == START_NS == 1_700_000_000 * NS_PER_SEC
    assert len(stamps) == twin.frame_count == 60
    assert all(isinstance(stamp, int) for stamp in stamps)
    assert stamps == [START_NS + round(i * 1e9 / 30) for i in range(60)]
    assert twin.end_ns == START_NS + 2 * NS_PER_SEC


def test_every_item_falls_into_the_bin_of_its_gate() -> None:
    twin = Twin(scenario(items__count=12, items__jitter=0.0), library(), GATES, "end")
    assert twin.landed(START_NS) == []
    sorted_by_truth(twin)
    landed = twin.landed()
    assert [each.item_id for each in sorted(landed, key=lambda e: e.item_id)] == list(range(1, 13))
    assert all(each.bin == each.material for each in landed)
    assert [each.stamp_ns for each in landed] == sorted(each.stamp_ns for each in landed)
    for each in landed:
        x_m = {"glass": 1.0, "paper": 1.0, "metal": 1.3}[each.bin]
        assert each.x_m == x_m
        item = twin.items[each.item_id - 1]
        assert item.s_m + twin.position_m(each.stamp_ns) == pytest.approx(x_m, abs=1e-6)


@pytest.mark.parametrize("late_ms", [-60.0, 40.0])
def test_a_gate_that_opens_at_the_wrong_time_lets_pass(late_ms: float) -> None:
    twin = Twin(scenario(items__jitter=0.0), library(), GATES, "end")
    sorted_by_truth(twin, late_ms)
    assert {each.bin for each in twin.landed()} == {"end"}
    assert {each.diverter for each in twin.landed()} == {""}


def test_landings_come_as_time_goes_on() -> None:
    twin = Twin(scenario(), library(), GATES, "end")
    first = twin.arrival_ns(twin.items[0], 1.5)
    assert first is not None
    assert twin.landed(first - 1) == []
    assert [each.item_id for each in twin.landed(first)] == [1]
    # A command after the fact changes nothing.
    twin.command("first", 0.5, first)
    assert [each.bin for each in twin.landed(first)] == ["end"]


def test_the_run_ends_when_the_last_item_has_left() -> None:
    twin = Twin(scenario(), library(), GATES, "end")
    landed = twin.landed()
    assert len(landed) == 4
    assert twin.end_ns == landed[-1].stamp_ns + NS_PER_SEC // 2
    assert Twin(scenario(items__count=0), library()).end_ns == START_NS + NS_PER_SEC
    stops = {"speed__kind": "points", "speed__points": ((0.0, 0.5), (4.0, 0.0))}
    with pytest.raises(InvalidInputError, match="duration_sec"):
        Twin(scenario(**stops), library())


def test_items_enter_when_their_front_does() -> None:
    twin = Twin(scenario(), library())
    for item in twin.items:
        front_m = item.s_m + item.front_m
        assert twin.position_m(item.enter_ns) + front_m == pytest.approx(0.0, abs=1e-6)
        assert item not in twin.visible(item.enter_ns - MS)
        assert item in twin.visible(item.enter_ns + MS)
        gone = twin.arrival_ns(item, 0.8 + item.along_m - item.front_m)
        assert gone is not None
        assert item in twin.visible(gone - MS)
        assert item not in twin.visible(gone + MS)


@settings(max_examples=15)
@given(
    kind=st.sampled_from(["constant", "ramp", "stop_and_go", "jog"]),
    seed=st.integers(0, 1000),
    at_ms=st.lists(st.integers(0, 60_000), min_size=2, max_size=20),
)
def test_ticks_follow_the_belt(kind: str, seed: int, at_ms: list[int]) -> None:
    twin = Twin(seeded(seed, speed__kind=kind, items__count=0, duration_sec=60.0), library())
    for ms in sorted(at_ms):
        stamp_ns = twin.start_ns + ms * MS
        ticks = twin.encoder_ticks(stamp_ns)
        assert isinstance(ticks, int)
        assert 0.0 <= twin.position_m(stamp_ns) - ticks * 0.0005 + 1e-9 <= 0.0005 + 2e-9
    assert twin.encoder_ticks(twin.start_ns) == 0


@settings(max_examples=15)
@given(
    kind=st.sampled_from(["constant", "ramp", "stop_and_go", "jog"]),
    seed=st.integers(0, 1000),
    share=st.floats(0.0, 1.0),
)
def test_every_item_lands_once_whatever_the_belt_does(kind: str, seed: int, share: float) -> None:
    run = seeded(seed, speed__kind=kind, items__count=10, items__overlap_share=share)
    twin = Twin(run, library(), GATES, "end")
    landed = twin.landed()
    assert sorted(each.item_id for each in landed) == list(range(1, 11))


def test_a_seed_sets_the_run() -> None:
    def run(seed: int) -> list[object]:
        late = seeded(seed, machine__jitter_sec=0.02, items__count=20, items__jitter=0.0)
        twin = Twin(late, library(), GATES, "end")
        sorted_by_truth(twin)
        return [(each.item_id, each.bin, each.stamp_ns) for each in twin.landed()]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_gate_beyond_the_end_is_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"machine\.end_m"):
        Twin(scenario(machine__end_m=1.2), library(), GATES)
