# SPDX-License-Identifier: Apache-2.0
"""Tracking: one number from entry to exit, whatever the pictures miss, double, shuffle or merge."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recycle_sorter.core.belt.tracker import Tracker, TrackerConfig
from recycle_sorter.core.belt.types import Detection, Observation
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC

FRAME_NS = NS_PER_SEC // 30
VIEW_M = 0.8
SURE = (0.9, 0.1)
# On a belt that stands nothing shows that it travels.
STILL = TrackerConfig(travel_m=0.0)


@dataclass(frozen=True)
class Item:
    """A box that lies straight on the belt."""

    s_m: float
    y_m: float = 0.0
    length_m: float = 0.08
    width_m: float = 0.06


def look(item: Item, position_m: float, shift_m: float = 0.0, **more: object) -> Detection | None:
    """What the camera sees of an item: nothing, a part or all."""
    low_m = item.s_m - item.length_m / 2 + position_m + shift_m
    high_m = item.s_m + item.length_m / 2 + position_m + shift_m
    seen_m = (max(0.0, low_m), min(VIEW_M, high_m))
    length_m = seen_m[1] - seen_m[0]
    if length_m < 0.01:
        return None
    seen = Detection(
        box_px=(0, 0, 1, 1),
        centre_m=(sum(seen_m) / 2, item.y_m + shift_m),
        size_m=(max(length_m, item.width_m), min(length_m, item.width_m)),
        area_m2=length_m * item.width_m,
        is_whole=low_m > 0 and high_m < VIEW_M,
        probabilities=SURE,
        along_m=seen_m,
    )
    return replace(seen, **more)  # type: ignore[arg-type]


def picture(index: int, *seen: Detection | None) -> Observation:
    there = tuple(one for one in seen if one is not None)
    return Observation((index + 1) * FRAME_NS, there, ("glass", "metal"))


def ids(tracker: Tracker) -> list[int]:
    return [item.item_id for item in tracker.items]


def test_an_item_that_enters_in_part_keeps_one_number_and_is_measured_whole() -> None:
    tracker, item = Tracker(TrackerConfig()), Item(-0.15, 0.03, 0.3, 0.05)
    told: set[int] = set()
    for i in range(100):
        told |= {t.item_id for t in tracker.update(picture(i, look(item, 0.016 * i)), 0.016 * i)}
    (found,) = tracker.items
    assert told == {1} == {found.item_id}
    assert found.s_m == pytest.approx(item.s_m)
    assert (found.length_m, found.size_m) == (pytest.approx(0.3), pytest.approx((0.3, 0.05)))
    assert not found.is_touching


@pytest.mark.parametrize(("in_ten", "is_touching"), [(0, False), (6, False), (7, True), (10, True)])
def test_an_item_touches_another_if_most_pictures_say_so(in_ten: int, is_touching: bool) -> None:
    tracker, item = Tracker(STILL), Item(0.3)
    for i in range(30):
        tracker.update(picture(i, look(item, 0.0, is_touching=i % 10 < in_ten)), 0.0)
    (found,) = tracker.items
    assert found.is_touching is is_touching


def test_an_item_that_never_fits_the_view_is_numbered_too() -> None:
    tracker, item = Tracker(TrackerConfig()), Item(-0.5, 0.0, 1.0, 0.05)
    for i in range(150):
        tracker.update(picture(i, look(item, 0.016 * i)), 0.016 * i)
    assert ids(tracker) == [1]


@pytest.mark.parametrize("step_m", [0.003, 0.0167, 0.033, -0.0167])
def test_what_stands_still_while_the_belt_travels_gets_no_number(step_m: float) -> None:
    tracker = Tracker(TrackerConfig())
    for i in range(120):
        # A reflection: always in the same place of the picture.
        assert tracker.update(picture(i, look(Item(0.4, 0.1), 0.0)), step_m * i) == []
    assert (ids(tracker), tracker.counters.items) == ([], 0)
    assert tracker.counters.standing + tracker.counters.glimpses > 0


def test_a_number_waits_until_the_belt_has_carried_the_item() -> None:
    tracker, item = Tracker(TrackerConfig()), Item(0.2)
    for i in range(20):
        assert tracker.update(picture(i, look(item, 0.0)), 0.0) == []
    told = [
        len(tracker.update(picture(20 + i, look(item, 0.01 * i)), 0.01 * i)) for i in range(1, 11)
    ]
    assert told == [0] * 2 + [1] * 8
    (found,) = tracker.items
    assert found.s_m == pytest.approx(0.2)
    assert found.frames == 30


def test_what_flickers_gets_no_number() -> None:
    tracker = Tracker(TrackerConfig())
    for i in range(40):
        seen = look(Item(0.1), 0.0167 * i) if i % 8 == 0 else None
        assert tracker.update(picture(i, seen), 0.0167 * i) == []
    assert ids(tracker) == []


@pytest.mark.parametrize(("start_m", "size_m", "last_m"), [(0.3, 0.08, 0.5), (-0.05, 0.03, 0.3)])
def test_a_mark_that_shows_on_part_of_the_way_gets_no_number(
    start_m: float, size_m: float, last_m: float
) -> None:
    tracker, mark = Tracker(TrackerConfig()), Item(0.0, 0.1, size_m, size_m)
    for i in range(60):
        x_m = 0.0167 * i
        shown = look(mark, x_m) if start_m <= x_m <= last_m else None
        assert tracker.update(picture(i, shown), x_m) == []
    assert ids(tracker) == []


def test_an_item_that_is_laid_amid_the_view_gets_its_number_before_it_leaves() -> None:
    tracker, item = Tracker(TrackerConfig()), Item(0.0, 0.1)
    at_m = []
    for i in range(60):
        x_m = 0.0167 * i
        shown = look(item, x_m) if x_m >= 0.2 else None
        at_m += [x_m for _ in tracker.update(picture(i, shown), x_m)]
    assert ids(tracker) == [1]
    assert min(at_m) < 0.7


@pytest.mark.parametrize("apart", [6, 12])
def test_small_pieces_that_come_to_be_one_outline_are_one_item(apart: int) -> None:
    tracker = Tracker(TrackerConfig())
    pieces = [Item(-0.06, 0.0, 0.03, 0.02), Item(-0.11, 0.0, 0.03, 0.03)]
    whole = Item(-0.085, 0.0, 0.08, 0.03)
    told: set[int] = set()
    for i in range(60):
        x_m = 0.0167 * i
        shown = pieces if i < 8 + apart else [whole]
        seen = picture(i, *(look(one, x_m) for one in shown))
        told |= {item.item_id for item in tracker.update(seen, x_m)}
    assert told == {1} == set(ids(tracker))
    assert tracker.items[0].length_m == pytest.approx(0.08, abs=0.005)


@settings(deadline=None, max_examples=25)
@given(
    sizes_m=st.lists(st.floats(0.02, 0.06), min_size=2, max_size=6),
    gap_m=st.floats(0.03, 0.06),
    is_across=st.booleans(),
    dropout=st.floats(0.0, 0.2),
    seed=st.integers(0, 2**32),
)
def test_items_with_free_belt_around_them_keep_their_own_numbers(
    sizes_m: list[float], gap_m: float, is_across: bool, dropout: float, seed: int
) -> None:
    random, items, edge_m = Random(seed), [], 0.0
    for size_m in sizes_m:
        middle_m = edge_m + size_m / 2
        place = (-0.05, middle_m) if is_across else (-middle_m - 0.05, 0.0)
        items.append(Item(*place, size_m, size_m))
        edge_m += size_m + gap_m
    tracker = Tracker(TrackerConfig())
    for i in range(100):
        x_m = 0.0167 * i
        seen = [look(item, x_m) for item in items if random.random() >= dropout]
        tracker.update(picture(i, *seen), x_m)
    assert len(tracker.items) == len(items)
    for item in items:
        near = [t for t in tracker.items if math.dist((t.s_m, t.y_m), (item.s_m, item.y_m)) < 0.01]
        assert len(near) == 1


def test_an_item_that_passes_a_reflection_keeps_its_number() -> None:
    tracker, item = Tracker(TrackerConfig()), Item(0.05, -0.1)
    for i in range(45):
        position_m = 0.0167 * i
        glare = look(Item(0.4, 0.1), 0.0)
        tracker.update(picture(i, look(item, position_m), glare), position_m)
    assert ids(tracker) == [1]
    assert tracker.items[0].y_m == pytest.approx(-0.1)


def test_a_glimpse_gets_no_number() -> None:
    tracker = Tracker(TrackerConfig())
    tracker.update(picture(0, look(Item(0.3), 0.0)), 0.0)
    for i in range(1, 40):
        assert tracker.update(picture(i), 0.0) == []
    assert (ids(tracker), tracker.counters.glimpses) == ([], 1)


def test_an_item_that_nothing_shows_for_long_is_the_same_when_it_is_seen_again() -> None:
    tracker = Tracker(STILL)
    for i in range(3):
        tracker.update(picture(i, look(Item(0.1), 0.0)), 0.0)
    for i in range(3, 600):
        tracker.update(picture(i), 0.001 * (i - 3))
    (found,) = tracker.update(picture(600, look(Item(0.1), 0.6)), 0.6)
    assert (found.item_id, found.frames) == (1, 4)


@pytest.mark.parametrize("stamp_ns", [0, -5, FRAME_NS, 3 * FRAME_NS])
def test_a_stamp_that_does_not_grow_is_refused_and_counted(stamp_ns: int) -> None:
    tracker = Tracker(STILL)
    for i in range(3):
        tracker.update(picture(i, look(Item(0.3), 0.0)), 0.0)
    old = replace(picture(9, look(Item(0.5), 0.0)), stamp_ns=stamp_ns)
    assert tracker.update(old, 0.0) == []
    assert (tracker.counters.stamps_refused, tracker.items[0].frames) == (1, 3)


def test_what_was_forgotten_in_view_is_not_found_anew() -> None:
    tracker = Tracker(STILL)
    for i in range(3):
        tracker.update(picture(i, look(Item(0.3), 0.0)), 0.0)
    assert tracker.forget(1)
    assert not tracker.forget(1)
    assert not tracker.forget(0)
    for i in range(3, 10):
        assert tracker.update(picture(i, look(Item(0.3), 0.0)), 0.0) == []
    assert (ids(tracker), tracker.counters.items) == ([], 1)


def test_a_long_stop_keeps_number_and_bounded_evidence() -> None:
    tracker = Tracker(STILL)
    for i in range(1000):
        tracker.update(picture(i, look(Item(0.3), 0.0)), 0.0)
    (found,) = tracker.items
    assert (found.item_id, found.frames, len(found.evidence)) == (1, 1000, 60)
    assert found.evidence[-1].steady_ns == 1000 * FRAME_NS


LEFT, RIGHT = Item(0.26), Item(0.34)
BOTH = Item(0.30, length_m=0.16)


def test_an_outline_over_two_known_items_keeps_both() -> None:
    tracker = Tracker(STILL)
    for i in range(3):
        tracker.update(picture(i, look(LEFT, 0.0), look(RIGHT, 0.0)), 0.0)
    for i in range(3, 30):
        touched = tracker.update(picture(i, look(BOTH, 0.0)), 0.0)
        assert [item.item_id for item in touched] == [1, 2]
    first, second = tracker.items
    assert (first.s_m, second.s_m) == (pytest.approx(0.34), pytest.approx(0.26))
    assert first.is_touching
    assert second.is_touching
    assert len(first.evidence) == len(second.evidence) == 3  # the joint view speaks of neither
    for i in range(30, 33):
        tracker.update(picture(i, look(LEFT, 0.0), look(RIGHT, 0.0)), 0.0)
    assert ids(tracker) == [1, 2]


@pytest.mark.parametrize("together", [1, 2, 5, 40])
def test_two_items_that_were_one_outline_become_two_that_touch(together: int) -> None:
    tracker = Tracker(STILL)
    for i in range(together):
        tracker.update(picture(i, look(BOTH, 0.0)), 0.0)
    for i in range(together, together + 20):
        tracker.update(picture(i, look(LEFT, 0.0), look(RIGHT, 0.0)), 0.0)
    first, second = tracker.items
    assert (first.is_touching, second.is_touching) == (True, True)
    assert (first.s_m, second.s_m) == (pytest.approx(0.34), pytest.approx(0.26))
    assert (tracker.counters.items, tracker.counters.splits) == (2, 1)


def test_one_picture_that_breaks_an_item_in_two_makes_no_second() -> None:
    tracker = Tracker(STILL)
    for i in range(60):
        parts = [look(LEFT, 0.0), look(RIGHT, 0.0)] if i % 20 == 10 else [look(BOTH, 0.0)]
        tracker.update(picture(i, *parts), 0.0)
    assert ids(tracker) == [1]
    assert tracker.items[0].length_m == pytest.approx(0.16)


@pytest.mark.parametrize(
    "broken",
    [
        {"centre_m": (math.nan, 0.0)},
        {"size_m": (0.1, 0.0)},
        {"area_m2": math.inf},
        {"along_m": (0.4, 0.2)},
        {"along_m": (0.5, 0.6)},
    ],
)
def test_a_detection_that_makes_no_sense_is_refused_and_counted(broken: dict[str, object]) -> None:
    tracker = Tracker(TrackerConfig())
    for i in range(3):
        tracker.update(picture(i, look(Item(0.3), 0.0, 0.0, **broken)), 0.0)
    assert (tracker.counters.detections_refused, ids(tracker)) == (3, [])


@pytest.mark.parametrize("values", [(0.5,), (math.nan, 1.0), (-0.5, 1.5), (0.2, 0.2)])
def test_evidence_that_makes_no_sense_is_refused_and_the_item_kept(values: tuple[float]) -> None:
    tracker = Tracker(STILL)
    for i in range(3):
        tracker.update(picture(i, look(Item(0.3), 0.0, probabilities=values)), 0.0)
    assert (tracker.counters.evidence_refused, ids(tracker)) == (3, [1])
    assert tracker.items[0].evidence == []


def test_another_model_starts_the_evidence_anew() -> None:
    tracker = Tracker(STILL)
    for i in range(3):
        tracker.update(picture(i, look(Item(0.3), 0.0)), 0.0)
    tracker.update(replace(picture(3, look(Item(0.3), 0.0)), materials=("paper", "trash")), 0.0)
    (found,) = tracker.items
    assert (found.materials, len(found.evidence), found.item_id) == (("paper", "trash"), 1, 1)


def test_a_position_that_is_no_number_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="position_m"):
        Tracker(TrackerConfig()).update(picture(0), math.nan)


@pytest.mark.parametrize(
    ("field", "value"),
    [("view_m", (0.8, 0.0)), ("gate_m", math.nan), ("enter_frames", 0), ("evidence_frames", 1)],
)
def test_a_wrong_limit_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(InvalidInputError) as caught:
        TrackerConfig(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, 20),
    dropout=st.floats(0.0, 0.5),
    frame_loss=st.floats(0.0, 0.3),
    steps_m=st.lists(st.sampled_from([0.016, 0.016, 0.03, 0.0, -0.01]), min_size=1, max_size=30),
)
def test_every_item_gets_one_number(
    seed: int, count: int, dropout: float, frame_loss: float, steps_m: list[float]
) -> None:
    random = Random(seed)
    items, s_m = [], -0.1
    for _ in range(count):
        length_m = random.uniform(0.03, 0.2)
        middle_m = s_m - length_m / 2
        items.append(
            Item(middle_m, random.uniform(-0.2, 0.2), length_m, random.uniform(0.02, 0.15))
        )
        s_m = middle_m - length_m / 2 - random.uniform(0.02, 0.15)
    tracker = Tracker(TrackerConfig())
    owners: dict[int, set[int]] = {}
    position_m, index = 0.0, 0
    while items[-1].s_m + position_m < VIEW_M + 0.2:
        # Whatever the profile, the belt gets on; no item crosses in fewer than some 25 frames.
        position_m += steps_m[index % len(steps_m)] if index % 2 else 0.016
        index += 1
        if random.random() < frame_loss:
            continue
        seen = [
            look(item, position_m, random.uniform(-0.005, 0.005))
            for item in items
            if random.random() >= dropout
        ]
        random.shuffle(seen)
        observation = picture(index, *seen)
        for found in tracker.update(observation, position_m):
            nearest = min(range(count), key=lambda i: abs(items[i].s_m - found.s_m))
            owners.setdefault(found.item_id, set()).add(nearest)
        if random.random() < 0.2:  # doubled, and one from the past
            assert tracker.update(observation, position_m) == []
            late = replace(observation, stamp_ns=observation.stamp_ns - FRAME_NS)
            assert tracker.update(late, position_m) == []
    assert sorted(owners) == list(range(1, count + 1))
    assert sorted(next(iter(one)) for one in owners.values()) == list(range(count))
    assert all(len(one) == 1 for one in owners.values())
    assert len(tracker.items) == count
    assert ids(tracker) == [t.item_id for t in sorted(tracker.items, key=lambda t: -t.s_m)]
