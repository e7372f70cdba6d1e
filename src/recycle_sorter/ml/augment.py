# SPDX-License-Identifier: Apache-2.0
"""Random changes to training pictures. Evaluation never imports this module.

Everything works on 8-bit BGR pictures and draws from a generator that the caller seeds, so a
run can be repeated and resumed exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

_LUMA_BGR = np.array([0.114, 0.587, 0.299])  # ITU-R BT.601


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How far training pictures may stray from what was photographed.

    Attributes:
        area_min: Smallest share of the picture that a crop keeps, 0 to 1.
        aspect_max: Largest change of the aspect ratio, 1 for none.
        rotation_max_rad: Largest rotation to either side, radians.
        flip: Whether to mirror horizontally and vertically at random.
        light: Spread of brightness, contrast, gamma, saturation and white balance, 0 for none.
        blur_probability: Share of pictures that are blurred.
        noise_max: Largest standard deviation of pixel noise, in 8-bit steps.
    """

    area_min: float = 0.35
    aspect_max: float = 4 / 3
    rotation_max_rad: float = math.radians(30)
    flip: bool = True
    light: float = 0.3
    blur_probability: float = 0.15
    noise_max: float = 8.0


def random_view(
    image: npt.NDArray[np.uint8],
    size: tuple[int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint8]:
    """Cut, turn and mirror in one resampling.

    The aspect is measured against the picture's own, as the ``stretch`` resize shows it.

    Args:
        image: ``[H, W, 3]`` uint8.
        size: Width and height of the result, pixels.
        config: How far to go.
        rng: Source of chance.

    Returns:
        ``[size[1], size[0], 3]`` uint8.
    """
    height, width = image.shape[:2]
    area = rng.uniform(config.area_min, 1.0)
    aspect = math.exp(rng.uniform(-1, 1) * math.log(config.aspect_max))
    cut_w = width * min(1.0, math.sqrt(area * aspect))
    cut_h = height * min(1.0, math.sqrt(area / aspect))
    center_x = cut_w / 2 + rng.random() * (width - cut_w)
    center_y = cut_h / 2 + rng.random() * (height - cut_h)
    angle = rng.uniform(-1, 1) * config.rotation_max_rad
    flip_x, flip_y = rng.choice([-1.0, 1.0], 2) if config.flip else (1.0, 1.0)
    # Maps a pixel of the result to a pixel of the picture.
    scale_x, scale_y = flip_x * cut_w / size[0], flip_y * cut_h / size[1]
    cos, sin = math.cos(angle), math.sin(angle)
    linear = np.array([[cos * scale_x, -sin * scale_y], [sin * scale_x, cos * scale_y]])
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    offset = np.array([center_x - 0.5, center_y - 0.5]) - linear @ middle
    view = cv2.warpAffine(
        image,
        np.column_stack([linear, offset]),
        size,
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(view, dtype=np.uint8)


def random_light(
    image: npt.NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Change brightness, contrast, gamma, saturation and white balance; same shape and type."""
    if config.light <= 0:
        return image
    spread = rng.uniform(-config.light, config.light, 7)
    saturation = 1 + 1.5 * spread[0]
    matrix = saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA_BGR, (3, 1))
    mixed = cv2.transform(image, matrix)
    levels = np.arange(256) / 255.0
    curve = (levels ** math.exp(spread[1]) - 0.5) * (1 + spread[2]) + 0.5
    gains = (1 + spread[3]) * (1 + 0.5 * spread[4:7])
    table = np.clip(np.outer(curve, gains) * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(mixed, table[None]), dtype=np.uint8)


def random_sensor(
    image: npt.NDArray[np.uint8], config: AugmentConfig, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Blur and add pixel noise as a cheap camera does; same shape and type."""
    if rng.random() < config.blur_probability:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.5)), dtype=np.uint8)
    sigma = rng.uniform(-1, 1) * config.noise_max  # half of the pictures stay clean
    if sigma <= 0.5:
        return image
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image + sigma * noise, 0, 255).astype(np.uint8)


def augment(
    image: npt.NDArray[np.uint8],
    size: tuple[int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> npt.NDArray[np.uint8]:
    """Return a random variant of a BGR picture at the network's input size, uint8."""
    view = random_view(image, size, config, rng)
    return random_sensor(random_light(view, config, rng), config, rng)
