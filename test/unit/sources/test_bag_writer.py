# SPDX-License-Identifier: Apache-2.0
"""Writing bags: what ros2 bag expects, same bytes for same frames, nothing half-written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rosbags.highlevel import AnyReader
from support.source_data import item_picture, jpeg_bytes

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.core.types import Frame, Truth
from recycle_sorter.sources.bag import BagSource
from recycle_sorter.sources.bag_types import GROUND_TRUTH, GROUND_TRUTH_DEFINITION, typestore
from recycle_sorter.sources.bag_writer import BagWriter
from recycle_sorter.sources.belt_bag_types import BELT_DEFINITIONS

BASE_NS = 1_700_000_000_000_000_000
ROOT = Path(__file__).resolve().parents[3]
PICTURE = item_picture()


def frames(count: int = 3, **changes: Any) -> list[Frame]:
    fields: dict[str, Any] = {"pixels": PICTURE, "encoding": "bgr8"} | changes
    return [
        Frame(BASE_NS + i, truth=Truth(1, "glass", "a.jpg") if i == 1 else None, **fields)
        for i in range(count)
    ]


def write(path: Path, content: Iterable[Frame], **options: Any) -> Path:
    with BagWriter(path, **options) as writer:
        for frame in content:
            writer.write(frame)
    return path


DEFINITIONS = {GROUND_TRUTH: GROUND_TRUTH_DEFINITION, **BELT_DEFINITIONS}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_the_definition_is_the_message_files(name: str) -> None:
    text = (ROOT / "src" / f"{name}.msg").read_text(encoding="utf-8")
    lines = [re.sub(r"\s*#.*", "", line).strip() for line in text.splitlines()]
    assert [line for line in lines if line] == DEFINITIONS[name].splitlines()


@pytest.mark.parametrize("raw", [True, False])
def test_messages_are_complete(tmp_path: Path, raw: bool) -> None:
    bag = write(tmp_path / "bag", frames(), raw=raw, frame_id="lens")
    # AnyReader takes the types out of the bag and checks them against their hashes.
    with AnyReader([bag]) as reader:
        found = [
            (connection.topic, stamp, reader.deserialize(data, connection.msgtype))
            for connection, stamp, data in reader.messages()
        ]
    image_topic = "/camera/image_raw" if raw else "/camera/image_raw/compressed"
    topics = [topic for topic, _, _ in found]
    assert topics == [
        *(image_topic, "/camera/camera_info"),
        *("/camera/ground_truth", image_topic, "/camera/camera_info"),
        *(image_topic, "/camera/camera_info"),
    ]
    for _, stamp, message in found:
        header: Any = message.header  # type: ignore[attr-defined]
        assert header.frame_id == "lens"
        assert header.stamp.sec * 10**9 + header.stamp.nanosec == stamp
    info: Any = found[1][2]
    assert (info.width, info.height, info.k[0]) == (64, 48, 0.0)
    truth: Any = found[2][2]
    assert (truth.item_id, truth.material, truth.source) == (1, "glass", "a.jpg")


def test_metadata_is_what_ros2_bag_writes(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", frames())
    text = (bag / "metadata.yaml").read_text(encoding="utf-8")
    info = yaml.safe_load(text)["rosbag2_bagfile_information"]
    assert info["version"] == 9
    assert info["storage_identifier"] == "mcap"
    assert info["relative_file_paths"] == ["bag.mcap"]
    assert info["message_count"] == 7
    for entry in info["topics_with_message_count"]:
        topic = entry["topic_metadata"]
        assert topic["serialization_format"] == "cdr"
        assert topic["type_description_hash"].startswith("RIHS01_")
        (qos,) = topic["offered_qos_profiles"]
        assert (qos["reliability"], qos["durability"]) == ("reliable", "volatile")
        assert (qos["history"], qos["depth"]) == ("keep_last", 10)


def test_the_truths_type_hash_is_that_of_ros(tmp_path: Path) -> None:
    # From rosidl's own type description of recycle_sorter_msgs/msg/GroundTruth.
    expected = "RIHS01_62f7d235813e77420d9d0909bcc073842dee00bab229c11a33d88ced7c34b767"
    assert typestore().hash_rihs01(GROUND_TRUTH) == expected


@pytest.mark.parametrize("raw", [True, False])
def test_same_frames_same_bytes(tmp_path: Path, raw: bool) -> None:
    one = write(tmp_path / "1" / "bag", frames(), raw=raw)
    other = write(tmp_path / "2" / "bag", frames(), raw=raw)
    for file in one.iterdir():
        assert file.read_bytes() == (other / file.name).read_bytes()


def test_a_frames_own_jpeg_is_kept(tmp_path: Path) -> None:
    jpeg = jpeg_bytes(PICTURE)
    source = BagSource(write(tmp_path / "bag", frames(jpeg=jpeg), quality=10))
    assert [frame.jpeg for frame in iter(source.read, None)] == [jpeg] * 3


def test_colours_survive_whatever_the_encoding(tmp_path: Path) -> None:
    rgb = np.ascontiguousarray(PICTURE[..., ::-1])
    for name, content in (
        ("bgr", frames()),
        ("rgb", frames(pixels=rgb, encoding="rgb8")),
    ):
        source = BagSource(write(tmp_path / name, content, quality=100))
        frame = source.read()
        assert frame is not None
        assert np.abs(frame.pixels[24, 32].astype(int) - PICTURE[24, 32]).max() < 8
        source.close()
    grey = write(tmp_path / "grey", frames(pixels=PICTURE[..., 0].copy(), encoding="mono8"))
    with AnyReader([grey]) as reader:
        connection, _, data = next(iter(reader.messages()))
        message: Any = reader.deserialize(data, connection.msgtype)
    assert message.format == "mono8; jpeg compressed mono8"


def test_quality_counts(tmp_path: Path) -> None:
    small = write(tmp_path / "small", frames(), quality=10) / "small.mcap"
    large = write(tmp_path / "large", frames(), quality=100) / "large.mcap"
    assert small.stat().st_size < large.stat().st_size


def test_a_failure_leaves_nothing_and_spares_the_old_bag(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", frames())
    before = (bag / "bag.mcap").read_bytes()

    def interrupted() -> Iterator[Frame]:
        yield frames()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(bag, interrupted(), overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["bag"]
    assert (bag / "bag.mcap").read_bytes() == before


def test_overwriting_replaces_a_bag_only_if_told(tmp_path: Path) -> None:
    bag = write(tmp_path / "bag", frames(3))
    with pytest.raises(InvalidInputError, match="overwrite it or choose another name"):
        BagWriter(bag)
    write(bag, frames(1), overwrite=True)
    with closing(BagSource(bag)) as source:
        assert source.frame_count == 1


def test_what_is_no_bag_is_never_overwritten(tmp_path: Path) -> None:
    precious = tmp_path / "documents"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years of work")
    for target in (precious, precious / "thesis.txt", tmp_path):
        with pytest.raises(InvalidInputError, match="a new folder or a bag"):
            BagWriter(target, overwrite=True)
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(SourceError, match="cannot be written"),
        BagWriter(tmp_path / "file" / "bag"),
    ):
        pass


@pytest.mark.parametrize(
    ("options", "field"), [({"quality": 0}, "quality"), ({"storage": "zip"}, "storage")]
)
def test_bad_options_are_named(tmp_path: Path, options: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        BagWriter(tmp_path / "bag", **options)
    assert caught.value.field == field
