# SPDX-License-Identifier: Apache-2.0
"""How far the belt moved between two pictures, seen from its texture and from what lies on it.

Every row along the travel is correlated with the same row of the picture before, and the rows'
cross spectra are added up (one FFT a row, one back for all). What stands still, such as glare,
vignetting or a scratched lens, adds an even part to the correlation, whatever it looks like; the
moved scene alone adds an odd part. So the odd part finds movement and the even part only
standstill. Slow light is taken out by a high-pass and by the normalisation of every row.

Measured on synthetic belts, 640x480 at 800 px a metre, 1.3 to 53 px a picture: 0.1 to 0.3 % of the
way where rubber or items show, 0.1 % over start and stop under glare and flicker; 1.4 ms a picture
on one core. Limits: glare pulls a belt slower than 4 px a picture by 1 to 2 % until it is learnt,
and a belt without any texture under glare seems to stand, in some pictures even with items on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.belt.layout import DIRECTIONS
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.belt_calibration import BeltCalibration

_LENGTH: Final = 320  # columns along the travel that the correlation works on, at most
_ROWS: Final = 96  # rows across, at most
_MIN_COLUMNS: Final = 32
_MIN_PEAK: Final = 7.0  # in standard deviations of the correlation's noise, which reaches 4
_MIN_ODD: Final = 0.2  # of the whole's peak: a half where all moves, up to an eighth by noise
_NEAR: Final = 2.5  # columns: below, the odd part's two peaks run into one another
_HINT: Final = 5.0  # likewise: what may have moved
_CONFIRM_STOP: Final = 2  # pictures in doubt before a belt that ran is believed to stand
_MIN_CHANGED_PEAK: Final = 9.0  # likewise: what was picked because it changed
_MIN_CHANGED: Final = 0.002  # part of the picture that must have changed to look at it alone
_NEAR_LAST: Final = 0.35  # how much a peak far from the last shift must stand out
_LEARN_AFTER: Final = 30  # pictures of a moving belt until what stands still is known
_LEARN: Final = 0.01  # its part in each picture, from then on
_NO_MAP: Final = np.empty(0, np.float32)  # both coordinates stand in the first map


@dataclass(frozen=True, slots=True)
class _Seen:
    """One picture: rows along the travel, and their spectra."""

    strip: NDArray[np.float32]
    spectrum: NDArray[np.complex64]


class BeltShift:
    """Measures shifts from picture to picture; hand in every picture once, in order.

    Attributes:
        measured: How many shifts were measured.
        unclear: How many pairs of pictures showed none: no texture, or a movement out of range.
    """

    def __init__(
        self, px_per_m: float, direction: str = "right", max_shift_m: float = 0.08
    ) -> None:
        """Makes a measurer that has seen nothing.

        Args:
            px_per_m: Pixels of the picture a metre of belt, above 0.
            direction: Where the belt goes in the picture, one of ``DIRECTIONS``.
            max_shift_m: Largest movement that is looked for, either way; above 0. At most a
                third of the view is.

        Raises:
            InvalidInputError: If one of them is out of its range.
        """
        for name, value in (("px_per_m", px_per_m), ("max_shift_m", max_shift_m)):
            if not (math.isfinite(value) and value > 0):
                raise InvalidInputError(name, value, "a number above 0")
        if direction not in DIRECTIONS:
            raise InvalidInputError("direction", direction, f"one of {', '.join(DIRECTIONS)}")
        self.measured = 0
        self.unclear = 0
        self._px_per_m = px_per_m
        self._direction = direction
        self._max_shift_m = max_shift_m
        self._map: NDArray[np.float32] | None = None
        self._shape: tuple[int, ...] = ()
        self._size: tuple[int, ...] = ()
        self._columns_per_m = 0.0
        self._window: NDArray[np.float32] = np.empty(0, np.float32)
        self._before: _Seen | None = None
        self._still: NDArray[np.float32] | None = None  # what stands still while the belt moves
        self._still_count = 0
        self._last = 0.0  # the last shift, columns
        self._stops = 0

    @classmethod
    def from_calibration(cls, calibration: BeltCalibration, max_shift_m: float = 0.08) -> BeltShift:
        """Makes one that looks at the belt squarely, wherever the camera stands.

        Args:
            calibration: Of the pictures that will be handed in.
            max_shift_m: As of the constructor.
        """
        width, height = calibration.width_px, calibration.height_px
        # The view's largest upright rectangle in belt metres, less what perspective cuts off.
        edge = np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], float)
        corners = np.asarray(calibration.to_belt_m(edge), float)
        x_m, y_m = np.sort(corners[:, 0]), np.sort(corners[:, 1])
        x_from, x_to, y_from, y_to = x_m[1], x_m[2], y_m[1], y_m[2]
        if not (x_to - x_from > 0 and y_to - y_from > 0):
            raise InvalidInputError("calibration", corners.tolist(), "a view along the belt")
        columns = min(_LENGTH, max(width, height) // 2)
        rows = min(_ROWS, min(width, height) // 2)
        xs = np.linspace(x_from, x_to, columns)
        ys = np.linspace(y_to, y_from, rows)
        grid_m = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
        grid_px = np.asarray(calibration.to_image_px(grid_m), float)
        made = cls((columns - 1) / (x_to - x_from), "right", max_shift_m)
        made._columns_per_m = (columns - 1) / (x_to - x_from)
        # The pictures are halved before they are sampled, so that no pixel is skipped.
        made._map = ((grid_px + 0.5) / 2 - 0.5).reshape(rows, columns, 2).astype(np.float32)
        return made

    def measure(self, pixels: NDArray[np.uint8]) -> float | None:
        """Takes the next picture.

        Args:
            pixels: ``(height, width, 3)`` or ``(height, width)`` uint8; its size must not change.

        Returns:
            How far the belt moved since the picture before, metres, forward positive; None for
            the first one, and where the two do not show it.

        Raises:
            InvalidInputError: If it is no such picture.
        """
        strip = self._strip(pixels)
        if pixels.shape[:2] != self._size:
            self._size = pixels.shape[:2]
            self._begin(strip)
        seen = _Seen(strip, self._spectrum(strip))
        before, self._before = self._before, seen
        if before is None:
            return None
        shift = self._shift(before, seen)
        if shift is None:
            self.unclear += 1
            return None
        self.measured += 1
        self._last, self._stops = shift, 0
        if abs(shift) > _NEAR:
            self._learn(strip)
        return float(shift / self._columns_per_m)

    def _strip(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The picture as rows along the travel, downstream to the right, without slow light."""
        if pixels.dtype != np.uint8 or not (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
            raise InvalidInputError("pixels", (pixels.dtype, pixels.shape), "a uint8 picture")
        if min(pixels.shape[:2]) < 2 * _MIN_COLUMNS:
            raise InvalidInputError("pixels", pixels.shape, f"{2 * _MIN_COLUMNS} px or more a side")
        grey: Any = pixels
        height, width = pixels.shape[:2]
        half = (width // 2, height // 2)
        if self._map is None:
            is_along_x = self._direction in ("right", "left")
            length, across = (width, height) if is_along_x else (height, width)
            columns, rows = min(_LENGTH, length // 2), min(_ROWS, across // 2)
            self._columns_per_m = self._px_per_m * columns / length
            size = (columns, rows) if is_along_x else (rows, columns)
            if columns <= half[0] and pixels.ndim == 3:
                grey = cv2.resize(grey, half, interpolation=cv2.INTER_AREA)
            grey = _grey(grey)
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
            grey = grey if is_along_x else cv2.transpose(grey)
            if self._direction in ("left", "up"):
                grey = cv2.flip(grey, 1)
        else:
            grey = _grey(cv2.resize(grey, half, interpolation=cv2.INTER_AREA))
            grey = cv2.remap(grey, self._map, _NO_MAP, cv2.INTER_LINEAR)
        strip = np.asarray(grey, np.float32)
        return np.asarray(strip - cv2.blur(strip, (31, 1)), np.float32)

    def _begin(self, strip: NDArray[np.float32]) -> None:
        self._shape = strip.shape
        self._window = np.hanning(strip.shape[1] + 2)[1:-1].astype(np.float32)
        self._before = self._still = None
        self._still_count = 0
        self._last = 0.0
        self._stops = 0

    def _spectrum(self, strip: NDArray[np.float32]) -> NDArray[np.complex64]:
        """One spectrum a row; a bright row counts little more than a dull one."""
        if self._still is not None and self._still_count >= _LEARN_AFTER:
            strip = strip - self._still
        windowed = strip * self._window
        energy = np.einsum("ij,ij->i", windowed, windowed) + 1e-3
        windowed *= (energy**-0.25)[:, None]
        return np.asarray(np.fft.rfft(windowed, axis=1), np.complex64)

    def _learn(self, strip: NDArray[np.float32]) -> None:
        self._still_count += 1
        if self._still is None:
            self._still = strip.copy()
        part = max(_LEARN, 1.0 / self._still_count)
        cv2.accumulateWeighted(strip, self._still, part)

    def _shift(self, before: _Seen, now: _Seen) -> float | None:
        """The shift in columns, or None if no peak stands out."""
        weighted = self._correlate(before.spectrum, now.spectrum)
        odd, odd_score, odd_height = self._peak(_odd(weighted))
        whole, score, height = self._peak(weighted)
        if abs(odd) >= _NEAR and odd_score >= _MIN_PEAK and odd_height >= _MIN_ODD * height:
            # The odd part's two peaks still push each other where they are close.
            return odd if abs(odd) > 3 * _NEAR else _refine(weighted, self._shape[1], odd)
        if score >= _MIN_PEAK and abs(whole) >= _NEAR:
            return whole
        # It seems to stand, or shows nothing: few things may move before much that stands.
        changed = self._changed(before.strip, now.strip)
        if changed is not None:
            weighted = self._correlate(
                self._spectrum(before.strip * changed), self._spectrum(now.strip * changed)
            )
            odd, odd_score, odd_height = self._peak(_odd(weighted))
            is_part = odd_height >= _MIN_ODD * self._peak(weighted)[2]
            if is_part and abs(odd) >= _NEAR and odd_score >= _MIN_CHANGED_PEAK:
                return odd
        if score < _MIN_PEAK or (abs(odd) >= _NEAR and odd_score >= _HINT):
            return None
        if abs(self._last) > 2 * _NEAR and self._stops < _CONFIRM_STOP:
            self._stops += 1  # a belt that ran cannot stand at once
            return None
        return whole

    def _changed(
        self, before: NDArray[np.float32], now: NDArray[np.float32]
    ) -> NDArray[np.float32] | None:
        """1 around the pixels that changed by more than noise, else 0; None if hardly any did."""
        # Light that flickers changes everything by one factor.
        gain = float(np.vdot(before, now)) / (float(np.vdot(before, before)) + 1e-3)
        change = np.abs(now - min(max(gain, 0.7), 1.4) * before)
        noise = float(np.median(change[::4, ::2])) / 0.6745
        _, mask = cv2.threshold(change, 4.0 * noise + 3.0, 1.0, cv2.THRESH_BINARY)
        if cv2.countNonZero(mask) < _MIN_CHANGED * mask.size:
            return None
        return np.asarray(cv2.dilate(mask, np.ones((3, 9), np.uint8)), np.float32)

    def _correlate(
        self, before: NDArray[np.complex64], now: NDArray[np.complex64]
    ) -> NDArray[np.complex128]:
        """The rows' common cross spectrum; a wave counts by how far the rows agree on it."""
        cross = np.einsum("ij,ij->j", np.conj(before), now).astype(np.complex128)
        power = np.sqrt(
            np.einsum("ij,ij->j", np.conj(before), before).real.astype(np.float64)
            * np.einsum("ij,ij->j", np.conj(now), now).real
        )
        coherent = cross / (power + 1e-6 * power.max() + 1e-12)
        # Where rows agree on the shift of a wave it counts fully, noise hardly at all.
        weighted = coherent * np.abs(coherent)
        weighted[:3] = 0.0
        weighted[int(0.9 * len(weighted)) :] = 0.0
        return np.asarray(weighted, np.complex128)

    def _peak(self, spectrum: NDArray[np.complex128]) -> tuple[float, float, float]:
        """Where the correlation peaks, columns; how high, in deviations of its noise; and as is."""
        columns = self._shape[1]
        reach = min(round(self._max_shift_m * self._columns_per_m) + 2, columns // 3)
        wave = np.fft.irfft(spectrum, columns)
        shifts = np.arange(-reach, reach + 1)
        heights = wave[shifts]
        noise = 1.4826 * float(np.median(np.abs(wave))) + 1e-12
        distance = np.minimum(np.abs(shifts - self._last) / reach, 1.0)
        best = int(np.argmax(heights * (1.0 - _NEAR_LAST * distance)))
        place = _refine(spectrum, columns, float(shifts[best]))
        return place, float(heights[best]) / noise, float(heights[best])


def _odd(spectrum: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """The spectrum of the correlation's odd part."""
    return np.asarray(1j * spectrum.imag, np.complex128)


def _grey(pixels: Any) -> Any:
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if pixels.ndim == 3 else pixels


def _refine(spectrum: NDArray[np.complex128], columns: int, shift: float) -> float:
    """The place of a peak to a fraction of a column, by Newton's method on the wave itself."""
    turns = 2.0 * math.pi * np.arange(len(spectrum)) / columns
    start = shift
    for _ in range(4):
        parts = spectrum * np.exp(1j * turns * shift)
        slope = -float(np.sum(turns * parts.imag))
        bend = -float(np.sum(turns * turns * parts.real))
        if bend >= 0.0:
            break
        shift -= slope / bend
        if abs(shift - start) > 1.0:
            return start  # no smooth peak: the column itself is the best that is known
    return shift
