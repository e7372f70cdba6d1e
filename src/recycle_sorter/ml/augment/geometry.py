# SPDX-License-Identifier: Apache-2.0
"""Where the item lies in the picture: crops, turns, mirrors, and another background."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from recycle_sorter.ml.dataset.backgrounds import make_background
from recycle_sorter.vision.preprocessing import PreprocessingSpec, resize_image

Image = npt.NDArray[np.uint8]


def random_view(
    image: Image,
    size: tuple[int, int],
    rng: np.random.Generator,
    *,
    area_min: float = 1.0,
    aspect_max: float = 4 / 3,
    rotation_max_rad: float = 0.0,
    mirror_x: bool = False,
    mirror_y: bool = False,
) -> Image:
    """Cut, turn, mirror and resize in one resampling.

    A picture that is neither cut nor turned is resized as the node does. The aspect is measured
    against the picture's own, as the ``stretch`` resize shows it.

    Args:
        image: ``[H, W, 3]`` uint8.
        size: Width and height of the result, pixels.
        rng: Source of chance.
        area_min: Smallest share of the picture that a crop keeps, 0 to 1; 1 keeps all of it.
        aspect_max: Largest change of the aspect ratio of a crop, 1 for none.
        rotation_max_rad: Largest rotation to either side, radians.
        mirror_x: Mirror left and right in half of the cases.
        mirror_y: Mirror top and bottom in half of the cases.

    Returns:
        ``[size[1], size[0], 3]`` uint8.
    """
    height, width = image.shape[:2]
    area, bend = rng.uniform(area_min, 1.0), rng.uniform(-1, 1)
    aspect = math.exp(bend * math.log(aspect_max)) if area_min < 1 else 1.0
    cut_w = width * min(1.0, math.sqrt(area * aspect))
    cut_h = height * min(1.0, math.sqrt(area / aspect))
    center_x = cut_w / 2 + rng.random() * (width - cut_w)
    center_y = cut_h / 2 + rng.random() * (height - cut_h)
    angle = rng.uniform(-1, 1) * rotation_max_rad
    coin_x, coin_y = rng.random(2)
    flip_x = -1 if mirror_x and coin_x < 0.5 else 1
    flip_y = -1 if mirror_y and coin_y < 0.5 else 1
    if area_min >= 1 and rotation_max_rad == 0:
        whole = resize_image(image, PreprocessingSpec(*size))
        return np.ascontiguousarray(whole[::flip_y, ::flip_x])
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


def replace_background(
    image: Image, mask: Image, others: Sequence[Image], rng: np.random.Generator
) -> Image:
    """Put the item in front of something else, moved, turned and scaled.

    Where the item looks like its board it may be clear: there the new background shines through,
    darkened as the board was, by a random share.

    Args:
        image: ``[H, W, 3]`` uint8 BGR.
        mask: ``[H, W]`` uint8 from ``dataset.masks.item_mask``.
        others: Pictures that backgrounds may be cut from.
        rng: Source of chance.

    Returns:
        ``[H, W, 3]`` uint8 BGR.
    """
    height, width = image.shape[:2]
    rows, columns = np.flatnonzero(mask.max(axis=1)), np.flatnonzero(mask.max(axis=0))
    center = (float(columns.mean()), float(rows.mean()))
    extent = max(float(np.ptp(rows)) / height, float(np.ptp(columns)) / width, 0.05)
    scale = rng.uniform(0.45, 0.95) / extent
    turn = np.asarray(cv2.getRotationMatrix2D(center, rng.uniform(-180, 180), scale), np.float64)
    room = max(0.0, 0.5 * (1 - extent * scale))
    turn[:, 2] += np.array([width / 2, height / 2]) - center
    turn[:, 2] += rng.uniform(-room, room, 2) * (width, height)
    item = cv2.warpAffine(image, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    alpha = cv2.warpAffine(mask, turn, (width, height)).astype(np.float32)[..., None] / 255.0
    behind = make_background((width, height), others, rng).astype(np.float32)
    clear = rng.uniform(0.0, 0.7) if rng.random() < 0.4 else 0.0
    front = item.astype(np.float32)
    if clear > 0:
        board = np.median(image[mask < 8], axis=0) if (mask < 8).any() else np.full(3, 255.0)
        board = np.maximum(board.astype(np.float32), 32.0)
        alike = np.exp(-((np.abs(front - board).max(axis=2, keepdims=True) / 40.0) ** 2))
        front += clear * alike * (np.minimum(behind * front / board, 255.0) - front)
    if rng.random() < 0.6:  # a soft shadow, or the item would float
        shift = np.array([[1, 0, rng.uniform(-9, 9)], [0, 1, rng.uniform(-9, 9)]], np.float32)
        shadow = cv2.warpAffine(alpha[..., 0], shift, (width, height))
        shadow = cv2.GaussianBlur(shadow, (0, 0), rng.uniform(2, 9))
        behind *= 1 - rng.uniform(0.2, 0.7) * shadow[..., None]
    return np.clip(behind + alpha * (front - behind), 0, 255).astype(np.uint8)
