# SPDX-License-Identifier: Apache-2.0
"""A rosbag2 recording (MCAP or SQLite), read without ROS."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from recycle_sorter.core.errors import SorterError, SourceError
from recycle_sorter.core.types import NS_PER_SEC, Frame, Truth
from recycle_sorter.sources.bag_types import COMPRESSED_IMAGE, GROUND_TRUTH, IMAGE, typestore
from recycle_sorter.sources.pictures import decode_picture, is_jpeg
from recycle_sorter.sources.stamp_repair import Moment, StampRepair, first_moments, with_next
from recycle_sorter.vision.image_checks import check_image, to_frame

STORAGE_SUFFIXES: Final = (".mcap", ".db3")
_KEPT_REASONS = 5
# Pixels as they were sent: turning them by EXIF would part them from their camera_info.
_DECODE_FLAGS = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


class BagSource:
    """Frames of one image topic, with the ground truth that was recorded beside them.

    Stamps are the messages' own; a zero stamp falls back to the time of recording, and one that
    does not grow or leaps away follows the frame before by the interval at which they were
    recorded. Raw pixels are read-only views of the message.

    Attributes:
        topic: The topic that is read.
        frame_count: How many pictures the bag says it has.
        skipped: How many messages were damaged.
        restamped: How many stamps did not grow, or leapt (``stamp_repair.py``).
    """

    def __init__(self, path: Path, topic: str = "") -> None:
        """Opens the bag.

        Args:
            path: Folder with ``metadata.yaml``, or an ``.mcap`` or ``.db3`` file.
            topic: Image topic, with or without leading slash; its ``/compressed`` is taken if
                only that is there. Empty: the first by name, raw before compressed.

        Raises:
            SourceError: If the bag cannot be read, or has no such topic (lists those there are).
        """
        self._path = Path(path)
        self._asked_topic = topic
        self._reader: Reader | None = None
        self._truths: dict[int, Truth] = {}
        self._open()

    @property
    def name(self) -> str:
        """The bag's path."""
        return str(self._path)

    @property
    def is_live(self) -> bool:
        """Always false."""
        return False

    @property
    def notices(self) -> tuple[str, ...]:
        """Damaged messages and faulty stamps."""
        found = list(self._reasons)
        if self.skipped > len(found):
            found.append(f"{self.skipped} damaged messages skipped in all")
        if self.restamped:
            found.append(f"{self.restamped} stamps that did not grow, or leapt, were replaced")
        return tuple(found)

    def read(self) -> Frame | None:
        """Returns the next frame (see ``FrameSource``)."""
        while self._reader is not None:
            with self._reading():
                entry = next(self._messages, None)
            if entry is None:
                self.close()
                if self._delivered == 0:
                    why = self._reasons[0] if self._reasons else "it has no message"
                    raise SourceError(f"{self._path}: no picture on {self.topic}: {why}")
                return None
            (connection, record_ns, data), following = entry
            self._index += 1
            try:
                message = typestore().deserialize_cdr(data, connection.msgtype)
                return self._frame(message, connection.msgtype, record_ns, following)
            # rosbags' generated parsers raise what numpy, struct and codecs do.
            except Exception as error:  # noqa: BLE001
                self._skip(f"{self.topic} message {self._index}: {reason_of(error)}")
        return None

    def reopen(self) -> None:
        """Starts over (see ``FrameSource``)."""
        self.close()
        self._open()

    def close(self) -> None:
        """Closes the bag."""
        if self._reader is not None:
            reader, self._reader = self._reader, None
            self._messages.close()
            reader.close()

    def _open(self) -> None:
        self.skipped = self.restamped = self._delivered = self._index = 0
        self._reasons: list[str] = []
        storage = storage_of(self._path)
        with self._reading():
            reader = Reader(storage)
            reader.open()
        try:
            images = _pick_topic(reader, self._asked_topic, self._path)
            self.topic = images[0].topic
            self.frame_count = sum(connection.msgcount for connection in images)
            with self._reading():
                self._truths = self._read_truths(reader)
                self._stamps = StampRepair(first_moments(_messages(reader, images)))
                self._messages = with_next(_messages(reader, images))
        except SourceError:
            reader.close()
            raise
        self._reader = reader

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        # A bag is untrusted: rosbags, its decompressors and SQLite each raise their own.
        except Exception as error:
            self.close()
            raise SourceError(
                f"bag {self._path} cannot be read: {reason_of(error)}. "
                "Fix: `ros2 bag reindex`, or record it again"
            ) from error

    def _frame(self, message: Any, msgtype: str, record_ns: int, following: Moment | None) -> Frame:
        jpeg = None
        if msgtype == COMPRESSED_IMAGE:
            data = memoryview(message.data)
            pixels, encoding = decode_picture(data, _DECODE_FLAGS), "bgr8"
            jpeg = bytes(data) if is_jpeg(data) else None
        else:
            layout = check_image(
                message.width,
                message.height,
                message.encoding,
                message.step,
                message.is_bigendian,
                message.data.size,
            )
            picture = to_frame(message.data, layout, record_ns)
            pixels, encoding = np.ascontiguousarray(picture.pixels), picture.encoding
        header_ns = stamp_ns_of(message.header)
        told_ns = header_ns or record_ns
        stamp_ns = self._stamps.take((told_ns, record_ns), following, growing=True)
        self.restamped += stamp_ns != told_ns
        self._delivered += 1
        return Frame(stamp_ns, pixels, encoding, jpeg, self._truths.get(header_ns))

    def _read_truths(self, reader: Reader) -> dict[int, Truth]:
        connections = [c for c in reader.connections if c.msgtype == GROUND_TRUTH]
        if not connections:
            return {}
        topic = nearest_topic((c.topic for c in connections), self.topic)
        truths: dict[int, Truth] = {}
        for connection, _, data in _messages(reader, [c for c in connections if c.topic == topic]):
            try:
                message: Any = typestore().deserialize_cdr(data, connection.msgtype)
                truth = Truth(message.item_id, message.material, message.source)
                truths.setdefault(stamp_ns_of(message.header), truth)
            except Exception as error:  # noqa: BLE001, PERF203  (as in `read`)
                self._skip(f"{topic}: {reason_of(error)}")
        return truths

    def _skip(self, why: str) -> None:
        self.skipped += 1
        if len(self._reasons) < _KEPT_REASONS:
            self._reasons.append(f"skipped {why}")


def is_bag(path: Path) -> bool:
    """Whether a path looks like a rosbag2 recording."""
    if path.is_dir():
        return (path / "metadata.yaml").is_file() or any(
            inner.suffix in STORAGE_SUFFIXES for inner in path.iterdir()
        )
    return path.suffix in STORAGE_SUFFIXES


def storage_of(path: Path) -> Path:
    """Returns what rosbags shall open: the folder, or the one file of an interrupted recording."""
    if path.is_file() and path.name == "metadata.yaml":
        return path.parent
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        files = sorted(inner for inner in path.iterdir() if inner.suffix in STORAGE_SUFFIXES)
        if len(files) != 1:
            raise SourceError(
                f"{path} has no metadata.yaml and {len(files)} .mcap or .db3 files. "
                "Fix: give a rosbag2 folder, or run `ros2 bag reindex` on this one"
            )
        return files[0]
    if not path.exists():
        raise SourceError(f"there is no bag at {path}")
    return path


def _pick_topic(reader: Reader, asked: str, path: Path) -> list[Connection]:
    candidates: dict[str, list[Connection]] = {}
    for connection in reader.connections:
        if connection.msgtype in (IMAGE, COMPRESSED_IMAGE) and connection.msgcount:
            candidates.setdefault(connection.topic, []).append(connection)
    listed = ", ".join(sorted(candidates)) or "none"
    if asked:
        wanted = "/" + asked.strip("/")
        for name in (wanted, f"{wanted}/compressed"):
            for topic, connections in candidates.items():
                if "/" + topic.strip("/") == name:
                    return _one_type(connections)
        raise SourceError(f"bag {path} has no pictures on {asked!r}; image topics there: {listed}")
    # Depth as PNG behind a header of its own is no picture for a sorter.
    usable = [topic for topic in candidates if not topic.endswith("/compressedDepth")]
    if not usable:
        raise SourceError(f"bag {path} has no pictures; image topics there: {listed}")
    first = min(usable, key=lambda topic: (candidates[topic][0].msgtype != IMAGE, topic))
    return _one_type(candidates[first])


def _one_type(connections: list[Connection]) -> list[Connection]:
    return [c for c in connections if c.msgtype == connections[0].msgtype]


def _messages(
    reader: Reader, connections: list[Connection]
) -> Any:  # a generator, which rosbags types as such only in its storages
    return reader.messages(connections)


def nearest_topic(names: Iterable[str], topic: str) -> str:
    """The name that shares most of its beginning with a topic: a bag may hold several lanes."""
    ordered = sorted(set(names))
    return max(ordered, key=lambda name: (_common_parts(name, topic), -ordered.index(name)))


def _common_parts(first: str, second: str) -> int:
    count = 0
    for one, other in zip(first.strip("/").split("/"), second.strip("/").split("/"), strict=False):
        if one != other:
            break
        count += 1
    return count


def stamp_ns_of(header: Any) -> int:
    """A header's stamp, nanoseconds."""
    return int(header.stamp.sec) * NS_PER_SEC + int(header.stamp.nanosec)


def reason_of(error: Exception) -> str:
    """What an error says; with its type where it is not one of ours."""
    return str(error) if isinstance(error, SorterError) else f"{type(error).__name__}: {error}"
