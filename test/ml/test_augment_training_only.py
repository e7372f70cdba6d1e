# SPDX-License-Identifier: Apache-2.0
"""Augmentation is seeded, keeps pictures valid, and never touches evaluation."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from support.pictures import make_store, picture

from recycle_sorter.ml.augment import AugmentConfig, augment, random_view
from recycle_sorter.ml.data import PictureStore
from recycle_sorter.ml.evaluate import predict
from recycle_sorter.ml.training import StageConfig, batches
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess_batch, resize_image

pytestmark = pytest.mark.ml

SPEC = PreprocessingSpec(width_px=32, height_px=32)
STAGE = StageConfig(4, 4, 1e-3, size_px=32, final_size_px=32)
PLAIN = AugmentConfig(
    area_min=1.0,
    aspect_max=1.0,
    rotation_max_rad=0.0,
    flip=False,
    light=0.0,
    blur_probability=0.0,
    noise_max=0.0,
)


def test_what_evaluates_does_not_even_import_augmentation() -> None:
    modules = ", ".join(f"recycle_sorter.ml.{m}" for m in ("data", "models", "evaluate", "export"))
    code = f"import sys, {modules}; sys.exit('recycle_sorter.ml.augment' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_prediction_sees_exactly_what_the_node_sees() -> None:
    seen = []

    def network(batch: np.ndarray) -> np.ndarray:
        seen.append(batch.copy())
        return np.zeros((len(batch), 6), np.float32)

    store = make_store()
    predict(network, store, SPEC, batch_size=5)
    np.testing.assert_array_equal(np.concatenate(seen), preprocess_batch(store.images, SPEC))


def test_the_same_seed_gives_the_same_picture_and_another_seed_another() -> None:
    image, config = picture(0, 0, 60, 80), AugmentConfig()
    first, again, other = (
        augment(image, (32, 24), config, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert first.shape == (24, 32, 3)
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_augmentation_is_the_plain_resize() -> None:
    image = picture(0, 0, 32, 32)
    view = augment(image, (32, 32), PLAIN, np.random.default_rng(0))
    np.testing.assert_array_equal(view, image)
    ramp = np.tile(np.arange(64, dtype=np.uint8)[:, None, None] * 4, (1, 48, 3))
    view = augment(ramp, (32, 32), PLAIN, np.random.default_rng(0))
    assert np.abs(view.astype(int) - resize_image(ramp, SPEC).astype(int)).max() <= 4


def test_a_flip_is_an_exact_mirror() -> None:
    image = picture(1, 3, 32, 32)
    mirrors = [image, image[::-1], image[:, ::-1], image[::-1, ::-1]]
    views = [
        random_view(image, (32, 32), replace(PLAIN, flip=True), np.random.default_rng(seed))
        for seed in range(20)
    ]
    hits = {i for view in views for i, m in enumerate(mirrors) if np.array_equal(view, m)}
    assert hits == {0, 1, 2, 3}
    assert all(any(np.array_equal(view, m) for m in mirrors) for view in views)


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    store = make_store()
    first, again, later = (list(batches(store, 6, SPEC, STAGE, epoch)) for epoch in (0, 0, 1))
    assert [len(batch.images) for batch in first] == [4, 4, 4]
    for one, two in zip(first, again, strict=True):
        assert one.images.equal(two.images)
        assert one.targets.equal(two.targets)
    assert not first[0].images.equal(later[0].images)


def test_mixed_labels_still_sum_to_one_and_unlabelled_ones_to_zero() -> None:
    store = make_store()
    mixed = replace(STAGE, mixup_probability=1.0)
    for batch in batches(store, 6, SPEC, mixed, 0):
        assert batch.targets.sum(dim=1).tolist() == pytest.approx([1.0] * len(batch.targets))
    unlabelled = PictureStore(store.images, np.full(len(store), -1, dtype=np.int64))
    assert all(batch.targets.sum() == 0 for batch in batches(unlabelled, 6, SPEC, mixed, 0))
