# SPDX-License-Identifier: Apache-2.0
"""A tiny model bundle whose answers a test can predict.

Its network averages the picture's colour and answers with the material whose hue is nearest:
``cardboard`` red, ``glass`` green, ``metal`` blue, ``paper`` yellow, ``plastic`` magenta, ``trash``
cyan. White, grey and black have no hue and count nothing, so an item may lie on a grey board; a
picture without any hue scores 1/6 for every material.

Only :func:`make_tiny_bundle` needs ``onnx`` and ``safetensors``, and it imports them itself.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.inference.manifest import write_manifest
from recycle_sorter.vision.preprocessing import PreprocessingSpec

ARCHITECTURE = "mean_colour"
SIZE_PX = 32
BOARD_GREY = 200
# Score for a picture filled with one full colour is SHARPNESS * sqrt(2/3).
SHARPNESS = 60.0

COLOURS_RGB: dict[str, tuple[int, int, int]] = {
    "cardboard": (220, 20, 20),
    "glass": (20, 220, 20),
    "metal": (20, 20, 220),
    "paper": (220, 220, 20),
    "plastic": (220, 20, 220),
    "trash": (20, 220, 220),
}
# Colour only: mean 0 and std 1 keep the network's input in 0 to 1.
SPEC = PreprocessingSpec(
    width_px=SIZE_PX, height_px=SIZE_PX, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)
)


def item_image(
    material: str, width_px: int = 640, height_px: int = 480, *, fill: float = 0.4, seed: int = 0
) -> NDArray[np.uint8]:
    """A noisy BGR picture of one coloured item in the middle of a grey board.

    Args:
        material: One of ``MATERIALS``.
        width_px: Width.
        height_px: Height.
        fill: Share of the picture that the item covers, 0 to 1.
        seed: Of the camera noise.
    """
    image = empty_image(width_px, height_px, seed=seed)
    side = math.sqrt(fill)
    width, height = round(width_px * side), round(height_px * side)
    left, top = (width_px - width) // 2, (height_px - height) // 2
    rng = np.random.default_rng(seed)
    colour = np.array(COLOURS_RGB[material][::-1])
    noisy = colour + rng.normal(0.0, 2.0, (height, width, 3))
    image[top : top + height, left : left + width] = noisy.clip(0, 255)
    return image


def empty_image(width_px: int = 640, height_px: int = 480, *, seed: int = 0) -> NDArray[np.uint8]:
    """A noisy BGR picture of the empty grey board."""
    rng = np.random.default_rng(seed)
    noisy = BOARD_GREY + rng.normal(0.0, 2.0, (height_px, width_px, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def network_weights(labels: Sequence[str] = MATERIALS) -> dict[str, NDArray[np.float32]]:
    """``fc.weight`` ``(labels, 3)`` and ``fc.bias``: a unit vector of hue a label."""
    rows = np.array([COLOURS_RGB[label] for label in labels], dtype=np.float64)
    rows -= rows.mean(axis=1, keepdims=True)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return {
        "fc.weight": (SHARPNESS * rows).astype(np.float32),
        "fc.bias": np.zeros(len(labels), dtype=np.float32),
    }


def score(batch: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the tiny network answers, in numpy: for fakes and for comparison."""
    weights = network_weights()
    result: NDArray[np.float32] = (
        batch.mean(axis=(2, 3)) @ weights["fc.weight"].T + weights["fc.bias"]
    )
    return result


def make_tiny_bundle(
    path: Path, *, labels: Sequence[str] = MATERIALS, int8: bool = False, **changes: Any
) -> Path:
    """Writes the bundle in the layout of a real one.

    Args:
        path: Folder to write into; made if it is not there.
        labels: Labels and outputs of the network, of ``MATERIALS``.
        int8: Also write an OpenVINO network as the int8 one (needs ``openvino``); its numbers stay
            fp32, only the files are those of an int8 network.
        **changes: Fields of ``bundle.json`` to replace, or to leave out with None; to test what
            reads it.

    Returns:
        ``path``.
    """
    from safetensors.numpy import save_file

    path.mkdir(parents=True, exist_ok=True)
    weights = path / "model.safetensors"
    save_file(network_weights(labels), weights)
    write_onnx(path / "model.onnx", weights, len(labels))
    networks = {"fp32": {"onnx": "model.onnx", "weights": weights.name}}
    if int8:
        import openvino as ov

        from recycle_sorter.inference.openvino_core import shared_core

        ov.save_model(
            shared_core().read_model(path / "model.onnx"),
            path / "model_int8.xml",
            compress_to_fp16=False,
        )
        networks["int8"] = {"openvino": "model_int8.xml", "weights": "model_int8.bin"}
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    fields: dict[str, Any] = {
        "format": 1,
        "model_id": f"{ARCHITECTURE}-{digest[:8]}",
        "architecture": ARCHITECTURE,
        "labels": list(labels),
        "preprocessing": SPEC.to_dict(),
        "temperature": 1.0,
        "networks": networks,
        "input_name": "image",
        "output_name": "logits",
        "figures": {"dataset": "none", "accuracy": 1.0},
        "licence": "Apache-2.0",
        "started_from": "a rule",
    }
    fields.update(changes)
    fields = {name: value for name, value in fields.items() if value is not None}
    (path / "bundle.json").write_text(json.dumps(fields, indent=2), encoding="utf-8")
    write_manifest(path)
    return path


def write_onnx(path: Path, weights: Path, outputs: int, *, location: str = "") -> None:
    """Writes the graph with its weights as external data inside the safetensors file."""
    import onnx
    from onnx import TensorProto, helper

    header_bytes = struct.unpack("<Q", weights.read_bytes()[:8])[0]
    header = json.loads(weights.read_bytes()[8 : 8 + header_bytes])
    initialisers = []
    for name, shape in (("fc.weight", (outputs, 3)), ("fc.bias", (outputs,))):
        begin, end = header[name]["data_offsets"]
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        offset = 8 + header_bytes + begin
        places = {"location": location or weights.name, "offset": offset, "length": end - begin}
        for key, value in places.items():
            tensor.external_data.add(key=key, value=str(value))
        initialisers.append(tensor)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        ARCHITECTURE,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, None, None])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", outputs])],
        initialisers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)


def register_torch_architecture() -> None:
    """Tells the torch engine how the tiny network is built. Safe to call twice."""
    import torch

    from recycle_sorter.inference.torch_engine import ARCHITECTURES

    class MeanColour(torch.nn.Module):
        def __init__(self, outputs: int) -> None:
            super().__init__()
            self.fc = torch.nn.Linear(3, outputs)

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.fc(batch.mean(dim=(2, 3)))
            return scores

    ARCHITECTURES.setdefault(ARCHITECTURE, MeanColour)
