# SPDX-License-Identifier: Apache-2.0
"""Distances of colour: how a belt's colours spread, and how far others are from them."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]

# Squared distance beyond which a pixel is no texture while learning.
TRIM: Final = 16.0
_FLOOR_LEVELS: Final = 1.5  # quantisation and noise that a plain belt has at least
_FLOOR_SHARE: Final = 0.008  # local light is never steadier than that
_SHADE: Final = (0.4, 0.97)  # of the light that a shadow leaves
_SHADE_TINT: Final = 0.08  # between the channels, of the same
_SOFT_PX: Final = 5
_SUM: Final = np.ones((1, 3), np.float32)


def trimmed_covariance(difference: Picture) -> NDArray[np.float64]:
    """Covariance of most pixels of a picture of differences; outliers are left out."""
    flat = difference[::2, ::2].reshape(-1, 3).astype(np.float64)
    spread = 1.4826 * np.median(np.abs(flat), axis=0)
    covariance = np.diag(np.maximum(spread, 1.0) ** 2)
    for _ in range(4):
        distance = np.einsum("ni,ij,nj->n", flat, np.linalg.inv(covariance), flat)
        inside = flat[distance < TRIM]
        if len(inside) < 16:
            break
        covariance = inside.T @ inside / len(inside) + np.eye(3)
    return covariance


def pooled_covariance(differences: list[Picture], weights: list[Picture]) -> NDArray[np.float64]:
    """Covariance over several pictures of differences, where their weights are above 0."""
    kept = [
        difference[::2, ::2][weight[::2, ::2] > 0]
        for difference, weight in zip(differences, weights, strict=True)
    ]
    flat = np.concatenate(kept).astype(np.float64)
    if len(flat) < 16:
        return np.eye(3)
    return np.asarray(flat.T @ flat / len(flat), np.float64)


def whitener_of(covariance: NDArray[np.float64], level: float) -> NDArray[np.float32]:
    """The matrix that makes distances standard deviations, for a belt of a brightness."""
    floor = (_FLOOR_LEVELS + _FLOOR_SHARE * level) ** 2
    values, vectors = np.linalg.eigh(covariance + floor * np.eye(3))
    return np.asarray((vectors / np.sqrt(values)).T, np.float32)


def scaled(picture: Picture, factors: NDArray[np.float32]) -> Picture:
    """A picture times a factor a channel."""
    # A row of all channels at a time: three numbers at a time are many times slower.
    height, width, _ = picture.shape
    rows = picture.reshape(height, -1) * np.tile(factors, width)
    return np.asarray(rows.reshape(picture.shape), np.float32)


def squared(white: NDArray[Any]) -> Picture:
    """Squared length of each pixel, ``(height, width)``."""
    return np.asarray(cv2.transform(cv2.multiply(white, white), _SUM), np.float32)


def shade_of(small: Picture, expected: Picture) -> NDArray[np.uint8]:
    """Where a picture is the belt with less light on it: 1, else 0.

    Args:
        small: ``(height, width, 3)``, grey levels.
        expected: The belt without an item, likewise.
    """
    low, high = _light_of(small, expected)
    is_shade = (low > _SHADE[0]) & (high < _SHADE[1]) & (high - low < _SHADE_TINT)
    return np.asarray(is_shade, np.uint8)


def soft_shade_of(small: Picture, expected: Picture) -> NDArray[np.uint8]:
    """As :func:`shade_of`, for a dark belt too, whose grain is as deep as a shadow on it."""
    side = (_SOFT_PX, _SOFT_PX)
    soft = shade_of(
        np.asarray(cv2.blur(small, side), np.float32),
        np.asarray(cv2.blur(expected, side), np.float32),
    )
    # Beside a bright item the average is no shadow's any more; the pixels themselves still are.
    is_dim = _light_of(small, expected)[1] < _SHADE[1]
    is_beside = cv2.dilate(soft, np.ones(side, np.uint8)) > 0
    return np.asarray(soft | (is_beside & is_dim), np.uint8)


def _light_of(small: Picture, expected: Picture) -> tuple[Picture, Picture]:
    """Share of the light that is left, in the channel that has least of it, and most."""
    left, middle, right = cv2.split(cv2.divide(small + 1.0, expected + 1.0))
    low, high = cv2.min(cv2.min(left, middle), right), cv2.max(cv2.max(left, middle), right)
    return np.asarray(low, np.float32), np.asarray(high, np.float32)
