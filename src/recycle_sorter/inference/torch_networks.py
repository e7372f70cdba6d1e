# SPDX-License-Identifier: Apache-2.0
"""The networks themselves in torch, untrained: what training and the torch engine build alike.

A network takes ImageNet-normalised RGB ``[N, 3, H, W]`` and returns logits ``[N, outputs]``. The
names of its tensors are those in a bundle's ``model.safetensors``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from recycle_sorter.vision.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB

LITE_FEATURES: Final = 1280
IMAGENET_CLASSES: Final = 1000
_MODNET_HIDDEN: Final = 512
_THIN_BLOCKS: Final = (3, 4, 6, 3)
_EXPANSION: Final = 4
# EfficientNet-Lite was trained on (pixel - 127) / 128.
_LITE_MEAN: Final = 127.0 / 255.0
_LITE_STD: Final = 128.0 / 255.0


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
    """ResNet-50 with 64, 128, 256, 512, 1024 channels; attributes are named as torchvision's.

    It has no batch norms: those of open_nsfw, whose layout this is (stride in the first 1x1
    convolution, pooling with a right and lower border), are folded into its convolutions.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        channels = 64
        for number, blocks in enumerate(_THIN_BLOCKS, start=1):
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


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite that takes the same ImageNet-normalised input as the ResNets."""

    def __init__(self, variant: str, classes: int) -> None:
        """Build it with random weights.

        Args:
            variant: ``lite0`` (made for 224 px) or ``lite2`` (wider, deeper, for 260 px).
            classes: Number of outputs.
        """
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.variant = variant
        self.network = EfficientNet.from_name(f"efficientnet-{variant}")
        if classes != IMAGENET_CLASSES:
            self.network._fc = nn.Linear(LITE_FEATURES, classes)
        # On the CPU even where all else is built without memory (the meta device), since no file
        # of weights holds these two.
        std = torch.tensor(IMAGENET_STD_RGB, device="cpu")
        mean = torch.tensor(IMAGENET_MEAN_RGB, device="cpu")
        offset = (mean - _LITE_MEAN) / _LITE_STD
        self.register_buffer("gain", (std / _LITE_STD).view(3, 1, 1), persistent=False)
        self.register_buffer("offset", offset.view(3, 1, 1), persistent=False)

    def pooled(self, images: Tensor) -> Tensor:
        """Return the pooled features ``[N, 1280]``."""
        net = self.network
        hidden = images * cast(Tensor, self.gain) + cast(Tensor, self.offset)
        hidden = net._swish(net._bn0(net._conv_stem(hidden)))
        for index, block in enumerate(net._blocks):
            rate = net._global_params.drop_connect_rate * index / len(net._blocks)
            hidden = block(hidden, drop_connect_rate=rate if self.training else None)
        hidden = net._swish(net._bn1(net._conv_head(hidden)))
        return cast(Tensor, hidden.mean((2, 3)))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[N, classes]``."""
        rate = self.network._global_params.dropout_rate
        hidden = functional.dropout(self.pooled(images), rate, self.training)
        return cast(Tensor, self.network._fc(hidden))


def _resnet(name: str) -> Callable[[int], nn.Module]:
    def build(outputs: int) -> nn.Module:
        network: Any = getattr(torchvision.models, name)(weights=None)
        network.fc = nn.Linear(network.fc.in_features, outputs)
        return cast(nn.Module, network)

    return build


def _resnet50_modnet(outputs: int) -> nn.Module:
    """Duncan and Thune's head; their LogSoftmax is left out, since softmax of either is equal."""
    network: Any = torchvision.models.resnet50(weights=None)
    network.fc = nn.Sequential(
        nn.Linear(network.fc.in_features, _MODNET_HIDDEN),
        nn.ReLU(inplace=True),
        nn.Dropout(0.2),
        nn.Linear(_MODNET_HIDDEN, outputs),
    )
    return cast(nn.Module, network)


# From the number of outputs to an untrained network.
ARCHITECTURES: Final[dict[str, Callable[[int], nn.Module]]] = {
    "resnet18": _resnet("resnet18"),
    "resnet34": _resnet("resnet34"),
    "resnet50": _resnet("resnet50"),
    "resnet50_modnet": _resnet50_modnet,
    "resnet50_thin": ThinResNet50,
    "efficientnet_lite0": partial(EfficientNetLite, "lite0"),
    "efficientnet_lite2": partial(EfficientNetLite, "lite2"),
}
