# SPDX-License-Identifier: Apache-2.0
"""``calibrate`` from the command line's side."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner, Result

from recycle_sorter.cli.calibrate_cmd import calibrate
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.belt_calibration import BeltCalibration


def call(*arguments: str | Path) -> Result:
    app = typer.Typer(rich_markup_mode="rich")
    app.command()(calibrate)
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_by_hand(tmp_path: Path) -> None:
    out, preview = tmp_path / "belt.yaml", tmp_path / "grid.png"
    result = call("--px-per-mm", "0.8", "--direction", "up", "--out", out, "--preview", preview)
    assert result.exit_code == 0, result.output
    assert "view 600 mm along, 800 mm across" in result.stdout
    assert "1.25 mm a pixel" in result.stdout
    assert BeltCalibration.load(out).view_m == pytest.approx((0.6, 0.8))
    picture = cv2.imread(str(preview))
    assert picture is not None
    assert picture.shape == (480, 640, 3)


def test_the_printed_board_calibrates_its_own_picture(tmp_path: Path) -> None:
    board, out = tmp_path / "board.png", tmp_path / "belt.yaml"
    result = call("--print", board, "--dpi", "127")
    assert result.exit_code == 0, result.output
    assert "300 x 240 mm at 127 dpi" in result.stdout
    assert b"pHYs" in board.read_bytes()[:60]
    assert not out.exists()
    result = call(board, "--out", out, "--preview", tmp_path / "grid.png")
    assert result.exit_code == 0, result.output
    assert "reprojection error 0.0" in result.stdout
    assert BeltCalibration.load(out).m_per_px == pytest.approx(0.0254 / 127, rel=0.02)


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ((), "IMAGES or --px-per-mm"),
        (("x.png", "--px-per-mm", "1"), "IMAGES or --px-per-mm"),
        (("nowhere.png",), "IMAGES"),
        (("--px-per-mm", "0"), "px_per_m"),
        (("--px-per-mm", "1", "--direction", "north"), "direction"),
        (("--print", "b.png", "--board", "dots"), "board"),
        (("--print", "b.png", "--dpi", "1"), "dpi"),
    ],
)
def test_bad_calls_name_what_is_wrong(
    arguments: tuple[str, ...], field: str, tmp_path: Path
) -> None:
    result = call(*arguments, "--out", tmp_path / "belt.yaml")
    assert isinstance(result.exception, InvalidInputError)
    assert result.exception.field == field
    assert not (tmp_path / "belt.yaml").exists()


def test_a_picture_without_a_board_is_refused(tmp_path: Path) -> None:
    picture = tmp_path / "empty.png"
    cv2.imwrite(str(picture), np.full((100, 100), 80, np.uint8))
    result = call(picture, "--out", tmp_path / "belt.yaml")
    assert isinstance(result.exception, InvalidInputError)
    assert "no charuco board" in str(result.exception)
