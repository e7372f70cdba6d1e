# SPDX-License-Identifier: Apache-2.0
"""A shadow goes off an outline; what is dark of an item itself stays."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from support.belts import COLOURS_BGR, PERIOD_NS, PX_PER_M, DrawnBelt, DrawnItem, taught

from recycle_sorter.vision.shadows import without_shadow

Mask = NDArray[np.uint8]


def drawn(*boxes: tuple[int, int, int, int]) -> Mask:
    """Boxes of left, top, right, bottom in a field of 60 x 60."""
    mask = np.zeros((60, 60), np.uint8)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = 1
    return mask


WHOLE = (10, 10, 50, 50)


@pytest.mark.parametrize(
    ("shade", "kept"),
    [
        ((0, 0, 0, 0), WHOLE),
        ((40, 10, 50, 50), (10, 10, 40, 50)),
        ((10, 38, 50, 60), (10, 10, 50, 38)),
        # Amid the item it is a print, or the inside of a cup.
        ((20, 20, 40, 40), WHOLE),
        # Hardly an item would be left: it is the item that is dark.
        ((10, 10, 50, 40), WHOLE),
        ((0, 0, 60, 60), WHOLE),
    ],
)
def test_what_reaches_in_from_outside_goes(
    shade: tuple[int, int, int, int], kept: tuple[int, int, int, int]
) -> None:
    assert np.array_equal(without_shadow(drawn(WHOLE), drawn(shade)), drawn(kept))


def test_the_rim_that_a_shadow_leaves_goes_too() -> None:
    shade = drawn((40, 10, 48, 50))
    assert np.array_equal(without_shadow(drawn(WHOLE), shade), drawn((10, 10, 40, 50)))


def test_two_halves_beside_a_dark_middle_both_stay() -> None:
    shade = drawn((25, 0, 32, 60))
    expected = drawn((10, 10, 25, 50), (32, 10, 50, 50))
    assert np.array_equal(without_shadow(drawn(WHOLE), shade), expected)


masks = arrays(np.uint8, (12, 17), elements=st.integers(0, 1))


@given(masks, masks)
def test_an_item_is_within_its_outline_and_most_of_it(outline: Mask, shade: Mask) -> None:
    kept = without_shadow(outline, shade)
    assert kept.shape == outline.shape
    assert not (kept & (1 - outline)).any()
    assert np.count_nonzero(kept) >= 0.6 * np.count_nonzero(outline)


@pytest.mark.parametrize("colour", sorted(COLOURS_BGR))
def test_an_item_is_where_it_lies_whatever_shadow_it_casts(colour: str) -> None:
    belt = DrawnBelt(colour, seed=5)
    finder = taught(belt)
    belt.items = [DrawnItem(0.4, 0.0, 0.12, 0.08)]
    picture = belt.picture(0.0, 100)
    left, top = belt.calibration.to_image_px([(0.46, 0.04)])[0].round().astype(int)
    width, height = round(0.03 * PX_PER_M), round(0.08 * PX_PER_M)
    shadow = picture[top : top + height, left : left + width]
    shadow[:] = (shadow * 0.6).round()
    (found,) = finder.find(picture, 100 * PERIOD_NS, 0.0)
    detection = found.detection
    assert detection.centre_m == pytest.approx((0.4, 0.0), abs=0.003)
    assert detection.along_m == pytest.approx((0.34, 0.46), abs=0.006)
    assert detection.size_m == pytest.approx((0.12, 0.08), abs=0.008)
    # The classifier is shown what was found, shadow and all.
    assert detection.box_px[2] > 0.14 * PX_PER_M
