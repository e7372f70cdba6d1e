# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer import Typer
from typer.testing import CliRunner

from recycle_sorter.cli.render_cmd import render as render_command
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.render import belt, chute, generate, place, pose, scene

PLACES: tuple[scene.SceneKind, ...] = ("belt", "chute")


def _points(shot: scene.Shot) -> np.ndarray:
    return place.points(shot.item)


def _surroundings(shot: scene.Shot) -> np.ndarray:
    return np.concatenate([part.mesh.vertices for part in shot.board.parts])


@pytest.mark.parametrize("kind", scene.SCENES)
def test_same_seed_same_shot(kind: scene.SceneKind) -> None:
    first, again, other = (scene.draw_shot("paper", seed, kind) for seed in (7, 7, 8))
    assert first.kind == kind
    np.testing.assert_array_equal(_points(first), _points(again))
    np.testing.assert_array_equal(first.lights.room, again.lights.room)
    assert first.lights.lamps == again.lights.lamps
    assert (first.camera, first.sensor, first.board.name) == (
        again.camera,
        again.sensor,
        again.board.name,
    )
    for one, two in zip(first.board.parts, again.board.parts, strict=True):
        np.testing.assert_array_equal(one.mesh.vertices, two.mesh.vertices)
    assert other.lights.lamps != first.lights.lamps


def test_kinds_differ_but_for_the_item() -> None:
    shots = [scene.draw_shot("metal", 5, kind) for kind in scene.SCENES]
    assert len({shot.item.shape for shot in shots if shot.item}) == 1
    assert len({shot.lights.lamps for shot in shots}) == len(shots)
    assert [shot.sensor is None for shot in shots] == [True, True, False, False]


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("material", MATERIALS)
def test_item_lies_on_the_ground_inside_the_frame(material: str, kind: scene.SceneKind) -> None:
    for seed in range(2):
        shot = scene.draw_shot(material, seed, kind)
        points = _points(shot)
        assert points[:, 2].min() == pytest.approx(0.0002, abs=5e-4)
        assert 0.35 <= pose.fill(shot.camera, points) <= 1.0
        assert np.abs(shot.camera.project(points)).max() < 1.05


def test_tall_item_moves_the_camera_of_a_chute_away() -> None:
    # A standing bottle nearly as tall as the camera was near: its frame once held none of it.
    shot = scene.draw_shot("glass", 600003, "chute")
    origin, _, _, forward = shot.camera.axes()
    assert ((_points(shot) - origin) @ forward).min() > 0.08
    assert np.abs(shot.camera.project(_points(shot))).max() < 1.04


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("material", [None, "metal", "glass"])
def test_no_lamp_covers_a_part_of_the_picture(kind: scene.SceneKind, material: str | None) -> None:
    # Bars that hung in the picture were drawn from 8, 10 and 11 once.
    for seed in range(8, 12 if material is None else 10):
        shot = scene.draw_shot(material, seed, kind)
        origin, _, _, forward = shot.camera.axes()
        for lamp in shot.lights.lamps:
            facing = np.asarray(lamp.target_m) - np.asarray(lamp.position_m)
            side = np.cross(lamp.up, facing)
            over = np.cross(facing, side)
            u, v = (
                direction / np.linalg.norm(direction) * size / 2.0
                for direction, size in zip((side, over), lamp.size_m, strict=True)
            )
            x, y = (axis.reshape(-1, 1) for axis in np.mgrid[-1:1:201j, -1:1:41j])
            spots = np.asarray(lamp.position_m) + x * u + y * v
            ahead = (spots - origin) @ forward > 0.01
            seen = (np.abs(shot.camera.project(spots)) < 1.0).all(axis=1)
            assert not (ahead & seen).any()


def test_every_belt_and_wall_is_drawn() -> None:
    belts = {scene.draw_shot(None, seed, "belt").board.name for seed in range(20)}
    walls = {scene.draw_shot(None, seed, "chute").board.name for seed in range(20)}
    assert belts == set(belt.BELTS)
    assert walls == set(chute.WALLS)


@pytest.mark.parametrize("seed", range(8))
def test_motion_blur_runs_along_the_belt(seed: int) -> None:
    shot = scene.draw_shot("cardboard", seed, "belt")
    assert shot.sensor is not None
    # The belt is far longer than wide, so the first part's longest edge is its direction.
    corners = shot.board.parts[0].mesh.vertices
    along = corners[1] - corners[0]
    assert np.linalg.norm(along) > 2.0 * np.linalg.norm(corners[3] - corners[0])
    target = np.asarray(shot.camera.target_m)
    ends = target + np.array([[-1e-3], [1e-3]]) * along
    step = np.diff(shot.camera.project(ends), axis=0)[0] * [shot.camera.aspect, 1.0]
    between = shot.sensor.motion_rad - np.arctan2(step[1], step[0])
    assert abs(np.sin(between)) < 1e-3


@pytest.mark.parametrize("material", MATERIALS)
def test_chute_holds_item_camera_and_lamps(material: str) -> None:
    for seed in range(2):
        shot = scene.draw_shot(material, seed, "chute")
        walls = _surroundings(shot)
        low, high = walls.min(axis=0), walls.max(axis=0)
        inside = np.concatenate([_points(shot), shot.camera.axes()[0][None]])
        inside = np.concatenate([inside, [lamp.position_m for lamp in shot.lights.lamps]])
        assert (inside[:, :2] > low[:2]).all()
        assert (inside < high).all()
        assert not shot.lights.room.any()


def test_modular_belt_has_gaps_between_its_links() -> None:
    shots = (scene.draw_shot(None, seed, "belt") for seed in range(60))
    links = next(shot for shot in shots if shot.board.name == "belt_modular").board.parts[1].mesh
    tops = links.vertices.reshape(-1, 8, 3)
    size = np.ptp(tops, axis=1)
    area = np.abs(np.cross(tops[:, 5] - tops[:, 4], tops[:, 7] - tops[:, 4])[:, 2])
    assert size[:, 2].max() == pytest.approx(0.012)
    flat = links.vertices[links.vertices[:, 2] > -1e-9]
    edges = np.linalg.svd(flat[:, :2] - flat[:, :2].mean(axis=0), full_matrices=False)[2]
    extent = np.ptp(flat[:, :2] @ edges.T, axis=0)
    assert 0.4 < area.sum() / extent.prod() < 0.97


def test_lamp_lights_its_target_by_the_square_of_the_distance() -> None:
    near = place.Lamp((0, 0, 0.3), (0, 0, 0), (0, 1, 0), (0.01, 0.01), (2.0, 1.0, 0.5))
    far = replace(near, position_m=(0, 0, 0.6))
    np.testing.assert_allclose(near.white(), 4.0 * far.white())
    np.testing.assert_allclose(near.white(), np.array([2.0, 1.0, 0.5]) * 1e-4 / 0.09 / np.pi)
    below = replace(near, position_m=(0, 0, -0.3))
    assert not below.white().any()


def test_even_room_lights_a_board_evenly() -> None:
    room = np.full((32, 64, 3), 0.7, dtype=np.float32)
    np.testing.assert_allclose(place.room_white(room), 0.7, rtol=1e-6)


def test_boxes_face_outward() -> None:
    mesh = place.boxes([(0, 0, 0), (2, 0, 0)], [(1, 1, 1), (3, 2, 1)], tile_m=0.3)
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    middles = np.repeat([[0.5, 0.5, 0.5], [2.5, 1.0, 0.5]], 10, axis=0)
    assert (np.einsum("ij,ij->i", normals, corners.mean(axis=1) - middles) > 0).all()


def test_unknown_scene_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="scene: got 'moon', expected one of free, station"):
        scene.draw_shot(None, 1, "moon")  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match="scene: got 'moon'"):
        generate.Settings(tmp_path, 1, 1, kind="moon")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scene", "moon"], "scene: got 'moon', expected one of free, station, belt, chute"),
        (["--scene", "belt", "--station"], "scene: got 'belt', expected station"),
    ],
)
def test_command_refuses_an_unknown_scene(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    app = Typer()
    app.command()(render_command)
    result = CliRunner().invoke(app, ["--out", str(tmp_path / "new"), *arguments])
    assert isinstance(result.exception, InvalidInputError)
    assert message in str(result.exception)
    assert not (tmp_path / "new").exists()


def test_station_flag_is_its_scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[generate.Settings] = []

    def plan(settings: generate.Settings) -> list[generate.Job]:
        planned.append(settings)
        return []

    monkeypatch.setattr(generate, "plan", plan)
    app = Typer()
    app.command()(render_command)
    for arguments in (["--station"], ["--scene", "station"], [], ["--scene", "chute"]):
        result = CliRunner().invoke(app, ["--out", str(tmp_path), *arguments])
        assert result.exit_code == 0, result.output
    assert [settings.kind for settings in planned] == ["station", "station", "free", "chute"]


def _table(folder: Path, fields: tuple[str, ...], rows: list[dict[str, str]]) -> None:
    with (folder / generate.TRUTH_NAME).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)


def test_a_folder_of_another_scene_is_not_continued(tmp_path: Path) -> None:
    jobs = generate.plan(generate.Settings(tmp_path, 1, 2, ("metal",), kind="belt"))
    _table(tmp_path, generate.FIELDS, [{"file": jobs[0].file, "scene": "chute"}])
    with pytest.raises(InvalidInputError, match=r"scene: got 'belt', expected chute.*--out"):
        generate.remaining(jobs)


def test_a_table_without_scenes_is_read(tmp_path: Path) -> None:
    jobs = generate.plan(generate.Settings(tmp_path, 1, 2, ("metal",), kind="station"))
    _table(tmp_path, generate.FIELDS[:-1], [{"file": jobs[0].file}])
    (tmp_path / "metal").mkdir()
    (tmp_path / jobs[0].file).write_bytes(b"")
    assert generate.remaining(jobs) == jobs[1:]


@pytest.mark.render
def test_scene_is_told_in_the_truth_but_not_added_to_an_older_table(tmp_path: Path) -> None:
    pytest.importorskip("mitsuba", reason="needs the extra: pip install 'recycle_sorter[render]'")
    old = tmp_path / "old"
    old.mkdir()
    _table(old, generate.FIELDS[:-1], [{"file": "paper/paper_000001.png"}])
    for folder, scenes in ((tmp_path / "new", ["chute"]), (old, [None, None])):
        settings = generate.Settings(folder, 2, 1, ("paper",), 32, 24, 4, kind="chute")
        assert len(list(generate.run(generate.plan(settings), processes=1))) == 1
        with (folder / generate.TRUTH_NAME).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row.get("scene") for row in rows] == scenes
        assert None not in rows[-1]
        assert rows[-1]["file"] == "paper/paper_000002.png"


@pytest.mark.render
def test_chute_is_dark_and_coloured_and_the_belt_lies_between() -> None:
    pytest.importorskip("mitsuba", reason="needs the extra: pip install 'recycle_sorter[render]'")

    def mean(kind: scene.SceneKind) -> np.ndarray:
        shots = [scene.draw_shot("paper", seed, kind) for seed in range(4)]
        pictures = [scene.render(shot, 32, 24, 4) for shot in shots]
        return np.array([picture.mean(axis=(0, 1)) for picture in pictures])

    station, moving, dark = (mean(kind) for kind in ("station", "belt", "chute"))
    assert 10 < dark.mean() < 0.6 * station.mean()
    assert dark.mean() < moving.mean() < station.mean()

    def cast(means: np.ndarray) -> float:
        spread = means.max(axis=1) / np.maximum(means.min(axis=1), 1.0)
        return float(np.median(spread))

    assert cast(dark) > 1.5 > 1.2 > cast(station)


@pytest.mark.render
@pytest.mark.parametrize("kind", PLACES)
def test_same_seed_same_picture(kind: scene.SceneKind) -> None:
    pytest.importorskip("mitsuba", reason="needs the extra: pip install 'recycle_sorter[render]'")
    first, again = (scene.render(scene.draw_shot("trash", 3, kind), 32, 24, 4) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.std() > 3.0
