# SPDX-License-Identifier: Apache-2.0
"""From settings to a source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.source_data import item_picture, write_folder, write_video

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.core.types import Frame
from recycle_sorter.sources.bag import BagSource
from recycle_sorter.sources.bag_writer import BagWriter
from recycle_sorter.sources.factory import SourceConfig, guess_kind, open_source
from recycle_sorter.sources.images import ImagesSource
from recycle_sorter.sources.video import VideoSource


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    with BagWriter(tmp_path / "bag") as writer:
        writer.write(Frame(1, item_picture()))
    return {
        "bag": tmp_path / "bag",
        "mcap": tmp_path / "bag" / "bag.mcap",
        "images": write_folder(tmp_path / "pictures", {"glass": 1}),
        "picture": tmp_path / "pictures" / "glass" / "glass0.jpg",
        "video": write_video(tmp_path / "v.avi", 2),
    }


def test_the_kind_is_told_by_the_uri(places: dict[str, Path]) -> None:
    kinds = {
        "bag": BagSource,
        "mcap": BagSource,
        "images": ImagesSource,
        "picture": ImagesSource,
        "video": VideoSource,
    }
    for name, kind in kinds.items():
        source = open_source(SourceConfig(uri=str(places[name])), lambda: 0)
        assert type(source) is kind
        assert source.name == str(places[name])
        source.close()


@pytest.mark.parametrize("uri", ["0", "12", "/dev/video0", "/dev/v4l/by-id/usb-X-video-index0"])
def test_numbers_and_devices_are_cameras(uri: str) -> None:
    assert guess_kind(uri) == "usb"


def test_a_camera_that_is_not_there_is_an_error_of_the_source() -> None:
    with pytest.raises(SourceError, match=r"no camera at /dev/video4711"):
        open_source(SourceConfig(uri="4711"), lambda: 0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (SourceConfig(kind="lidar", uri="0"), "source: got 'lidar', expected one of auto, usb"),
        (SourceConfig(), "uri: got '', expected a camera index"),
        (SourceConfig(uri="/nowhere/at/all"), "uri: got '/nowhere/at/all', expected an existing"),
    ],
)
def test_bad_settings_name_field_value_and_fix(config: SourceConfig, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        open_source(config, lambda: 0)
    assert caught.value.expected


def test_settings_reach_the_slideshow(places: dict[str, Path]) -> None:
    config = SourceConfig(
        kind="images", uri=str(places["images"]), width_px=32, height_px=24, fps_hz=10.0, start_ns=5
    )
    source = open_source(config, lambda: 0)
    first, second = source.read(), source.read()
    assert first is not None
    assert second is not None
    assert first.pixels.shape == (24, 32, 3)
    assert (first.stamp_ns, second.stamp_ns) == (5, 100_000_005)


def test_sources_load_no_ros() -> None:
    modules = ["bag", "bag_writer", "factory", "fake", "images", "pacing", "usb", "video"]
    imports = "; ".join(f"import recycle_sorter.sources.{name}" for name in modules)
    code = f"import sys; {imports}; print(sorted({{'rclpy', 'torch'}} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
