# SPDX-License-Identifier: Apache-2.0
"""Crops: square, mirrored beyond the picture's edges, on the belt or on a plain board."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recycle_sorter.core.belt.types import Detection
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.crops import TURNS, crop_item, crop_items, turned
from recycle_sorter.vision.item_finder import FoundItem


def found(box: tuple[int, int, int, int], mask: NDArray[np.uint8] | None = None) -> FoundItem:
    if mask is None:
        mask = np.full((box[3], box[2]), 255, np.uint8)
    return FoundItem(Detection(box, (0.0, 0.0), (0.1, 0.1), 0.01), mask)


def picture() -> NDArray[np.uint8]:
    pixels = np.full((120, 160, 3), (40, 60, 40), np.uint8)
    pixels[30:70, 40:100] = (30, 30, 200)
    return pixels


def test_a_crop_is_square_with_a_margin() -> None:
    crop = crop_item(picture(), found((40, 30, 60, 40)), margin=0.25)
    assert crop.shape == (90, 90, 3)
    assert np.array_equal(crop[25:65, 15:75], picture()[30:70, 40:100])
    assert np.array_equal(crop[0, 0], (40, 60, 40))


@settings(max_examples=60)
@given(data=st.data(), margin=st.floats(0, 2), plain=st.booleans())
def test_any_box_gives_a_square_without_black(
    data: st.DataObject, margin: float, plain: bool
) -> None:
    left, top = data.draw(st.integers(0, 159)), data.draw(st.integers(0, 119))
    width, height = data.draw(st.integers(1, 160 - left)), data.draw(st.integers(1, 120 - top))
    item = found((left, top, width, height))
    crop = crop_item(picture(), item, margin, "plain" if plain else "keep")
    assert crop.shape[0] == crop.shape[1] >= max(width, height)
    assert crop.dtype == np.uint8
    assert crop.max(axis=2).min() >= 40


def test_plain_leaves_the_item_and_replaces_the_belt() -> None:
    crop = crop_item(picture(), found((40, 30, 60, 40)), 0.3, "plain")
    middle = crop[crop.shape[0] // 2, crop.shape[1] // 2]
    assert np.array_equal(middle, (30, 30, 200))
    assert crop[2, 2].min() > 150
    assert int(np.ptp(crop[2, 2])) < 12


def test_grey_pictures_and_several_items() -> None:
    grey = picture()[:, :, 0].copy()
    crops = crop_items(grey, [found((0, 0, 10, 10)), found((150, 110, 10, 10))])
    assert [crop.shape for crop in crops] == [(13, 13, 3), (13, 13, 3)]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"pixels_bgr": np.zeros((4, 4, 3))}, "picture dtype"),
        ({"pixels_bgr": np.zeros((4, 4, 2), np.uint8)}, "picture shape"),
        ({"margin": -0.1}, "margin"),
        ({"margin": float("nan")}, "margin"),
        ({"background": "blue"}, "background"),
        ({"found": found((150, 0, 20, 20))}, "box_px"),
        ({"found": found((0, 0, 20, 20), np.zeros((3, 3), np.uint8))}, "mask"),
    ],
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], field: str) -> None:
    good: dict[str, Any] = {"pixels_bgr": picture(), "found": found((40, 30, 60, 40))}
    with pytest.raises(InvalidInputError) as caught:
        crop_item(**{**good, **arguments})
    assert caught.value.field == field


def test_a_square_has_eight_ways_to_be_shown() -> None:
    square = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    ways = [turned(square, turn) for turn in range(TURNS)]
    assert np.array_equal(ways[0], square)
    assert len({way.tobytes() for way in ways}) == TURNS
    assert all(way.flags.c_contiguous and way.shape == square.shape for way in ways)
    # Colours stay together.
    pixels = {tuple(pixel) for pixel in square.reshape(-1, 3).tolist()}
    assert all({tuple(pixel) for pixel in way.reshape(-1, 3).tolist()} == pixels for way in ways)
