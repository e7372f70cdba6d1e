# SPDX-License-Identifier: Apache-2.0
"""The whole way of a training picture: which changes, in which order, how often."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from recycle_sorter.ml.augment.geometry import random_view, replace_background
from recycle_sorter.ml.augment.light import (
    coloured_light,
    random_blur,
    random_colour,
    random_noise,
)
from recycle_sorter.ml.training.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from torch import Tensor

Image = npt.NDArray[np.uint8]

_BLUR_SHARE: Final = 0.2
_NOISE_SHARE: Final = 0.4
_NOISE_MAX: Final = 10.0  # 8-bit steps


def keeps_places(settings: Hyperparameters) -> bool:
    """Return whether pixels stay in their places, mirrors aside.

    Only then is no detail lost by keeping pictures at the network's size.
    """
    return (
        settings.transform_crop >= 1
        and not settings.transform_rot30
        and settings.transform_background == 0
        and settings.first_size_px in (0, settings.size_px)
    )


def augment(
    image: Image,
    mask: Image | None,
    size: tuple[int, int],
    settings: Hyperparameters,
    rng: np.random.Generator,
    others: Sequence[Image] = (),
) -> Image:
    """Return a random variant of a picture at the network's input size.

    Args:
        image: ``[H, W, 3]`` uint8 BGR.
        mask: ``[H, W]`` uint8, where the item is; None keeps its background.
        size: Width and height of the result, pixels.
        settings: Which changes; with none of them the picture is only resized.
        rng: Source of chance.
        others: Pictures that backgrounds may be cut from.

    Returns:
        ``[size[1], size[0], 3]`` uint8 BGR.
    """
    moved = mask is not None and rng.random() < settings.transform_background
    if moved and mask is not None:
        image = replace_background(image, mask, others, rng)
    view = random_view(
        image,
        size,
        rng,
        # An item that was just moved and scaled needs no deep crop on top.
        area_min=max(settings.transform_crop, 0.7) if moved else settings.transform_crop,
        rotation_max_rad=math.radians(30) if settings.transform_rot30 else 0.0,
        mirror_x=settings.transform_horz,
        mirror_y=settings.transform_vert,
    )
    if settings.transform_randaugment:
        view = _randaugment(view, settings.transform_randaugment, rng)
    if rng.random() < settings.transform_light:
        view = coloured_light(view, rng)
    elif settings.transform_colour > 0:
        view = random_colour(view, settings.transform_colour, rng)
    if settings.transform_blur and rng.random() < _BLUR_SHARE:
        view = random_blur(view, rng)
    if settings.transform_noise and rng.random() < _NOISE_SHARE:
        view = random_noise(view, _NOISE_MAX, rng)
    return view


@lru_cache(maxsize=8)
def _operations(count: int) -> Any:
    import torch
    from torchvision.transforms import v2

    class Seeded(v2.RandAugment):
        """RandAugment that draws from a generator of its own.

        Torch's global one belongs to all threads: drawing from it here would shift the dropout of
        the step that is computed meanwhile, and be shifted by it.
        """

        def forward(self, image: Tensor, generator: torch.Generator) -> Any:
            height, width = image.shape[-2:]
            space = list(self._AUGMENTATION_SPACE.items())
            for _ in range(self.num_ops):
                pick = int(torch.randint(len(space), (), generator=generator))
                name, (magnitudes_of, is_signed) = space[pick]
                magnitudes = magnitudes_of(self.num_magnitude_bins, height, width)
                magnitude = 0.0 if magnitudes is None else float(magnitudes[self.magnitude])
                if magnitudes is not None and is_signed:
                    magnitude *= -1 if torch.rand((), generator=generator) <= 0.5 else 1
                image = self._apply_image_or_video_transform(
                    image, name, magnitude, interpolation=self.interpolation, fill=self._fill
                )
            return image

    return Seeded(num_ops=count)


def _randaugment(image: Image, count: int, rng: np.random.Generator) -> Image:
    """Apply torchvision's RandAugment, seeded from our generator."""
    import torch

    rgb = torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)
    generator = torch.Generator().manual_seed(int(rng.integers(2**31)))
    changed = _operations(count)(rgb, generator)
    return np.asarray(cv2.cvtColor(changed.permute(1, 2, 0).numpy(), cv2.COLOR_RGB2BGR))


def mix(
    images: Tensor, targets: Tensor, settings: Hyperparameters, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Mix a batch with itself: MixUp (Zhang et al. 2018) or CutMix (Yun et al. 2019), or neither.

    Args:
        images: ``[N, 3, H, W]`` float32.
        targets: ``[N, classes]`` float32 shares.
        settings: How often.
        rng: Source of chance.
    """
    coin, share = rng.random(), float(rng.beta(0.8, 0.8))
    order = rng.permutation(len(images))
    if coin < settings.mixup:
        images = share * images + (1 - share) * images[order]
    elif coin < settings.mixup + settings.cutmix:
        height, width = images.shape[2:]
        cut = math.sqrt(1 - share)
        cut_h, cut_w = round(height * cut), round(width * cut)
        top, left = int(rng.integers(height - cut_h + 1)), int(rng.integers(width - cut_w + 1))
        patch = images[order, :, top : top + cut_h, left : left + cut_w]
        images = images.clone()
        images[:, :, top : top + cut_h, left : left + cut_w] = patch
        share = 1 - cut_h * cut_w / (height * width)
    else:
        return images, targets
    return images, share * targets + (1 - share) * targets[order]
