# SPDX-License-Identifier: Apache-2.0
"""Light and sensor: colour, coloured lamps in the dark, blur and noise."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

_LUMA_BGR = np.array([0.114, 0.587, 0.299])  # ITU-R BT.601


def random_colour(image: Image, spread: float, rng: np.random.Generator) -> Image:
    """Change brightness, contrast, gamma, saturation and white balance; same shape and type.

    Args:
        image: ``[H, W, 3]`` uint8 BGR.
        spread: How far, 0 for not at all; 0.3 is what cameras disagree by.
        rng: Source of chance.
    """
    steps = rng.uniform(-spread, spread, 7)
    saturation = max(0.0, 1 + 1.5 * steps[0])
    matrix = saturation * np.eye(3) + (1 - saturation) * np.tile(_LUMA_BGR, (3, 1))
    mixed = cv2.transform(image, matrix)
    levels = np.arange(256) / 255.0
    curve = (levels ** math.exp(steps[1]) - 0.5) * (1 + steps[2]) + 0.5
    gains = (1 + steps[3]) * (1 + 0.5 * steps[4:7])
    table = np.clip(np.outer(curve, gains) * 255.0, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(mixed, table[None]), dtype=np.uint8)


def coloured_light(image: Image, rng: np.random.Generator) -> Image:
    """Light the scene by one or two weak, coloured lamps, as in a dark chute; same shape and type.

    Works on linear light: reflectance times a lamp with a fall-off, then a camera's exposure that
    does not balance the colour away.

    Args:
        image: ``[H, W, 3]`` uint8 BGR.
        rng: Source of chance.
    """
    height, width = image.shape[:2]
    linear = (np.arange(256, dtype=np.float32) / 255.0) ** 2.2
    scene = linear[image]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    light = np.full((height, width, 3), rng.uniform(0.0, 0.2), dtype=np.float32)
    for _ in range(int(rng.integers(1, 3))):
        hue, saturation = rng.uniform(0, 180), 255 * rng.uniform(0.1, 1.0) ** 0.6
        hsv = np.array([[[hue, saturation, 255]]]).astype(np.uint8)
        colour = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32) / 255.0
        colour = np.maximum(colour**2.2, 0.03)
        at_x, at_y = rng.uniform(-0.2, 1.2) * width, rng.uniform(-0.2, 1.2) * height
        reach = rng.uniform(0.4, 2.0) * max(height, width)
        fall = 1.0 / (1.0 + ((x - at_x) ** 2 + (y - at_y) ** 2) / reach**2) ** 1.5
        light += fall[..., None] * colour * rng.uniform(0.4, 1.0)
    lit = scene * light
    bright = float(np.quantile(lit, 0.98)) + 1e-4
    # Down to a thirtieth: a camera at its longest exposure still finds a chute dark.
    exposure = math.exp(rng.uniform(math.log(0.03), math.log(1.1)))
    exposed = np.clip(lit * (exposure / bright), 0, 1) ** (1 / 2.2)
    noise = rng.standard_normal(image.shape, dtype=np.float32) * rng.uniform(0.0, 0.05)
    return np.clip((exposed + noise) * 255.0, 0, 255).astype(np.uint8)


def random_blur(image: Image, rng: np.random.Generator) -> Image:
    """Blur as a lens or as motion; same shape and type."""
    if rng.random() < 0.6:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 1.6)), dtype=np.uint8)
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), dtype=np.float32)
    angle = rng.uniform(0, np.pi)
    reach = (length - 1) / 2
    step = (reach * math.cos(angle), reach * math.sin(angle))
    start = (round(reach - step[0]), round(reach - step[1]))
    cv2.line(kernel, start, (round(reach + step[0]), round(reach + step[1])), 1.0)
    return np.asarray(cv2.filter2D(image, -1, kernel / kernel.sum()), dtype=np.uint8)


def random_noise(image: Image, sigma_max: float, rng: np.random.Generator) -> Image:
    """Add pixel noise with a standard deviation up to ``sigma_max`` 8-bit steps."""
    sigma = rng.uniform(0, sigma_max)
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(image + sigma * noise, 0, 255).astype(np.uint8)
