# SPDX-License-Identifier: Apache-2.0
"""What every frame source must do, run on each."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.source_data import FakeCapture, item_picture, write_folder, write_video

from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.ports import FrameSource
from recycle_sorter.core.types import Frame, Truth
from recycle_sorter.sources.bag import BagSource
from recycle_sorter.sources.bag_writer import BagWriter
from recycle_sorter.sources.factory import NoticingSource, SourceConfig, open_source
from recycle_sorter.sources.fake import FakeSource
from recycle_sorter.sources.images import ImagesSource
from recycle_sorter.sources.slideshow import SlideshowSpec
from recycle_sorter.sources.usb import UsbSource
from recycle_sorter.sources.video import VideoSource

pytestmark = pytest.mark.contract

START_NS = 1_700_000_000_000_000_000
SPEC = SlideshowSpec(
    width_px=64, height_px=48, fps_hz=10, show_sec=0.2, gap_sec=0.1, lead_sec=0.2, tail_sec=0.1
)


@dataclass(frozen=True)
class Case:
    make: Callable[[], NoticingSource]
    has_truth: bool = False


def scripted_frames() -> list[Frame]:
    return [
        Frame(START_NS + i, item_picture(), truth=Truth(1, "glass") if i == 2 else None)
        for i in range(4)
    ]


def make_usb() -> UsbSource:
    ticks = itertools.count(START_NS, 1_000_000)
    return UsbSource(0, lambda: next(ticks), open_capture=lambda _: FakeCapture(4))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    root = tmp_path_factory.mktemp("sources")
    folder = write_folder(root / "pictures", {"glass": 1, "metal": 1})
    video = write_video(root / "video.avi", 4)
    show = ImagesSource(folder, SPEC)
    frames = list(iter(show.read, None))
    for name, raw, storage in (
        ("raw", True, "mcap"),
        ("compressed", False, "mcap"),
        ("sqlite", False, "sqlite3"),
    ):
        with BagWriter(root / name, raw=raw, storage=storage) as writer:
            for frame in frames:
                writer.write(frame)

    def by_factory() -> NoticingSource:
        return open_source(SourceConfig(uri=str(root / "compressed")), lambda: 0)

    return {
        "fake": Case(lambda: FakeSource(scripted_frames()), has_truth=True),
        "video": Case(lambda: VideoSource(video, START_NS)),
        "images": Case(lambda: ImagesSource(folder, SPEC), has_truth=True),
        "bag_raw": Case(lambda: BagSource(root / "raw"), has_truth=True),
        "bag_compressed": Case(lambda: BagSource(root / "compressed"), has_truth=True),
        "bag_sqlite": Case(lambda: BagSource(root / "sqlite"), has_truth=True),
        "factory": Case(by_factory, has_truth=True),
        "usb": Case(make_usb),
    }


NAMES = ("fake", "video", "images", "bag_raw", "bag_compressed", "bag_sqlite", "factory", "usb")


@pytest.fixture(params=NAMES)
def case(request: pytest.FixtureRequest, cases: dict[str, Case]) -> Case:
    return cases[request.param]


@pytest.fixture
def source(case: Case) -> Iterator[NoticingSource]:
    found = case.make()
    yield found
    found.close()


def read_all(source: FrameSource) -> list[Frame]:
    """Reads to the end; a live source ends by being lost."""
    frames: list[Frame] = []
    while True:
        try:
            frame = source.read()
        except SourceError:
            assert source.is_live
            return frames
        if frame is None:
            return frames
        frames.append(frame)


def test_it_is_a_frame_source(source: NoticingSource) -> None:
    assert isinstance(source, FrameSource)
    assert source.name
    assert source.notices == ()


def test_stamps_grow_strictly(source: NoticingSource) -> None:
    stamps = [frame.stamp_ns for frame in read_all(source)]
    assert len(stamps) >= 4
    assert all(isinstance(stamp, int) and stamp > 0 for stamp in stamps)
    assert all(later > earlier for earlier, later in itertools.pairwise(stamps))


def test_pixels_are_contiguous_bytes_of_the_encoding(source: NoticingSource) -> None:
    for frame in read_all(source):
        assert frame.pixels.dtype == np.uint8
        assert frame.pixels.flags.c_contiguous
        assert frame.pixels.shape == ((48, 64) if frame.encoding == "mono8" else (48, 64, 3))
        assert frame.encoding in ("bgr8", "rgb8", "mono8")


def test_a_jpeg_that_comes_along_is_the_same_picture(source: NoticingSource) -> None:
    for frame in read_all(source):
        if frame.jpeg is not None:
            again = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
            np.testing.assert_array_equal(again, frame.pixels)


def test_truth_comes_once_an_item(case: Case, source: NoticingSource) -> None:
    truths = [frame.truth for frame in read_all(source) if frame.truth is not None]
    assert bool(truths) == case.has_truth
    assert [truth.item_id for truth in truths] == list(range(1, len(truths) + 1))
    assert all(truth.material in ("glass", "metal") for truth in truths)


def test_after_its_end_it_says_so_again(source: NoticingSource) -> None:
    read_all(source)
    for _ in range(2):
        if source.is_live:
            with pytest.raises(SourceError, match=r"reopen|lost"):
                source.read()
        else:
            assert source.read() is None


@pytest.mark.parametrize("read_before", [0, 1, 1000])
def test_reopening_starts_over(source: NoticingSource, case: Case, read_before: int) -> None:
    fresh = case.make()
    expected = read_all(fresh)
    fresh.close()
    earlier = [] if read_before == 0 else read_all(source)[:read_before]
    source.reopen()
    again = read_all(source)
    assert len(again) == len(expected)
    for one, other in zip(expected, again, strict=True):
        np.testing.assert_array_equal(one.pixels, other.pixels)
        if not source.is_live:
            assert (one.stamp_ns, one.truth, one.jpeg) == (other.stamp_ns, other.truth, other.jpeg)
    if source.is_live and earlier:
        assert again[0].stamp_ns > earlier[-1].stamp_ns


def test_reopening_halfway_starts_over(source: NoticingSource) -> None:
    first = source.read()
    source.read()
    source.reopen()
    again = source.read()
    assert first is not None
    assert again is not None
    np.testing.assert_array_equal(first.pixels, again.pixels)


def test_closing_twice_is_safe_and_ends_it(source: NoticingSource) -> None:
    assert source.read() is not None
    source.close()
    source.close()
    assert source.read() is None
    source.reopen()
    assert source.read() is not None


@pytest.mark.parametrize("kind", ["usb", "video", "images", "bag"])
def test_what_is_not_there_is_named(kind: str, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    with pytest.raises(SourceError, match=str(absent)):
        open_source(SourceConfig(kind=kind, uri=str(absent)), lambda: 0)
