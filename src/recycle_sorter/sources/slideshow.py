# SPDX-License-Identifier: Apache-2.0
"""Pictures as a camera over a sorting board would see them: one item, empty board, the next.

The images source plays it and ``make-bag`` records it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.core.types import NS_PER_SEC, Frame, Truth
from recycle_sorter.sources.pictures import MIN_SIDE_PX, Picture, load_picture

# 2026-01-01T00:00:00Z: stamp 0 would read as "unset", and the present would differ every run.
DEFAULT_START_NS = 1_767_225_600 * NS_PER_SEC
_MAX_SIDE_PX = 8192
_BOARD_SAMPLE = 48  # pictures looked at to estimate the board
_THUMB_PX = (64, 48)
_BORDER_PX = 3  # of a thumbnail
_VIGNETTE = 0.06  # darkening at the corners


@dataclass(frozen=True, slots=True)
class SlideshowSpec:
    """Timing and looks of a slideshow.

    Attributes:
        width_px: Width of the frames, 16 to 8192.
        height_px: Height of the frames, 16 to 8192.
        fps_hz: Frames a second.
        show_sec: How long each picture is shown.
        gap_sec: How long the board lies empty between two pictures.
        lead_sec: Empty board at the start, from which the classifier learns it.
        tail_sec: Empty board at the end, so that the last item leaves.
        seed: Of jitter and noise.
        start_ns: Stamp of the first frame.
        noise_levels: Standard deviation of the sensor's noise, in grey levels of 255.
        place_px: How far an item may lie from the centre, either way.
        shake_px: How far a frame may be off its item's place, either way; sub-pixel.
        flicker: Relative change of brightness from frame to frame, either way.
    """

    width_px: int = 640
    height_px: int = 480
    fps_hz: float = 30.0
    show_sec: float = 0.5
    gap_sec: float = 0.3
    lead_sec: float = 1.0
    tail_sec: float = 0.5
    seed: int = 0
    start_ns: int = DEFAULT_START_NS
    noise_levels: float = 1.0
    place_px: float = 4.0
    shake_px: float = 0.3
    flicker: float = 0.01

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field, its value and what was expected.
        """
        for name in ("width_px", "height_px"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int):
                raise InvalidInputError(name, value, "a whole number")
            _require(name, value, MIN_SIDE_PX, _MAX_SIDE_PX)
        _require("fps_hz", self.fps_hz, 0.1, 1000.0)
        _require("show_sec", self.show_sec, 0.01, 3600.0)
        for name in ("gap_sec", "lead_sec", "tail_sec"):
            _require(name, getattr(self, name), 0.0, 3600.0)
        _require("noise_levels", self.noise_levels, 0.0, 64.0)
        _require("place_px", self.place_px, 0.0, 1000.0)
        _require("shake_px", self.shake_px, 0.0, 100.0)
        _require("flicker", self.flicker, 0.0, 0.5)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or self.seed < 0:
            raise InvalidInputError("seed", self.seed, "a whole number from 0")
        if self.start_ns < 0:
            raise InvalidInputError("start_ns", self.start_ns, "a number from 0")

    def frames_in(self, duration_sec: float) -> int:
        """Returns how many frames a duration has."""
        return round(duration_sec * self.fps_hz)


class Slideshow:
    """Makes the frames. The same arguments give the same frames.

    Attributes:
        shown: How many pictures the latest run has begun to show.
        skipped: ``(path, why)`` of each picture that could not be shown.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        spec: SlideshowSpec,
        board: NDArray[np.uint8] | None = None,
    ) -> None:
        """Prepares the show.

        Args:
            pictures: What to show, in order.
            spec: How.
            board: The empty board, BGR, any size; None to estimate it from the pictures.

        Raises:
            SourceError: If no picture can be read.
        """
        self._pictures = tuple(pictures)
        self._spec = spec
        size = (spec.width_px, spec.height_px)
        found = estimate_board(self._pictures, *size) if board is None else board
        self._board = np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_AREA), np.uint8)
        self.shown = 0
        self.skipped: list[tuple[Path, str]] = []

    @property
    def board(self) -> NDArray[np.uint8]:
        """The empty board, ``(height_px, width_px, 3)`` uint8, BGR, without noise."""
        return self._board

    def frames(self) -> Iterator[Frame]:
        """Yields the whole show, from its start.

        An item's first frame carries its truth, if its material is known.

        Raises:
            SourceError: Before the first frame, if no picture can be read.
        """
        spec = self._spec
        self.shown = 0
        self.skipped = []
        camera = _Camera(spec)
        scenes = self._readable()
        scene = next(scenes, None)
        if scene is None:
            raise SourceError(f"no picture can be read: {self._skipped_text()}")
        yield from camera.watch(self._board, spec.frames_in(spec.lead_sec))
        while scene is not None:
            picture, pixels = scene
            self.shown += 1
            truth = Truth(self.shown, picture.material, picture.label) if picture.material else None
            show_frames = max(1, spec.frames_in(spec.show_sec))
            yield from camera.watch(pixels, show_frames, truth, is_item=True)
            scene = next(scenes, None)
            last = scene is None
            yield from camera.watch(
                self._board, spec.frames_in(spec.tail_sec if last else spec.gap_sec)
            )

    def _readable(self) -> Iterator[tuple[Picture, NDArray[np.uint8]]]:
        for picture in self._pictures:
            try:
                pixels = load_picture(picture.path)
            except SourceError as error:
                self.skipped.append((picture.path, str(error)))
                continue
            yield picture, fit_picture(pixels, self._spec.width_px, self._spec.height_px)

    def _skipped_text(self) -> str:
        first = "; ".join(f"{path} {why}" for path, why in self.skipped[:3])
        return f"{first}; ..." if len(self.skipped) > 3 else first or "there is none"


class _Camera:
    """What a real camera adds: noise, shake, flicker and stamps."""

    def __init__(self, spec: SlideshowSpec) -> None:
        self._spec = spec
        self._rng = np.random.default_rng([spec.seed, 3])
        self._count = 0
        # Fresh noise for every frame would take most of its time: cut it out of a larger field.
        self._margin_px = 64
        field_shape = (spec.height_px + self._margin_px, spec.width_px + self._margin_px, 3)
        field = self._rng.standard_normal(field_shape, np.float32) * np.float32(spec.noise_levels)
        self._noise = np.clip(np.rint(field), -127, 127).astype(np.int8)

    def watch(
        self,
        scene: NDArray[np.uint8],
        count: int,
        truth: Truth | None = None,
        *,
        is_item: bool = False,
    ) -> Iterator[Frame]:
        """Yields frames of a still scene; the first carries ``truth``."""
        reach_px = self._spec.place_px if is_item else 0.0
        place = self._rng.uniform(-reach_px, reach_px, 2)
        for index in range(count):
            stamp_ns = self._spec.start_ns + round(self._count * NS_PER_SEC / self._spec.fps_hz)
            self._count += 1
            pixels = self._expose(scene, place)
            yield Frame(stamp_ns, pixels, "bgr8", truth=truth if index == 0 else None)

    def _expose(self, scene: NDArray[np.uint8], place: NDArray[np.float64]) -> NDArray[np.uint8]:
        spec, rng = self._spec, self._rng
        shift = place + rng.uniform(-spec.shake_px, spec.shake_px, 2)
        gain = 1.0 + rng.uniform(-spec.flicker, spec.flicker)
        top, left = rng.integers(0, self._margin_px + 1, 2).tolist()
        moved = cv2.warpAffine(
            scene,
            np.array([[1.0, 0.0, shift[0]], [0.0, 1.0, shift[1]]]),
            (spec.width_px, spec.height_px),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        noise = self._noise[top : top + spec.height_px, left : left + spec.width_px]
        lit = cv2.convertScaleAbs(moved, alpha=gain)
        return np.asarray(cv2.add(lit, noise, dtype=cv2.CV_8U), np.uint8)


def fit_picture(pixels: NDArray[np.uint8], width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Fits a whole picture into a frame; where shapes differ, its border is continued.

    Args:
        pixels: ``(height, width, 3)`` uint8.
        width_px: Width of the frame.
        height_px: Height of the frame.

    Returns:
        ``(height_px, width_px, 3)`` uint8.
    """
    height, width = pixels.shape[:2]
    scale = min(width_px / width, height_px / height)
    inner = (
        min(width_px, max(1, round(width * scale))),
        min(height_px, max(1, round(height * scale))),
    )
    interpolation = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    resized = cv2.resize(pixels, inner, interpolation=interpolation)
    left, top = (width_px - inner[0]) // 2, (height_px - inner[1]) // 2
    right, bottom = width_px - inner[0] - left, height_px - inner[1] - top
    return np.asarray(
        cv2.copyMakeBorder(resized, top, bottom, left, right, cv2.BORDER_REPLICATE), np.uint8
    )


def estimate_board(pictures: Iterable[Picture], width_px: int, height_px: int) -> NDArray[np.uint8]:
    """Makes an empty board out of what surrounds the items: their borders' median colour.

    Args:
        pictures: Items photographed on the board; some are looked at.
        width_px: Width of the board's picture.
        height_px: Height of the board's picture.

    Returns:
        ``(height_px, width_px, 3)`` uint8, BGR, slightly darker towards the corners.

    Raises:
        SourceError: If no picture can be read.
    """
    known = tuple(pictures)
    # Evenly spread, then the rest in case all of those are damaged.
    step = max(1, math.ceil(len(known) / _BOARD_SAMPLE))
    spread = known[::step]
    rest = [picture for index, picture in enumerate(known) if index % step]
    borders: list[NDArray[np.uint8]] = []
    why = "there is none"
    for picture in (*spread, *rest):
        if len(borders) == len(spread):
            break
        try:
            pixels = load_picture(picture.path)
        except SourceError as error:
            why = f"{picture.path} {error}"
            continue
        thumb = cv2.resize(pixels, _THUMB_PX, interpolation=cv2.INTER_AREA)
        is_border = np.ones(thumb.shape[:2], bool)
        is_border[_BORDER_PX:-_BORDER_PX, _BORDER_PX:-_BORDER_PX] = False
        borders.append(np.asarray(thumb[is_border], np.uint8))
    if not borders:
        raise SourceError(f"no picture can be read: {why}")
    colour = np.median(np.concatenate(borders), axis=0)
    across = np.linspace(-1, 1, width_px)[None, :]
    down = np.linspace(-1, 1, height_px)[:, None]
    shade = 1 - _VIGNETTE * (across**2 + down**2) / 2
    return np.asarray(np.rint(shade[:, :, None] * colour), np.uint8)


def _require(name: str, value: float, low: float, high: float) -> None:
    if isinstance(value, bool) or not math.isfinite(value) or not low <= value <= high:
        raise InvalidInputError(name, value, f"a number from {low:g} to {high:g}")
