# SPDX-License-Identifier: Apache-2.0
"""An exported network answers as torch does, and one set of weights serves every engine."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file
from support import bundles
from support.runs import SIZE_PX, SPEC, random_network

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference import torch_networks
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import ENGINES, create_engine
from recycle_sorter.ml.export import require_parity, write_description, write_graph
from recycle_sorter.ml.models.zoo import ARCHITECTURES, build_model
from recycle_sorter.ml.training.run_folder import write_weights

pytestmark = pytest.mark.ml

LABELS = ("cardboard", "glass", "metal", "paper", "plastic", "trash")


def random_batch(pictures: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(pictures)
    return rng.normal(size=(pictures, 3, SIZE_PX, SIZE_PX)).astype(np.float32)


@pytest.fixture(scope="module", params=ARCHITECTURES)
def exported(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> ModelBundle:
    folder = tmp_path_factory.mktemp(request.param)
    model = random_network(request.param)
    write_weights(model, folder / "model.safetensors")
    write_graph(model, SPEC, folder / "model.onnx", folder / "model.safetensors")
    write_description(folder, architecture=request.param, labels=LABELS, spec=SPEC)
    return ModelBundle.load(folder)


def test_the_zoo_and_the_torch_engine_know_the_same_networks() -> None:
    # Other tests register the tiny network of the test bundles beside them.
    assert set(torch_networks.ARCHITECTURES) - {bundles.ARCHITECTURE} == set(ARCHITECTURES)


def test_every_engine_agrees_with_torch(exported: ModelBundle) -> None:
    model = random_network(exported.architecture)
    for name in ENGINES:
        engine = create_engine(name, exported, "fp32")
        for pictures in (1, 3):
            batch = random_batch(pictures)
            assert require_parity(model, engine.infer(batch), batch, name) <= 1e-3
        engine.close()
    # A thousandth says something only where answers differ by more.
    with torch.inference_mode():
        assert model(torch.from_numpy(random_batch(3))).std(dim=0).mean() > 0.3


def test_the_graph_holds_no_weights_and_no_paths(exported: ModelBundle) -> None:
    path = exported.networks["fp32"].graph
    content = path.read_bytes()
    weights = exported.path / "model.safetensors"
    assert len(content) < weights.stat().st_size / 40
    assert b"site-packages" not in content
    assert str(Path.cwd()).encode() not in content
    graph = onnx.load(path, load_external_data=False).graph
    outside = [t.name for t in graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    state = load_file(exported.networks["fp32"].weights)
    assert sorted(outside) == sorted(n for n in state if not n.endswith("num_batches_tracked"))


def test_the_weights_load_into_the_zoos_own_network(exported: ModelBundle) -> None:
    model = build_model(exported.architecture, len(LABELS))
    model.load_state_dict(load_file(exported.networks["fp32"].weights), strict=True)


def test_loading_unpickles_nothing(exported: ModelBundle, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("a pickle was read")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    monkeypatch.setattr(torch, "load", refuse)
    bundle = ModelBundle.load(exported.path)
    for name in ENGINES:
        create_engine(name, bundle, "fp32").close()


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    write_weights(random_network("resnet50_thin", seed=1), tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="not those in"):
        write_graph(
            random_network("resnet50_thin"), SPEC, tmp_path / "model.onnx",
            tmp_path / "model.safetensors",
        )  # fmt: skip


def test_an_engine_that_disagrees_is_refused() -> None:
    model = random_network("resnet50_thin")
    batch = random_batch(1)
    with torch.inference_mode():
        right = model(torch.from_numpy(batch)).numpy()
    with pytest.raises(ModelError, match=r"differ from torch's by 0\.0"):
        require_parity(model, right + 0.01, batch, "wrong")
    with pytest.raises(ModelError, match="differ from torch's by nan"):
        require_parity(model, right * np.nan, batch, "broken")
