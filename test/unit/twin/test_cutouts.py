# SPDX-License-Identifier: Apache-2.0
"""Cutting out: the board goes, the shadow goes, what is doubtful is refused."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from recycle_sorter.twin.cutouts import LENGTHS_M, Refusal, cut_out, length_of
from recycle_sorter.twin.library import Cutout

BOARD = (200, 204, 206)
ITEM = (40, 60, 190)


def picture(shadow: bool = False) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """A red box on a light board and its mask; with a shadow, the mask holds that too."""
    pixels = np.full((120, 160, 3), BOARD, np.uint8)
    mask = np.zeros((120, 160), np.uint8)
    if shadow:
        cv2.rectangle(pixels, (60, 45), (118, 95), tuple(0.8 * c for c in BOARD), -1)
        cv2.rectangle(mask, (60, 45), (118, 95), 255, -1)
    cv2.rectangle(pixels, (40, 30), (105, 80), ITEM, -1)
    cv2.rectangle(mask, (40, 30), (105, 80), 255, -1)
    return pixels, mask


def test_an_item_is_cut_out() -> None:
    pixels, mask = picture()
    found = cut_out(pixels, mask, "metal", "a.png", 0.1)
    assert isinstance(found, Cutout)
    assert (found.material, found.source, found.length_m) == ("metal", "a.png", 0.1)
    assert found.length_px == pytest.approx(66, abs=3)
    solid = found.pixels[..., 3] > 250
    assert np.abs(found.pixels[..., :3][solid].astype(int) - ITEM).max() <= 2


def test_an_exact_mask_is_kept_to_the_pixel() -> None:
    pixels, mask = picture()
    found = cut_out(pixels, mask, "metal", "a.png", 0.1, is_exact=True)
    assert isinstance(found, Cutout)
    assert int((found.pixels[..., 3] == 255).sum()) == 66 * 51
    assert found.aspect == pytest.approx(51 / 66)


def test_a_shadow_is_left_behind() -> None:
    pixels, mask = picture(shadow=True)
    found = cut_out(pixels, mask, "metal", "a.png", 0.1)
    assert isinstance(found, Cutout)
    assert found.length_px == pytest.approx(66, abs=4)
    assert found.aspect == pytest.approx(51 / 66, abs=0.05)


def test_glass_lets_the_belt_shine_through() -> None:
    pixels, mask = picture()
    # A clear pane with a red rim: inside it looks like the board.
    cv2.rectangle(pixels, (50, 40), (95, 70), BOARD, -1)
    panes = [
        cut_out(pixels, mask, name, "a.png", 0.1, is_exact=True) for name in ("glass", "metal")
    ]
    middles = []
    for pane in panes:
        assert isinstance(pane, Cutout)
        high, wide = pane.pixels.shape[:2]
        middles.append(int(pane.pixels[high // 2, wide // 2, 3]))
    assert middles[0] < 90
    assert middles[1] == 255


def test_large_pictures_are_stored_small() -> None:
    pixels, mask = picture()
    big = [cv2.resize(each, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST)
           for each in (pixels, mask)]  # fmt: skip
    found = cut_out(np.asarray(big[0], np.uint8), np.asarray(big[1], np.uint8), "metal", "a", 0.1)
    assert isinstance(found, Cutout)
    assert max(found.pixels.shape[:2]) == 224


def test_what_is_doubtful_is_refused() -> None:
    pixels, mask = picture()
    halves = mask.copy()
    halves[:, 65:80] = 0
    cut = np.roll(mask, -40, axis=1)
    speck = np.zeros_like(mask)
    speck[50:80, 60:82] = 255
    thin = np.zeros_like(mask)
    for angle in range(0, 180, 30):
        cv2.ellipse(thin, (80, 60), (50, 2), angle, 0, 360, 255, -1)
    shade = np.full_like(pixels, BOARD)
    shade[30:81, 40:106] = np.multiply(BOARD, 0.8).astype(np.uint8)
    cases = {
        "stands out": cut_out(pixels, None, "metal", "a", 0.1),
        "covers": cut_out(pixels, np.zeros_like(mask), "metal", "a", 0.1),
        "falls apart": cut_out(pixels, halves, "metal", "a", 0.1, is_exact=True),
        "edge cuts": cut_out(pixels, cut, "metal", "a", 0.1, is_exact=True),
        "px long": cut_out(pixels, speck, "metal", "a", 0.1, is_exact=True),
        "ragged": cut_out(pixels, thin, "metal", "a", 0.1, is_exact=True),
        "in shade": cut_out(shade, mask, "paper", "a", 0.1),
    }
    for said, found in cases.items():
        assert isinstance(found, Refusal), said
        assert said in found.why


def test_lengths_are_plausible_and_always_the_same() -> None:
    found = [length_of("glass", f"glass/{i}.png", 1) for i in range(50)]
    low, high = LENGTHS_M["glass"]
    assert all(low <= length <= high for length in found)
    assert len(set(found)) > 20
    assert found == [length_of("glass", f"glass/{i}.png", 1) for i in range(50)]
    assert found != [length_of("glass", f"glass/{i}.png", 2) for i in range(50)]
    assert 0.0 < length_of("unheard of", "a", 1) < 1.0
