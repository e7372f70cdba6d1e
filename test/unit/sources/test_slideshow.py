# SPDX-License-Identifier: Apache-2.0
"""The slideshow: timing, truth, looks, seeds, and what it does with bad pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from support.source_data import BOARD_BGR, item_picture, jpeg_bytes, write_folder

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.core.types import Frame
from recycle_sorter.sources.images import ImagesSource, read_board
from recycle_sorter.sources.pictures import Picture, find_pictures
from recycle_sorter.sources.slideshow import (
    Slideshow,
    SlideshowSpec,
    estimate_board,
    fit_picture,
)

SPEC = SlideshowSpec(
    width_px=64, height_px=48, fps_hz=10, show_sec=0.3, gap_sec=0.2, lead_sec=0.5, tail_sec=0.4
)
STILL = replace(SPEC, noise_levels=0.0, place_px=0.0, shake_px=0.0, flicker=0.0)


def play(folder: Path, spec: SlideshowSpec = SPEC) -> list[Frame]:
    return list(Slideshow(find_pictures(folder), spec).frames())


def test_empty_board_item_gap_item_empty_board(tmp_path: Path) -> None:
    write_folder(tmp_path, {"glass": 1, "metal": 1})
    show = Slideshow(find_pictures(tmp_path), STILL)
    frames = list(show.frames())
    is_empty = "".join("." if np.array_equal(frame.pixels, show.board) else "#" for frame in frames)
    assert is_empty == "....." + "###" + ".." + "###" + "...."
    assert [frame.stamp_ns - SPEC.start_ns for frame in frames] == [
        i * 100_000_000 for i in range(len(frames))
    ]
    truths = {i: frame.truth for i, frame in enumerate(frames) if frame.truth is not None}
    assert {i: (t.item_id, t.material, t.source) for i, t in truths.items()} == {
        5: (1, "glass", "glass/glass0.jpg"),
        10: (2, "metal", "metal/metal0.jpg"),
    }
    assert show.shown == 2


def test_loose_pictures_have_no_truth(tmp_path: Path) -> None:
    write_folder(tmp_path, {"": 2})
    assert all(frame.truth is None for frame in play(tmp_path))


def test_a_seed_sets_every_pixel(tmp_path: Path) -> None:
    write_folder(tmp_path, {"glass": 2})
    one, same, other = play(tmp_path), play(tmp_path), play(tmp_path, replace(SPEC, seed=1))
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, same, strict=True))
    assert not any(np.array_equal(a.pixels, b.pixels) for a, b in zip(one, other, strict=True))


def test_frames_differ_as_a_cameras_do(tmp_path: Path) -> None:
    write_folder(tmp_path, {"glass": 1})
    noisy = replace(STILL, noise_levels=3.0, width_px=640, height_px=480)
    first, second = play(tmp_path, noisy)[:2]
    difference = first.pixels.astype(int) - second.pixels
    # Two frames of noise 3 levels each, independent.
    assert np.std(difference) == pytest.approx(3.0 * 2**0.5, rel=0.05)
    assert abs(np.mean(difference)) < 0.1


def test_flicker_changes_the_brightness(tmp_path: Path) -> None:
    write_folder(tmp_path, {"glass": 1})
    frames = play(tmp_path, replace(STILL, flicker=0.1, lead_sec=5.0))[:50]
    means = [float(frame.pixels.mean()) for frame in frames]
    reference = np.mean(means)
    assert 0.02 * reference < np.std(means) < 0.1 * reference


def test_an_item_keeps_its_place_but_each_lies_elsewhere(tmp_path: Path) -> None:
    write_folder(tmp_path, {"glass": 2})
    # Same picture twice: what differs is the place.
    same = find_pictures(tmp_path)[:1] * 2
    frames = list(Slideshow(same, replace(STILL, place_px=6.0)).frames())
    assert np.array_equal(frames[5].pixels, frames[6].pixels)
    assert not np.array_equal(frames[5].pixels, frames[10].pixels)


def test_bad_pictures_are_skipped_and_named(tmp_path: Path) -> None:
    write_folder(tmp_path, {"glass": 2})
    (tmp_path / "glass" / "cut.jpg").write_bytes(jpeg_bytes(item_picture())[:-300])
    cv2.imwrite(str(tmp_path / "glass" / "tiny.png"), item_picture(15, 15))
    source = ImagesSource(tmp_path, SPEC, order="given")
    frames = list(iter(source.read, None))
    assert [frame.truth.item_id for frame in frames if frame.truth] == [1, 2]
    assert {path.name: why for path, why in source.skipped} == {
        "cut.jpg": "is a JPEG that was cut off",
        "tiny.png": "is 15 x 15 px, smaller than 16 px",
    }
    assert len(source.notices) == 2
    assert "cut.jpg skipped: it is a JPEG" in source.notices[0]


def test_only_bad_pictures_are_an_error_at_once(tmp_path: Path) -> None:
    for index in range(5):
        (tmp_path / f"{index}.jpg").write_bytes(b"nothing")
    with pytest.raises(SourceError, match=r"no picture can be read: .*\d\.jpg is no picture"):
        ImagesSource(tmp_path, SPEC)
    board = np.zeros((48, 64, 3), np.uint8)
    show = Slideshow(find_pictures(tmp_path), SPEC, board)
    with pytest.raises(SourceError, match=r"no picture can be read: .*; \.\.\."):
        next(show.frames())


def test_the_board_has_the_borders_colour_and_a_vignette(tmp_path: Path) -> None:
    write_folder(tmp_path, {"glass": 3, "metal": 3})
    board = estimate_board(find_pictures(tmp_path), 64, 48)
    np.testing.assert_allclose(board[24, 32], BOARD_BGR, atol=3)
    corner = board[0, 0].astype(float) / board[24, 32]
    np.testing.assert_allclose(corner, 0.94, atol=0.02)


def test_the_board_is_estimated_though_the_first_pictures_are_bad(tmp_path: Path) -> None:
    write_folder(tmp_path, {"glass": 1})
    bad = [Picture(tmp_path / f"{i}.jpg", f"{i}.jpg") for i in range(100)]
    board = estimate_board([*bad, *find_pictures(tmp_path)], 64, 48)
    np.testing.assert_allclose(board[24, 32], BOARD_BGR, atol=3)


def test_a_given_board_is_shown(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "items", {"glass": 1})
    cv2.imwrite(str(tmp_path / "board.png"), np.full((96, 128, 3), (10, 20, 30), np.uint8))
    source = ImagesSource(folder, STILL, board=str(tmp_path / "board.png"))
    frame = source.read()
    assert frame is not None
    assert np.all(frame.pixels == (10, 20, 30))


def test_a_bad_board_is_named(tmp_path: Path) -> None:
    assert read_board("auto") is None
    with pytest.raises(SourceError, match=r"board picture .*gone\.png cannot be read"):
        read_board(str(tmp_path / "gone.png"))


@pytest.mark.parametrize("size", [(640, 480), (100, 400), (400, 100), (64, 48), (63, 49)])
def test_a_picture_is_fitted_whole(size: tuple[int, int]) -> None:
    width_px, height_px = size
    pixels = np.full((height_px, width_px, 3), 50, np.uint8)
    pixels[:, : width_px // 2] = 200
    fitted = fit_picture(pixels, 64, 48)
    assert fitted.shape == (48, 64, 3)
    assert np.all(fitted[:, :30] == 200)
    assert np.all(fitted[:, 34:] == 50)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("width_px", 8),
        ("height_px", 100_000),
        ("width_px", 64.0),
        ("fps_hz", 0.0),
        ("fps_hz", float("nan")),
        ("show_sec", 0.0),
        ("gap_sec", -0.1),
        ("lead_sec", float("inf")),
        ("seed", -1),
        ("start_ns", -1),
        ("noise_levels", -1.0),
        ("flicker", 1.0),
        ("shake_px", True),
    ],
)
def test_bad_settings_are_named(field: str, value: Any) -> None:
    with pytest.raises(InvalidInputError) as caught:
        SlideshowSpec(**{field: value})
    assert caught.value.field == field
