# SPDX-License-Identifier: Apache-2.0
"""From a picture of the belt to what lies on it: the one path of node, simulation and replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.belt.types import Observation
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.inference.classifier import MaterialClassifier
from recycle_sorter.vision.belt_shift import BeltShift
from recycle_sorter.vision.crops import BACKGROUNDS, TURNS, crop_items, turned
from recycle_sorter.vision.item_finder import FoundItem, ItemFinder

Picture = NDArray[np.uint8]
_TO_BGR: Final = {"rgb8": cv2.COLOR_RGB2BGR, "mono8": cv2.COLOR_GRAY2BGR}


@dataclass(frozen=True, slots=True)
class PerceptionConfig:
    """How items are shown to the classifier.

    Attributes:
        background: What lies around an item in its crop, one of ``crops.BACKGROUNDS``.
        margin: How far a crop reaches beyond the item, as a share of the item's longer side.
        partial: Whether items that the view's edge cuts are classified too.
        turns: In how many ways items are shown in turn, one a picture, 1 to 8; 1: always as they
            lie. How something lies on a belt says nothing, and one camera's pictures of it are so
            much alike that more of them would hardly add a word.
    """

    background: str = "keep"
    margin: float = 0.15
    partial: bool = False
    turns: int = TURNS

    def __post_init__(self) -> None:
        if self.background not in BACKGROUNDS:
            expected = f"one of {', '.join(BACKGROUNDS)}"
            raise InvalidInputError("background", self.background, expected)
        if not 0.0 <= self.margin <= 2.0:
            raise InvalidInputError("margin", self.margin, "a number from 0 to 2")
        if not 1 <= self.turns <= TURNS:
            raise InvalidInputError("turns", self.turns, f"a number from 1 to {TURNS}")


class BeltPerception:
    """Finds the items of a frame and names their materials in one batch. Not thread-safe.

    Attributes:
        found: The items of the last frame, with their outlines.
        crops: What was cut out of it for the classifier, as it lies, by index in ``found``.
    """

    def __init__(
        self,
        finder: ItemFinder,
        classifier: MaterialClassifier,
        shift: BeltShift | None = None,
        config: PerceptionConfig | None = None,
    ) -> None:
        """Joins the parts.

        Args:
            finder: For the frames that will come.
            classifier: Without a board of its own; its engine stays the caller's to close.
            shift: Measures the belt's motion from the pictures; None leaves that out.
            config: How items are shown to the classifier.
        """
        self.finder = finder
        self.classifier = classifier
        self.config = config or PerceptionConfig()
        self.found: list[FoundItem] = []
        self.crops: dict[int, Picture] = {}
        self._shift = shift
        self._turn = 0
        self._travelled_m = 0.0
        # Up to frames that were not answered: part of the next answer; None if it is not known.
        self._untold_m: float | None = 0.0

    def observe(
        self, frame: Frame, clock_ns: Callable[[], int], position_m: float | None = None
    ) -> Observation:
        """Looks at the next frame.

        Args:
            frame: Of the finder's calibration; encoding ``bgr8``, ``rgb8`` or ``mono8``.
            clock_ns: Any monotonic clock in nanoseconds; only its differences count.
            position_m: Where the belt was at the frame's stamp, metres; None where nobody knows:
                then what the pictures show of its motion has to do.

        Returns:
            All items; those that were classified carry probabilities.

        Raises:
            InvalidInputError: If the frame is not as :class:`Frame` says.
            ModelError: If the network fails or answers NaN.
        """
        start_ns = clock_ns()
        pixels = as_bgr(frame)
        shift_m = None
        if self._shift is not None:
            shift_m = self._measure(self._shift, pixels)
            position_m = self._travelled_m if position_m is None else position_m
        self.found = self.finder.find(pixels, frame.stamp_ns, position_m)
        answers = self._classify(pixels)
        self._untold_m = 0.0
        return Observation(
            stamp_ns=frame.stamp_ns,
            detections=tuple(
                replace(item.detection, probabilities=answers.get(index, ()))
                for index, item in enumerate(self.found)
            ),
            materials=self.classifier.bundle.labels,
            model_id=self.classifier.bundle.model_id,
            shift_m=shift_m,
            inference_time_sec=(clock_ns() - start_ns) / NS_PER_SEC,
        )

    def _measure(self, shift: BeltShift, pixels: Picture) -> float | None:
        """The belt's movement since the last frame that was answered."""
        shift_m = shift.measure(pixels)
        self._travelled_m += shift_m or 0.0
        if shift_m is None or self._untold_m is None:
            self._untold_m = None
        else:
            self._untold_m += shift_m
        return self._untold_m

    def _classify(self, pixels: Picture) -> dict[int, tuple[float, ...]]:
        chosen = [
            index
            for index, item in enumerate(self.found)
            if self.config.partial or item.detection.is_whole
        ]
        crops = crop_items(
            pixels,
            [self.found[index] for index in chosen],
            self.config.margin,
            background=self.config.background,
        )
        self.crops = dict(zip(chosen, crops, strict=True))
        rows = self.classifier.classify_batch([turned(crop, self._turn) for crop in crops])
        self._turn = (self._turn + 1) % self.config.turns
        return {index: tuple(row.values()) for index, row in zip(chosen, rows, strict=True)}


def as_bgr(frame: Frame) -> Picture:
    """The frame's pixels ``(height, width, 3)`` uint8 in BGR.

    Raises:
        InvalidInputError: If pixels and encoding do not fit each other.
    """
    pixels = frame.pixels
    if frame.encoding not in ("bgr8", *_TO_BGR):
        expected = f"one of bgr8, {', '.join(_TO_BGR)}"
        raise InvalidInputError("encoding", frame.encoding, expected)
    wanted = 2 if frame.encoding == "mono8" else 3
    if pixels.dtype != np.uint8 or pixels.ndim != wanted or 0 in pixels.shape:
        raise InvalidInputError(
            "pixels", (str(pixels.dtype), pixels.shape), f"uint8 pixels of {frame.encoding}"
        )
    if wanted == 3 and pixels.shape[2] != 3:
        raise InvalidInputError("pixels shape", pixels.shape, "(height, width, 3)")
    if frame.encoding == "bgr8":
        return pixels
    return np.asarray(cv2.cvtColor(pixels, _TO_BGR[frame.encoding]), np.uint8)
