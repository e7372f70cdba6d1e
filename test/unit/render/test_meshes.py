# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest

from recycle_sorter.render import deform, shapes

VESSEL = [(0.0, 0.0), (0.03, 0.0), (0.03, 0.1), (0.012, 0.14), (0.012, 0.18)]


def _cylinder() -> shapes.Mesh:
    return shapes.lathe([(0.0, 0.0), (0.02, 0.0), (0.02, 0.1), (0.0, 0.1)], segments=256)


def test_closed_lathe_is_watertight_and_has_the_volume_of_its_cylinder() -> None:
    mesh = _cylinder()
    assert mesh.is_watertight()
    assert mesh.volume_m3() == pytest.approx(np.pi * 0.02**2 * 0.1, rel=1e-3)


def test_lathe_faces_outward_whichever_way_the_profile_runs() -> None:
    down = shapes.lathe([(0.0, 0.1), (0.02, 0.1), (0.02, 0.0), (0.0, 0.0)])
    assert down.volume_m3() > 0


def test_walled_vessel_holds_glass_only_in_its_wall() -> None:
    line = shapes.resampled(VESSEL, 0.003)
    solid = shapes.lathe(np.concatenate([line, [(0.0, 0.18)]]))
    vessel = shapes.lathe(shapes.walled(line, 0.003, 0.006))
    assert vessel.is_watertight()
    assert 0 < vessel.volume_m3() < 0.5 * solid.volume_m3()


def test_open_lathe_is_not_watertight() -> None:
    assert not shapes.lathe([(0.02, 0.0), (0.02, 0.1)]).is_watertight()


@pytest.mark.parametrize("exponent", [2.0, 4.0, 8.0])
def test_superellipse_keeps_its_half_width(exponent: float) -> None:
    section = shapes.superellipse(exponent, 64, aspect=0.5)
    assert np.ptp(section[:, 0]) == pytest.approx(2.0, rel=1e-6)
    assert np.ptp(section[:, 1]) == pytest.approx(1.0, rel=1e-6)


def test_slab_and_its_rim_close_together() -> None:
    face, rim = shapes.slab(shapes.rectangle(0.2, 0.1), 0.004)
    board = shapes.joined(face, rim)
    assert board.is_watertight()
    assert board.volume_m3() == pytest.approx(0.2 * 0.1 * 0.004)


def test_normals_are_unit_and_point_out_of_a_cylinder() -> None:
    mesh = _cylinder()
    normals = mesh.normals()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-9)
    outward = np.einsum("ij,ij->i", normals, mesh.vertices - [0, 0, 0.05])
    assert (outward > 0).all()


def test_resampled_never_steps_further_than_asked_and_keeps_the_corners() -> None:
    line = shapes.resampled(VESSEL, 0.004)
    assert np.linalg.norm(np.diff(line, axis=0), axis=1).max() <= 0.004 + 1e-12
    for corner in VESSEL:
        assert np.isclose(line, corner).all(axis=1).any()


def test_mirror_fold_keeps_lengths_on_either_side_of_the_crease() -> None:
    mesh = shapes.sheet(0.2, 0.2, 41, 41)
    normal = np.array([1.0, 0.0, 1.0]) / np.sqrt(2.0)
    folded = deform.mirror_fold(mesh.vertices, normal, 0.02)
    assert (folded @ normal).max() <= 0.02 + 1e-12
    beyond = mesh.vertices @ normal > 0.02
    before, after = mesh.vertices[beyond], folded[beyond]
    apart = np.linalg.norm(before[1:] - before[:-1], axis=1)
    np.testing.assert_allclose(np.linalg.norm(after[1:] - after[:-1], axis=1), apart, atol=1e-12)


def test_crumpled_sheet_fits_the_ball_and_repeats_from_its_seed() -> None:
    mesh = shapes.sheet(0.21, 0.29, 60, 60)
    balls = [deform.crumpled(mesh, np.random.default_rng(5), 0.04) for _ in range(2)]
    np.testing.assert_array_equal(balls[0].vertices, balls[1].vertices)
    assert np.linalg.norm(balls[0].vertices, axis=1).max() < 0.11
    other = deform.crumpled(mesh, np.random.default_rng(6), 0.04)
    assert not np.allclose(other.vertices, balls[0].vertices)


def test_dents_keep_a_shell_closed_and_make_it_smaller() -> None:
    mesh = _cylinder()
    dented = deform.dented([mesh], np.random.default_rng(1), dents=5, depth=0.3)[0]
    assert dented.is_watertight()
    assert dented.volume_m3() < mesh.volume_m3()


def test_folding_over_keeps_the_paper_length_along_the_fold() -> None:
    mesh = shapes.sheet(0.2, 0.02, 401, 2)
    folded = deform.folded_over(mesh, 0.03, np.pi)
    row = folded.vertices[:401]
    length = np.linalg.norm(np.diff(row, axis=0), axis=1).sum()
    assert length == pytest.approx(0.2, rel=2e-3)
    assert np.ptp(row[:, 2]) == pytest.approx(0.003, rel=0.02)


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_rotations_are_right_handed(axis: str) -> None:
    matrix = deform.rotation(axis, 0.3)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
    assert matrix[second, first] == pytest.approx(np.sin(0.3))
