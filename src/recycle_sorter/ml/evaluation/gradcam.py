# SPDX-License-Identifier: Apache-2.0
"""Where in a picture a network finds its answer (Grad-CAM, Selvaraju et al., ICCV 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import numpy.typing as npt

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess, resize_image

if TYPE_CHECKING:
    from torch import Tensor, nn

# From a BGR picture and a class to the same picture with the heat laid over it.
Explainer = Callable[[npt.NDArray[np.uint8], int], npt.NDArray[np.uint8]]

_STRENGTH = 0.55  # of the heat over the picture, where it is greatest


def grad_cam(
    model: nn.Module,
    layer: nn.Module,
    batch: npt.NDArray[np.float32],
    classes: Sequence[int],
) -> npt.NDArray[np.float32]:
    """Computes the maps of one layer.

    The layer's output is cut off from what led to it, so that gradients are computed from the
    score back to this layer only, and frozen weights do not matter.

    Args:
        model: Takes ``[N, 3, H, W]``; is left in its own mode, its gradients untouched.
        layer: A module of it whose output is ``[N, C, h, w]``; the last stage of a ResNet.
        batch: Preprocessed pictures ``[N, 3, H, W]``.
        classes: For each picture, the class whose score is explained.

    Returns:
        ``[N, h, w]``, 0 to 1 with a maximum of 1 each; all 0 where nothing speaks for the class.

    Raises:
        InvalidInputError: If the layer is not used, or its output is not such a map.
    """
    import torch

    maps: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        maps.append(output.detach().requires_grad_())
        # A copy goes on: the activation that follows may overwrite its input.
        return maps[-1].clone()

    was_training = model.training
    model.eval()
    handle = layer.register_forward_hook(cut)
    try:
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        with torch.enable_grad():
            scores = model(torch.from_numpy(batch).to(device))
            if len(maps) != 1 or maps[0].ndim != 4:
                found = tuple(maps[0].shape) if maps else "no output"
                raise InvalidInputError("layer", found, "one output [N, C, h, w] of a used layer")
            chosen = scores[torch.arange(len(batch)), torch.as_tensor(list(classes))].sum()
            (gradients,) = torch.autograd.grad(chosen, maps)
        weights = gradients.mean(dim=(2, 3), keepdim=True)
        heat = (weights * maps[0].detach()).sum(dim=1).relu()
        heat = heat / heat.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)
        return np.asarray(heat.float().cpu().numpy(), dtype=np.float32)
    finally:
        handle.remove()
        model.train(was_training)


def overlay(image: npt.NDArray[np.uint8], heat: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Lays a map over a picture: red where it is 1, the picture itself where it is 0.

    Args:
        image: ``[H, W, 3]`` BGR.
        heat: ``[h, w]``, 0 to 1.
    """
    height, width = image.shape[:2]
    large = np.clip(cv2.resize(heat, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)
    colours = cv2.applyColorMap((large * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    share = _STRENGTH * large[:, :, None]
    mixed = image * (1 - share) + colours * share
    return np.asarray(mixed.round().clip(0, 255), dtype=np.uint8)


def make_explainer(model: nn.Module, layer: nn.Module, spec: PreprocessingSpec) -> Explainer:
    """Joins preprocessing, map and overlay.

    Args:
        model: The network.
        layer: The layer to look at.
        spec: Its preprocessing. What it stretches is shown in its own shape; what it crops or pads
            is shown as the network sees it.
    """

    def explain(image: npt.NDArray[np.uint8], class_index: int) -> npt.NDArray[np.uint8]:
        heat = grad_cam(model, layer, preprocess(image, spec), [class_index])[0]
        return overlay(image if spec.resize == "stretch" else resize_image(image, spec), heat)

    return explain


def explain_bundle(bundle: ModelBundle) -> Explainer:
    """Builds a bundle's network in torch and explains it.

    Raises:
        ModelError: If torch is missing, or the architecture or its weights are not ours.
    """
    try:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from recycle_sorter.ml.models.zoo import build_model, gradcam_layer
    except ImportError as error:
        raise ModelError(
            f"Grad-CAM: needs torch ({error}). Fix: pip install 'recycle_sorter[train]'"
        ) from error
    weights = bundle.networks["fp32"].weights
    try:
        model = build_model(bundle.architecture, len(bundle.labels))
        model.load_state_dict(load_file(weights), strict=True)
    except (InvalidInputError, RuntimeError, SafetensorError) as error:
        text = " ".join(str(error).split())
        raise ModelError(
            f"Grad-CAM: {bundle.model_id} cannot be built in torch: {text[:300]}"
        ) from error
    return make_explainer(model, gradcam_layer(model), bundle.preprocessing)
