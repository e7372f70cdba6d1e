# SPDX-License-Identifier: Apache-2.0
"""A video file, in any format that OpenCV's FFmpeg reads."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np

from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.types import NS_PER_SEC, Frame

_FALLBACK_FPS_HZ = 30.0


class VideoSource:
    """Frames of a video file, stamped with ``start_ns`` plus their position in it."""

    def __init__(self, path: Path, start_ns: int) -> None:
        """Opens the file.

        Args:
            path: The file.
            start_ns: Stamp of position 0, nanoseconds.

        Raises:
            SourceError: If it is missing or OpenCV cannot read it.
        """
        self._path = Path(path)
        self._start_ns = start_ns
        self._capture: cv2.VideoCapture | None = None
        self._open()

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self._path)

    @property
    def is_live(self) -> bool:
        """Always false."""
        return False

    @property
    def notices(self) -> tuple[str, ...]:
        """Nothing: OpenCV skips damaged frames silently."""
        return ()

    def read(self) -> Frame | None:
        """Returns the next frame (see ``FrameSource``)."""
        if self._capture is None:
            return None
        try:
            is_good, pixels = self._capture.read()
            position_ms = self._capture.get(cv2.CAP_PROP_POS_MSEC)
        except cv2.error as error:
            self.close()
            raise SourceError(f"{self._path}: {error.err or error}") from error
        if not is_good or pixels is None or pixels.size == 0:
            self.close()
            if self._frames == 0:
                raise SourceError(f"{self._path} holds no readable frame")
            return None
        self._last_ns = self._stamp_ns(position_ms)
        self._frames += 1
        return Frame(self._last_ns, np.ascontiguousarray(pixels, np.uint8), "bgr8")

    def reopen(self) -> None:
        """Starts over (see ``FrameSource``)."""
        self.close()
        self._open()

    def close(self) -> None:
        """Closes the file."""
        if self._capture is not None:
            self._capture.release()
            self._capture = None

    def _open(self) -> None:
        if not self._path.is_file():
            raise SourceError(f"{self._path} is not a file. Fix: give the path of a video file")
        capture = cv2.VideoCapture(str(self._path))
        if not capture.isOpened():
            capture.release()
            raise SourceError(
                f"{self._path} is no video that OpenCV reads. "
                "Fix: convert it, e.g. ffmpeg -i IN -c:v libx264 OUT.mp4"
            )
        fps_hz = capture.get(cv2.CAP_PROP_FPS)
        if not math.isfinite(fps_hz) or fps_hz <= 0:
            fps_hz = _FALLBACK_FPS_HZ
        self._period_ns = max(1, round(NS_PER_SEC / fps_hz))
        self._frames = 0
        self._last_ns = self._start_ns
        self._capture = capture

    def _stamp_ns(self, position_ms: float) -> int:
        if math.isfinite(position_ms) and position_ms >= 0:
            stamp_ns = self._start_ns + round(position_ms * 1e6)
            if self._frames == 0 or stamp_ns > self._last_ns:
                return stamp_ns
        # Some containers carry no times, or wrong ones.
        return self._last_ns + self._period_ns if self._frames else self._start_ns
