# SPDX-License-Identifier: Apache-2.0
"""From a map of departures to outlines: pieces joined, two items told from one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from recycle_sorter.vision.belt_model import Departure
from recycle_sorter.vision.blobs import Blob, BlobSizes, find_blobs

# 2.5 mm a pixel, as of a belt 0.8 m long at 320 pixels.
SIZES = BlobSizes(8.0, 4.0, 2.4, 6.0, 14.4, 6.4, 80.0)
Canvas = NDArray[np.float32]


def canvas() -> Canvas:
    return np.zeros((240, 320), np.float32)


def blobs_of(score: Canvas) -> list[Blob]:
    return find_blobs(Departure(score, score.copy()), SIZES)


def rectangle(score: Canvas, left: int, top: int, width: int, height: int) -> None:
    score[top : top + height, left : left + width] = 40.0


def test_an_empty_map_has_no_items() -> None:
    assert blobs_of(canvas()) == []


@pytest.mark.parametrize(("gap_px", "count"), [(5, 1), (14, 2)])
def test_a_small_piece_is_of_its_large_neighbour_only_nearby(gap_px: int, count: int) -> None:
    score = canvas()
    rectangle(score, 100, 100, 50, 40)
    rectangle(score, 150 + gap_px, 110, 10, 12)
    found = blobs_of(score)
    assert len(found) == count
    assert not any(blob.is_near or blob.is_several for blob in found)
    assert sum(int(blob.mask.sum()) for blob in found) == pytest.approx(2000 + 120, rel=0.1)


@pytest.mark.parametrize(("gap_px", "count"), [(6, 1), (12, 2)])
def test_two_pieces_too_small_for_items_are_one_only_nearby(gap_px: int, count: int) -> None:
    score = canvas()
    rectangle(score, 100, 100, 10, 6)
    rectangle(score, 110 + gap_px, 98, 9, 7)
    assert len(blobs_of(score)) == count


@given(
    first=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    second=st.tuples(st.integers(8, 60), st.integers(8, 60)),
    gap_px=st.integers(12, 30),  # 30 mm or more
    is_across=st.booleans(),
)
def test_items_with_free_belt_between_them_stay_two(
    first: tuple[int, int], second: tuple[int, int], gap_px: int, is_across: bool
) -> None:
    score = canvas()
    rectangle(score, 40, 40, *first)
    place = (50, 40 + first[1] + gap_px) if is_across else (40 + first[0] + gap_px, 50)
    rectangle(score, *place, *second)
    found = blobs_of(score)
    assert len(found) == 2
    assert not any(blob.is_near for blob in found)


def stain(score: Canvas) -> None:
    """Departs a little all over; one pixel in twelve is sure."""
    score[60:140, 60:160] = 0.8
    score[60:140:4, 60:160:3] = 1.2


def test_a_wide_weak_stain_is_no_item_but_what_lies_on_it_is() -> None:
    score = canvas()
    stain(score)
    assert blobs_of(score) == []
    rectangle(score, 100, 90, 24, 20)
    [blob] = blobs_of(score)
    assert int(blob.mask.sum()) == pytest.approx(24 * 20, rel=0.15)


@pytest.mark.parametrize(("length", "width", "count"), [(26, 4, 1), (100, 4, 0), (26, 2, 0)])
def test_a_strip_is_an_item_and_a_scratch_is_not(length: int, width: int, count: int) -> None:
    score = canvas()
    rectangle(score, 100, 100, length, width)
    assert len(blobs_of(score)) == count


def test_a_strip_with_a_broader_end_is_an_item() -> None:
    # The end alone would do for a blob's body, and is too small for an item.
    score = canvas()
    rectangle(score, 100, 100, 20, 4)
    rectangle(score, 117, 99, 5, 5)
    (found,) = blobs_of(score)
    assert extent(found)[0] == pytest.approx(100, abs=1)
    assert extent(found)[1] == pytest.approx(122, abs=1)


def extent(blob: Blob) -> tuple[int, int]:
    return blob.left_px, blob.left_px + blob.mask.shape[1]


@pytest.mark.parametrize("above", [True, False])
def test_a_thin_tail_is_of_the_item_that_it_hangs_on(above: bool) -> None:
    # Its middle lies so much further down the belt; a 4 px tail holds no disc of an item's side.
    score = canvas()
    rectangle(score, 100, 100, 30, 24)
    rectangle(score, 130, 101 if above else 118, 30, 4)
    (found,) = blobs_of(score)
    assert extent(found)[1] == pytest.approx(160, abs=1)
    assert not found.is_several
    assert int(found.mask.sum()) == pytest.approx(30 * 24 + 30 * 4, rel=0.05)


def test_a_thin_line_between_two_items_is_of_neither() -> None:
    score = canvas()
    rectangle(score, 100, 100, 30, 24)
    rectangle(score, 130, 110, 30, 4)
    rectangle(score, 160, 100, 30, 24)
    found = blobs_of(score)
    assert len(found) == 2
    assert all(blob.mask.shape[1] <= 36 for blob in found)


def test_a_line_across_the_belt_that_an_item_lies_on_is_not_its_tail() -> None:
    score = canvas()
    rectangle(score, 0, 110, 320, 4)
    rectangle(score, 100, 100, 24, 24)
    found = blobs_of(score)
    near = [blob for blob in found if blob.left_px < 124 and extent(blob)[1] > 100]
    assert near
    assert all(blob.mask.shape[1] <= 34 for blob in near)


def test_a_clear_film_shows_by_its_edges() -> None:
    score = canvas()
    cv2.rectangle(score, (100, 100), (140, 130), 3.0, 2)
    [blob] = blobs_of(score)
    assert int(blob.mask.sum()) == pytest.approx(43 * 33, rel=0.15)


def test_two_items_side_by_side_stay_two() -> None:
    score = canvas()
    rectangle(score, 100, 100, 40, 40)
    rectangle(score, 148, 100, 40, 40)
    assert len(blobs_of(score)) == 2


@pytest.mark.parametrize(("gap_px", "count"), [(0, 1), (4, 2), (6, 2)])
def test_a_dark_half_beside_a_bright_one_is_of_it_and_a_dark_item_beside_it_is_not(
    gap_px: int, count: int
) -> None:
    raw = canvas()
    raw[100:140, 100:130] = 1600.0
    raw[100:140, 130 + gap_px : 160 + gap_px] = 30.0
    # Smoothing carries the bright half's contrast into the gap and the dark half.
    score = cv2.GaussianBlur(raw, (0, 0), 2.0) / 8.0
    found = find_blobs(Departure(score, raw), SIZES)
    assert len(found) == count
    assert sum(int(blob.mask.sum()) for blob in found) == pytest.approx(2 * 40 * 30, rel=0.15)


@pytest.mark.parametrize("y", [60, 100, 180])
def test_a_line_across_the_belt_is_no_item(y: int) -> None:
    score = canvas()
    cv2.line(score, (y, 0), (y + 60, 239), 40.0, 2)
    assert blobs_of(score) == []


def test_crossed_items_are_told_from_a_bottle() -> None:
    crossed = canvas()
    rectangle(crossed, 100, 110, 80, 24)
    rectangle(crossed, 128, 80, 24, 80)
    [blob] = blobs_of(crossed)
    assert blob.is_several
    bottle = canvas()
    rectangle(bottle, 100, 100, 60, 28)
    rectangle(bottle, 160, 108, 24, 12)
    [blob] = blobs_of(bottle)
    assert not blob.is_several


def test_an_outline_of_many_items_is_too_broad_for_one() -> None:
    broad = canvas()
    rectangle(broad, 50, 50, 100, 90)
    [blob] = blobs_of(broad)
    assert blob.is_several
