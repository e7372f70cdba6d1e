# SPDX-License-Identifier: Apache-2.0
"""Writes frames as a rosbag2 bag that ``ros2 bag`` plays and ``BagSource`` reads."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import cv2
import numpy as np
from rosbags.interfaces import (
    Connection,
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import StoragePlugin, Writer

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.sources.bag_types import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    GROUND_TRUTH,
    IMAGE,
    typestore,
)

RAW_TOPIC: Final = "/camera/image_raw"
COMPRESSED_TOPIC: Final = "/camera/image_raw/compressed"
CAMERA_INFO_TOPIC: Final = "/camera/camera_info"
GROUND_TRUTH_TOPIC: Final = "/camera/ground_truth"

# What `ros2 bag` writes for a reliable topic: times of 2^63 - 1 ns mean "no limit".
_NO_LIMIT = QosTime(9223372036, 854775807)
_RELIABLE = Qos(
    history=QosHistory.KEEP_LAST,
    depth=10,
    reliability=QosReliability.RELIABLE,
    durability=QosDurability.VOLATILE,
    deadline=_NO_LIMIT,
    lifespan=_NO_LIMIT,
    liveliness=QosLiveliness.AUTOMATIC,
    liveliness_lease_duration=_NO_LIMIT,
    avoid_ros_namespace_conventions=False,
)
_STORAGES: Final = {"mcap": StoragePlugin.MCAP, "sqlite3": StoragePlugin.SQLITE3}
_BAG_SUFFIXES = (".mcap", ".db3", ".yaml")


class BagWriter:
    """Writes a bag; a context manager.

    The bag appears under its name only when complete: until then, and after an error, there is
    none. The same frames give the same bytes.

    Attributes:
        frames: How many frames were written.
    """

    def __init__(
        self,
        out: Path,
        *,
        raw: bool = False,
        quality: int = 90,
        frame_id: str = "camera_optical_frame",
        storage: str = "mcap",
        overwrite: bool = False,
    ) -> None:
        """Prepares the bag.

        Args:
            out: Folder to make.
            raw: Write ``camera/image_raw`` instead of its JPEGs.
            quality: Of the JPEGs, 1 to 100; a frame that brings its own keeps that.
            frame_id: Of the headers.
            storage: ``mcap`` or ``sqlite3``.
            overwrite: Replace a bag that is there.

        Raises:
            InvalidInputError: If a value is out of range, or ``out`` exists and may not or
                must not be replaced.
        """
        if isinstance(quality, bool) or not 1 <= quality <= 100:
            raise InvalidInputError("quality", quality, "a whole number from 1 to 100")
        if storage not in _STORAGES:
            raise InvalidInputError("storage", storage, f"one of {', '.join(_STORAGES)}")
        self._out = Path(out)
        check_target(self._out, overwrite)
        self._is_raw = raw
        self._quality = quality
        self._frame_id = frame_id
        self._storage = _STORAGES[storage]
        self._scratch: Path | None = None
        self.frames = 0

    def __enter__(self) -> BagWriter:
        try:
            self._out.parent.mkdir(parents=True, exist_ok=True)
            # Beside the target, so that the last step is a rename; rosbags names the file by
            # its folder, so the folder has its final name already.
            self._scratch = Path(
                tempfile.mkdtemp(prefix=f".{self._out.name}.", dir=self._out.parent)
            )
            self._writer = Writer(
                self._scratch / self._out.name,
                version=Writer.VERSION_LATEST,
                storage_plugin=self._storage,
            )
            self._writer.open()
        except OSError as error:
            self._discard()
            raise SourceError(f"bag {self._out} cannot be written: {error}") from error
        topic, msgtype = (
            (RAW_TOPIC, IMAGE) if self._is_raw else (COMPRESSED_TOPIC, COMPRESSED_IMAGE)
        )
        self._images = self._connect(topic, msgtype)
        self._infos = self._connect(CAMERA_INFO_TOPIC, CAMERA_INFO)
        self._truths = self._connect(GROUND_TRUTH_TOPIC, GROUND_TRUTH)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._writer.abort()
            self._discard()
            return
        try:
            self._writer.close()
            if self._out.exists():
                shutil.rmtree(self._out)
            self._writer.path.rename(self._out)
        except OSError as failure:
            raise SourceError(f"bag {self._out} cannot be written: {failure}") from failure
        finally:
            self._discard()

    def write(self, frame: Frame) -> None:
        """Writes a picture, its camera_info, and its truth if it has one.

        Raises:
            SourceError: If the disk refuses.
        """
        types = typestore().types
        sec, nanosec = divmod(frame.stamp_ns, NS_PER_SEC)
        stamp = types["builtin_interfaces/msg/Time"](sec=sec, nanosec=nanosec)
        header = types["std_msgs/msg/Header"](stamp=stamp, frame_id=self._frame_id)
        height, width = frame.pixels.shape[:2]
        if frame.truth is not None:
            truth = types[GROUND_TRUTH](
                header=header,
                item_id=frame.truth.item_id,
                material=frame.truth.material,
                source=frame.truth.source,
            )
            # Before the picture, as a reader in order wants to know it by then.
            self._put(self._truths, frame.stamp_ns, truth)
        self._put(self._images, frame.stamp_ns, self._image(header, frame))
        self._put(self._infos, frame.stamp_ns, _uncalibrated(header, width, height))
        self.frames += 1

    def _image(self, header: Any, frame: Frame) -> Any:
        types = typestore().types
        pixels = np.ascontiguousarray(frame.pixels)
        if self._is_raw:
            return types[IMAGE](
                header=header,
                height=pixels.shape[0],
                width=pixels.shape[1],
                encoding=frame.encoding,
                is_bigendian=0,
                step=pixels.strides[0],
                data=pixels.reshape(-1),
            )
        if frame.jpeg is not None:
            data = np.frombuffer(frame.jpeg, np.uint8)
        else:
            if frame.encoding == "rgb8":
                pixels = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), np.uint8)
            _, encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
            data = np.asarray(encoded, np.uint8).reshape(-1)
        # The words of image_transport's compressed plugin.
        layout = "mono8" if frame.encoding == "mono8" else "bgr8"
        return types[COMPRESSED_IMAGE](
            header=header, format=f"{layout}; jpeg compressed {layout}", data=data
        )

    def _connect(self, topic: str, msgtype: str) -> Connection:
        return self._writer.add_connection(
            topic, msgtype, typestore=typestore(), offered_qos_profiles=[_RELIABLE]
        )

    def _put(self, connection: Connection, stamp_ns: int, message: object) -> None:
        try:
            data = typestore().serialize_cdr(message, connection.msgtype)
            self._writer.write(connection, stamp_ns, data)
        except OSError as error:
            raise SourceError(f"bag {self._out} cannot be written: {error}") from error

    def _discard(self) -> None:
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch = None


def check_target(out: Path, overwrite: bool) -> None:
    """Checks that a bag may be written to a folder.

    Raises:
        InvalidInputError: If something is there that is no bag, or a bag and not ``overwrite``.
    """
    if not out.exists():
        return
    if not out.is_dir() or any(
        inner.is_dir() or inner.suffix not in _BAG_SUFFIXES for inner in out.iterdir()
    ):
        raise InvalidInputError("out", str(out), "a new folder or a bag", "choose another name")
    if not overwrite and any(out.iterdir()):
        raise InvalidInputError(
            "out", str(out), "a folder that is not there yet", "overwrite it or choose another name"
        )


def _uncalibrated(header: Any, width: int, height: int) -> Any:
    """Size only: zeros say "uncalibrated" in sensor_msgs/CameraInfo."""
    types = typestore().types
    return types[CAMERA_INFO](
        header=header,
        height=height,
        width=width,
        distortion_model="",
        d=np.zeros(0),
        k=np.zeros(9),
        r=np.zeros(9),
        p=np.zeros(12),
        binning_x=0,
        binning_y=0,
        roi=types["sensor_msgs/msg/RegionOfInterest"](
            x_offset=0, y_offset=0, height=0, width=0, do_rectify=False
        ),
    )
