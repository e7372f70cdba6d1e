# SPDX-License-Identifier: Apache-2.0
"""From a trained network to the files of a model bundle.

One set of weights serves every engine: ``model.onnx`` holds only the graph, its weights are ONNX
external data that point into ``model.safetensors``, which torch reads directly.
"""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference.manifest import sha256_of, write_manifest
from recycle_sorter.inference.thresholds import Thresholds
from recycle_sorter.vision.preprocessing import PreprocessingSpec

INPUT_NAME: Final = "image"
OUTPUT_NAME: Final = "logits"
PARITY_TOLERANCE: Final = 1e-3
INT8_PICTURES: Final = 300  # NNCF's own default for calibration
_OPSET: Final = 18


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
    # longer be the network's own. The engines fold them anyway when they load the graph.
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


def write_int8(graph: Path, path: Path, calibration: Sequence[npt.NDArray[np.float32]]) -> None:
    """Quantise the graph after training to OpenVINO IR.

    Args:
        graph: The fp32 graph.
        path: The ``.xml`` to write; a ``.bin`` goes beside it.
        calibration: Preprocessed pictures of the training split, each ``[1, 3, H, W]``.
    """
    # NNCF looks for a CUDA compiler when it is imported, and torch warns that there is none.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    import nncf
    import openvino as ov

    from recycle_sorter.inference.openvino_core import shared_core

    model = shared_core().read_model(graph)
    quantised = nncf.quantize(
        model,
        nncf.Dataset(calibration),
        subset_size=len(calibration),
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
    *,
    architecture: str,
    labels: Sequence[str],
    spec: PreprocessingSpec,
    temperature: float = 1.0,
    thresholds: Thresholds | None = None,
    figures: Mapping[str, Any] | None = None,
    licence: str = "Apache-2.0",
    started_from: str = "",
) -> str:
    """Write ``bundle.json`` and, last, the manifest; return the model id.

    Args:
        folder: The bundle; an int8 network in it is listed.
        architecture: As in ``torch_networks``.
        labels: Names of the outputs.
        spec: Preprocessing that the network was trained with.
        temperature: Divides the scores.
        thresholds: Suggested limits.
        figures: What was measured.
        licence: SPDX expression of the weights.
        started_from: What the training started from.
    """
    networks = {"fp32": {"onnx": "model.onnx", "weights": "model.safetensors"}}
    if (folder / "model_int8.xml").is_file():
        networks["int8"] = {"openvino": "model_int8.xml", "weights": "model_int8.bin"}
    model_id = f"{architecture}-{sha256_of(folder / 'model.safetensors')[:8]}"
    fields = {
        "format": 1,
        "model_id": model_id,
        "architecture": architecture,
        "labels": list(labels),
        "preprocessing": spec.to_dict(),
        "temperature": temperature,
        "networks": networks,
        "input_name": INPUT_NAME,
        "output_name": OUTPUT_NAME,
        "figures": dict(figures or {}),
        "licence": licence,
        "started_from": started_from,
    }
    if thresholds is not None:
        fields["thresholds"] = asdict(thresholds)
    text = json.dumps(fields, indent=2, ensure_ascii=False) + "\n"
    (folder / "bundle.json").write_text(text, encoding="utf-8")
    write_manifest(folder)
    return model_id
