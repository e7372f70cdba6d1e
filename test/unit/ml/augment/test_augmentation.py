# SPDX-License-Identifier: Apache-2.0
"""The way of a training picture: every transform on its own, all of them, and none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.learning import scene

from recycle_sorter.ml.augment.pipeline import augment
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess

Image = NDArray[np.uint8]
SIZE = (40, 32)
# RandAugment is torchvision's and is tested where torch is.
ALONE: dict[str, dict[str, Any]] = {
    "transform_horz": {"transform_horz": True},
    "transform_vert": {"transform_vert": True},
    "transform_rot30": {"transform_rot30": True},
    "transform_noise": {"transform_noise": True},
    "transform_blur": {"transform_blur": True},
    "transform_crop": {"transform_crop": 0.5},
    "transform_colour": {"transform_colour": 0.3},
    "transform_background": {"transform_background": 1.0},
    "transform_light": {"transform_light": 1.0},
}
ALL = {key: value for chosen in ALONE.values() for key, value in chosen.items()}


def mask_of(image: Image) -> Image:
    mask = np.zeros(image.shape[:2], np.uint8)
    height, width = mask.shape
    mask[height // 4 : 3 * height // 4, width // 4 : 3 * width // 4] = 255
    return mask


def changed(chosen: dict[str, Any], seed: int, *, masked: bool = True) -> Image:
    image = scene(21)
    return augment(
        image,
        mask_of(image) if masked else None,
        SIZE,
        Hyperparameters(**chosen),
        np.random.default_rng(seed),
        [scene(22, 30, 30)],
    )


def test_with_nothing_on_it_is_what_the_node_sees() -> None:
    spec = PreprocessingSpec(*SIZE)
    for seed in range(5):
        view = changed({}, seed)
        np.testing.assert_array_equal(preprocess(view, spec), preprocess(scene(21), spec))


def test_every_transform_is_tried_here_or_where_torch_is() -> None:
    named = {name for name in Hyperparameters.__annotations__ if name.startswith("transform_")}
    assert named == {*ALONE, "transform_randaugment"}


@pytest.mark.parametrize("name", ALONE)
def test_a_transform_alone_changes_pictures_and_neither_size_nor_type(name: str) -> None:
    plain = changed({}, 0)
    views = [changed(ALONE[name], seed) for seed in range(30)]
    assert all(view.shape == plain.shape and view.dtype == np.uint8 for view in views)
    different = sum((view != plain).any() for view in views)
    # Some come by chance; none may come never.
    assert different >= 3
    for seed, view in enumerate(views):
        np.testing.assert_array_equal(view, changed(ALONE[name], seed))


@pytest.mark.parametrize("name", ["transform_background", "transform_light"])
def test_a_share_is_that_share(name: str) -> None:
    plain = changed({}, 0)
    count = sum((changed({name: 0.3}, seed) != plain).any() for seed in range(300))
    assert 60 < count < 120


def test_without_a_mask_the_background_stays() -> None:
    view = changed({"transform_background": 1.0}, 3, masked=False)
    np.testing.assert_array_equal(view, changed({}, 3))


@settings(max_examples=40)
@given(
    st.dictionaries(st.sampled_from(sorted(ALONE)), st.booleans()),
    st.integers(0, 2**32 - 1),
    st.tuples(st.integers(16, 70), st.integers(16, 70)),
)
def test_any_combination_is_repeated_by_its_seed(
    switches: dict[str, bool], seed: int, shape: tuple[int, int]
) -> None:
    chosen = {k: v for name, on in switches.items() if on for k, v in ALONE[name].items()}
    image = scene(23, *shape)
    before = image.copy()
    views = [
        augment(image, mask_of(image), SIZE, Hyperparameters(**chosen), np.random.default_rng(seed))
        for _ in range(2)
    ]
    assert views[0].shape == (SIZE[1], SIZE[0], 3)
    assert views[0].dtype == np.uint8
    np.testing.assert_array_equal(views[0], views[1])
    np.testing.assert_array_equal(image, before)


def test_all_of_them_at_once_give_no_two_alike() -> None:
    assert len({changed(ALL, seed).tobytes() for seed in range(40)}) == 40
