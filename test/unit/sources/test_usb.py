# SPDX-License-Identifier: Apache-2.0
"""The USB source on a scripted camera: stamps, settings, loss and return."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.source_data import FakeCapture, item_picture

from recycle_sorter.core.errors import SourceError
from recycle_sorter.sources import usb
from recycle_sorter.sources.devices import Camera
from recycle_sorter.sources.usb import UsbSource, open_v4l2

NOW_NS = 1_700_000_000_000_000_000
UPTIME_NS = 5_000_000_000_000


def open_usb(
    capture: FakeCapture, clock_ns: Callable[[], int] = lambda: NOW_NS, mjpeg: bool = True
) -> UsbSource:
    return UsbSource(
        "/dev/camera",
        clock_ns,
        mjpeg=mjpeg,
        open_capture=lambda _: capture,
        monotonic_ns=lambda: UPTIME_NS,
    )


def stamp_of(capture: FakeCapture) -> int:
    frame = open_usb(capture).read()
    assert frame is not None
    return frame.stamp_ns


def test_the_drivers_time_becomes_the_clocks() -> None:
    capture = FakeCapture()
    capture.properties[cv2.CAP_PROP_POS_MSEC] = (UPTIME_NS - 12_345_000) / 1e6
    assert stamp_of(capture) == NOW_NS - 12_345_000


@pytest.mark.parametrize(
    "driver_ms", [0.0, float("nan"), UPTIME_NS / 1e6 + 1, UPTIME_NS / 1e6 - 60_000, NOW_NS / 1e6]
)
def test_a_strange_driver_time_is_not_believed(driver_ms: float) -> None:
    capture = FakeCapture()
    capture.properties[cv2.CAP_PROP_POS_MSEC] = driver_ms
    assert stamp_of(capture) == NOW_NS


def test_stamps_grow_though_the_clock_is_set_back() -> None:
    times = iter([NOW_NS, NOW_NS - 10**9])
    source = open_usb(FakeCapture(), lambda: next(times))
    first, second = source.read(), source.read()
    assert first is not None
    assert second is not None
    assert second.stamp_ns == first.stamp_ns + 1


def test_the_pixel_format_is_set_first_and_the_queue_is_short() -> None:
    capture = FakeCapture()
    open_usb(capture)
    assert capture.set_order[0] == cv2.CAP_PROP_FOURCC
    assert capture.properties[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter.fourcc(*"MJPG")
    assert capture.properties[cv2.CAP_PROP_BUFFERSIZE] == 2
    assert capture.properties[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert capture.properties[cv2.CAP_PROP_FRAME_HEIGHT] == 480
    assert capture.properties[cv2.CAP_PROP_FPS] == 30


def test_without_mjpeg_the_camera_chooses() -> None:
    capture = FakeCapture()
    open_usb(capture, mjpeg=False)
    assert cv2.CAP_PROP_FOURCC not in capture.set_order


def test_refused_settings_are_told() -> None:
    capture = FakeCapture()
    capture.refused = {cv2.CAP_PROP_FRAME_WIDTH: 1280.0, cv2.CAP_PROP_FPS: 29.97}
    assert open_usb(capture).notices == ("width_px: asked for 640, the camera gives 1280",)


def test_a_lost_camera_is_released_and_comes_back() -> None:
    captures = [FakeCapture(1), FakeCapture(2)]
    opened = iter(captures)
    source = UsbSource(0, lambda: NOW_NS, open_capture=lambda _: next(opened))
    assert source.read() is not None
    with pytest.raises(SourceError, match=r"/dev/video0 was lost"):
        source.read()
    assert captures[0].released == 1
    with pytest.raises(SourceError, match="reopen"):
        source.read()
    source.reopen()
    assert source.read() is not None
    source.close()
    assert captures[1].released == 1


def test_an_opencv_error_counts_as_loss() -> None:
    capture = FakeCapture()
    source = open_usb(capture)
    capture.error = cv2.error("select failed")
    # OpenCV sets this on its class too, where an earlier error's would be found.
    capture.error.err = "select failed"
    with pytest.raises(SourceError, match="select failed"):
        source.read()


def test_undecodable_frames_are_skipped_and_counted() -> None:
    capture = FakeCapture(0)
    capture.frames = [None, np.zeros((4, 4, 3), np.float32), item_picture()]
    source = open_usb(capture)
    frame = source.read()
    assert frame is not None
    np.testing.assert_array_equal(frame.pixels, item_picture())
    assert source.notices == ("2 undecodable frames skipped",)


def test_nothing_but_undecodable_frames_is_a_loss() -> None:
    capture = FakeCapture(0)
    capture.frames = [None] * 100
    with pytest.raises(SourceError, match="undecodable frames in a row"):
        open_usb(capture).read()


def test_a_grey_camera_gives_mono8() -> None:
    capture = FakeCapture(0)
    capture.frames = [np.zeros((48, 64), np.uint8)]
    frame = open_usb(capture).read()
    assert frame is not None
    assert frame.encoding == "mono8"


def test_a_camera_in_use_is_told_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb, "list_cameras", lambda: [Camera("/dev/video7", name="Desk")])
    capture = FakeCapture(is_open=False)
    with pytest.raises(SourceError, match=r"another program.*/dev/video7 \(Desk\)"):
        open_usb(capture)
    assert capture.released == 1


def test_an_absent_camera_is_told_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb, "list_cameras", lambda: [Camera("/dev/video7")])
    with pytest.raises(SourceError, match=r"no camera at /dev/v4l/by-id/gone; .*/dev/video7"):
        UsbSource("/dev/v4l/by-id/gone", lambda: NOW_NS)
    with pytest.raises(SourceError, match=r"no camera at /dev/video4711"):
        UsbSource(4711, lambda: NOW_NS)


def test_missing_permission_is_told_with_the_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    node = tmp_path / "video0"
    node.touch()
    with pytest.raises(SourceError, match="usermod -aG video"):
        open_v4l2(str(node))
