# SPDX-License-Identifier: Apache-2.0
"""From frame to probabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.bundles import empty_image, item_image, make_tiny_bundle, score

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.types import Frame
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.classifier import MaterialClassifier, softmax
from recycle_sorter.inference.fake_engine import FakeEngine
from recycle_sorter.vision.board import BoardModel


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return ModelBundle.load(make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


@pytest.fixture
def classifier(bundle: ModelBundle) -> MaterialClassifier:
    return MaterialClassifier(bundle, FakeEngine(bundle.input_shape, score))


def ticks() -> Callable[[], int]:
    """A clock that advances 5 ms a call."""
    counter = count(1_000, 5_000_000)
    return lambda: next(counter)


@pytest.mark.parametrize("material", MATERIALS)
def test_a_frame_becomes_a_classification(classifier: MaterialClassifier, material: str) -> None:
    result = classifier.classify(Frame(7, item_image(material)), ticks())
    assert result.stamp_ns == 7
    assert result.item_present
    assert result.materials == MATERIALS
    assert result.materials[int(np.argmax(result.probabilities))] == material
    assert sum(result.probabilities) == pytest.approx(1.0)
    assert result.model_id == classifier.bundle.model_id
    assert result.inference_time_sec == pytest.approx(0.005)


def test_rgb_and_bgr_frames_get_the_same_answer(classifier: MaterialClassifier) -> None:
    image = item_image("plastic")
    bgr = classifier.classify(Frame(1, image, "bgr8"), ticks())
    rgb = classifier.classify(Frame(1, np.ascontiguousarray(image[..., ::-1]), "rgb8"), ticks())
    assert bgr == rgb


def test_a_mono_frame_is_grey_and_so_undecided(classifier: MaterialClassifier) -> None:
    grey = item_image("glass")[..., 1].copy()
    for pixels in (grey, grey[..., None]):
        result = classifier.classify(Frame(1, pixels, "mono8"), ticks())
        np.testing.assert_allclose(result.probabilities, 1 / 6, atol=1e-3)


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (Frame(1, np.zeros((4, 4, 3), np.uint8), "yuv422"), "encoding: got 'yuv422'"),
        (Frame(1, np.zeros((4, 4), np.uint8), "bgr8"), "pixels shape"),
        (Frame(1, np.zeros((4, 4, 4), np.uint8), "bgr8"), "pixels shape"),
        (Frame(1, np.zeros((4, 4, 3), np.uint8), "mono8"), "pixels shape"),
        (Frame(1, np.zeros((0, 4, 3), np.uint8), "bgr8"), "pixels shape"),
        (Frame(1, np.zeros((4, 4, 3), np.float32), "bgr8"), "pixels dtype"),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_frame_is_refused_by_name(
    classifier: MaterialClassifier, frame: Frame, field: str
) -> None:
    with pytest.raises(InvalidInputError, match=field):
        classifier.classify(frame, ticks())


def test_an_empty_board_costs_no_inference(bundle: ModelBundle) -> None:
    engine = FakeEngine(bundle.input_shape, score)
    classifier = MaterialClassifier(bundle, engine, BoardModel())
    result = classifier.classify(Frame(1, empty_image()), ticks())
    assert not result.item_present
    assert result.probabilities == ()
    assert result.materials == MATERIALS
    assert result.inference_time_sec == 0.0
    assert engine.calls == 0
    assert classifier.classify(Frame(2, item_image("paper")), ticks()).item_present
    assert engine.calls == 1


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_never_published(bundle: ModelBundle, bad: float) -> None:
    def broken(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        scores = score(batch)
        scores[0, 2] = bad
        return scores

    classifier = MaterialClassifier(bundle, FakeEngine(bundle.input_shape, broken))
    with pytest.raises(ModelError, match="expected finite numbers"):
        classifier.classify(Frame(1, item_image("glass")), ticks())


def test_scores_of_another_shape_are_refused(bundle: ModelBundle) -> None:
    engine = FakeEngine(bundle.input_shape, lambda batch: score(batch)[:, :5])
    with pytest.raises(ModelError, match=r"shape \(1, 5\), expected \(1, 6\)"):
        MaterialClassifier(bundle, engine).classify_image(item_image("glass"))


def test_a_higher_temperature_is_less_sure(bundle: ModelBundle) -> None:
    engine = FakeEngine(bundle.input_shape, score)
    warm = MaterialClassifier(dataclasses.replace(bundle, temperature=5.0), engine)
    cold = MaterialClassifier(bundle, engine)
    image = item_image("metal")
    assert 1 / 6 < warm.classify_image(image)["metal"] < cold.classify_image(image)["metal"]


def test_pictures_of_any_sizes_go_in_one_batch(classifier: MaterialClassifier) -> None:
    images = [item_image("glass", 64, 48), item_image("trash", 200, 100), item_image("paper")]
    answers = classifier.classify_batch(images)
    assert [max(answer, key=answer.__getitem__) for answer in answers] == [
        "glass",
        "trash",
        "paper",
    ]
    assert answers[1] == pytest.approx(classifier.classify_image(images[1]), abs=1e-6)
    assert classifier.classify_batch([]) == []


@given(
    st.lists(st.floats(-(2.0**100), 2.0**100, width=32), min_size=1, max_size=8),
    st.floats(0.01, 100.0),
)
def test_softmax_is_a_distribution_for_any_finite_scores(
    scores: list[float], temperature: float
) -> None:
    probabilities = softmax(np.array(scores, np.float32), temperature)
    assert probabilities.sum() == pytest.approx(1.0)
    assert ((probabilities >= 0) & (probabilities <= 1)).all()
    assert probabilities[int(np.argmax(scores))] == probabilities.max()


def test_the_board_can_be_learnt_from_a_frame_of_any_encoding(bundle: ModelBundle) -> None:
    engine = FakeEngine(bundle.input_shape, score)
    patterned = item_image("cardboard")
    for pixels, encoding in (
        (patterned, "bgr8"),
        (np.ascontiguousarray(patterned[..., ::-1]), "rgb8"),
        (patterned[..., 0].copy(), "mono8"),
    ):
        classifier = MaterialClassifier(bundle, engine, BoardModel())
        classifier.learn_board(Frame(1, pixels, encoding))
        assert not classifier.classify(Frame(2, pixels, encoding), ticks()).item_present
    with pytest.raises(InvalidInputError, match="board: got None"):
        MaterialClassifier(bundle, engine).learn_board(Frame(1, patterned))
