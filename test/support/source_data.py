# SPDX-License-Identifier: Apache-2.0
"""Synthetic pictures, bags and a camera for the tests of sources."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import StoragePlugin, Writer

from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.sources.bag_types import COMPRESSED_IMAGE, GROUND_TRUTH, IMAGE, typestore

BOARD_BGR = (190, 200, 210)
STORAGES = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}


def item_picture(
    width_px: int = 64, height_px: int = 48, colour_bgr: Sequence[int] = (40, 60, 200)
) -> NDArray[np.uint8]:
    """A coloured box on a light board."""
    pixels = np.full((height_px, width_px, 3), BOARD_BGR, np.uint8)
    pixels[height_px // 4 : -height_px // 4, width_px // 4 : -width_px // 4] = colour_bgr
    return pixels


def write_folder(root: Path, counts: dict[str, int]) -> Path:
    """Writes so many pictures a material; material ``""`` means the folder itself."""
    for number, (material, count) in enumerate(counts.items()):
        folder = root / material if material else root
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(count):
            colour = (30 * number, 255 - 40 * index % 256, 60)
            cv2.imwrite(
                str(folder / f"{material or 'item'}{index}.jpg"), item_picture(64, 48, colour)
            )
    return root


def write_video(path: Path, count: int, fps_hz: float = 25.0) -> Path:
    """Writes a small motion JPEG video whose brightness counts the frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), fps_hz, (64, 48))
    assert writer.isOpened()
    for index in range(count):
        writer.write(np.full((48, 64, 3), 10 * index, np.uint8))
    writer.release()
    return path


def header(stamp_ns: int) -> Any:
    """A std_msgs/Header of rosbags."""
    types = typestore().types
    sec, nanosec = divmod(stamp_ns, NS_PER_SEC)
    stamp = types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id="camera")


def image_message(stamp_ns: int, pixels: NDArray[np.uint8], **changes: Any) -> Any:
    """A sensor_msgs/Image of rosbags, bgr8; ``changes`` replace or spoil its fields."""
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    fields: dict[str, Any] = {
        "header": header(stamp_ns),
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "encoding": "bgr8",
        "is_bigendian": 0,
        "step": pixels.shape[1] * channels,
        "data": pixels.reshape(-1),
    }
    return typestore().types[IMAGE](**(fields | changes))


def jpeg_bytes(pixels: NDArray[np.uint8], suffix: str = ".jpg") -> bytes:
    """The picture, compressed."""
    return bytes(cv2.imencode(suffix, pixels)[1])


def compressed_message(
    stamp_ns: int, data: bytes, layout: str = "bgr8; jpeg compressed bgr8"
) -> Any:
    """A sensor_msgs/CompressedImage of rosbags."""
    return typestore().types[COMPRESSED_IMAGE](
        header=header(stamp_ns), format=layout, data=np.frombuffer(data, np.uint8)
    )


def truth_message(stamp_ns: int, item_id: int, material: str) -> Any:
    """A GroundTruth of rosbags."""
    return typestore().types[GROUND_TRUTH](
        header=header(stamp_ns), item_id=item_id, material=material, source=""
    )


def write_bag(
    path: Path, entries: Iterable[tuple[str, str, int, Any]], storage: str = "mcap"
) -> Path:
    """Writes a bag of ``(topic, type, record_ns, message or CDR bytes)``."""
    connections: dict[tuple[str, str], Any] = {}
    with Writer(path, version=9, storage_plugin=STORAGES[storage]) as writer:
        for topic, msgtype, record_ns, message in entries:
            if (topic, msgtype) not in connections:
                connections[topic, msgtype] = writer.add_connection(
                    topic, msgtype, typestore=typestore()
                )
            is_bytes = isinstance(message, bytes)
            data = message if is_bytes else typestore().serialize_cdr(message, msgtype)
            writer.write(connections[topic, msgtype], record_ns, data)
    return path


class FakeCapture:
    """A scripted ``cv2.VideoCapture``: gives so many frames, then the camera is gone."""

    def __init__(self, count: int = 5, *, is_open: bool = True) -> None:
        self.frames: list[Any] = [item_picture(colour_bgr=(0, 0, 20 * i)) for i in range(count)]
        self.properties: dict[int, float] = {}
        self.set_order: list[int] = []
        self.refused: dict[int, float] = {}
        self.grabbed = -1
        self.released = 0
        self.error: cv2.error | None = None
        self._is_open = is_open

    def isOpened(self) -> bool:
        return self._is_open

    def grab(self) -> bool:
        if self.error is not None:
            raise self.error
        self.grabbed += 1
        return self.grabbed < len(self.frames)

    def retrieve(self) -> tuple[bool, Any]:
        frame = self.frames[self.grabbed]
        return frame is not None, frame

    def get(self, prop: int, /) -> float:
        return self.refused.get(prop, self.properties.get(prop, 0.0))

    def set(self, prop: int, value: float, /) -> bool:
        self.set_order.append(prop)
        self.properties[prop] = value
        return True

    def release(self) -> None:
        self.released += 1
