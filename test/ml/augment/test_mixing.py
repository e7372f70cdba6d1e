# SPDX-License-Identifier: Apache-2.0
"""MixUp, CutMix and RandAugment: shares that fit the pixels, and chance of their own."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from support.learning import scene

from recycle_sorter.ml.augment.pipeline import augment, mix
from recycle_sorter.ml.training.hyperparameters import Hyperparameters

pytestmark = pytest.mark.ml

COUNT, CLASSES, SIDE = 6, 3, 20


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures filled with their own number, so that a pixel tells whose it is."""
    images = torch.arange(COUNT, dtype=torch.float32).view(-1, 1, 1, 1).repeat(1, 3, SIDE, SIDE)
    labels = torch.arange(COUNT) % CLASSES
    return images, torch.nn.functional.one_hot(labels, CLASSES).float()


def mixed(seed: int, **shares: float) -> tuple[torch.Tensor, torch.Tensor]:
    images, targets = batch()
    kept = images.clone(), targets.clone()
    found = mix(images, targets, Hyperparameters(**shares), np.random.default_rng(seed))
    assert torch.equal(images, kept[0])
    assert torch.equal(targets, kept[1])
    return found


def test_a_batch_is_left_alone_unless_asked_for() -> None:
    images, targets = mixed(0)
    assert torch.equal(images, batch()[0])
    assert torch.equal(targets, batch()[1])


def test_mixup_blends_pictures_and_targets_in_one_ratio() -> None:
    _, one_hot = batch()
    shares = set()
    for seed in range(30):
        images, targets = mixed(seed, mixup=1.0)
        torch.testing.assert_close(targets.sum(1), torch.ones(COUNT))
        assert (images == images[:, :1, :1, :1]).all()  # every pixel alike
        for row in range(COUNT):
            value = float(images[row, 0, 0, 0])
            # One share and one partner explain pixel and target.
            partners = [other for other in range(COUNT) if other != row]
            fits = [value == row] if torch.equal(targets[row], one_hot[row]) else []
            for other in partners:
                share = (value - other) / (row - other)
                blend = share * one_hot[row] + (1 - share) * one_hot[other]
                is_share = -1e-6 <= share <= 1 + 1e-6
                fits.append(is_share and torch.allclose(targets[row], blend, atol=1e-4))
            assert any(fits)
        shares.add(round(float(images.max()) % 1, 3))
    assert len(shares) > 5


def test_cutmix_pastes_a_patch_and_counts_its_pixels() -> None:
    _, one_hot = batch()
    areas = []
    for seed in range(30):
        images, targets = mixed(seed, cutmix=1.0)
        torch.testing.assert_close(targets.sum(1), torch.ones(COUNT))
        for row in range(COUNT):
            values, counts = images[row, 0].unique(return_counts=True)
            assert len(values) <= 2
            expected = torch.zeros(CLASSES)
            for value, count in zip(values, counts, strict=True):
                expected += one_hot[int(value)] * float(count) / SIDE**2
            torch.testing.assert_close(targets[row], expected)
            assert torch.equal(images[row, 0], images[row, 2])
            if len(values) == 2:
                patch = (images[row, 0] != row).nonzero()
                height, width = (patch.max(0).values - patch.min(0).values + 1).tolist()
                assert height * width == len(patch)  # a rectangle
                areas.append(len(patch) / SIDE**2)
    assert min(areas) < 0.2
    assert max(areas) > 0.8


def test_each_comes_as_often_as_it_is_asked_for() -> None:
    images, _ = batch()
    kinds = {"none": 0, "mixup": 0, "cutmix": 0}
    for seed in range(300):
        found, _ = mixed(seed, mixup=0.3, cutmix=0.5)
        if torch.equal(found, images):
            kinds["none"] += 1
        elif (found == found[:, :1, :1, :1]).all():
            kinds["mixup"] += 1
        else:
            kinds["cutmix"] += 1
    assert 60 < kinds["mixup"] < 120
    assert 110 < kinds["cutmix"] < 190
    assert kinds["none"] > 25


def test_a_seed_repeats_a_mixture() -> None:
    for share in ({"mixup": 1.0}, {"cutmix": 1.0}):
        one, other = mixed(3, **share), mixed(3, **share)
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])


def test_unlabelled_rows_carry_half_a_target() -> None:
    images, targets = batch()
    targets[1:] = 0
    for seed in range(20):
        _, found = mix(images, targets, Hyperparameters(mixup=1.0), np.random.default_rng(seed))
        assert float(found.sum()) == pytest.approx(1)
        assert (found >= 0).all()


def randaugmented(seed: int, count: int = 2) -> np.ndarray:
    settings = Hyperparameters(transform_randaugment=count)
    return augment(scene(31), None, (32, 32), settings, np.random.default_rng(seed))


def test_randaugment_changes_pictures_and_a_seed_repeats_it() -> None:
    plain = augment(scene(31), None, (32, 32), Hyperparameters(), np.random.default_rng(0))
    found = [randaugmented(seed) for seed in range(20)]
    assert all(image.shape == plain.shape and image.dtype == np.uint8 for image in found)
    assert sum((image != plain).any() for image in found) > 14
    assert len({image.tobytes() for image in found}) > 14
    np.testing.assert_array_equal(randaugmented(5), found[5])


@pytest.mark.parametrize("seed", range(12))
def test_randaugment_is_torchvisions(seed: int) -> None:
    import cv2
    from torchvision.transforms import v2

    plain = augment(scene(31), None, (32, 32), Hyperparameters(), np.random.default_rng(seed))
    rng = np.random.default_rng(seed)
    # What a view draws before; then the seed that RandAugment gets.
    rng.uniform(1.0, 1.0), rng.uniform(-1, 1), rng.random(), rng.random()
    rng.uniform(-1, 1), rng.random(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        rgb = torch.from_numpy(cv2.cvtColor(plain, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)
        theirs = v2.RandAugment(num_ops=2)(rgb).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(randaugmented(seed)[..., ::-1], theirs)


def test_randaugment_neither_draws_from_dropouts_chance_nor_hears_of_it() -> None:
    alone = [randaugmented(seed).tobytes() for seed in range(40)]
    torch.manual_seed(7)
    undisturbed = [float(torch.rand(1)) for _ in range(4000)]

    beside: list[bytes] = []

    def work() -> None:
        beside.extend(randaugmented(seed).tobytes() for seed in range(40))

    torch.manual_seed(7)
    worker = threading.Thread(target=work)
    worker.start()
    drawn = [float(torch.rand(1)) for _ in range(4000)]
    worker.join()
    assert drawn == undisturbed
    assert beside == alone
