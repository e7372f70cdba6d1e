# SPDX-License-Identifier: Apache-2.0
"""What a rosbag2 recording of a belt holds beside its pictures: motion and truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

from recycle_sorter.core.belt.judged import EnteringItem
from recycle_sorter.core.errors import SourceError
from recycle_sorter.sources.bag import (
    nearest_topic,
    reason_of,
    stamp_ns_of,
    storage_of,
)
from recycle_sorter.sources.bag_types import typestore
from recycle_sorter.sources.belt_bag_types import (
    BELT_ENCODER,
    BELT_LANDING,
    BELT_SPEED,
    BELT_TRUTH,
)
from recycle_sorter.sources.belt_fields import entering_item, finite
from recycle_sorter.sources.stamp_repair import StampRepair, first_moments, with_next

_KEPT_REASONS = 5
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class EncoderSample:
    """``BeltEncoder.msg``."""

    stamp_ns: int
    ticks: int


@dataclass(frozen=True, slots=True)
class SpeedSample:
    """A belt's speed, ``twist.linear.x`` of its message."""

    stamp_ns: int
    speed_m_per_sec: float


@dataclass(frozen=True, slots=True)
class RecordedLanding:
    """``BeltLanding.msg``."""

    stamp_ns: int
    item_id: int
    bin: str


@dataclass(slots=True)
class BeltRecording:
    """The messages in order of their stamps.

    Attributes:
        encoder: Counts of the encoder.
        speeds: Speeds of the belt.
        truths: True items.
        landings: Where items fell in the run that was recorded.
        notices: Damaged messages and wild stamps, for people.
    """

    encoder: list[EncoderSample] = field(default_factory=list)
    speeds: list[SpeedSample] = field(default_factory=list)
    truths: list[EnteringItem] = field(default_factory=list)
    landings: list[RecordedLanding] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)


def read_belt(path: Path, image_topic: str, speed_topic: str = "belt/speed") -> BeltRecording:
    """Reads them.

    Of several topics of one type, the one beside the pictures is taken.

    Args:
        path: As for ``BagSource``.
        image_topic: The pictures' topic.
        speed_topic: End of the name of the topic that tells the belt's speed.

    Raises:
        SourceError: If the bag cannot be read.
    """
    found = BeltRecording()
    try:
        with Reader(storage_of(path)) as reader:
            found.truths = _all(reader, BELT_TRUTH, image_topic, _truth, found)
            found.landings = _all(reader, BELT_LANDING, image_topic, _landing, found)
            encoder = _all(reader, BELT_ENCODER, image_topic, _encoder, found, is_dense=True)
            speeds = _all(
                reader, BELT_SPEED, image_topic, _speed, found, speed_topic, is_dense=True
            )
            found.encoder, found.speeds = encoder, speeds
    except SourceError:
        raise
    # A bag is untrusted: rosbags, its decompressors and SQLite each raise their own.
    except Exception as error:
        raise SourceError(
            f"bag {path} cannot be read: {reason_of(error)}. "
            "Fix: `ros2 bag reindex`, or record it again"
        ) from error
    return found


def _all(
    reader: Reader,
    msgtype: str,
    image_topic: str,
    parse: Callable[[Any, int], _T],
    found: BeltRecording,
    ending: str = "",
    *,
    is_dense: bool = False,
) -> list[_T]:
    """All messages of a type; of dense streams, where stamps follow each other, those repaired."""
    connections: list[Connection] = [
        c for c in reader.connections if c.msgtype == msgtype and c.topic.endswith(ending)
    ]
    if not connections:
        return []
    topic = nearest_topic((c.topic for c in connections), image_topic)
    chosen = [c for c in connections if c.topic == topic]
    stamps = StampRepair(first_moments(reader.messages(chosen)))
    parsed = []
    for (connection, record_ns, data), following in with_next(reader.messages(chosen)):
        try:
            message: Any = typestore().deserialize_cdr(data, connection.msgtype)
            stamp_ns = stamp_ns_of(message.header) or record_ns
            if is_dense:
                stamp_ns = stamps.take((stamp_ns, record_ns), following)
            parsed.append(parse(message, stamp_ns))
        # rosbags' generated parsers raise what numpy, struct and codecs do.
        except Exception as error:  # noqa: BLE001, PERF203
            if len(found.notices) < _KEPT_REASONS:
                found.notices.append(f"skipped a message on {topic}: {reason_of(error)}")
    if stamps.wild:
        found.notices.append(f"{stamps.wild} stamps on {topic} that leapt were replaced")
    # Stable: what has no stamp of its own keeps the order of recording.
    return sorted(parsed, key=lambda one: getattr(one, "stamp_ns", 0))


def _encoder(message: Any, stamp_ns: int) -> EncoderSample:
    return EncoderSample(stamp_ns, int(message.ticks))


def _speed(message: Any, stamp_ns: int) -> SpeedSample:
    return SpeedSample(stamp_ns, finite("twist.linear.x", float(message.twist.linear.x)))


def _truth(message: Any, stamp_ns: int) -> EnteringItem:
    return entering_item(message, stamp_ns)


def _landing(message: Any, stamp_ns: int) -> RecordedLanding:
    return RecordedLanding(stamp_ns, int(message.item_id), str(message.bin))
