# SPDX-License-Identifier: Apache-2.0
"""Video files: stamps by position, refusal of what is no video."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.source_data import write_video

from recycle_sorter.core.errors import SourceError
from recycle_sorter.sources.video import VideoSource

START_NS = 1_700_000_000_000_000_000


def test_stamps_are_start_plus_position(tmp_path: Path) -> None:
    source = VideoSource(write_video(tmp_path / "v.avi", 5, 25.0), START_NS)
    frames = list(iter(source.read, None))
    assert [frame.stamp_ns - START_NS for frame in frames] == [i * 40_000_000 for i in range(5)]
    # Frame i was painted with brightness 10 i: none is missing or doubled.
    assert [round(float(frame.pixels.mean()) / 10) for frame in frames] == list(range(5))


def test_a_file_without_times_gets_even_ones(tmp_path: Path) -> None:
    source = VideoSource(write_video(tmp_path / "v.avi", 3, 25.0), START_NS)
    capture = source._capture

    class Timeless:
        def __getattr__(self, name: str) -> object:
            return getattr(capture, name)

        def get(self, _: int) -> float:
            return float("nan")

    source._capture = Timeless()  # type: ignore[assignment]
    stamps = [frame.stamp_ns - START_NS for frame in iter(source.read, None)]
    assert stamps == [0, 40_000_000, 80_000_000]


def test_a_video_cut_off_ends_early(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "v.avi", 20)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 4 // 5])
    source = VideoSource(cut, START_NS)
    count = sum(1 for _ in iter(source.read, None))
    assert 1 <= count < 20


@pytest.mark.parametrize("content", [b"", b"no video at all" * 100])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"v\.mp4 is no video.*Fix: convert"):
        VideoSource(path, START_NS)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a file"):
        VideoSource(tmp_path, START_NS)
