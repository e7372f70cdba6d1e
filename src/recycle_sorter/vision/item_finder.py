# SPDX-License-Identifier: Apache-2.0
"""Finds the items on a moving belt in the picture of a fixed camera."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.belt.types import Detection
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.belt_calibration import BeltCalibration
from recycle_sorter.vision.belt_colour import Picture
from recycle_sorter.vision.belt_model import BeltModel, Departure, learn_belt
from recycle_sorter.vision.blob_groups import cover
from recycle_sorter.vision.blobs import Blob, BlobSizes, find_blobs
from recycle_sorter.vision.finder_config import FinderConfig
from recycle_sorter.vision.shadows import without_shadow

_WORK_SIDE_PX: Final = 320
_MIN_SIDE_PX: Final = 8
# While learning, frames this far apart show other texture and mostly other items.
_LEARN_STEP_M: Final = 0.05
# After so much travel the frames' mean holds little texture: small reflections are kept in it.
_LEARN_WAY_M: Final = 0.4
_SMOOTH_PX: Final = (8.0, 2.5)
_LEARN_STEP_NS: Final = 100_000_000  # a slow belt must not put its items off
_MOVED_M: Final = 0.001
# How often a standing belt or a belt of unknown motion is followed, frames.
_ADAPT_EVERY: Final = 4
_ADAPT_STEP_M: Final = 0.04
_STUCK_STEP: Final = 4
_JUMP_M: Final = 0.1
_SAME_LEVELS: Final = 12.0


@dataclass(frozen=True, slots=True, eq=False)
class FoundItem:
    """One item and its outline.

    Attributes:
        detection: Where it is and how large; without probabilities.
        mask: ``(height, width)`` of ``detection.box_px``, uint8: 255 where the item is, else 0.
    """

    detection: Detection
    mask: NDArray[np.uint8]


class ItemFinder:
    """Finds items as what departs from the empty belt. Reads no clock.

    It works at half the size of a 640 x 480 picture. On a core that others kept busy, one picture
    took 5 to 7 ms of processor time.
    """

    def __init__(self, calibration: BeltCalibration, config: FinderConfig | None = None) -> None:
        """Starts without knowing the belt; the first frames teach it, items passing or not.

        Args:
            calibration: Of the pictures that will come; of the same size.
            config: What is an item.

        Raises:
            InvalidInputError: If the calibrated pictures are smaller than 8 x 8.
        """
        self.config = config or FinderConfig()
        self.calibration = calibration
        width, height = calibration.width_px, calibration.height_px
        if min(width, height) < _MIN_SIDE_PX:
            expected = f"sides of {_MIN_SIDE_PX} pixels or more"
            raise InvalidInputError("picture size", f"{width} x {height}", expected)
        shrink = max(1, round(max(width, height) / _WORK_SIDE_PX))
        self._size = (max(_MIN_SIDE_PX, width // shrink), max(_MIN_SIDE_PX, height // shrink))
        self._scale = (width / self._size[0], height / self._size[1])
        self._work_m = calibration.m_per_px * math.sqrt(self._scale[0] * self._scale[1])
        self._sizes = BlobSizes(
            max(2.0, self.config.min_item_m / self._work_m),
            self.config.join_m / self._work_m,
            self.config.near_m / self._work_m,
            self.config.part_m / self._work_m,
            self.config.deep_m / self._work_m,
            self.config.notch_m / self._work_m,
            self.config.broad_m / self._work_m,
        )
        along = calibration.to_image_px([[0.0, 0.0], [0.01, 0.0]])
        step = np.abs(along[1] - along[0])
        self._travel_axis = 1 if step[0] >= step[1] else 0
        self.relearn()

    def relearn(self) -> None:
        """Forgets the belt; the next frames teach it anew."""
        self._model: BeltModel | None = None
        self._frames: list[Picture] = []
        self._learnt_at_m: float | None = None
        self._learnt_ns = 0
        self._learnt_way_m = 0.0
        self._position_m: float | None = None
        self._count = 0
        cells = (-(-self._size[1] // _STUCK_STEP), -(-self._size[0] // _STUCK_STEP))
        self._stuck_m = np.zeros(cells, np.float32)
        self._stuck_like: Picture | None = None

    @property
    def is_ready(self) -> bool:
        """Whether the belt has been learnt."""
        return self._model is not None

    def learn(
        self, pixels: NDArray[np.uint8], stamp_ns: int, position_m: float | None = None
    ) -> None:
        """Takes one more frame for belt; :meth:`find` does so until the belt is known.

        Args:
            pixels: As for :meth:`find`.
            stamp_ns: As for :meth:`find`.
            position_m: As for :meth:`find`.
        """
        self._learn(self._shrink(pixels), stamp_ns, position_m)

    def find(
        self, pixels: NDArray[np.uint8], stamp_ns: int, position_m: float | None = None
    ) -> list[FoundItem]:
        """Finds the items in the next frame.

        Args:
            pixels: ``(height, width, 3)`` BGR or ``(height, width)`` grey, uint8.
            stamp_ns: Capture time, nanoseconds.
            position_m: How far the belt had travelled by then; None where nobody knows.

        Returns:
            The items, from the top of the picture down; none while the belt is being learnt.

        Raises:
            InvalidInputError: If the picture is not of the calibration's size or type.
        """
        small = self._shrink(pixels)
        if self._model is None:
            self._learn(small, stamp_ns, position_m)
            if self._model is None:
                return []
        departure = self._model.measure(small)
        blobs = find_blobs(departure, self._sizes)
        found = [self._found(blob, self._model.shade(small, blob.window)) for blob in blobs]
        self._follow(self._model, small, departure, blobs, position_m)
        return found

    def _learn(self, small: Picture, stamp_ns: int, position_m: float | None) -> None:
        if position_m is not None and self._frames and self._learnt_at_m is not None:
            # A belt that creeps shows the same over and over; one that stands has to do.
            moved_m = abs(position_m - self._learnt_at_m)
            is_soon = 0 <= stamp_ns - self._learnt_ns < _LEARN_STEP_NS
            if _MOVED_M < moved_m < _LEARN_STEP_M and is_soon:
                return
            self._learnt_way_m += moved_m
        self._learnt_at_m, self._learnt_ns = position_m, stamp_ns
        self._position_m = position_m
        self._frames.append(small)
        if len(self._frames) >= self.config.learn_frames:
            smooth_px = _SMOOTH_PX[self._learnt_way_m >= _LEARN_WAY_M]
            self._model = learn_belt(self._frames, self._travel_axis, smooth_px)
            self._frames = []

    def _follow(
        self,
        model: BeltModel,
        small: Picture,
        departure: Departure,
        blobs: list[Blob],
        position_m: float | None,
    ) -> None:
        """Learns slowly where no item is; what stays in place while the belt travels is no item."""
        self._count += 1
        moved_m = None
        if position_m is not None and self._position_m is not None:
            moved_m = abs(position_m - self._position_m)
        if moved_m is None:
            if self._position_m is None:
                self._position_m = position_m
            if position_m is None and self._count % _ADAPT_EVERY == 0:
                self._adapt(model, small, departure, blobs, 0.01)
            return
        if moved_m < _ADAPT_STEP_M:
            return
        self._position_m = position_m
        if self.config.adapt_m > 0:
            self._adapt(model, small, departure, blobs, min(0.2, moved_m / self.config.adapt_m))
        self._unstick(model, small, blobs, moved_m)

    def _adapt(
        self,
        model: BeltModel,
        small: Picture,
        departure: Departure,
        blobs: list[Blob],
        weight: float,
    ) -> None:
        is_item = cover(blobs, small.shape) | (departure.score > 0.6)
        model.adapt(small, cv2.dilate(is_item, np.ones((7, 7), np.uint8)) == 0, weight)

    def _unstick(self, model: BeltModel, small: Picture, blobs: list[Blob], moved_m: float) -> None:
        step = _STUCK_STEP
        covered = cover(blobs, small.shape)[::step, ::step] > 0
        cells = small[::step, ::step]
        if self._stuck_like is None:
            self._stuck_like = cells.copy()
            return
        stuck = covered & (np.abs(cells - self._stuck_like).max(axis=2) < _SAME_LEVELS)
        # A jump (frames lost, a position set anew) says nothing about what was between.
        self._stuck_m[stuck] += min(moved_m, _JUMP_M)
        self._stuck_m[~stuck] = 0.0
        self._stuck_like[~stuck] = cells[~stuck]
        gone = self._stuck_m > 1.5 * self.config.max_item_m
        if gone.any():
            whole = np.kron(gone, np.ones((step, step), np.bool_))
            model.absorb(small, whole[: small.shape[0], : small.shape[1]])
            self._stuck_m[gone] = 0.0

    def _shrink(self, pixels: NDArray[np.uint8]) -> Picture:
        width, height = self.calibration.width_px, self.calibration.height_px
        if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
            kind = str(getattr(pixels, "dtype", type(pixels).__name__))
            raise InvalidInputError("picture dtype", kind, "a numpy array of uint8")
        if pixels.shape not in ((height, width, 3), (height, width)):
            expected = f"({height}, {width}, 3) or ({height}, {width}), as calibrated"
            raise InvalidInputError("picture shape", pixels.shape, expected)
        small = pixels
        if self._size != (width, height):
            small = np.asarray(cv2.resize(pixels, self._size, interpolation=cv2.INTER_AREA))
        if small.ndim == 2:
            small = np.asarray(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))
        return small.astype(np.float32)

    def _found(self, blob: Blob, shade: NDArray[np.uint8]) -> FoundItem:
        item = without_shadow(blob.mask, shade)
        outlines, _ = cv2.findContours(item, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        # All of them: what fell into pieces is as large as they are together.
        outline = cv2.convexHull(np.concatenate(outlines)).reshape(-1, 2)
        # Contours run through the middles of pixels; the item reaches to their outer edges.
        ends = np.concatenate([outline + step for step in ((0, 0), (1, 0), (0, 1), (1, 1))])
        hull = cv2.convexHull(ends.astype(np.float32)).reshape(-1, 2)
        corner = np.array([blob.left_px, blob.top_px])
        on_belt = self.calibration.to_belt_m((hull + corner) * self._scale)
        # In millimetres: OpenCV computes in single precision.
        _, sides_mm, _ = cv2.minAreaRect((on_belt * 1000.0).astype(np.float32))
        length_m, width_m = max(sides_mm) / 1000.0, min(sides_mm) / 1000.0
        moments = cv2.moments(item, binaryImage=True)
        middle = np.array([moments["m10"], moments["m01"]]) / moments["m00"] + 0.5
        middle_px = (middle + corner) * self._scale
        x_m, y_m = self.calibration.to_belt_m([middle_px])[0]
        px_area = self._scale[0] * self._scale[1]
        around = (float(middle_px[0]), float(middle_px[1]))
        area_m2 = moments["m00"] * px_area * self.calibration.m2_per_px(around)
        box, mask = self._full_size(blob)
        left, top, width, height = box
        is_cut = min(left, top) == 0
        is_cut |= left + width >= self.calibration.width_px
        is_cut |= top + height >= self.calibration.height_px
        detection = Detection(
            box_px=box,
            centre_m=(float(x_m), float(y_m)),
            size_m=(float(length_m), float(width_m)),
            area_m2=float(area_m2),
            along_m=(float(on_belt[:, 0].min()), float(on_belt[:, 0].max())),
            is_whole=not is_cut,
            is_touching=blob.is_near or blob.is_several or length_m > self.config.max_item_m,
        )
        return FoundItem(detection, mask)

    def _full_size(self, blob: Blob) -> tuple[tuple[int, int, int, int], NDArray[np.uint8]]:
        height, width = blob.mask.shape
        left, right = (round(x * self._scale[0]) for x in (blob.left_px, blob.left_px + width))
        top, bottom = (round(y * self._scale[1]) for y in (blob.top_px, blob.top_px + height))
        size = (right - left, bottom - top)
        large = cv2.resize(blob.mask * np.uint8(255), size, interpolation=cv2.INTER_LINEAR)
        mask = np.where(large >= 128, 255, 0).astype(np.uint8)
        return (left, top, *size), mask
