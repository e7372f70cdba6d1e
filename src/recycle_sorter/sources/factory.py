# SPDX-License-Identifier: Apache-2.0
"""From settings to an open frame source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from recycle_sorter.core.ports import FrameSource

KINDS = ("auto", "usb", "video", "images", "bag")
# Stamp of the first frame of a recording that has no time of its own: 2026-01-01T00:00:00Z.
DEFAULT_START_NS = 1_767_225_600 * 1_000_000_000


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """Which source to open and how; each source reads the fields that concern it.

    Attributes:
        kind: ``usb``, ``video``, ``images``, ``bag``, or ``auto`` to tell from ``uri``.
        uri: Camera index or device path, video file, folder of pictures, or rosbag2 folder/file.
        width_px: Width of the frames (usb: asked of the camera; images: rendered).
        height_px: Height of the frames, likewise.
        fps_hz: Frames a second, likewise.
        mjpeg: usb: ask for motion JPEG, which most cameras need for their full frame rate.
        topic: bag: image topic; empty picks one.
        show_sec: images: how long each picture is shown.
        gap_sec: images: how long the board lies empty between two pictures.
        order: images: ``shuffle`` (seeded), ``round_robin`` over the materials, or ``given``.
        seed: images: of order, jitter and noise.
        board: images: picture of the empty board, or ``auto`` to estimate it.
        start_ns: video, images: stamp of the first frame.
    """

    kind: str = "auto"
    uri: str = ""
    width_px: int = 640
    height_px: int = 480
    fps_hz: float = 30.0
    mjpeg: bool = True
    topic: str = ""
    show_sec: float = 0.5
    gap_sec: float = 0.3
    order: str = "shuffle"
    seed: int = 0
    board: str = "auto"
    start_ns: int = DEFAULT_START_NS


def open_source(config: SourceConfig, clock_ns: Callable[[], int]) -> FrameSource:
    """Opens the source that ``config`` names.

    Args:
        config: What to open.
        clock_ns: The clock that live frames are stamped with, nanoseconds since the epoch.

    Raises:
        InvalidInputError: If a field is out of range or no source fits.
        SourceError: If the device or file cannot be opened.
    """
    raise NotImplementedError
