# SPDX-License-Identifier: Apache-2.0
"""A USB camera by V4L2."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.sources.devices import describe_cameras, list_cameras

# A frame that waited longer in the driver's queue is not believed: then its time base is not
# CLOCK_MONOTONIC.
_MAX_AGE_NS = 2 * NS_PER_SEC
# So many undecodable frames in a row count as a lost camera.
_MAX_BAD_FRAMES = 30


class Capture(Protocol):
    """What is used of ``cv2.VideoCapture``; tests hand in a fake."""

    def isOpened(self) -> bool:
        """Whether it was opened."""
        ...

    def grab(self) -> bool:
        """Waits for a frame."""
        ...

    def retrieve(self) -> tuple[bool, Any]:
        """Decodes the frame grabbed last."""
        ...

    def get(self, prop: int, /) -> float:
        """Returns a property, 0 if unknown."""
        ...

    def set(self, prop: int, value: float, /) -> bool:
        """Sets a property, if the camera lets it."""
        ...

    def release(self) -> None:
        """Frees the device."""
        ...


def open_v4l2(device: int | str) -> Capture:
    """Opens a camera by OpenCV's V4L2 backend.

    Args:
        device: Index, or path such as ``/dev/v4l/by-id/...``.

    Raises:
        SourceError: If there is no such device node or no permission for it.
    """
    path = Path(f"/dev/video{device}") if isinstance(device, int) else Path(device)
    if not path.exists():
        raise SourceError(f"no camera at {path}")
    if not os.access(path, os.R_OK | os.W_OK):
        raise SourceError(
            f"no permission for {path}. Fix: sudo usermod -aG video $USER, then log in again"
        )
    return cv2.VideoCapture(device, cv2.CAP_V4L2)


class UsbSource:
    """Frames of a USB camera, stamped with the time of capture.

    The V4L2 driver stamps a frame in ``CLOCK_MONOTONIC`` when its last byte arrives, which OpenCV
    gives as ``CAP_PROP_POS_MSEC``. The frame's age on that clock is taken off ``clock_ns``. Where
    the driver gives no such time, the frame is stamped when it was grabbed.
    """

    def __init__(
        self,
        device: int | str,
        clock_ns: Callable[[], int],
        *,
        width_px: int = 640,
        height_px: int = 480,
        fps_hz: float = 30.0,
        mjpeg: bool = True,
        open_capture: Callable[[int | str], Capture] = open_v4l2,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """Opens the camera.

        Args:
            device: Index or path.
            clock_ns: Clock of the stamps, nanoseconds since the epoch.
            width_px: Width asked for; the camera may give another (see ``notices``).
            height_px: Height asked for, likewise.
            fps_hz: Frame rate asked for, likewise.
            mjpeg: Ask for motion JPEG instead of the camera's own choice.
            open_capture: Opens the device; for tests.
            monotonic_ns: ``CLOCK_MONOTONIC``; for tests.

        Raises:
            SourceError: If the camera cannot be opened; lists those there are.
        """
        self._device = device
        self._clock_ns = clock_ns
        self._monotonic_ns = monotonic_ns
        self._width_px, self._height_px, self._fps_hz = width_px, height_px, fps_hz
        self._mjpeg = mjpeg
        self._open_capture = open_capture
        self._capture: Capture | None = None
        self._is_closed = False
        self._last_ns = 0
        self._bad_frames = 0
        self._mismatches: tuple[str, ...] = ()
        self._open()

    @property
    def name(self) -> str:
        """Device path."""
        return f"/dev/video{self._device}" if isinstance(self._device, int) else self._device

    @property
    def is_live(self) -> bool:
        """Always true."""
        return True

    @property
    def notices(self) -> tuple[str, ...]:
        """What differs from what was asked for, and undecodable frames."""
        if not self._bad_frames:
            return self._mismatches
        return (*self._mismatches, f"{self._bad_frames} undecodable frames skipped")

    def read(self) -> Frame | None:
        """Waits for the camera's next frame (see ``FrameSource``)."""
        if self._is_closed:
            return None
        capture = self._capture
        if capture is None:
            raise SourceError(f"camera {self.name} is not open. Fix: reopen it")
        for _ in range(_MAX_BAD_FRAMES):
            try:
                if not capture.grab():
                    raise self._loss("gave no frame (unplugged, or its USB bus is too busy)")
                stamp_ns = self._stamp_ns(capture)
                is_good, pixels = capture.retrieve()
            except cv2.error as error:
                raise self._loss(f"failed: {error.err or error}") from error
            if is_good and _is_picture(pixels):
                encoding = "mono8" if pixels.ndim == 2 else "bgr8"
                return Frame(stamp_ns, np.ascontiguousarray(pixels), encoding)
            self._bad_frames += 1
        raise self._loss(f"gave {_MAX_BAD_FRAMES} undecodable frames in a row")

    def reopen(self) -> None:
        """Opens the camera again (see ``FrameSource``)."""
        self._release()
        self._is_closed = False
        self._open()

    def close(self) -> None:
        """Frees the camera."""
        self._release()
        self._is_closed = True

    def _open(self) -> None:
        try:
            capture = self._open_capture(self._device)
            is_open = capture.isOpened()
        except (SourceError, cv2.error) as error:
            raise SourceError(f"{error}; {describe_cameras(list_cameras())}") from error
        if not is_open:
            capture.release()
            raise SourceError(
                f"camera {self.name} cannot be opened: another program may use it, or it is not "
                f"a capture device; {describe_cameras(list_cameras())}"
            )
        # The pixel format first: it decides which sizes and rates the camera offers.
        if self._mjpeg:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, self._width_px)
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self._height_px)
        capture.set(cv2.CAP_PROP_FPS, self._fps_hz)
        # A long queue would hand out old pictures whenever the reader was held up; with one buffer
        # the driver has nowhere to write while a picture is decoded, which halves the rate.
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 2)
        self._mismatches = tuple(
            f"{what}: asked for {asked:g}, the camera gives {given:g}"
            for what, asked, given in (
                ("width_px", self._width_px, capture.get(cv2.CAP_PROP_FRAME_WIDTH)),
                ("height_px", self._height_px, capture.get(cv2.CAP_PROP_FRAME_HEIGHT)),
                ("fps_hz", self._fps_hz, capture.get(cv2.CAP_PROP_FPS)),
            )
            if given > 0 and abs(given - asked) > 0.01 * asked
        )
        self._capture = capture

    def _stamp_ns(self, capture: Capture) -> int:
        driver_ms = capture.get(cv2.CAP_PROP_POS_MSEC)
        monotonic_ns, stamp_ns = self._monotonic_ns(), self._clock_ns()
        if np.isfinite(driver_ms) and driver_ms > 0:
            age_ns = monotonic_ns - round(driver_ms * 1e6)
            if 0 <= age_ns <= _MAX_AGE_NS:
                stamp_ns -= age_ns
        # The clock may be set back; stamps grow all the same.
        self._last_ns = max(stamp_ns, self._last_ns + 1)
        return self._last_ns

    def _loss(self, why: str) -> SourceError:
        self._release()
        return SourceError(f"camera {self.name} was lost: it {why}")

    def _release(self) -> None:
        if self._capture is not None:
            self._capture.release()
            self._capture = None


def _is_picture(pixels: object) -> bool:
    return (
        isinstance(pixels, np.ndarray)
        and pixels.dtype == np.uint8
        and pixels.size > 0
        and (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3))
    )
