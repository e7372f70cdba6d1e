# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import builtins
import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from recycle_sorter.cli.render_cmd import render as render_command
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.render import generate, pose, scene, station


def _points(shot: scene.Shot) -> np.ndarray:
    assert shot.item is not None
    return np.concatenate([part.mesh.vertices for part in shot.item.parts])


@pytest.mark.parametrize("kind", ["free", "station"])
@pytest.mark.parametrize("material", MATERIALS)
def test_item_rests_on_the_board_and_fills_the_frame(material: str, kind: scene.SceneKind) -> None:
    for seed in range(3):
        shot = scene.draw_shot(material, seed, kind)
        points = _points(shot)
        assert points[:, 2].min() == pytest.approx(0.0002, abs=5e-4)
        assert 0.35 <= pose.fill(shot.camera, points) <= 1.0
        assert np.abs(shot.camera.project(points)).max() < 1.05
        if kind == "station":
            assert shot.camera == scene.STATION_CAMERA
            assert shot.board.name in station.STATION_BOARDS


def test_same_seed_same_shot() -> None:
    first, again, other = (scene.draw_shot("glass", seed) for seed in (7, 7, 8))
    np.testing.assert_array_equal(_points(first), _points(again))
    np.testing.assert_array_equal(first.lights.room, again.lights.room)
    assert (first.camera, first.pose, first.board.name) == (
        again.camera,
        again.pose,
        again.board.name,
    )
    assert other.camera != first.camera


def test_camera_projects_its_target_to_the_middle_and_up_to_up() -> None:
    camera = pose.Camera(distance_m=0.5, tilt_rad=0.4, turn_rad=0.7, target_m=(0.1, 0.2, 0.0))
    np.testing.assert_allclose(camera.project(np.array([[0.1, 0.2, 0.0]])), 0.0, atol=1e-12)
    assert camera.project(np.array([[0.1, 0.2, 0.05]]))[0, 1] > 0


def test_black_body_turns_from_red_to_blue() -> None:
    warm, cool = station.black_body(2900.0), station.black_body(9000.0)
    assert warm[0] > 1.3 > warm[2]
    assert cool[2] > cool[0]


def test_unknown_board_is_named() -> None:
    with pytest.raises(InvalidInputError, match="board: got 'marble'"):
        station.make_board(np.random.default_rng(0), "marble")


def test_development_makes_a_board_as_bright_as_its_albedo_in_any_light() -> None:
    shot = scene.draw_shot(None, 1)
    picture = [
        scene.develop(np.full((4, 32, 32, 3), level, dtype=np.float32), shot)
        for level in (0.02, 5.0)
    ]
    np.testing.assert_array_equal(picture[0], picture[1])
    assert 20 < picture[0].mean() < 250


def test_development_drops_a_firefly() -> None:
    shot = scene.draw_shot(None, 1)
    passes = np.full((4, 32, 32, 3), 0.5, dtype=np.float32)
    clean = scene.develop(passes, shot)
    passes[2, 16, 16] = 1e4
    spotted = scene.develop(passes, shot)
    assert np.abs(spotted.astype(int) - clean).max() < 40


def test_plan_takes_materials_by_turns(tmp_path: Path) -> None:
    settings = generate.Settings(tmp_path, 5, 2, ("glass", "trash"))
    names = [job.file for job in generate.plan(settings)]
    assert names == [
        "glass/glass_000005.png",
        "trash/trash_000005.png",
        "glass/glass_000006.png",
        "trash/trash_000006.png",
    ]


def test_remaining_skips_only_what_has_both_picture_and_truth(tmp_path: Path) -> None:
    jobs = generate.plan(generate.Settings(tmp_path, 1, 3, ("metal",)))
    (tmp_path / "metal").mkdir()
    for job in jobs[:2]:
        (tmp_path / job.file).write_bytes(b"")
    with (tmp_path / generate.TRUTH_NAME).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, generate.FIELDS)
        writer.writeheader()
        writer.writerow({"file": jobs[0].file})
    assert generate.remaining(jobs) == jobs[1:]


@pytest.mark.parametrize(
    ("field", "value"),
    [("count", 0), ("width_px", 4), ("samples", 1), ("first_seed", -1), ("materials", ("wood",))],
)
def test_settings_name_what_is_wrong(tmp_path: Path, field: str, value: object) -> None:
    given: dict[str, Any] = {"out": tmp_path, "first_seed": 1, "count": 1, field: value}
    with pytest.raises(InvalidInputError, match=f"^{field}: got"):
        generate.Settings(**given)


def test_missing_mitsuba_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_mitsuba(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "mitsuba":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_mitsuba)
    with pytest.raises(scene.MitsubaMissingError, match=r"recycle_sorter\[render\]"):
        scene.load_mitsuba()


def test_help_shows_examples() -> None:
    app = Typer()
    app.command()(render_command)
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    assert "recycle-sorter render --out" in result.output


@pytest.mark.render
def test_renders_a_small_picture_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="needs the extra: pip install 'recycle_sorter[render]'")
    settings = generate.Settings(tmp_path, 3, 1, ("glass", "metal"), 32, 24, 4)
    assert len(list(generate.run(generate.plan(settings)[:1], processes=1))) == 1
    left = generate.remaining(generate.plan(settings))
    assert [job.material for job in left] == ["metal"]
    assert len(list(generate.run(left, processes=1))) == 1
    with (tmp_path / generate.TRUTH_NAME).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["material"] for row in rows] == ["glass", "metal"]
    for row in rows:
        picture = cv2.imread(str(tmp_path / row["file"]))
        assert picture is not None
        assert picture.shape == (24, 32, 3)
        assert picture.std() > 3.0
    first, again = (scene.render(scene.draw_shot("metal", 3), 32, 24, 4) for _ in range(2))
    np.testing.assert_array_equal(first, again)
