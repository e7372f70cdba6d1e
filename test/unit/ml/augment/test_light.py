# SPDX-License-Identifier: Apache-2.0
"""Light, lens and sensor: what each change does to a picture, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from support.learning import scene

from recycle_sorter.ml.augment.light import (
    coloured_light,
    random_blur,
    random_colour,
    random_noise,
)

Image = NDArray[np.uint8]
Change = Callable[[Image, np.random.Generator], Image]
CHANGES: dict[str, Change] = {
    "colour": lambda image, rng: random_colour(image, 0.4, rng),
    "light": coloured_light,
    "blur": random_blur,
    "noise": lambda image, rng: random_noise(image, 10.0, rng),
}
IMAGE = scene(11)


def changed_by(name: str, seed: int = 0, image: Image = IMAGE) -> Image:
    return CHANGES[name](image, np.random.default_rng(seed))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_changes_the_picture_and_a_seed_repeats_it(name: str) -> None:
    before = IMAGE.copy()
    found = [changed_by(name, seed) for seed in range(20)]
    assert all(image.shape == IMAGE.shape and image.dtype == np.uint8 for image in found)
    assert all((image != IMAGE).any() for image in found)
    assert len({image.tobytes() for image in found}) > 15  # there are only so many lenses
    np.testing.assert_array_equal(changed_by(name, 7), found[7])
    np.testing.assert_array_equal(IMAGE, before)


@pytest.mark.parametrize("name", CHANGES)
@settings(max_examples=40)
@given(
    pixels=hnp.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(3))),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_picture_can_be_changed(name: str, pixels: Image, seed: int) -> None:
    found = changed_by(name, seed, pixels)
    assert found.shape == pixels.shape
    assert found.dtype == np.uint8


def test_no_spread_is_no_change() -> None:
    same = random_colour(IMAGE, 0.0, np.random.default_rng(0))
    assert np.abs(same.astype(int) - IMAGE).max() <= 1  # rounding
    still = random_noise(IMAGE, 0.0, np.random.default_rng(0))
    np.testing.assert_array_equal(still, IMAGE)


def test_colour_changes_brightness_contrast_saturation_and_balance() -> None:
    found = np.array([changed_by("colour", seed) for seed in range(60)]).astype(float)
    means = found.mean(axis=(1, 2))  # [60, 3]
    assert np.ptp(means.mean(axis=1)) > 60
    assert np.ptp(found.std(axis=(1, 2, 3))) > 15
    assert np.ptp(np.ptp(found, axis=3).mean(axis=(1, 2))) > 30
    assert np.ptp(means[:, 0] - means[:, 2]) > 40


def test_coloured_lamps_tint_dim_and_fall_off() -> None:
    grey = np.full((60, 80, 3), 190, np.uint8)
    found = [changed_by("light", seed, grey).astype(float) for seed in range(60)]
    tints = [np.ptp(image.mean(axis=(0, 1))) for image in found]
    assert max(tints) > 60
    assert min(tints) < 25
    brightness = [image.mean() for image in found]
    assert min(brightness) < 60
    assert max(brightness) > 150
    halves = [abs(image[:, :40].mean() - image[:, 40:].mean()) for image in found]
    assert max(halves) > 20


def test_blur_takes_detail_and_leaves_brightness() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (60, 60, 3)).astype(np.uint8)
    for seed in range(40):
        blurred = changed_by("blur", seed, sharp)
        assert blurred.std() < sharp.std()
        assert abs(blurred.mean() - sharp.mean()) < 3


def test_motion_blurs_in_its_direction_only() -> None:
    dot = np.zeros((41, 41, 3), np.uint8)
    dot[20, 20] = 255
    ratios = []
    for seed in range(60):
        rows, columns = np.nonzero(changed_by("blur", seed, dot)[..., 0])
        spread = sorted(np.linalg.eigvalsh(np.cov(rows, columns) + 1e-3 * np.eye(2)))
        ratios.append(spread[1] / spread[0])
    assert min(ratios) < 1.3  # a lens blurs all around
    assert max(ratios) > 20


def test_noise_has_the_strength_it_is_given_at_most() -> None:
    grey = np.full((80, 80, 3), 128, np.uint8)
    spreads = [changed_by("noise", seed, grey).std() for seed in range(40)]
    assert max(spreads) < 10.5
    assert max(spreads) > 7
    assert min(spreads) < 2
