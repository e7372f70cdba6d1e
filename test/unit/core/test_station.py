# SPDX-License-Identifier: Apache-2.0
"""One decision an item, however many frames show it and whatever their stamps are."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sorting import FRAME_NS, START_NS, empty, item, sec

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.station import ItemEvidence, Station, StationConfig
from recycle_sorter.core.types import Classification

SCENE = {"#": True, ".": False}


def feed(station: Station, scene: str, start_ns: int = START_NS) -> list[ItemEvidence]:
    """Shows frames: ``#`` with an item, ``.`` of the empty board."""
    found = []
    for index, sign in enumerate(scene):
        stamp_ns = start_ns + index * FRAME_NS
        found += station.update(item(stamp_ns) if SCENE[sign] else empty(stamp_ns))
    return found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("enter_frames", 0),
        ("evidence_frames", 0),
        ("min_evidence_frames", -1),
        ("exit_frames", 0),
        ("evidence_frames", 1),
        ("reset_gap_sec", 0.0),
        ("reset_gap_sec", -1.0),
        ("reset_gap_sec", math.nan),
        ("reset_gap_sec", math.inf),
    ],
)
def test_senseless_settings_are_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        StationConfig(**{field: value})
    assert caught.value.field == field


def test_an_item_is_decided_once_on_its_fifth_frame() -> None:
    station = Station()
    found = feed(station, "....##########....")
    assert [(e.item_id, e.frames, e.is_enough) for e in found] == [(1, 5, True)]
    assert found[0].stamp_ns == START_NS + 8 * FRAME_NS
    assert station.flush() == []
    assert (station.counters.items, station.counters.frames_with_item) == (1, 10)


def test_the_evidence_is_the_mean_of_the_frames() -> None:
    station = Station(StationConfig(enter_frames=1, evidence_frames=2))
    station.update(item(START_NS, "glass", 0.9))
    (found,) = station.update(item(START_NS + FRAME_NS, "glass", 0.5))
    assert found.probabilities["glass"] == pytest.approx(0.7)
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert tuple(found.probabilities) == MATERIALS


def test_an_item_that_leaves_early_is_decided_when_it_has_left() -> None:
    station = Station(StationConfig(min_evidence_frames=4))
    (found,) = feed(station, "###..")
    assert (found.item_id, found.frames, found.is_enough) == (1, 3, False)
    assert found.stamp_ns == START_NS + 4 * FRAME_NS


def test_a_full_set_of_frames_is_always_enough() -> None:
    config = StationConfig(enter_frames=1, evidence_frames=1, min_evidence_frames=2)
    (found,) = feed(Station(config), "#")
    assert found.is_enough


def test_glimpses_are_no_items() -> None:
    station = Station()
    assert feed(station, "#..#..#..") == []
    assert station.item_in_view == 0
    assert (station.counters.items, station.counters.glimpses) == (0, 3)


def test_frames_must_show_it_in_a_row_before_it_counts() -> None:
    station = Station(StationConfig(enter_frames=2, exit_frames=3))
    assert feed(station, "#.#.#.#.") == []
    assert station.flush() == []
    assert (station.counters.items, station.counters.glimpses) == (0, 4)


def test_a_short_gap_within_an_item_is_bridged() -> None:
    found = feed(Station(), "##.##.##..")
    assert [(e.item_id, e.frames) for e in found] == [(1, 5)]


def test_item_in_view_counts_from_when_it_has_entered() -> None:
    station = Station()
    feed(station, "#")
    assert station.item_in_view == 0
    feed(station, "#", START_NS + FRAME_NS)
    assert station.item_in_view == 1


def test_the_end_decides_what_lies_in_view() -> None:
    station = Station()
    assert feed(station, "###") == []
    (found,) = station.flush()
    assert (found.item_id, found.frames) == (1, 3)
    assert found.stamp_ns == START_NS + 2 * FRAME_NS
    assert station.flush() == []


def test_a_long_pause_ends_the_item_and_begins_another() -> None:
    station = Station(StationConfig(reset_gap_sec=1.0))
    assert feed(station, "###") == []
    found = feed(station, "#####", START_NS + sec(2.0))
    assert [(e.item_id, e.frames) for e in found] == [(1, 3), (2, 5)]
    assert found[0].stamp_ns == START_NS + 2 * FRAME_NS


@pytest.mark.parametrize("stamp_ns", [0, -1, START_NS, START_NS - 1, START_NS - sec(2.0)])
def test_zero_doubled_and_past_stamps_are_counted_and_left_aside(stamp_ns: int) -> None:
    station = Station()
    feed(station, "#")
    assert station.update(item(stamp_ns)) == []
    assert (station.counters.stamps_refused, station.counters.frames) == (1, 1)


def test_a_clock_set_back_is_followed_and_the_item_stays_the_same() -> None:
    station = Station()
    assert len(feed(station, "#####")) == 1
    assert feed(station, "#####..", START_NS - sec(3600)) == []
    assert (station.counters.clock_resets, station.counters.items) == (1, 1)
    assert len(feed(station, "#####", START_NS - sec(3000))) == 1


def test_another_model_in_mid_item_begins_its_evidence_anew_not_the_item() -> None:
    station = Station()
    feed(station, "####")
    other = Classification(START_NS + sec(1), True, ("glass", "wood"), (0.25, 0.75))
    assert station.update(other) == []
    assert station.item_in_view == 1
    (found,) = station.flush()
    assert (found.item_id, found.frames) == (1, 1)
    assert found.probabilities == {"glass": 0.25, "wood": 0.75}


def test_another_model_does_not_decide_an_item_twice() -> None:
    station = Station()
    assert len(feed(station, "#####")) == 1
    for index in range(10):
        stamp_ns = START_NS + sec(1) + index * FRAME_NS
        assert station.update(Classification(stamp_ns, True, ("wood",), (1.0,))) == []
    assert station.counters.items == 1


def test_probabilities_a_little_above_one_are_brought_back_to_one() -> None:
    station = Station(StationConfig(evidence_frames=3))
    for index in range(3):
        stamp_ns = START_NS + index * FRAME_NS
        found = station.update(Classification(stamp_ns, True, ("glass",), (1.0 + 1e-6,)))
    assert found[0].probabilities == {"glass": 1.0}


@st.composite
def configs(draw: st.DrawFn) -> StationConfig:
    enter = draw(st.integers(1, 4))
    return StationConfig(
        enter_frames=enter,
        evidence_frames=draw(st.integers(enter, 8)),
        min_evidence_frames=draw(st.integers(1, 8)),
        exit_frames=draw(st.integers(1, 4)),
        reset_gap_sec=draw(st.sampled_from([0.1, 1.0, 2.0])),
    )


@st.composite
def probabilities(draw: st.DrawFn) -> tuple[tuple[str, ...], tuple[float, ...]]:
    names = draw(st.sampled_from([MATERIALS, MATERIALS, MATERIALS, ("glass", "wood")]))
    weights = draw(st.lists(st.floats(0.01, 1.0), min_size=len(names), max_size=len(names)))
    return names, tuple(weight / sum(weights) for weight in weights)


STEPS_SEC = st.sampled_from(
    [1 / 30, 1 / 30, 1 / 30, 1 / 30, 1e-9, 0.0, -1e-9, -0.5, 0.5, 3.0, -3.0, 3600.0, -3600.0]
)
FRAMES = st.lists(st.tuples(st.booleans(), STEPS_SEC, st.booleans(), probabilities()), max_size=60)


@given(configs(), FRAMES)
def test_whatever_comes_ids_grow_and_no_item_is_decided_twice(
    config: StationConfig,
    frames: list[tuple[bool, float, bool, tuple[tuple[str, ...], tuple[float, ...]]]],
) -> None:
    station = Station(config)
    found: list[ItemEvidence] = []
    stamp_ns = START_NS
    for present, step_sec, is_zero, (names, values) in frames:
        stamp_ns += sec(step_sec)
        shown_ns = 0 if is_zero and step_sec < 0.01 else stamp_ns
        seen = Classification(shown_ns, present, names, values if present else ())
        new = station.update(seen)
        assert len(new) <= 2
        assert all(e.stamp_ns <= shown_ns for e in new) or station.counters.clock_resets
        found += new
    found += station.flush()
    assert station.flush() == []
    ids = [e.item_id for e in found]
    assert all(a < b for a, b in pairwise(ids))
    assert ids == list(range(1, station.counters.items + 1))
    counters = station.counters
    assert counters.frames + counters.stamps_refused == len(frames)
    assert counters.frames_with_item <= counters.frames
    for e in found:
        assert 1 <= e.frames <= config.evidence_frames
        assert sum(e.probabilities.values()) == pytest.approx(1.0)
        least = min(config.min_evidence_frames, config.evidence_frames)
        assert e.is_enough == (e.frames >= least)


@given(configs(), st.data())
def test_clean_items_are_decided_exactly_once_each(
    config: StationConfig, data: st.DataObject
) -> None:
    config = replace(config, reset_gap_sec=2.0)
    shown = data.draw(st.lists(st.integers(config.enter_frames, 12), max_size=8))
    gaps = data.draw(
        st.lists(
            st.integers(config.exit_frames, 6), min_size=len(shown), max_size=len(shown)
        )
    )  # fmt: skip
    scene = "".join("#" * frames + "." * gap for frames, gap in zip(shown, gaps, strict=True))
    station = Station(config)
    found = feed(station, scene) + station.flush()
    assert [e.item_id for e in found] == list(range(1, len(shown) + 1))
    assert [e.frames for e in found] == [min(n, config.evidence_frames) for n in shown]
    assert station.counters.glimpses == 0


@given(configs(), st.integers(1, 12))
def test_the_end_of_the_input_counts_as_leaving(config: StationConfig, frames: int) -> None:
    station = Station(config)
    found = feed(station, "#" * frames)
    found += station.flush()
    assert len(found) == (1 if frames >= config.enter_frames else 0)
