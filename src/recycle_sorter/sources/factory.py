# SPDX-License-Identifier: Apache-2.0
"""From settings to an open frame source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.ports import FrameSource
from recycle_sorter.sources.devices import describe_cameras, list_cameras
from recycle_sorter.sources.slideshow import DEFAULT_START_NS

KINDS: Final = ("auto", "usb", "video", "images", "bag")


class NoticingSource(FrameSource, Protocol):
    """A frame source that also tells what it put up with; every one here does."""

    @property
    def notices(self) -> tuple[str, ...]:
        """Oddities so far, for people: skipped pictures, damaged messages, refused settings."""
        ...


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


def open_source(config: SourceConfig, clock_ns: Callable[[], int]) -> NoticingSource:
    """Opens the source that ``config`` names.

    Only the chosen kind's libraries are loaded.

    Args:
        config: What to open.
        clock_ns: The clock that live frames are stamped with, nanoseconds since the epoch.

    Raises:
        InvalidInputError: If a field is out of range or no source fits.
        SourceError: If the device or file cannot be opened.
    """
    if config.kind not in KINDS:
        raise InvalidInputError("source", config.kind, f"one of {', '.join(KINDS)}")
    if not config.uri.strip():
        cameras = describe_cameras(list_cameras())
        raise InvalidInputError(
            "uri",
            config.uri,
            "a camera index or path, a video file, a folder of pictures or a bag",
            f"e.g. uri:=/dev/video0. Cameras here: {cameras}",
        )
    kind = guess_kind(config.uri) if config.kind == "auto" else config.kind
    return _OPENERS[kind](replace(config, kind=kind), clock_ns)


def guess_kind(uri: str) -> str:
    """Tells which kind of source a uri means.

    Raises:
        InvalidInputError: If nothing is there.
    """
    from recycle_sorter.sources.bag import is_bag
    from recycle_sorter.sources.pictures import SUFFIXES

    if uri.isdecimal() or uri.startswith("/dev/"):
        return "usb"
    path = Path(uri).expanduser()
    if not path.exists():
        raise InvalidInputError(
            "uri",
            uri,
            "an existing file or folder, a camera index, or a path under /dev",
            "check the path; it is taken from the working directory",
        )
    if is_bag(path):
        return "bag"
    is_picture = path.suffix.lower() in SUFFIXES
    return "images" if path.is_dir() or is_picture else "video"


def _open_usb(config: SourceConfig, clock_ns: Callable[[], int]) -> NoticingSource:
    from recycle_sorter.sources.usb import UsbSource

    return UsbSource(
        int(config.uri) if config.uri.isdecimal() else config.uri,
        clock_ns,
        width_px=config.width_px,
        height_px=config.height_px,
        fps_hz=config.fps_hz,
        mjpeg=config.mjpeg,
    )


def _open_video(config: SourceConfig, _: Callable[[], int]) -> NoticingSource:
    from recycle_sorter.sources.video import VideoSource

    return VideoSource(Path(config.uri).expanduser(), config.start_ns)


def _open_images(config: SourceConfig, _: Callable[[], int]) -> NoticingSource:
    from recycle_sorter.sources.images import ImagesSource
    from recycle_sorter.sources.slideshow import SlideshowSpec

    spec = SlideshowSpec(
        width_px=config.width_px,
        height_px=config.height_px,
        fps_hz=config.fps_hz,
        show_sec=config.show_sec,
        gap_sec=config.gap_sec,
        seed=config.seed,
        start_ns=config.start_ns,
    )
    folder = Path(config.uri).expanduser()
    return ImagesSource(folder, spec, order=config.order, board=config.board)


def _open_bag(config: SourceConfig, _: Callable[[], int]) -> NoticingSource:
    from recycle_sorter.sources.bag import BagSource

    return BagSource(Path(config.uri).expanduser(), config.topic)


_OPENERS: Final[dict[str, Callable[[SourceConfig, Callable[[], int]], NoticingSource]]] = {
    "usb": _open_usb,
    "video": _open_video,
    "images": _open_images,
    "bag": _open_bag,
}
