# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recycle_sorter.render import develop

PLAIN = develop.Sensor(
    gain=1.0,
    auto=0.0,
    balance=(1.0, 1.0, 1.0),
    motion=0.0,
    motion_rad=0.0,
    defocus=0.0,
    vignette=0.0,
    read_noise=0.0,
    shot_noise=0.0,
    jpeg_quality=0,
    seed=1,
)


def _even(level: float = 0.2) -> np.ndarray:
    return np.full((48, 64, 3), level, dtype=np.float32)


def test_no_light_is_black_and_twice_the_light_is_brighter() -> None:
    assert develop.exposed(_even(0.0), PLAIN).max() == 0
    dim, bright = (develop.exposed(_even(level), PLAIN).mean() for level in (0.1, 0.2))
    assert dim < bright < 255


def test_colour_of_the_light_stays_without_balance_and_goes_with_it() -> None:
    light = (1.0, 0.3, 0.1)
    picture = _even() * np.asarray(light, dtype=np.float32)
    red, green, blue = develop.exposed(picture, PLAIN).mean(axis=(0, 1))
    assert red > green + 30
    assert green > blue + 20
    grey = develop.exposed(picture, replace(PLAIN, balance=light)).mean(axis=(0, 1))
    np.testing.assert_allclose(grey, grey[0], atol=1.0)


def test_own_exposure_brings_dim_and_bright_together() -> None:
    ends = [develop.exposed(_even(level), replace(PLAIN, auto=1.0)) for level in (0.01, 3.0)]
    np.testing.assert_array_equal(ends[0], ends[1])
    fixed = [develop.exposed(_even(level), PLAIN).mean() for level in (0.01, 0.4)]
    half = [develop.exposed(_even(v), replace(PLAIN, auto=0.5)).mean() for v in (0.01, 0.4)]
    assert 0 < half[1] - half[0] < fixed[1] - fixed[0]


@pytest.mark.parametrize("angle_rad", [0.0, np.pi / 2, 0.6, -0.6])
def test_point_leaves_a_streak_along_the_motion(angle_rad: float) -> None:
    point = _even(0.0)
    point[24, 32] = 20.0
    picture = develop.exposed(point, replace(PLAIN, motion=0.25, motion_rad=angle_rad))
    rows, columns = np.nonzero(picture[..., 0] > 20)
    # Rows count downward, the angle counts upward from x.
    away = np.stack([columns - 32, -(rows - 24)], axis=1).astype(float)
    along = away @ [np.cos(angle_rad), np.sin(angle_rad)]
    across = away @ [-np.sin(angle_rad), np.cos(angle_rad)]
    assert np.ptp(along) == pytest.approx(16.0, abs=2.0)
    assert np.abs(across).max() <= 1.5


@pytest.mark.parametrize("length_px", [0.6, 3.0, 17.5])
def test_streak_keeps_the_light(length_px: float) -> None:
    kernel = develop.streak(length_px, 0.4)
    assert kernel.sum() == pytest.approx(1.0, abs=1e-5)
    assert kernel.min() >= 0.0


def test_noise_comes_from_its_seed_and_grows_with_the_light() -> None:
    noisy = replace(PLAIN, read_noise=0.005, shot_noise=0.05)
    first, again, other = (
        develop.exposed(_even(), replace(noisy, seed=seed)) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.std() > 1.0
    assert develop.exposed(_even(), PLAIN).std() == 0.0


def test_grain_has_unit_variance() -> None:
    sensor = replace(PLAIN, read_noise=0.02)
    # At linear 0.5 the sRGB curve climbs by 0.659 a unit.
    spread = develop.exposed(np.full((96, 128, 3), 0.5, np.float32), sensor).std(axis=(0, 1))
    np.testing.assert_allclose(spread, 0.02 * 0.659 * 255, rtol=0.15)


def test_corners_are_darker_with_vignetting() -> None:
    picture = develop.exposed(_even(), replace(PLAIN, vignette=0.5)).astype(int)
    assert picture[0, 0, 0] < picture[24, 32, 0] - 20
    assert picture[0, 0, 0] == pytest.approx(picture[-1, -1, 0], abs=1)


def test_jpeg_loses_a_little_and_keeps_the_channels_in_order() -> None:
    rng = np.random.default_rng(2)
    light = (_even() * [1.0, 0.5, 0.2] * rng.uniform(0.8, 1.2, (48, 64, 1))).astype(np.float32)
    plain = develop.exposed(light, PLAIN).astype(int)
    sent = develop.exposed(light, replace(PLAIN, jpeg_quality=80)).astype(int)
    assert 0.3 < np.abs(sent - plain).mean() < 8.0
    np.testing.assert_allclose(sent.mean(axis=(0, 1)), plain.mean(axis=(0, 1)), atol=3.0)
