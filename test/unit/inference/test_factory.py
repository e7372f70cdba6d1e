# SPDX-License-Identifier: Apache-2.0
"""Building engines: what does not fit is refused before the first frame."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from support.bundles import (
    item_image,
    make_tiny_bundle,
    network_weights,
    register_torch_architecture,
    write_onnx,
)

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.inference import openvino_engine
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import ENGINES, create_engine
from recycle_sorter.inference.manifest import write_manifest
from recycle_sorter.vision.preprocessing import preprocess

NETWORK_ENGINES = [name for name in ENGINES if name != "torch"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "tiny")


@pytest.fixture
def bundle(folder: Path) -> ModelBundle:
    register_torch_architecture()
    return ModelBundle.load(folder)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"name": "tensorrt"}, "engine: got 'tensorrt', expected one of openvino"),
        ({"name": "fake"}, "engine: got 'fake'"),
        ({"name": "openvino", "precision": "fp4"}, "precision: got 'fp4'"),
        ({"name": "onnxruntime", "precision": "int8"}, "precision: got 'int8'"),
        ({"name": "torch", "precision": "bf16"}, "precision: got 'bf16'"),
        ({"name": "openvino", "threads": -1}, "threads: got -1"),
        ({"name": "openvino", "threads": True}, "threads: got True"),
        ({"name": "openvino", "threads": 100_000}, "threads: got"),
        ({"name": "openvino", "batch": 0}, "batch: got 0"),
        ({"name": "openvino", "batch": 1000}, "batch: got 1000"),
    ],
)
def test_wrong_arguments_are_named(
    bundle: ModelBundle, arguments: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidInputError, match=field):
        create_engine(bundle=bundle, **arguments)


@pytest.mark.parametrize("name", ENGINES)
def test_labels_that_the_network_has_no_outputs_for_are_refused(
    bundle: ModelBundle, name: str
) -> None:
    with pytest.raises(ModelError, match=r"\(1, 6\), expected \(1, 5\)|cannot be loaded into"):
        create_engine(name, dataclasses.replace(bundle, labels=bundle.labels[:5]))


@pytest.mark.parametrize("name", NETWORK_ENGINES)
@pytest.mark.parametrize("field", ["input_name", "output_name"])
def test_other_tensor_names_are_refused(bundle: ModelBundle, name: str, field: str) -> None:
    with pytest.raises(ModelError, match=r"got inputs and outputs .* expected .*other"):
        create_engine(name, dataclasses.replace(bundle, **{field: "other"}))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NETWORK_ENGINES)
def test_a_graph_that_is_none_is_refused_with_its_path(folder: Path, name: str) -> None:
    (folder / "model.onnx").write_bytes(b"no graph")
    write_manifest(folder)
    with pytest.raises(ModelError, match=r"model\.onnx: .* cannot load it.*Fix:"):
        create_engine(name, ModelBundle.load(folder))


@pytest.mark.parametrize("name", ENGINES)
def test_weights_that_are_not_finite_are_refused(
    folder: Path, name: str, bundle: ModelBundle
) -> None:
    weights = network_weights()
    weights["fc.bias"] = np.full_like(weights["fc.bias"], np.nan)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelError, match="expected finite numbers"):
        create_engine(name, bundle)


def test_torch_refuses_an_unknown_architecture(bundle: ModelBundle) -> None:
    with pytest.raises(ModelError, match=r"architecture: got 'vit', expected one of resnet18"):
        create_engine("torch", dataclasses.replace(bundle, architecture="vit"))


def test_torch_refuses_what_is_no_safetensors(folder: Path, bundle: ModelBundle) -> None:
    (folder / "model.safetensors").write_bytes(b"\x80\x04pickle?")
    with pytest.raises(ModelError, match=r"model\.safetensors: cannot be loaded"):
        create_engine("torch", bundle)


def test_onnxruntime_reads_no_weights_outside_the_bundle(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.safetensors"
    (folder / "model.safetensors").rename(outside)
    save_file(network_weights(), folder / "model.safetensors")
    write_onnx(folder / "model.onnx", outside, 6, location="../outside.safetensors")
    write_manifest(folder)
    with pytest.raises(ModelError, match="cannot load it"):
        create_engine("onnxruntime", ModelBundle.load(folder))


class TestPrecision:
    def test_auto_keeps_the_answer_and_leaves_int8_to_be_asked_for(self, tmp_path: Path) -> None:
        bundle = ModelBundle.load(make_tiny_bundle(tmp_path / "both", int8=True))
        assert create_engine("openvino", bundle).precision in ("bf16", "fp32")
        engine = create_engine("openvino", bundle, "int8")
        assert engine.precision == "int8"
        scores = engine.infer(preprocess(item_image("metal"), bundle.preprocessing))
        assert bundle.labels[int(scores.argmax())] == "metal"

    @pytest.mark.parametrize(("native", "expected"), [(True, "bf16"), (False, "fp32")])
    def test_auto_takes_bf16_only_where_the_cpu_has_it(
        self, bundle: ModelBundle, native: bool, expected: str
    ) -> None:
        class Core:
            def get_property(self, device: str, name: object) -> list[str]:
                return ["FP32", "BF16"] if native else ["FP32"]

        choose = openvino_engine._choose_precision
        assert choose(bundle, Core(), "auto") == expected  # type: ignore[arg-type]

    def test_bf16_is_refused_where_the_cpu_lacks_it(self, bundle: ModelBundle) -> None:
        class Core:
            def get_property(self, device: str, name: object) -> list[str]:
                return ["FP32"]

        with pytest.raises(ModelError, match="computes natively"):
            openvino_engine._choose_precision(bundle, Core(), "bf16")  # type: ignore[arg-type]

    def test_int8_without_such_a_network_is_refused(self, bundle: ModelBundle) -> None:
        with pytest.raises(ModelError, match=r"precision: got 'int8', expected .*\(fp32\)"):
            create_engine("openvino", bundle, "int8")

    @pytest.mark.parametrize("name", ENGINES)
    def test_threads_are_accepted(self, bundle: ModelBundle, name: str) -> None:
        create_engine(name, bundle, "fp32", threads=1).close()


@pytest.mark.parametrize(
    ("name", "module", "fix"),
    [
        ("torch", "torch", "pip install 'recycle_sorter[torch]'"),
        ("openvino", "openvino", "pip install openvino"),
        ("onnxruntime", "onnxruntime", "pip install onnxruntime"),
    ],
)
def test_an_engine_that_is_not_installed_says_how_to_get_it(
    bundle: ModelBundle, monkeypatch: pytest.MonkeyPatch, name: str, module: str, fix: str
) -> None:
    own = {"onnxruntime": "onnx_engine"}.get(name, f"{name}_engine")
    monkeypatch.delitem(sys.modules, f"recycle_sorter.inference.{own}", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ModelError) as caught:
        create_engine(name, bundle)
    assert fix in str(caught.value)


def loaded_modules(code: str) -> set[str]:
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(run.stdout))


@pytest.mark.parametrize("name", NETWORK_ENGINES)
def test_only_the_chosen_engine_is_imported(folder: Path, name: str) -> None:
    modules = loaded_modules(
        "from recycle_sorter.inference.bundle import ModelBundle\n"
        "from recycle_sorter.inference.factory import create_engine\n"
        f"create_engine({name!r}, ModelBundle.load({str(folder)!r}))\n"
    )
    assert name in modules
    assert not modules & ({*ENGINES, "rclpy"} - {name})


def test_a_signal_finds_its_stack_after_engines_ended_in_any_order(folder: Path) -> None:
    """OpenVINO's CPU plugin changes the thread's signal stack, also where AMX is missing."""
    script = (
        "import os, signal\n"
        "from recycle_sorter.inference.bundle import ModelBundle\n"
        "from recycle_sorter.inference.factory import create_engine\n"
        f"bundle = ModelBundle.load({str(folder)!r})\n"
        "first, second = (create_engine('openvino', bundle) for _ in range(2))\n"
        "first.close()\n"
        "del first\n"
        "second.close()\n"
        "del second\n"
        "heard = []\n"
        "signal.signal(signal.SIGINT, lambda number, _: heard.append(number))\n"
        "os.kill(os.getpid(), signal.SIGINT)\n"
        "print(heard == [signal.SIGINT])\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout.strip()) == (0, "True"), run.stderr
