# SPDX-License-Identifier: Apache-2.0
"""What every engine must do, run on each of them over the same tiny bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.bundles import (
    SIZE_PX,
    item_image,
    make_tiny_bundle,
    register_torch_architecture,
    score,
)

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.ports import Engine
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.classifier import softmax
from recycle_sorter.inference.factory import ENGINES, create_engine
from recycle_sorter.inference.fake_engine import FakeEngine
from recycle_sorter.paths import shipped_model
from recycle_sorter.vision.preprocessing import preprocess, preprocess_batch

pytestmark = pytest.mark.contract

Maker = Callable[[ModelBundle], Engine]


def make_torch(bundle: ModelBundle) -> Engine:
    register_torch_architecture()
    return create_engine("torch", bundle)


MAKERS: dict[str, Maker] = {
    "fake": lambda bundle: FakeEngine(bundle.input_shape, score),
    "onnxruntime": lambda bundle: create_engine("onnxruntime", bundle),
    "openvino": lambda bundle: create_engine("openvino", bundle, "fp32"),
    "openvino-auto": lambda bundle: create_engine("openvino", bundle),
    "openvino-batch": lambda bundle: create_engine("openvino", bundle, "fp32", batch=4),
    "torch": make_torch,
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return ModelBundle.load(make_tiny_bundle(tmp_path_factory.mktemp("bundles") / "tiny"))


@pytest.fixture(params=MAKERS)
def make(request: pytest.FixtureRequest) -> Maker:
    return MAKERS[request.param]


@pytest.fixture
def engine(make: Maker, bundle: ModelBundle) -> Iterator[Engine]:
    engine = make(bundle)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def engines(bundle: ModelBundle) -> Iterator[dict[str, Engine]]:
    # In fp32: the tiny network's scores are so steep that a narrower type shows at once. What bf16
    # and int8 cost a trained network is measured when it is exported, and by the benchmarks.
    built = {name: make(bundle) for name, make in MAKERS.items() if name != "openvino-auto"}
    yield built
    for engine in built.values():
        engine.close()


def random_batch(count: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return rng.random((count, 3, SIZE_PX, SIZE_PX), dtype=np.float32)


def test_it_is_an_engine_and_says_what_it_is(engine: Engine) -> None:
    assert isinstance(engine, Engine)
    assert engine.name in ("openvino", "onnxruntime", "torch", "fake")
    assert engine.precision in ("fp32", "bf16", "int8")


@pytest.mark.parametrize("material", MATERIALS)
def test_it_knows_the_material(engine: Engine, bundle: ModelBundle, material: str) -> None:
    scores = engine.infer(preprocess(item_image(material), bundle.preprocessing))
    assert scores.shape == (1, len(MATERIALS))
    assert scores.dtype == np.float32
    probabilities = softmax(scores)[0]
    assert bundle.labels[probabilities.argmax()] == material
    assert probabilities.max() > 0.95


def test_a_batch_answers_each_row_in_order(engine: Engine, bundle: ModelBundle) -> None:
    batch = preprocess_batch([item_image(name) for name in MATERIALS], bundle.preprocessing)
    scores = engine.infer(batch)
    assert scores.argmax(axis=1).tolist() == list(range(len(MATERIALS)))
    for row, image in zip(scores, batch, strict=True):
        np.testing.assert_allclose(engine.infer(image[None])[0], row, atol=1e-3)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 9])
def test_a_batch_of_any_size_has_the_answers_of_its_rows(engine: Engine, count: int) -> None:
    batch = random_batch(count, seed=count)
    scores = engine.infer(batch)
    assert scores.shape == (count, len(MATERIALS))
    alone = np.concatenate([engine.infer(image[None]) for image in batch])
    np.testing.assert_allclose(scores, alone, atol=1e-3 if engine.precision == "fp32" else 0.5)


def test_an_answer_stays_when_the_next_comes(engine: Engine) -> None:
    first = engine.infer(random_batch(2, seed=1))
    kept = first.copy()
    engine.infer(random_batch(2, seed=2))
    np.testing.assert_array_equal(first, kept)


def test_the_batch_is_left_alone(engine: Engine) -> None:
    batch = random_batch(2)
    batch.flags.writeable = True
    before = batch.copy()
    engine.infer(batch)
    np.testing.assert_array_equal(batch, before)


@pytest.mark.parametrize(
    ("batch", "field"),
    [
        (np.zeros((1, 3, SIZE_PX, SIZE_PX + 1), np.float32), "shape"),
        (np.zeros((3, SIZE_PX, SIZE_PX), np.float32), "shape"),
        (np.zeros((0, 3, SIZE_PX, SIZE_PX), np.float32), "shape"),
        (np.zeros((1, 1, SIZE_PX, SIZE_PX), np.float32), "shape"),
        (np.zeros((1, 3, SIZE_PX, SIZE_PX), np.float64), "dtype"),
        (np.zeros((1, SIZE_PX, SIZE_PX, 3), np.float32).transpose(0, 3, 1, 2), "strides"),
        ([[1.0]], "dtype"),
    ],
)
def test_a_wrong_batch_is_refused_by_name(
    engine: Engine, batch: NDArray[np.float32], field: str
) -> None:
    with pytest.raises(InvalidInputError, match=f"batch {field}: got .*, expected"):
        engine.infer(batch)


def test_closing_twice_is_fine_and_using_it_then_is_not(make: Maker, bundle: ModelBundle) -> None:
    engine = make(bundle)
    engine.close()
    engine.close()
    with pytest.raises(ModelError, match="used after close"):
        engine.infer(random_batch(1))


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    colour=st.tuples(*[st.integers(0, 255)] * 3),
    contrast=st.integers(0, 255),
    seed=st.integers(0, 2**32 - 1),
)
def test_in_fp32_all_engines_agree_within_a_hundredth(
    engines: dict[str, Engine],
    bundle: ModelBundle,
    colour: tuple[int, int, int],
    contrast: int,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    noise = rng.integers(-contrast, contrast + 1, (48, 64, 3))
    image = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
    batch = preprocess(image, bundle.preprocessing)
    answers = {name: softmax(engine.infer(batch))[0] for name, engine in engines.items()}
    for name, answer in answers.items():
        np.testing.assert_allclose(answer, answers["fake"], atol=1e-2, err_msg=name)


def test_in_fp32_all_engines_agree_on_the_shipped_network() -> None:
    bundle = ModelBundle.load(shipped_model())
    images = [item_image(name, seed=seed) for seed, name in enumerate(MATERIALS)]
    batch = preprocess_batch(images, bundle.preprocessing)
    answers = {}
    for name in ENGINES:
        engine = create_engine(name, bundle, "fp32")
        answers[name] = softmax(engine.infer(batch), bundle.temperature)
        engine.close()
    for name, answer in answers.items():
        np.testing.assert_allclose(answer, answers["torch"], atol=1e-2, err_msg=name)
