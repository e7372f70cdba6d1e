# SPDX-License-Identifier: Apache-2.0
"""Picture to belt and back: by hand, from a board, from a file."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recycle_sorter.core.belt.layout import DIRECTIONS
from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.vision.belt_calibration import BeltCalibration
from recycle_sorter.vision.belt_grid import draw_grid
from recycle_sorter.vision.board_fit import calibrate
from recycle_sorter.vision.board_pattern import BoardPattern

DPI = 100.0
POINTS_PX = [(3.0, 5.0), (630.0, 20.0), (320.0, 240.0), (100.0, 470.0)]
CHARUCO = BoardPattern("charuco", 8, 6, 30.0)
CHECKER = BoardPattern("checker", 8, 5, 30.0)


def shot(
    pattern: BoardPattern,
    truth: BeltCalibration,
    place_m: tuple[float, float] = (0.4, 0.0),
    turn_rad: float = 0.0,
) -> NDArray[np.uint8]:
    """The printed board on the belt, as the camera that ``truth`` describes sees it."""
    board = pattern.draw(DPI)
    height, width = board.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    flat = (corners - [width / 2, height / 2]) * 0.0254 / DPI * [1, -1]
    cos, sin = math.cos(turn_rad), math.sin(turn_rad)
    on_belt = flat @ np.array([[cos, sin], [-sin, cos]]) + place_m
    seen = truth.to_image_px(on_belt)
    warp = cv2.getPerspectiveTransform(
        (corners - 0.5).astype(np.float32), (seen - 0.5).astype(np.float32)
    )
    size = (truth.width_px, truth.height_px)
    return np.asarray(cv2.warpPerspective(board, warp, size, borderValue=(60,)), np.uint8)


def oblique() -> BeltCalibration:
    """A camera that looks at the belt at a slant."""
    straight = BeltCalibration.from_px_per_m(800, 640, 480)
    corners = [(0.0, 0.0), (640.0, 0.0), (640.0, 480.0), (0.0, 480.0)]
    seen = [(20.0, 30.0), (600.0, 10.0), (630.0, 470.0), (-10.0, 440.0)]
    warp = cv2.getPerspectiveTransform(np.float32(corners), np.float32(seen))
    matrix = np.array(straight.homography) @ np.linalg.inv(warp)
    rows = tuple(tuple(float(v) for v in row) for row in matrix)
    return BeltCalibration(rows, 640, 480)  # type: ignore[arg-type]


def test_by_hand_every_direction_starts_upstream_and_has_left_on_the_left() -> None:
    upstream = {"right": (0, 240), "left": (640, 240), "down": (320, 0), "up": (320, 480)}
    left = {"right": (0, -1), "left": (0, 1), "down": (1, 0), "up": (-1, 0)}
    for direction in DIRECTIONS:
        calibration = BeltCalibration.from_px_per_m(800, 640, 480, direction)
        start = np.array(upstream[direction], float)
        points = calibration.to_belt_m([start, start + 80 * np.array(left[direction])])
        assert points == pytest.approx(np.array([[0, 0], [0, 0.1]]), abs=1e-12)
        along = (0.8, 0.6) if direction in ("right", "left") else (0.6, 0.8)
        assert calibration.view_m == pytest.approx(along)
        assert calibration.m_per_px == pytest.approx(1 / 800)


@settings(max_examples=50)
@given(
    px_per_m=st.floats(10, 5000),
    direction=st.sampled_from(DIRECTIONS),
    point=st.tuples(st.floats(-100, 800), st.floats(-100, 800)),
)
def test_there_and_back(px_per_m: float, direction: str, point: tuple[float, float]) -> None:
    calibration = BeltCalibration.from_px_per_m(px_per_m, 640, 480, direction)
    back = calibration.to_image_px(calibration.to_belt_m([point]))
    assert back == pytest.approx(np.array([point]), abs=1e-6)


def test_a_file_gives_the_same_calibration(tmp_path: Path) -> None:
    path = tmp_path / "new" / "belt.yaml"
    calibration = oblique()
    calibration.save(path)
    assert BeltCalibration.load(path) == calibration
    assert [file.name for file in path.parent.iterdir()] == ["belt.yaml"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"homography": [[1, 0, 0], [0, 1, 0]]}, "homography"),
        ({"homography": [[1, 0, 0], [0, "x", 0], [0, 0, 1]]}, "homography[1]"),
        ({"homography": [[1, 0, 0], [0, float("nan"), 0], [0, 0, 1]]}, "homography[1]"),
        ({"homography": [[0, 0, 0], [0, 0, 0], [0, 0, 0]]}, "homography"),
        ({"homography": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}, "homography"),  # mirrored
        ({"homography": [[1, 0, 0], [0, -1, 0], [0, 0.01, -1]]}, "homography"),  # horizon
        ({"width_px": 0}, "width_px"),
        ({"height_px": 4.5}, "height_px"),
        ({"version": 2}, "version"),
        ({"homography": [[1, 0, 0], [0, 10**400, 0], [0, 0, 1]]}, "homography[1]"),
        ({"reprojection_error_mm": 10**400}, "reprojection_error_mm"),
        ({"reprojection_error_mm": -1}, "reprojection_error_mm"),
        ({"made_from": 3}, "made_from"),
        ({"scale": 2}, "scale"),
    ],
)
def test_a_bad_file_is_refused_by_key(change: dict[str, Any], field: str, tmp_path: Path) -> None:
    path = tmp_path / "belt.yaml"
    BeltCalibration.from_px_per_m(800, 640, 480).save(path)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), **change}))
    with pytest.raises(InvalidInputError) as caught:
        BeltCalibration.load(path)
    assert caught.value.field == field


def test_missing_keys_and_other_content_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="width_px"):
        BeltCalibration.parse({"height_px": 4, "homography": []})
    with pytest.raises(InvalidInputError, match="mapping"):
        BeltCalibration.parse([1, 2])


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SorterError, match="cannot write"):
        BeltCalibration.from_px_per_m(800, 640, 480).save(tmp_path / "file" / "belt.yaml")


def test_another_picture_size_of_the_same_view() -> None:
    half = BeltCalibration.from_px_per_m(800, 640, 480).scaled(320, 240)
    assert half.to_belt_m([[160, 120]]) == pytest.approx(np.array([[0.4, 0.0]]))
    with pytest.raises(InvalidInputError, match="picture size"):
        half.scaled(640, 640)


@pytest.mark.parametrize("pattern", [CHARUCO, CHECKER], ids=["charuco", "checker"])
@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_board_gives_the_camera_back(pattern: BoardPattern, direction: str) -> None:
    truth = BeltCalibration.from_px_per_m(800, 640, 480, direction)
    middle = (truth.view_m[0] / 2, 0.0)
    found = calibrate([shot(pattern, truth, middle)], pattern, direction)
    error_m = np.abs(found.to_belt_m(POINTS_PX) - truth.to_belt_m(POINTS_PX))
    assert error_m.max() < 0.001
    assert found.reprojection_error_mm is not None
    assert found.reprojection_error_mm < 0.2


def test_a_slanted_camera_and_a_turned_board_that_travelled() -> None:
    truth = oblique()
    shots = [shot(CHARUCO, truth, (x, 0.02), 0.4) for x in (0.3, 0.4, 0.5)]
    found = calibrate(shots, CHARUCO, "right", "travel")
    points_m = found.to_belt_m(POINTS_PX)
    expected = truth.to_belt_m(POINTS_PX)
    assert points_m - points_m[0] == pytest.approx(expected - expected[0], abs=0.006)
    assert found.entry_m == pytest.approx(0.0, abs=1e-9)


def test_pictures_without_a_usable_board_are_refused_by_number() -> None:
    truth = BeltCalibration.from_px_per_m(800, 640, 480)
    good = shot(CHARUCO, truth)
    empty = np.full((480, 640), 70, np.uint8)
    with pytest.raises(InvalidInputError, match=r"pictures\[1\]: got 'no charuco board"):
        calibrate([good, empty], CHARUCO)
    with pytest.raises(InvalidInputError, match=r"pictures\[1\].*as the first"):
        calibrate([good, empty[:100]], CHARUCO)
    small = BoardPattern("checker", 8, 5, 8.0)
    with pytest.raises(InvalidInputError, match=r"pictures\[0\]: got 'a board that fills"):
        calibrate([shot(small, BeltCalibration.from_px_per_m(1000, 640, 480))], small)
    with pytest.raises(InvalidInputError, match="align"):
        calibrate([good, good], CHARUCO, align="travel")
    with pytest.raises(InvalidInputError, match="pictures"):
        calibrate([], CHARUCO)


def test_a_bent_board_is_a_bad_fit() -> None:
    good = shot(CHARUCO, BeltCalibration.from_px_per_m(800, 640, 480))
    x, y = np.meshgrid(np.arange(640, dtype=np.float32), np.arange(480, dtype=np.float32))
    bent = cv2.remap(good, x, y + 8 * np.sin(x / 40), cv2.INTER_LINEAR)
    with pytest.raises(InvalidInputError, match="reprojection_error_mm"):
        calibrate([np.asarray(bent, np.uint8)], CHARUCO)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        (("dots", 8, 6, 30.0), "board"),
        (("charuco", 2, 6, 30.0), "squares_x"),
        (("charuco", 8, 60, 30.0), "squares_y"),
        (("charuco", 8, 6, 0.0), "square_mm"),
        (("checker", 8, 6, 30.0), "squares_y"),
    ],
)
def test_impossible_boards_are_refused(values: tuple[Any, ...], field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        BoardPattern(*values)
    assert caught.value.field == field


def test_the_grid_is_drawn_on_a_copy() -> None:
    picture = np.zeros((480, 640, 3), np.uint8)
    drawn = draw_grid(picture, oblique())
    assert not picture.any()
    assert drawn.any(axis=2).mean() > 0.02
