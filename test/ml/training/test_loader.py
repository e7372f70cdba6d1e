# SPDX-License-Identifier: Apache-2.0
"""Training batches: functions of seed, epoch and step, whoever asks, and whenever."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.learning import make_store, scene

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.records import UNLABELLED
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.loader import (
    Batch,
    TrainingBatches,
    ValidationBatches,
    shown_order,
)
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess_batch

pytestmark = pytest.mark.ml

SPEC = PreprocessingSpec(width_px=32, height_px=32)
EVERYTHING: dict[str, Any] = {
    "transform_horz": True, "transform_vert": True, "transform_rot30": True,
    "transform_noise": True, "transform_blur": True, "transform_crop": 0.5,
    "transform_colour": 0.3, "transform_randaugment": 2, "transform_background": 0.5,
    "transform_light": 0.3, "mixup": 0.4, "cutmix": 0.4,
}  # fmt: skip


def marked_store(count: int) -> PictureStore:
    """Pictures whose brightness tells which one they are."""
    images = [np.full((10, 12, 3), number, np.uint8) for number in range(count)]
    return PictureStore(images, np.arange(count) % 3, [str(n) for n in range(count)])


def batches_of(
    store: PictureStore, masks: list[Any] | None = None, **chosen: Any
) -> TrainingBatches:
    chosen = {"size_px": 32, "batch_size": 4, **chosen}
    return TrainingBatches(store, masks or [], [], 3, SPEC, Hyperparameters(**chosen))


def shown(batches: Iterator[Batch] | TrainingBatches) -> list[list[int]]:
    """Which pictures each batch shows."""
    tables = preprocess_batch([np.full((32, 32, 3), n, np.uint8) for n in range(256)], SPEC)
    values = torch.from_numpy(tables[:, 0, 0, 0].copy())
    return [
        [int((values - image[0, 0, 0]).abs().argmin()) for image in batch.images]
        for batch in batches
    ]


def masked_store() -> tuple[PictureStore, list[Any]]:
    images = [scene(number, 40, 50) for number in range(10)]
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 10:35] = 255
    store = PictureStore(images, np.arange(10) % 3, [str(n) for n in range(10)])
    return store, [mask if number % 2 else None for number in range(10)]


def assert_equal(ours: list[Batch], theirs: list[Batch]) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.targets, other.targets)


def test_with_everything_off_training_pictures_are_what_the_node_sees() -> None:
    images = [scene(number, 40 + number, 90) for number in range(7)]
    store = PictureStore(images, np.zeros(7, np.int64), [str(n) for n in range(7)])
    (batch,) = batches_of(store, batch_size=7)
    # The order is drawn; every picture is there once, as the node would see it.
    expected = preprocess_batch(images, SPEC)
    found = {image.numpy().tobytes() for image in batch.images}
    assert found == {image.tobytes() for image in expected}


def test_with_everything_on_validation_pictures_stay_what_the_node_sees() -> None:
    store, masks = masked_store()
    before = [image.copy() for image in store.images]
    validation = list(ValidationBatches(store, 3, SPEC, batch_size=4))
    changed = list(batches_of(store, masks, **EVERYTHING))
    again = list(ValidationBatches(store, 3, SPEC, batch_size=4))
    assert_equal(validation, again)
    images = torch.cat([batch.images for batch in validation])
    np.testing.assert_array_equal(images.numpy(), preprocess_batch(before, SPEC))
    labels = torch.cat([batch.targets for batch in validation]).argmax(1)
    assert labels.tolist() == store.labels.tolist()
    plain = {image.numpy().tobytes() for image in images}
    assert not plain & {image.numpy().tobytes() for batch in changed for image in batch.images}


def test_batches_are_float_channels_last_and_labelled() -> None:
    store = marked_store(9)
    for batch in batches_of(store):
        assert batch.images.dtype == torch.float32
        assert batch.images.is_contiguous(memory_format=torch.channels_last)
        assert batch.targets.shape == (len(batch.images), 3)
        for picture, target in zip(shown(iter([batch]))[0], batch.targets, strict=True):
            assert target.tolist() == [float(picture % 3 == label) for label in range(3)]


def test_an_epoch_shows_everything_once_in_an_order_of_its_own() -> None:
    batches = batches_of(marked_store(20))
    epochs = [[n for batch in shown(batches) for n in batch] for _ in range(3)]
    assert all(sorted(epoch) == list(range(20)) for epoch in epochs)
    assert epochs[0] != epochs[1]
    assert epochs[1] != epochs[2]


def test_the_same_seed_gives_the_same_epochs_and_another_gives_others() -> None:
    store, masks = masked_store()
    one, other = (batches_of(store, masks, **EVERYTHING) for _ in range(2))
    for _ in range(2):
        assert_equal(list(one), list(other))
    third = list(batches_of(store, masks, **EVERYTHING, seed=1))
    first = list(batches_of(store, masks, **EVERYTHING))
    assert not torch.equal(third[0].images, first[0].images)


@settings(max_examples=10)
@given(st.integers(0, 3), st.integers(0, 4))
def test_a_restored_loader_gives_the_very_rest(epochs: int, steps: int) -> None:
    store = marked_store(20)
    whole = batches_of(store, transform_noise=True)
    for _ in range(epochs):
        list(whole)
    iterator = iter(whole)
    list(islice(iterator, steps))
    state = whole.state_dict()
    rest = list(iterator)

    restored = batches_of(store, transform_noise=True)
    restored.load_state_dict(state)
    assert_equal(list(restored), rest)
    assert_equal(list(restored), list(whole))  # the next epoch too


def test_after_its_last_batch_a_loader_is_at_the_next_epoch() -> None:
    batches = batches_of(marked_store(8))
    iterator = iter(batches)
    next(iterator)
    assert batches.state_dict() == {"epoch": 0, "step": 1}
    next(iterator)
    assert batches.state_dict() == {"epoch": 1, "step": 0}


def test_an_iterator_that_has_not_begun_goes_where_it_is_sent() -> None:
    store = marked_store(20)
    second = batches_of(store)
    list(second)
    expected = list(second)
    batches = batches_of(store)
    iterator = iter(batches)
    batches.load_state_dict({"epoch": 1, "step": 2})
    assert_equal(list(iterator), expected[2:])


@settings(max_examples=10)
@given(st.integers(2, 40), st.integers(2, 4), st.integers(1, 7))
def test_processes_share_an_epoch_without_overlap(count: int, world: int, size: int) -> None:
    store = marked_store(count)
    parts, lengths = [], []
    for rank in range(world):
        batches = batches_of(store, batch_size=size)
        batches.rank, batches.world = rank, world
        found = shown(batches)
        lengths.append(len(found))
        assert len(found) == len(batches)
        parts.append([n for batch in found for n in batch])
    everything = [n for part in parts for n in part]
    assert len(set(everything)) == len(everything)
    assert len(set(lengths)) == 1  # nobody waits for a step that never comes
    # Left out: what does not divide evenly, and lone last pictures.
    assert len(everything) >= count // world * world - world


def test_processes_change_pictures_by_their_own_chance() -> None:
    store = PictureStore([scene(0)] * 8, np.zeros(8, np.int64), list("abcdefgh"))
    firsts = []
    for rank in range(2):
        batches = batches_of(store, transform_crop=0.3)
        batches.rank, batches.world = rank, 2
        firsts.append(next(iter(batches)).images)
    assert not torch.equal(firsts[0], firsts[1])


@pytest.mark.parametrize(
    ("count", "sizes"), [(9, [4, 4]), (10, [4, 4, 2]), (8, [4, 4]), (3, [3]), (1, [1])]
)
def test_a_lone_last_picture_is_left_to_the_next_epoch(count: int, sizes: list[int]) -> None:
    batches = batches_of(marked_store(count))
    assert [len(batch.images) for batch in batches] == sizes
    assert len(batches) == len(sizes)


def test_unlabelled_pictures_have_no_target() -> None:
    store = marked_store(8)
    labels = store.labels.copy()
    labels[::2] = UNLABELLED
    batches = batches_of(PictureStore(store.images, labels, store.names))
    for batch in batches:
        for picture, target in zip(shown(iter([batch]))[0], batch.targets, strict=True):
            assert float(target.sum()) == float(picture % 2)


def test_an_epoch_takes_some_of_the_unlabelled_pictures_and_the_next_one_others() -> None:
    store = marked_store(24)
    labels = store.labels.copy()
    labels[4:] = UNLABELLED
    batches = batches_of(PictureStore(store.images, labels, store.names), unlabelled_qty=8)
    epochs = [
        {p for batch in batches_at(batches, e) for p in shown(iter([batch]))[0]} for e in (0, 1)
    ]
    assert [len(batches), *map(len, epochs)] == [3, 12, 12]
    assert all({0, 1, 2, 3} <= epoch for epoch in epochs)  # the labelled ones come every time
    assert epochs[0] != epochs[1]


def test_rare_classes_are_shown_up_to_half_as_often() -> None:
    labels = np.array([0] * 12 + [1] * 5 + [2] * 2 + [UNLABELLED])
    order = shown_order(labels, repeat_rare=True)
    assert np.bincount(labels[order] + 1).tolist() == [1, 12, 5, 6]
    np.testing.assert_array_equal(shown_order(labels, repeat_rare=False), np.arange(20))
    nothing = np.full(4, UNLABELLED)
    np.testing.assert_array_equal(shown_order(nothing, repeat_rare=True), np.arange(4))


def test_the_size_of_the_epoch_is_the_size_of_its_pictures() -> None:
    batches = batches_of(marked_store(4), epoch_qty=3, size_px=64, first_size_px=32)
    sides = [next(iter(batches_at(batches, epoch))).images.shape[-1] for epoch in range(3)]
    assert sides == [32, 32, 64]


def batches_at(batches: TrainingBatches, epoch: int) -> TrainingBatches:
    batches.load_state_dict({"epoch": epoch, "step": 0})
    return batches


def test_an_error_in_a_batch_comes_to_whoever_asked_for_it() -> None:
    store = marked_store(12)
    store.images[7] = np.zeros((4, 4), np.uint8)  # no channels
    with pytest.raises((InvalidInputError, IndexError, ValueError)):
        list(batches_of(store))


def test_masks_are_one_a_picture() -> None:
    with pytest.raises(InvalidInputError, match="masks: got 1, expected 6"):
        batches_of(make_store(2), [None])


@pytest.mark.parametrize("world", [1, 2, 3])
def test_validation_is_shared_and_complete(world: int) -> None:
    store = marked_store(11)
    parts = [
        ValidationBatches(store, 3, SPEC, batch_size=3, rank=rank, world=world)
        for rank in range(world)
    ]
    found = [n for part in parts for batch in shown(iter(part)) for n in batch]
    assert sorted(found) == list(range(11))
    assert all(len(list(part)) == len(part) for part in parts)
