# SPDX-License-Identifier: Apache-2.0
"""What items are put in front of."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.learning import scene

from recycle_sorter.ml.dataset.backgrounds import make_background


@given(st.integers(16, 200), st.integers(16, 200), st.integers(0, 2**32 - 1), st.booleans())
def test_backgrounds_have_the_size_that_is_asked_for(
    width: int, height: int, seed: int, with_pictures: bool
) -> None:
    others = [scene(0, 4, 9), scene(1, 90, 30)] if with_pictures else []
    image = make_background((width, height), others, np.random.default_rng(seed))
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8
    again = make_background((width, height), others, np.random.default_rng(seed))
    np.testing.assert_array_equal(image, again)


def test_no_two_are_alike() -> None:
    rng = np.random.default_rng(0)
    images = [make_background((40, 30), [], rng) for _ in range(30)]
    assert len({image.tobytes() for image in images}) == 30
    # Belts are black and metal shines: light and dark ones, coloured and grey ones.
    means = np.array([image.mean(axis=(0, 1)) for image in images])
    assert means.mean(axis=1).min() < 70
    assert means.mean(axis=1).max() > 160
    assert np.ptp(means, axis=1).max() > 50
    assert np.ptp(means, axis=1).min() < 15


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 0, 255)])
def test_about_half_are_cut_from_pictures(colour: tuple[int, int, int]) -> None:
    other = np.full((50, 60, 3), colour, np.uint8)
    rng = np.random.default_rng(0)
    cut = sum((make_background((20, 20), [other], rng) == colour).all() for _ in range(200))
    assert 70 < cut < 130
