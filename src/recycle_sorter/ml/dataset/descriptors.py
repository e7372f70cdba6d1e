# SPDX-License-Identifier: Apache-2.0
"""What one object's photographs have in common: its colours, and what is printed on it.

Prints are SIFT keypoints, which stay when the object is turned, moved or photographed from nearer.
Colours are histograms of the whole picture (object and light) and of the item alone (what leaves
the smooth background that the picture's border shows).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import SourceError
from recycle_sorter.sources.pictures import decode_picture

Floats = NDArray[np.float32]

_LONG_SIDE_PX: Final = 256
_LARGE_BYTES: Final = (500_000, 2_000_000)
_MAX_PRINTS: Final = 100
_CELLS: Final = (64, 48)  # width, height of the picture whose colours are counted
_BORDER: Final = 4
_BINS: Final = (6, 12, 12)  # L*, a*, b*
_LOW: Final = np.array([0.0, -60.0, -60.0], np.float32)
_SPAN: Final = np.array([100.0, 120.0, 120.0], np.float32)
# CIELAB distance from the background at which a cell begins to count, and counts fully.
_FAINT, _CLEAR = 8.0, 16.0
_BACKGROUND_WEIGHT: Final = 0.02  # keeps the histogram of an empty board defined
# Lowe's ratio, on distances; and how far, px, a keypoint may lie from where the others put it.
_RATIO: Final = 0.8
_MIN_LIKENESS: Final = 0.8
_REACH_PX: Final = 4.0
_SCALES: Final = (0.25, 4.0)
_MIN_MATCHES: Final = 5


@dataclass(frozen=True, slots=True)
class Descriptor:
    """One picture.

    Attributes:
        digest: Hex sha256 of the file.
        whole: ``[864]`` float32, square roots of the colour histogram of the whole picture; the
            dot product of two is their Bhattacharyya affinity, 0 to 1.
        item: The same of the item alone.
        prints: ``[K, 128]`` uint8 SIFT descriptors, the strongest 100 at most.
        places: ``[K, 2]`` float32, where they are (x, y), in px of a picture 256 px long.
    """

    digest: str
    whole: Floats
    item: Floats
    prints: NDArray[np.uint8]
    places: Floats


def describe(path: Path) -> Descriptor | None:
    """Describes a picture file; None if it is no readable picture."""
    try:
        data = path.read_bytes()
        # 256 px are wanted: of a large photograph, every second or fourth is enough.
        is_large, is_huge = (len(data) > size_bytes for size_bytes in _LARGE_BYTES)
        flags = cv2.IMREAD_REDUCED_COLOR_2 if is_large else cv2.IMREAD_COLOR
        image = decode_picture(data, cv2.IMREAD_REDUCED_COLOR_4 if is_huge else flags)
    except (OSError, SourceError):
        return None
    factor = _LONG_SIDE_PX / max(image.shape[:2])
    size = tuple(max(16, round(side * factor)) for side in image.shape[1::-1])
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    whole, item = colours(image)
    prints, places = find_prints(image)
    return Descriptor(hashlib.sha256(data).hexdigest(), whole, item, prints, places)


def colours(image: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """Colour histograms of a whole picture and of its item.

    Args:
        image: ``[H, W, 3]`` uint8 BGR.

    Returns:
        Two ``[864]`` float32 unit vectors (square roots of shares).
    """
    small = cv2.resize(image, _CELLS, interpolation=cv2.INTER_AREA)
    lab = np.asarray(cv2.cvtColor(small.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB), np.float32)
    lab = lab.reshape(-1, 3)
    distance = np.linalg.norm(lab - _background(lab), axis=1)
    weights = np.clip((distance - _FAINT) / (_CLEAR - _FAINT), 0.0, 1.0) + _BACKGROUND_WEIGHT
    return _histogram(lab, np.ones_like(weights)), _histogram(lab, weights)


def find_prints(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Floats]:
    """The strongest SIFT keypoints: ``[K, 128]`` uint8 descriptors, ``[K, 2]`` float32 places."""
    sift = cv2.SIFT.create(nfeatures=_MAX_PRINTS, contrastThreshold=0.02)
    keypoints, found = sift.detectAndCompute(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), None)
    if not keypoints:
        return np.zeros((0, 128), np.uint8), np.zeros((0, 2), np.float32)
    places = np.asarray([keypoint.pt for keypoint in keypoints], np.float32)
    return found.astype(np.uint8)[:_MAX_PRINTS], places[:_MAX_PRINTS]


def count_common_prints(one: Descriptor, other: Descriptor) -> int:
    """How many keypoints of two pictures agree in looks and in one movement of the object.

    The movement is a turn, a shift and a scale from 1/4 to 4.
    """
    if min(len(one.prints), len(other.prints)) < _MIN_MATCHES:
        return 0
    likeness = _rooted(one.prints) @ _rooted(other.prints).T
    best = likeness.argmax(axis=1)
    rows = np.arange(len(best))
    first = likeness[rows, best]
    likeness[rows, best] = -1.0
    second = likeness.max(axis=1)
    # Unit vectors: squared distance is 2 - 2 likeness.
    is_match = (1.0 - first < _RATIO**2 * (1.0 - second)) & (first > _MIN_LIKENESS)
    _, firsts = np.unique(best[is_match], return_index=True)
    here = np.flatnonzero(is_match)[firsts]
    if len(here) < _MIN_MATCHES:
        return 0
    # OpenCV seeds its sampling anew in every call, so the count is the same every time.
    movement, is_inlier = cv2.estimateAffinePartial2D(
        one.places[here],
        other.places[best[here]],
        ransacReprojThreshold=_REACH_PX,
        maxIters=500,
    )
    if movement is None or not _SCALES[0] < np.hypot(*movement[:, 0]) < _SCALES[1]:
        return 0
    return int(np.count_nonzero(is_inlier))


def _rooted(prints: NDArray[np.uint8]) -> Floats:
    """RootSIFT: unit vectors whose dot product compares better than SIFT's own."""
    values = prints.astype(np.float32)
    return np.asarray(np.sqrt(values / np.maximum(values.sum(axis=1, keepdims=True), 1.0)))


def _background_fit() -> tuple[Floats, NDArray[np.bool_]]:
    """Basis ``[cells, 6]`` of a quadratic surface, and which cells lie on the border."""
    width, height = _CELLS
    across, down = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    terms = [np.ones_like(across), across, down, across**2, across * down, down**2]
    is_border = np.ones((height, width), bool)
    is_border[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    return np.stack([term.ravel() for term in terms], axis=1).astype(np.float32), is_border.ravel()


_BASIS, _IS_BORDER = _background_fit()


def _background(lab: Floats) -> Floats:
    """The smooth surface that most of the border lies on, ``[cells, 3]``."""
    basis, border = _BASIS[_IS_BORDER], lab[_IS_BORDER]
    is_kept = np.ones(len(border), bool)
    surface = np.zeros((basis.shape[1], 3), np.float32)
    for _ in range(4):
        kept = basis[is_kept]
        surface = np.linalg.solve(kept.T @ kept, kept.T @ border[is_kept])
        rest = np.linalg.norm(border - basis @ surface, axis=1)
        # What leaves the surface is the item reaching the border.
        is_kept = rest < max(6.0, 2.5 * float(np.median(rest)))
    return np.asarray(_BASIS @ surface, np.float32)


def _histogram(lab: Floats, weights: Floats) -> Floats:
    """Each colour shared among its eight nearest bins; the root of the shares."""
    bins = np.array(_BINS)
    place = np.clip((lab - _LOW) / _SPAN, 0.0, 1.0) * (bins - 1)
    low = np.minimum(place.astype(np.int64), bins - 2)
    part = place - low
    counts = np.zeros(int(bins.prod()))
    for corner in np.ndindex(2, 2, 2):
        share = np.where(np.array(corner) == 1, part, 1.0 - part).prod(axis=1)
        at = np.ravel_multi_index(tuple((low + corner).T), _BINS)
        counts += np.bincount(at, weights=share * weights, minlength=len(counts))
    return np.asarray(np.sqrt(counts / counts.sum()), np.float32)
