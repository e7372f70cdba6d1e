# SPDX-License-Identifier: Apache-2.0
"""From a trained ResNet-18 to a model bundle that the node loads.

One set of weights serves every engine: ``model.onnx`` holds only the graph, its weights are ONNX
external data that point into ``model.safetensors``, which torch reads directly.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from recycle_sorter.core.errors import ModelError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.inference.manifest import sha256_of, write_manifest
from recycle_sorter.ml.data import PictureStore
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "logits"
PARITY_TOLERANCE: Final = 1e-3
_OPSET: Final = 18
_INT8_PICTURES: Final = 300  # NNCF's own default for calibration


def write_weights(model: nn.Module, path: Path) -> None:
    """Write a model's state dict, under its own names, as safetensors."""
    from safetensors.torch import save_file

    state = {name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors writes for the owner alone


def _weight_places(path: Path) -> dict[str, tuple[int, int]]:
    """Return offset and length in bytes of every tensor in a safetensors file."""
    with path.open("rb") as file:
        header_bytes = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(header_bytes))
    header.pop("__metadata__", None)
    start = 8 + header_bytes
    return {
        name: (
            start + entry["data_offsets"][0],
            entry["data_offsets"][1] - entry["data_offsets"][0],
        )
        for name, entry in header.items()
    }


def write_graph(model: nn.Module, spec: PreprocessingSpec, path: Path, weights: Path) -> None:
    """Write the ONNX graph of a model whose weights lie in ``weights`` beside it.

    Raises:
        ModelError: If a trained tensor of the graph is not in ``weights`` byte for byte.
    """
    from onnx import TensorProto, numpy_helper
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass
    from onnxscript.optimizer import fold_constants, remove_unused_nodes

    example = torch.zeros(2, 3, spec.height_px, spec.width_px)
    was_training = model.training
    model.eval()
    # Unoptimised, because the optimiser folds batch norms into convolutions: the weights would no
    # longer be torchvision's. The engines fold them anyway when they load the graph.
    program = torch.onnx.export(
        model,
        (example,),
        dynamo=True,
        optimize=False,
        opset_version=_OPSET,
        input_names=[INPUT_NAME],
        output_names=[OUTPUT_NAME],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        verbose=False,
    )
    model.train(was_training)
    if program is None:
        raise ModelError(f"{path}: torch wrote no graph. Fix: update torch and onnxscript")
    fold_constants(program.model)
    remove_unused_nodes(program.model)
    ClearMetadataAndDocStringPass()(program.model)  # it holds paths of this machine
    graph = program.model_proto
    places = _weight_places(weights)
    content = weights.read_bytes()
    trained = {name for name in places if not name.endswith("num_batches_tracked")}
    for tensor in graph.graph.initializer:
        if tensor.name not in trained:
            continue  # a small constant of the graph itself
        trained.remove(tensor.name)
        offset, length = places[tensor.name]
        if content[offset : offset + length] != numpy_helper.to_array(tensor).tobytes():
            raise ModelError(f"{tensor.name}: the graph's values are not those in {weights.name}")
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", weights.name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
    if trained:
        raise ModelError(f"{path}: the graph lacks {', '.join(sorted(trained))} of {weights.name}")
    path.write_bytes(graph.SerializeToString())


def write_int8(
    graph: Path, path: Path, calibration: PictureStore, spec: PreprocessingSpec, seed: int = 0
) -> None:
    """Quantise the graph after training, on pictures of the training split, to OpenVINO IR."""
    import nncf
    import openvino as ov

    order = np.random.default_rng(seed).permutation(len(calibration))[:_INT8_PICTURES]

    def pictures() -> Iterator[npt.NDArray[np.float32]]:
        for pick in order:
            yield preprocess(calibration.images[pick], spec)

    model = ov.Core().read_model(graph)
    quantised = nncf.quantize(
        model,
        nncf.Dataset(list(pictures())),
        subset_size=len(order),
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=False,
    )
    ov.save_model(quantised, path, compress_to_fp16=False)


def require_parity(
    model: nn.Module,
    other: npt.NDArray[np.float32],
    batch: npt.NDArray[np.float32],
    engine: str,
) -> float:
    """Return the largest difference between torch's logits and another engine's.

    Raises:
        ModelError: If it is above 1e-3.
    """
    model.eval()
    with torch.inference_mode():
        logits = model(torch.from_numpy(batch)).numpy()
    difference = float(np.abs(logits - other).max())
    if not difference <= PARITY_TOLERANCE:
        raise ModelError(
            f"{engine}: logits differ from torch's by {difference:.2g}, expected at most "
            f"{PARITY_TOLERANCE:g}. Fix: update {engine}, or report this with both versions"
        )
    return difference


def write_description(
    folder: Path,
    spec: PreprocessingSpec,
    temperature: float,
    figures: Mapping[str, Any],
    started_from: str,
    *,
    int8: bool,
) -> str:
    """Write ``bundle.json`` and, last, the manifest; return the model id."""
    networks = {"fp32": {"onnx": "model.onnx", "weights": "model.safetensors"}}
    if int8:
        networks["int8"] = {"openvino": "model_int8.xml", "weights": "model_int8.bin"}
    model_id = f"resnet18-{sha256_of(folder / 'model.safetensors')[:8]}"
    fields = {
        "format": 1,
        "model_id": model_id,
        "architecture": "resnet18",
        "labels": list(MATERIALS),
        "preprocessing": spec.to_dict(),
        "temperature": round(temperature, 4),
        "networks": networks,
        "input_name": INPUT_NAME,
        "output_name": OUTPUT_NAME,
        "figures": dict(figures),
        "licence": "Apache-2.0",
        "started_from": started_from,
    }
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    (folder / "bundle.json").write_text(text, encoding="utf-8")
    write_manifest(folder)
    return model_id
