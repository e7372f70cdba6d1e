# SPDX-License-Identifier: Apache-2.0
"""Items on drawn belts: found, measured, told apart; empty belts stay empty."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.belts import (
    COLOURS_BGR,
    PERIOD_NS,
    PX_PER_M,
    DrawnBelt,
    DrawnItem,
    taught,
)

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.belt_calibration import BeltCalibration
from recycle_sorter.vision.finder_config import FinderConfig
from recycle_sorter.vision.item_finder import FoundItem, ItemFinder

ROUND_M = 2048 / PX_PER_M  # after which a drawn belt comes round again


def look(belt: DrawnBelt, finder: ItemFinder, *items: DrawnItem) -> list[FoundItem]:
    belt.items = list(items)
    return finder.find(belt.picture(0.0, 100), 100 * PERIOD_NS, 0.0)


@pytest.fixture(scope="module", params=sorted(COLOURS_BGR))
def scene(request: pytest.FixtureRequest) -> tuple[DrawnBelt, ItemFinder]:
    belt = DrawnBelt(request.param, seed=11)
    return belt, taught(belt)


def test_separate_items_are_found_once_each(scene: tuple[DrawnBelt, ItemFinder]) -> None:
    belt, finder = scene
    rng = np.random.default_rng(4)
    shown = found = 0
    for _ in range(6):
        items = []
        for x_m, y_m in ((0.2, -0.15), (0.2, 0.15), (0.6, -0.15), (0.6, 0.15)):
            turn = rng.uniform(0, 180)
            dark = np.array(COLOURS_BGR[belt.colour]) * 0.4
            bright = rng.uniform(100, 250, 3) * [1.0, 0.6, 0.9]
            colour = tuple(bright if belt.colour != "white" else dark)
            length_m, width_m = rng.uniform(0.06, 0.16), rng.uniform(0.05, 0.09)
            is_ellipse, shiny = bool(rng.integers(2)), bool(rng.integers(2))
            items.append(
                DrawnItem(x_m, y_m, length_m, width_m, turn, colour, is_ellipse, 0.9, shiny)
            )
        answers = look(belt, finder, *items)
        for item in items:
            near = [
                math.dist(answer.detection.centre_m, (item.s_m, item.y_m)) < 0.01
                for answer in answers
            ]
            found += near.count(True) == 1
        shown += len(items)
        assert len(answers) <= len(items)
    assert found >= 0.99 * shown


@settings(max_examples=20)
@given(
    colour=st.sampled_from([(20.0, 60.0, 230.0), (240.0, 160.0, 20.0), (10.0, 10.0, 120.0)]),
    sides=st.tuples(st.floats(0.05, 0.18), st.floats(0.04, 0.12)),
    place=st.tuples(st.floats(0.15, 0.65), st.floats(-0.15, 0.15)),
    angle_deg=st.floats(0, 180),
)
def test_any_rectangle_is_measured(
    colour: tuple[float, float, float],
    sides: tuple[float, float],
    place: tuple[float, float],
    angle_deg: float,
) -> None:
    length_m, width_m = max(sides), min(sides)
    [found] = look(PLAIN, PLAIN_FINDER, DrawnItem(*place, length_m, width_m, angle_deg, colour))
    detection = found.detection
    assert math.dist(detection.centre_m, place) < 0.003
    assert abs(detection.size_m[0] - length_m) < 0.05 * length_m + 0.004
    assert abs(detection.size_m[1] - width_m) < 0.05 * width_m + 0.004
    assert detection.area_m2 == pytest.approx(length_m * width_m, rel=0.25)
    assert detection.is_whole
    left, top, width, height = detection.box_px
    assert found.mask.shape == (height, width)
    assert set(np.unique(found.mask)) <= {0, 255}
    ends = PLAIN.calibration.to_belt_m([[left, top], [left + width, top]])[:, 0]
    assert detection.along_m == pytest.approx(tuple(ends), abs=0.004)


PLAIN = DrawnBelt("dark", texture_levels=1.0, noise_levels=1.0, seed=3)
PLAIN_FINDER = taught(PLAIN)


@pytest.mark.parametrize(
    ("colour", "texture", "glare", "drift", "seed", "frames"),
    [
        ("dark", 0.0, 0.0, 0.0, 1, 32),
        ("dark", 3.0, 120.0, 0.15, 2, 1000),
        ("green", 3.0, 60.0, 0.1, 3, 32),
        ("white", 3.0, 0.0, 0.15, 4, 32),
        ("green", 6.0, 0.0, 0.05, 5, 32),
    ],
)
def test_an_empty_belt_stays_empty(
    colour: str, texture: float, glare: float, drift: float, seed: int, frames: int
) -> None:
    belt = DrawnBelt(colour, texture, 2.0, 0.02, glare, drift, seed)
    finder = taught(belt)
    # One round of the belt is drawn; the frames go round it.
    drawn = [belt.picture(number * ROUND_M / 16, 30 * number) for number in range(16)]
    ghosts = 0
    for index in range(frames):
        position_m = index * ROUND_M / 16
        ghosts += len(finder.find(drawn[index % 16], index * PERIOD_NS, position_m))
    assert ghosts == 0


def test_a_plain_item_is_found_on_a_mesh() -> None:
    belt = DrawnBelt("dark", seed=12)
    rows, columns = np.indices(belt.texture.shape[:2])
    belt.texture[(rows % 16 < 8) & (columns % 16 < 8)] += 90.0
    finder = taught(belt)
    assert look(belt, finder) == []
    [found] = look(belt, finder, DrawnItem(0.4, 0.0, 0.1, 0.08, colour_bgr=(150, 150, 150)))
    assert math.dist(found.detection.centre_m, (0.4, 0.0)) < 0.01


def test_a_belt_is_learnt_standing_and_with_an_item_passing() -> None:
    standing = DrawnBelt("green", seed=8)
    finder = taught(standing, is_moving=False)
    assert [len(look(standing, finder)), len(look(standing, finder))] == [0, 0]
    busy = DrawnBelt("green", seed=9)
    busy.items = [DrawnItem(10.1, 0.0, 0.1, 0.08)]
    finder = taught(busy)
    assert look(busy, finder) == []
    assert len(look(busy, finder, DrawnItem(0.4, 0.0, 0.1, 0.08))) == 1


def test_a_standing_item_is_not_absorbed_however_long_it_lies() -> None:
    belt = DrawnBelt("dark", seed=6)
    finder = taught(belt)
    belt.items = [DrawnItem(0.4, 0.0, 0.1, 0.08)]
    drawn = [belt.picture(0.0, index) for index in range(6)]
    counts = {len(finder.find(drawn[i % 6], i * PERIOD_NS, 0.0)) for i in range(60)}
    assert counts == {1}


@pytest.mark.parametrize("gap_m", [0.0, 0.003])
def test_items_side_by_side_are_flagged(gap_m: float, scene: tuple[DrawnBelt, ItemFinder]) -> None:
    belt, finder = scene
    first = DrawnItem(0.4, 0.0, 0.1, 0.1, 0, (30, 60, 220), is_ellipse=True)
    second = DrawnItem(0.5 + gap_m, 0.0, 0.1, 0.1, 0, (60, 40, 180), is_ellipse=True)
    answers = look(belt, finder, first, second)
    assert answers
    assert all(answer.detection.is_touching for answer in answers)
    [alone] = look(belt, finder, first)
    assert not alone.detection.is_touching


def test_too_large_for_one_item_is_flagged(scene: tuple[DrawnBelt, ItemFinder]) -> None:
    belt, finder = scene
    [answer] = look(belt, finder, DrawnItem(0.4, 0.0, 0.5, 0.1, 0, (30, 60, 220)))
    assert answer.detection.is_touching


def test_an_item_that_the_edge_cuts_is_not_whole(scene: tuple[DrawnBelt, ItemFinder]) -> None:
    belt, finder = scene
    [answer] = look(belt, finder, DrawnItem(0.02, 0.0, 0.1, 0.08, 0, (30, 60, 220)))
    assert not answer.detection.is_whole
    assert answer.detection.along_m[0] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("size", [(16, 16), (64, 48), (8, 200)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_odd_pictures_are_answered(size: tuple[int, int], level: int) -> None:
    width, height = size
    finder = ItemFinder(
        BeltCalibration.from_px_per_m(100, width, height), FinderConfig(learn_frames=2)
    )
    for index, pixels in enumerate([level, level, level, 255 - level, level]):
        finder.find(np.full((height, width, 3), pixels, np.uint8), index, index * 0.1)
        finder.find(np.full((height, width), pixels, np.uint8), index)
    assert finder.is_ready
    finder.relearn()
    assert not finder.is_ready


def test_other_pictures_are_refused() -> None:
    finder = ItemFinder(BeltCalibration.from_px_per_m(100, 64, 48))
    for pixels in (np.zeros((48, 64, 3)), np.zeros((64, 48, 3), np.uint8), "picture", None):
        with pytest.raises(InvalidInputError, match="picture"):
            finder.find(pixels, 0)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="picture size"):
        ItemFinder(BeltCalibration.from_px_per_m(100, 4, 48))


@pytest.mark.parametrize(
    ("name", "value"),
    [("min_item_m", 0.0), ("max_item_m", 0.01), ("learn_frames", 1.5), ("near_m", float("nan"))],
)
def test_bad_settings_are_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"finder.{name}"):
        FinderConfig(**{name: value})  # type: ignore[arg-type]
