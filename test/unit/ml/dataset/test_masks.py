# SPDX-License-Identifier: Apache-2.0
"""Where the item lies: items drawn on boards, pictures without an answer, and arbitrary pixels."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from recycle_sorter.ml.dataset.masks import item_mask

HEIGHT, WIDTH = 240, 320
Mask = NDArray[np.uint8]


def drawn(kind: str) -> Mask:
    """The truth: 255 where the item is."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    if kind == "box":
        corners = cv2.boxPoints(((160, 120), (150, 80), 25)).astype(np.int32)
        cv2.fillPoly(mask, [corners], 255)
    elif kind == "bottle":
        cv2.ellipse(mask, (150, 125), (95, 32), -15, 0, 360, 255, cv2.FILLED)
        cv2.rectangle(mask, (215, 85), (270, 110), 255, cv2.FILLED)
    elif kind == "ring":  # whatever lies inside an outline belongs to the item
        cv2.circle(mask, (165, 118), 70, 255, cv2.FILLED)
    elif kind == "corner":
        cv2.circle(mask, (80, 80), 55, 255, cv2.FILLED)
    return mask


def photograph(
    truth: Mask, board: tuple[int, int, int], item: tuple[int, int, int], *, shade: float = 0.0
) -> NDArray[np.uint8]:
    """An item of one colour on a board, unevenly lit, with a camera's noise."""
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    light = 1 - shade * (0.5 + 0.4 * x + 0.3 * y * y)
    picture = np.where(truth[..., None] > 0, np.float64(item), np.float64(board))
    noise = np.random.default_rng(1).normal(0, 2.5, picture.shape)
    return (picture * light[..., None] + noise).clip(0, 255).astype(np.uint8)


def overlap(found: Mask, truth: Mask) -> float:
    ours, theirs = found > 127, truth > 127
    return float((ours & theirs).sum() / (ours | theirs).sum())


@pytest.mark.parametrize("shade", [0.0, 0.3])
@pytest.mark.parametrize(
    ("board", "item"),
    [
        ((225, 230, 232), (60, 90, 140)),
        ((225, 230, 232), (190, 60, 60)),
        ((40, 42, 45), (150, 170, 190)),
        ((120, 90, 40), (60, 190, 220)),
    ],
    ids=["brown on white", "blue on white", "grey on black", "yellow on blue"],
)
@pytest.mark.parametrize("kind", ["box", "bottle", "ring", "corner"])
def test_plain_items_are_found(
    kind: str, board: tuple[int, int, int], item: tuple[int, int, int], shade: float
) -> None:
    truth = drawn(kind)
    found = item_mask(photograph(truth, board, item, shade=shade))
    assert found is not None
    assert found.shape == (HEIGHT, WIDTH)
    assert found.dtype == np.uint8
    assert overlap(found, truth) > 0.8
    assert found.min() == 0
    assert found.max() == 255


def test_a_mask_fits_its_picture_at_any_size() -> None:
    truth = drawn("box")
    picture = photograph(truth, (225, 230, 232), (60, 90, 140))
    for size in ((97, 73), (640, 480), (240, 400)):
        found = item_mask(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        assert found is not None
        assert found.shape == size[::-1]
        assert overlap(found, cv2.resize(truth, size, interpolation=cv2.INTER_AREA)) > 0.8


def test_holes_inside_an_outline_belong_to_the_item() -> None:
    truth = drawn("ring")
    hollow = truth.copy()
    cv2.circle(hollow, (165, 118), 35, 0, cv2.FILLED)
    found = item_mask(photograph(hollow, (225, 230, 232), (60, 90, 140)))
    assert found is not None
    assert overlap(found, truth) > 0.8


def test_edges_are_soft() -> None:
    found = item_mask(photograph(drawn("box"), (225, 230, 232), (60, 90, 140)))
    assert found is not None
    assert ((found > 20) & (found < 235)).sum() > 200


BOARD = (225, 230, 232)


@pytest.mark.parametrize(
    "picture",
    [
        photograph(np.zeros((HEIGHT, WIDTH), np.uint8), BOARD, BOARD),
        photograph(drawn("box"), BOARD, (222, 228, 230)),
        photograph(np.full((HEIGHT, WIDTH), 255, np.uint8), BOARD, (60, 90, 140)),
        np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8),
        np.zeros((HEIGHT, WIDTH, 3), np.uint8),
    ],
    ids=["empty board", "item like its board", "no board in view", "noise", "lens cap"],
)
def test_there_is_no_answer_where_it_cannot_be_known(picture: NDArray[np.uint8]) -> None:
    assert item_mask(picture) is None


def test_a_speck_is_no_item() -> None:
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    cv2.circle(truth, (160, 120), 12, 255, cv2.FILLED)
    assert item_mask(photograph(truth, BOARD, (60, 90, 140))) is None


def test_what_reaches_over_the_rim_is_not_trusted() -> None:
    truth = np.zeros((HEIGHT, WIDTH), np.uint8)
    truth[:, :150] = 255
    assert item_mask(photograph(truth, BOARD, (60, 90, 140))) is None


@settings(max_examples=40)
@given(st.data())
def test_arbitrary_pixels_never_raise(data: st.DataObject) -> None:
    sides = st.integers(16, 80)
    shape = (data.draw(sides), data.draw(sides), 3)
    pixels = data.draw(hnp.arrays(np.uint8, (4, 5, 3)))
    method = data.draw(st.sampled_from([cv2.INTER_NEAREST, cv2.INTER_LINEAR]))
    picture = np.asarray(cv2.resize(pixels, shape[1::-1], interpolation=method), np.uint8)
    if data.draw(st.booleans()):
        seed = data.draw(st.integers(0, 9))
        picture = picture ^ np.random.default_rng(seed).integers(0, 64, shape).astype(np.uint8)
    found = item_mask(picture)
    assert found is None or (found.shape == shape[:2] and found.dtype == np.uint8 and found.any())


@pytest.mark.parametrize("shape", [(16, 16, 3), (16, 4000, 3), (4000, 16, 3)])
def test_extreme_shapes_never_raise(shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(0)
    found = item_mask(rng.integers(0, 256, shape).astype(np.uint8))
    assert found is None or found.shape == shape[:2]
