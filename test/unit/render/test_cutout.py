# SPDX-License-Identifier: Apache-2.0
"""Items rendered alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from recycle_sorter.cli.render_cmd import render as render_command
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.render import cutout, scene


@pytest.mark.parametrize(("material", "kind"), [(None, "station"), ("metal", "belt")])
def test_only_an_item_on_a_board_is_rendered_alone(
    material: str | None, kind: scene.SceneKind
) -> None:
    with pytest.raises(InvalidInputError, match="scene"):
        cutout.render_cutout(scene.draw_shot(material, 1, kind), 32, 24, 4)


@pytest.mark.parametrize(("width_px", "samples"), [(4, 4), (32, 2)])
def test_too_small_is_refused(width_px: int, samples: int) -> None:
    with pytest.raises(InvalidInputError):
        cutout.render_cutout(scene.draw_shot("metal", 1, "station"), width_px, 24, samples)


@pytest.mark.render
def test_an_item_alone_is_its_part_of_the_picture() -> None:
    pytest.importorskip("mitsuba", reason="needs the extra: pip install 'recycle_sorter[render]'")
    shot = scene.draw_shot("cardboard", 4, "station")
    alone = cutout.render_cutout(shot, 96, 72, 8)
    whole = scene.render(shot, 96, 72, 8)
    cover = alone[..., 3]
    assert cover[0].max() == 0
    assert cover[:, 0].max() == 0
    assert 0.2 < (cover > 128).mean() < 0.9
    # Found again in the whole picture, where it differs from the board.
    match = cv2.matchTemplate(whole, alone[..., :3], cv2.TM_CCOEFF_NORMED)
    assert match.max() > 0.95


@pytest.mark.render
def test_the_command_writes_transparent_pictures(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="needs the extra: pip install 'recycle_sorter[render]'")
    app = Typer()
    app.command()(render_command)
    small = ["--count", "1", "--width-px", "48", "--height-px", "36", "--samples", "4"]
    arguments = ["--out", str(tmp_path), "--alone", "--station", "--materials", "metal", *small]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    pixels = cv2.imread(str(tmp_path / "metal/metal_000001.png"), cv2.IMREAD_UNCHANGED)
    assert pixels is not None
    assert pixels.shape[2] == 4
    assert len(np.unique(pixels[..., 3])) > 2
    for more in (["--board-only"], ["--scene", "belt"]):
        bad = ["--out", str(tmp_path), "--alone", "--materials", "metal", *small, *more]
        assert isinstance(CliRunner().invoke(app, bad).exception, InvalidInputError)
