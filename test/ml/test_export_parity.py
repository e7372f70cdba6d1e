# SPDX-License-Identifier: Apache-2.0
"""An exported network answers as torch does, and one set of weights serves every engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from safetensors.torch import load_file
from support.pictures import write_dataset
from torch import nn

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.ml.bundling import ExportJob, export_bundle
from recycle_sorter.ml.export import require_parity, write_description, write_graph, write_weights
from recycle_sorter.ml.models import build_resnet18
from recycle_sorter.ml.training import save_checkpoint
from recycle_sorter.vision.preprocessing import PreprocessingSpec

pytestmark = pytest.mark.ml

SPEC = PreprocessingSpec(width_px=64, height_px=64)


def _student() -> nn.Module:
    """A random ResNet-18 whose batch norms are not the identity."""
    torch.manual_seed(0)
    model = build_resnet18()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean, std=0.1)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.normal_(module.weight, 1.0, 0.1)
            nn.init.normal_(module.bias, std=0.1)
    return model.eval()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    model = _student()
    write_weights(model, folder / "model.safetensors")
    write_graph(model, SPEC, folder / "model.onnx", folder / "model.safetensors")
    write_description(folder, SPEC, 1.0, {}, "random weights", int8=False)
    return folder


@pytest.mark.parametrize("engine_name", ["onnxruntime", "openvino", "torch"])
@pytest.mark.parametrize("pictures", [1, 3])
def test_every_engine_agrees_with_torch(exported: Path, engine_name: str, pictures: int) -> None:
    batch = np.random.default_rng(pictures).normal(size=(pictures, 3, 64, 64)).astype(np.float32)
    engine = create_engine(engine_name, ModelBundle.load(exported), "fp32")
    assert require_parity(_student(), engine.infer(batch), batch, engine_name) <= 1e-3
    engine.close()


def test_the_graph_holds_no_weights_and_no_paths(exported: Path) -> None:
    content = (exported / "model.onnx").read_bytes()
    assert len(content) < 200_000
    assert b"site-packages" not in content
    assert str(Path.cwd()).encode() not in content
    graph = onnx.load(exported / "model.onnx", load_external_data=False).graph
    outside = [t.name for t in graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    names = [n for n in _student().state_dict() if not n.endswith("num_batches_tracked")]
    assert sorted(outside) == sorted(names)


def test_the_weights_load_into_torchvisions_own_resnet(exported: Path) -> None:
    build_resnet18().load_state_dict(load_file(exported / "model.safetensors"), strict=True)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    write_weights(build_resnet18(), tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="not those in"):
        write_graph(_student(), SPEC, tmp_path / "model.onnx", tmp_path / "model.safetensors")


def test_an_engine_that_disagrees_is_refused() -> None:
    batch = np.zeros((1, 3, 64, 64), np.float32)
    with torch.inference_mode():
        right = _student()(torch.from_numpy(batch)).numpy()
    with pytest.raises(ModelError, match=r"differ from torch's by 0\.0"):
        require_parity(_student(), right + 0.01, batch, "wrong")
    with pytest.raises(ModelError, match="differ from torch's by nan"):
        require_parity(_student(), right * np.nan, batch, "broken")


@pytest.fixture
def job(tmp_path: Path) -> ExportJob:
    student = {f"student.{name}": value for name, value in _student().state_dict().items()}
    save_checkpoint(tmp_path / "run" / "finish.pt", {"trained": student})
    licence = tmp_path / "licence.txt"
    licence.write_text("do as you like\n", encoding="utf-8")
    data = write_dataset(tmp_path / "data")
    renders = write_dataset(tmp_path / "renders") / "images"
    return ExportJob(
        run=tmp_path / "run",
        data=data,
        out=tmp_path / "bundle",
        licence=licence,
        renders=renders,
        command="recycle-sorter export",
        spec=SPEC,
    )


def test_a_bundle_is_complete_measured_and_replaced_as_a_whole(job: ExportJob) -> None:
    said: list[str] = []
    model_id = export_bundle(job, said.append)
    (job.out / "MODEL_CARD.md").write_text("older\n", encoding="utf-8")
    assert export_bundle(job, said.append) == model_id
    bundle = ModelBundle.load(job.out)
    assert bundle.model_id == model_id
    assert bundle.figures["n"] == 6
    assert bundle.figures["measured"][0]["renderings"]["n"] == 24
    assert (job.out / "LICENSE").read_text(encoding="utf-8") == "do as you like\n"
    card = (job.out / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"{bundle.figures['accuracy']:.1%}" in card
    assert ("int8" in bundle.networks) == (job.out / "model_int8.xml").is_file()
    assert not job.out.with_name("bundle.partial").exists()


def test_a_folder_that_is_no_bundle_is_not_replaced(job: ExportJob) -> None:
    job.out.mkdir()
    (job.out / "thesis.txt").write_text("years of work\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="an older bundle"):
        export_bundle(job, print)
    assert (job.out / "thesis.txt").is_file()


def test_a_run_without_a_student_is_named(job: ExportJob) -> None:
    (job.run / "finish.pt").unlink()
    with pytest.raises(InvalidInputError, match=r"finish\.pt"):
        export_bundle(job, print)
