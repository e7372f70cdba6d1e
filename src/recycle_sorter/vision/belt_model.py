# SPDX-License-Identifier: Apache-2.0
"""How an empty belt looks to a fixed camera, and how far a picture is from that.

A pixel of the empty belt is *light and glare*, which stand still in the picture, times the frame's
*gain*, plus *texture*, which travels with the belt. So the model holds what stands still as a mean
a pixel, and the texture as one covariance of colour, which a distance in standard deviations is
measured with: dirt that is merely darker counts little, a hue that the belt never has counts much.
Texture is seen along the travel as well as over time, so that a belt that stands still while it is
learnt does not surprise when it moves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.vision.belt_colour import (
    TRIM,
    Picture,
    pooled_covariance,
    scaled,
    shade_of,
    soft_shade_of,
    squared,
    trimmed_covariance,
    whitener_of,
)

_GAIN_LIMITS: Final = (0.3, 3.0)
_STEP: Final = 4  # every so manieth row and column is enough for medians
_PATCH_PX: Final = 5
_FINE_PX: Final = 3
_COARSE_PX: Final = 9
_CLIP: Final = 8.0
# Lowest thresholds on the two scales, standard deviations; texture with long tails raises them.
_MIN_FINE: Final = 4.0
_MIN_COARSE: Final = 4.0
# Smoothing takes coarse texture away, a mesh's for one: where it spans more grey levels than this,
# the lowest threshold of the large scale falls.
_ROUGH_LEVELS: Final = 10.0
_LEAST_COARSE: Final = 1.6
_BULK: Final = 0.8
_TAIL: Final = (3.6, 6.5)  # fine, coarse
_BULK_WEIGHT: Final = 0.06
_MIN_CELLS: Final = 16
_SHADED_LEVEL: Final = 80.0  # grey levels of a belt from which on a shadow shows clearly
_MANY_CELLS: Final = 1000  # half of so many do for a first guess
_MAX_RAISE: Final = 6.0


@dataclass(frozen=True, slots=True)
class Departure:
    """How far each pixel of a picture is from the empty belt.

    Attributes:
        score: ``(height, width)`` float32, squared and relative to the threshold: above 1 it is
            an item's.
        raw: The same without any smoothing and threshold, squared standard deviations.
        shade: ``(height, width)`` uint8, 1 where it looks like the belt in an item's shadow; None
            for a belt too dark for its shadows to matter.
    """

    score: Picture
    raw: Picture
    shade: NDArray[np.uint8] | None = None


class BeltModel:
    """What stands still, and what the texture spans."""

    def __init__(self, mean: Picture, samples: list[Picture], weights: list[Picture]) -> None:
        """Takes what :func:`learn_belt` worked out.

        Args:
            mean: ``(height, width, 3)`` float32, grey levels.
            samples: Frames of that shape, brought to the mean's light.
            weights: ``(height, width)`` each, 1 where the sample shows the belt, else 0.
        """
        self.mean = mean
        self._gain: NDArray[np.float32] = np.ones(3, np.float32)
        self._prepare()
        differences = [sample - mean for sample in samples]
        # The mean took up some of the texture in view; two frames that are far apart did not.
        apart = len(samples) // 2
        for first, second in zip(samples[:apart], samples[apart:], strict=False):
            differences.append((first - second) * np.float32(math.sqrt(0.5)))
        weights = weights + [
            np.minimum(first, second)
            for first, second in zip(weights[:apart], weights[apart:], strict=False)
        ]
        self._covariance = pooled_covariance(differences, weights)
        self._whiten()
        self._last: tuple[Picture, Picture] | None = None
        self._set_thresholds(differences, weights)

    def measure(self, small: Picture) -> Departure:
        """Measures a frame against the model.

        Args:
            small: ``(height, width, 3)`` float32, grey levels.
        """
        self._gain = self._gain_of(small)
        expected = scaled(self.mean, self._gain)
        np.minimum(expected, np.float32(255.0), out=expected)
        shade = shade_of(small, expected) if self._level > _SHADED_LEVEL else None
        np.subtract(small, expected, out=expected)
        return self._depart(expected, shade)

    def shade(self, small: Picture, window: tuple[slice, slice]) -> NDArray[np.uint8]:
        """Where a part of the frame measured last looks like the belt in an item's shadow.

        Args:
            small: That frame.
            window: Rows and columns.

        Returns:
            1 where it does, else 0; of the window's size.
        """
        return soft_shade_of(small[window], scaled(self.mean[window], self._gain))

    def adapt(self, small: Picture, is_belt: NDArray[np.bool_], weight: float) -> None:
        """Follows slow changes of what stands still.

        Args:
            small: The frame that was measured last.
            is_belt: ``(height, width)``; only these pixels are learnt from.
            weight: How much the frame counts, 0 to 1; 0 while the belt stands, so that the piece
                of texture in view is not taken for what stands still.
        """
        if weight <= 0:
            return
        mask = is_belt.astype(np.uint8)
        cv2.accumulateWeighted(scaled(small, 1.0 / self._gain), self.mean, weight, mask)
        self._prepare()
        if self._last is not None:
            bulk = self._bulk_of(self._last, is_belt)
            self._use_bulk(self._bulk + _BULK_WEIGHT * (bulk - self._bulk))

    def absorb(self, small: Picture, mask: NDArray[np.bool_]) -> None:
        """Takes what the mask shows for belt from now on: it did not travel with it."""
        self.mean[mask] = (small / self._gain)[mask]
        self._prepare()

    @property
    def gain(self) -> NDArray[np.float32]:
        """Brightness of the last frame relative to the model, one factor a channel."""
        return self._gain

    def _prepare(self) -> None:
        self._coarse_mean = self.mean[::_STEP, ::_STEP] + 1.0
        self._level = float(np.median(self._coarse_mean))

    def _gain_of(self, small: Picture) -> NDArray[np.float32]:
        """A median finds most of the belt, the sums over it the gain to a fraction of a level."""
        cells = small[::_STEP, ::_STEP] + 1.0
        ratios = (cells / self._coarse_mean).reshape(-1, 3)
        middle = np.median(ratios[:: 2 if len(ratios) >= _MANY_CELLS else 1], axis=0)
        near = (np.abs(ratios - middle) < 0.15 * middle).all(axis=1)
        # Overexposed cells say nothing about how bright they are.
        near &= (cells.reshape(-1, 3) < 250.0).all(axis=1)
        if np.count_nonzero(near) >= 0.1 * len(near):
            belt = self._coarse_mean.reshape(-1, 3)[near]
            middle = cells.reshape(-1, 3)[near].sum(axis=0) / belt.sum(axis=0)
        return np.asarray(np.clip(middle, *_GAIN_LIMITS), np.float32)

    def _whiten(self) -> None:
        self._whitener = whitener_of(self._covariance, self._level)

    def _scales(self, difference: Picture) -> tuple[Picture, Picture, Picture]:
        """Squared distances: unsmoothed, smoothed a little, and (at half the size) a lot."""
        white = cv2.transform(difference, self._whitener)
        raw = squared(white)
        fine = cv2.blur(white, (_FINE_PX, _FINE_PX))
        half = cv2.resize(fine, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        side = _COARSE_PX // 2 | 1
        coarse = cv2.blur(np.clip(half, -_CLIP, _CLIP), (side, side))
        return raw, squared(fine), squared(coarse)

    def _depart(self, difference: Picture, shade: NDArray[np.uint8] | None) -> Departure:
        raw, fine, coarse = self._scales(difference)
        self._last = (fine, coarse.copy())
        # A smoothed edge is where half of the contrast is left.
        top = cv2.dilate(coarse, np.ones((_COARSE_PX, _COARSE_PX), np.uint8))
        coarse[coarse < 0.25 * top] = 0.0
        size = (raw.shape[1], raw.shape[0])
        wide = cv2.resize(coarse * self._per_coarse, size, interpolation=cv2.INTER_LINEAR)
        return Departure(np.maximum(fine * self._per_fine, wide), raw, shade)

    def _set_thresholds(self, differences: list[Picture], weights: list[Picture]) -> None:
        self._bulk: NDArray[np.float64] = np.zeros(2)
        bulks = [
            self._bulk_of(self._scales(difference)[1:], weight > 0)
            for difference, weight in zip(differences, weights, strict=True)
        ]
        self._use_bulk(np.quantile(np.array(bulks), 0.9, axis=0))

    def _bulk_of(
        self, scales: tuple[Picture, ...], is_belt: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """The distance that most of the belt stays below, on the two scales."""
        fine, coarse = scales
        cells = is_belt[::_STEP, ::_STEP]
        if np.count_nonzero(cells) < _MIN_CELLS:
            return self._bulk
        rows, columns = cells.shape
        half = coarse[:: _STEP // 2, :: _STEP // 2][:rows, :columns]
        kept = cells[: half.shape[0], : half.shape[1]]
        found = [
            float(np.quantile(fine[::_STEP, ::_STEP][cells], _BULK)),
            float(np.quantile(half[kept], _BULK)) if kept.any() else 0.0,
        ]
        return np.asarray(np.sqrt(np.array(found)), np.float64)

    def _use_bulk(self, bulk: NDArray[np.float64]) -> None:
        # The tail is told from the bulk: unlike the tail itself, it is the same whether what was
        # taken for an item is left out of it or not.
        self._bulk = bulk
        spread = math.sqrt(float(np.linalg.eigvalsh(self._covariance)[-1]))
        rough = _MIN_COARSE * _ROUGH_LEVELS / max(spread, _ROUGH_LEVELS)
        lowest = np.array([_MIN_FINE, max(_LEAST_COARSE, rough)])
        most = _MAX_RAISE * np.array([_MIN_FINE, _MIN_COARSE])
        limits = np.clip(np.array(_TAIL) * bulk, lowest, most)
        self.thresholds = (float(limits[0]), float(limits[1]))
        self._per_fine, self._per_coarse = (float(1.0 / limit**2) for limit in limits)


def learn_belt(frames: list[Picture], travel_axis: int, smooth_px: float = 8.0) -> BeltModel:
    """Learns an empty belt from frames that may show items, if these travel.

    Args:
        frames: One or more, ``(height, width, 3)`` float32, grey levels.
        travel_axis: 1 if the belt travels across the picture, 0 if down or up.
        smooth_px: Standard deviation of the blur that takes the texture out of what stands still:
            the farther the belt travelled between the frames, the less of it is left.

    Returns:
        The model.
    """
    stack = np.stack(frames)
    cells = stack[:, ::_STEP, ::_STEP] + 1.0
    middle = np.median(cells, axis=0)
    gains = np.median((cells / middle).reshape(len(frames), -1, 3), axis=1)
    stack /= np.clip(gains, *_GAIN_LIMITS).astype(np.float32)[:, None, None, :]
    median = np.asarray(np.median(stack, axis=0), np.float32)
    prior = _streaks(median, travel_axis)
    # What the belt's colour varies by, from the pixels that are near to the streaks.
    covariance = trimmed_covariance(median - prior)
    whitener = whitener_of(covariance, float(np.median(prior)))
    weights = [_belt_weight(sample - prior, whitener) for sample in stack]
    total = np.sum(weights, axis=0)
    # A quarter of the frames showed the belt there; the others, an item that passed.
    known = total >= max(1.0, 0.25 * len(frames))
    summed = np.einsum("thwc,thw->hwc", stack, np.stack(weights))
    passed = summed / np.maximum(total, 1.0)[..., None]
    # The texture in view while learning is smoothed away, what stands still for good is kept.
    smooth = prior + cv2.GaussianBlur(
        np.where(known[..., None], passed - prior, 0), (0, 0), smooth_px
    )
    mean = np.where(known[..., None], smooth, median).astype(np.float32)
    still = [np.where(known, weight, 0.0).astype(np.float32) for weight in weights]
    return BeltModel(np.ascontiguousarray(mean), list(stack), still)


def _belt_weight(difference: Picture, whitener: NDArray[np.float32]) -> Picture:
    """1 where no item lies: specks of texture may stand out, patches of it do not."""
    stands_out = squared(cv2.transform(cv2.blur(difference, (3, 3)), whitener)) > TRIM
    patches = cv2.morphologyEx(
        stands_out.astype(np.uint8), cv2.MORPH_OPEN, np.ones((_PATCH_PX, _PATCH_PX), np.uint8)
    )
    around = cv2.dilate(patches, np.ones((_COARSE_PX, _COARSE_PX), np.uint8))
    return np.asarray(1 - around, np.float32)


def _streaks(picture: Picture, travel_axis: int) -> Picture:
    """What does not change along the travel, times the light's fall-off along it."""
    lines = np.median(picture, axis=travel_axis, keepdims=True) + 1.0
    share = np.median((picture + 1.0) / lines, axis=1 - travel_axis, keepdims=True)
    length = share.shape[travel_axis]
    x = np.linspace(-1, 1, length)
    values = share.reshape(length, 3)
    basis = np.stack([np.ones_like(x), x, x * x], axis=1)
    weight = np.ones(length)
    for _ in range(3):  # re-weighted: an item in view must not bend it
        fit = np.linalg.lstsq(basis * weight[:, None], values * weight[:, None], rcond=None)[0]
        error = np.abs(basis @ fit - values).max(axis=1)
        weight = 1.0 / (1.0 + (error / 0.02) ** 2)
    smooth = (basis @ fit).reshape(share.shape)
    return np.asarray(lines * smooth - 1.0, np.float32)
