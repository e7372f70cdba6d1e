# SPDX-License-Identifier: Apache-2.0
"""From a map of departures to outlines: pieces joined, two items told from one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
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


def test_two_items_side_by_side_stay_two() -> None:
    score = canvas()
    rectangle(score, 100, 100, 40, 40)
    rectangle(score, 148, 100, 40, 40)
    assert len(blobs_of(score)) == 2


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
