# SPDX-License-Identifier: Apache-2.0
"""The list of cameras, on a /dev and a /sys of our own."""

from __future__ import annotations

from pathlib import Path

from recycle_sorter.sources.devices import Camera, describe_cameras, list_cameras


def test_cameras_come_by_number_with_link_and_name(tmp_path: Path) -> None:
    dev, sys_class = tmp_path / "dev", tmp_path / "sys"
    (dev / "v4l" / "by-id").mkdir(parents=True)
    for number in (10, 2):
        (dev / f"video{number}").touch()
    (dev / "video-decoder").touch()
    link = dev / "v4l" / "by-id" / "usb-Maker_Camera-video-index0"
    link.symlink_to("../../video10")
    (sys_class / "video10").mkdir(parents=True)
    (sys_class / "video10" / "name").write_text("Maker Camera\n")
    assert list_cameras(dev, sys_class) == [
        Camera(str(dev / "video2")),
        Camera(str(dev / "video10"), str(link), "Maker Camera"),
    ]


def test_no_camera_is_said_plainly(tmp_path: Path) -> None:
    assert list_cameras(tmp_path, tmp_path) == []
    assert "no camera found" in describe_cameras([])


def test_the_description_prefers_the_stable_path() -> None:
    text = describe_cameras(
        [Camera("/dev/video0", "/dev/v4l/by-id/usb-A", "A"), Camera("/dev/video1")]
    )
    assert text == "cameras found: /dev/v4l/by-id/usb-A (/dev/video0, A); /dev/video1"
