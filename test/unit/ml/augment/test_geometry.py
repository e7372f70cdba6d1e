# SPDX-License-Identifier: Apache-2.0
"""Crops, turns, mirrors and other backgrounds: what moves, what stays, and what a seed repeats."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.learning import scene

from recycle_sorter.ml.augment.geometry import random_view, replace_background
from recycle_sorter.vision.preprocessing import PreprocessingSpec, resize_image

Image = NDArray[np.uint8]
WHITE, RED = (235, 235, 235), (30, 30, 200)


def rng_of(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(int) - other.astype(int)).mean())


def on_white(height: int = 90, width: int = 120) -> tuple[Image, Image]:
    """A red bar on a white board, and its mask."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 3 : 2 * height // 3, width // 4 : 3 * width // 4] = 255
    image = np.where(mask[..., None] > 0, np.uint8(RED), np.uint8(WHITE))
    return image, mask


def is_red(image: Image) -> NDArray[np.bool_]:
    return np.asarray(np.abs(image.astype(int) - RED).max(axis=2) < 25)


@pytest.mark.parametrize("size", [(32, 32), (64, 48), (120, 80)])
def test_with_nothing_on_a_picture_is_resized_as_the_node_does(size: tuple[int, int]) -> None:
    image = scene(1)
    view = random_view(image, size, rng_of())
    np.testing.assert_array_equal(view, resize_image(image, PreprocessingSpec(*size)))


@pytest.mark.parametrize("size", [(64, 48), (20, 20)])
@pytest.mark.parametrize(
    ("names", "slices"),
    [
        ({"mirror_x"}, {(1, 1), (1, -1)}),
        ({"mirror_y"}, {(1, 1), (-1, 1)}),
        ({"mirror_x", "mirror_y"}, {(1, 1), (1, -1), (-1, 1), (-1, -1)}),
    ],
    ids=["x", "y", "both"],
)
def test_mirrors_mirror_and_do_nothing_else(
    size: tuple[int, int], names: set[str], slices: set[tuple[int, int]]
) -> None:
    image = scene(2)
    plain = random_view(image, size, rng_of())
    expected = {slice_: plain[:: slice_[0], :: slice_[1]].tobytes() for slice_ in slices}
    views = [random_view(image, size, rng_of(s), **dict.fromkeys(names, True)) for s in range(80)]
    counts = dict.fromkeys(slices, 0)
    for view in views:
        (found,) = (slice_ for slice_, content in expected.items() if content == view.tobytes())
        counts[found] += 1
    # Each coin falls on either side about equally often.
    assert min(counts.values()) > 0.5 * 80 / len(slices)


def test_mirrors_mirror_what_is_cut_and_turned_too() -> None:
    image = scene(3)
    how = {"area_min": 0.5, "rotation_max_rad": 0.5}
    seen = set()
    for seed in range(20):
        plain = random_view(image, (40, 40), rng_of(seed), **how)
        mirrored = random_view(image, (40, 40), rng_of(seed), mirror_x=True, **how)
        if difference(plain, mirrored) == 0:
            seen.add("as it was")
        else:
            # Turned the same way after it was mirrored: equal but for the resampling.
            assert difference(plain[:, ::-1], mirrored) < 25
            seen.add("mirrored")
    assert seen == {"as it was", "mirrored"}


def test_a_turn_by_a_quarter_is_a_turn_by_a_quarter(monkeypatch: pytest.MonkeyPatch) -> None:
    class Quarter(np.random.Generator):
        def uniform(self, low: float = 0.0, high: float = 1.0, size: int | None = None) -> float:
            return high

    rng = Quarter(np.random.PCG64(0))
    image = scene(4, 41, 41)
    view = random_view(image, (41, 41), rng, rotation_max_rad=math.pi / 2)
    turned = [np.rot90(image, k) for k in (1, 3)]
    assert min(difference(view, other) for other in turned) < 1


def test_turns_stay_within_their_bound() -> None:
    image = np.zeros((101, 101, 3), np.uint8)
    cv2.line(image, (50, 50), (95, 50), (255, 255, 255), 3)
    angles = []
    for seed in range(60):
        view = random_view(image, (101, 101), rng_of(seed), rotation_max_rad=math.radians(30))
        rows, columns = np.nonzero(view[:, :, 0] > 128)
        far = np.argmax(np.hypot(rows - 50, columns - 50))
        angles.append(math.degrees(math.atan2(rows[far] - 50, columns[far] - 50)))
    assert max(map(abs, angles)) < 32
    assert max(angles) > 20
    assert min(angles) < -20


def test_crops_keep_the_share_that_they_must() -> None:
    # Each pixel tells its place, so that a view tells what it covers.
    y, x = np.mgrid[0:200, 0:200].astype(np.uint8)
    image = np.dstack([x, y, np.zeros_like(x)])
    shares, aspects = [], []
    for seed in range(200):
        view = random_view(image, (200, 200), rng_of(seed), area_min=0.4, aspect_max=1.5)
        width, height = (float(np.ptp(view[..., c])) + 1 for c in (0, 1))
        shares.append(width * height / 200**2)
        aspects.append(width / height)
    assert 0.32 < min(shares) < 0.5  # a crop that would be wider than the picture keeps less
    assert max(shares) > 0.9
    assert 1 / 1.52 < min(aspects) < 0.8
    assert 1.2 < max(aspects) < 1.52


@settings(max_examples=40)
@given(
    st.integers(1, 90), st.integers(1, 90), st.integers(8, 64), st.integers(0, 2**32 - 1),
    st.floats(0.05, 1.0), st.floats(0, math.pi), st.booleans(), st.booleans(),
)  # fmt: skip
def test_any_view_has_the_size_asked_for_and_is_repeated_by_its_seed(
    height: int, width: int, side: int, seed: int, area: float, turn: float, x: bool, y: bool
) -> None:
    image = scene(5, height, width)
    before = image.copy()
    how = {"area_min": area, "rotation_max_rad": turn, "mirror_x": x, "mirror_y": y}
    view = random_view(image, (side, side + 3), rng_of(seed), **how)
    assert view.shape == (side + 3, side, 3)
    assert view.dtype == np.uint8
    again = random_view(image, (side, side + 3), rng_of(seed), **how)
    np.testing.assert_array_equal(view, again)
    np.testing.assert_array_equal(image, before)


def test_every_setting_draws_as_much_so_that_one_does_not_shift_the_others() -> None:
    image = scene(6)
    states = set()
    for how in ({}, {"mirror_x": True}, {"area_min": 0.3}, {"rotation_max_rad": 0.3}):
        rng = rng_of()
        random_view(image, (20, 20), rng, **how)
        states.add(rng.bit_generator.state["state"]["state"])
    assert len(states) == 1


@pytest.mark.parametrize("with_pictures", [False, True])
def test_another_background_keeps_the_item_and_changes_the_rest(with_pictures: bool) -> None:
    image, mask = on_white()
    others = [scene(7, 60, 60)] if with_pictures else []
    whites = []
    for seed in range(40):
        changed = replace_background(image, mask, others, rng_of(seed))
        assert changed.shape == image.shape
        assert changed.dtype == np.uint8
        red = is_red(changed)
        # The item covers half of the width; afterwards it is 45 to 95 % of the picture long, and
        # some of that may lie beyond an edge.
        assert 0.02 < red.mean() < 0.65
        shape, _ = cv2.findContours(red.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        largest = max(shape, key=cv2.contourArea)
        assert cv2.contourArea(largest) > 0.8 * red.sum() - 60  # one piece
        whites.append((np.abs(changed.astype(int) - WHITE).max(axis=2) < 6).mean())
    # The white board is gone, but for sheets that happen to be as white.
    assert np.median(whites) < 0.01
    assert (
        len({replace_background(image, mask, others, rng_of(s)).tobytes() for s in range(9)}) == 9
    )


def test_the_item_is_moved_turned_and_scaled() -> None:
    image, mask = on_white()
    centers, lengths, angles = [], [], []
    for seed in range(60):
        red = is_red(replace_background(image, mask, [], rng_of(seed)))
        rows, columns = np.nonzero(red)
        centers.append((columns.mean() / 120, rows.mean() / 90))
        (_, (w, h), angle) = cv2.minAreaRect(np.column_stack([columns, rows]).astype(np.float32))
        lengths.append(max(w, h) / 120)
        angles.append(angle if w > h else angle + 90)
    assert np.ptp(np.array(centers), axis=0).min() > 0.15
    assert min(lengths) < 0.6
    assert max(lengths) > 0.8
    assert np.histogram(angles, bins=4)[0].min() > 2


def test_what_shows_the_board_may_let_the_new_background_through() -> None:
    # A clear bottle: board-coloured inside, with a dark outline.
    image, mask = on_white()
    inner = cv2.erode(mask, np.ones((9, 9), np.uint8))
    image[inner > 0] = WHITE
    blue = [np.full((50, 50, 3), (200, 60, 20), np.uint8)]
    shares = []
    for seed in range(60):
        changed = replace_background(image, mask, blue, rng_of(seed)).astype(int)
        shares.append((np.abs(changed - WHITE).max(axis=2) < 12).mean())
    # Sometimes it stays white, sometimes the background is seen through it.
    assert max(shares) > 0.1
    assert sum(share < 0.02 for share in shares) > 5


@settings(max_examples=40)
@given(st.integers(16, 70), st.integers(16, 70), st.integers(0, 2**32 - 1))
def test_any_mask_is_repeated_by_its_seed(height: int, width: int, seed: int) -> None:
    image = scene(8, height, width)
    mask = np.zeros((height, width), np.uint8)
    rng = rng_of(seed)
    top, left = int(rng.integers(height - 2)), int(rng.integers(width - 2))
    mask[top : top + int(rng.integers(1, height)), left : left + int(rng.integers(1, width))] = 255
    before = (image.copy(), mask.copy())
    changed = replace_background(image, mask, [], rng_of(seed))
    np.testing.assert_array_equal(changed, replace_background(image, mask, [], rng_of(seed)))
    assert changed.shape == image.shape
    np.testing.assert_array_equal(before[0], image)
    np.testing.assert_array_equal(before[1], mask)
