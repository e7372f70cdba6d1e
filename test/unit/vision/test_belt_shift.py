# SPDX-License-Identifier: Apache-2.0
"""The belt's movement, seen in pictures of a belt that moves by known amounts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from recycle_sorter.core.belt.layout import DIRECTIONS
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.belt_calibration import BeltCalibration
from recycle_sorter.vision.belt_shift import BeltShift

PX_PER_M = 800.0
WIDTH, HEIGHT = 640, 480
LENGTH = 2600  # of the belt, pixels; it is endless

# Made once; two pictures in a row must not share it, as noise that repeats is a texture.
NOISE = np.random.default_rng(1).standard_normal((5, HEIGHT, WIDTH), np.float32)

Pixels = NDArray[np.uint8]


def rubber(contrast: float = 12.0, seed: int = 0) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, 1, (HEIGHT, LENGTH)).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.asarray(90 + contrast * soft / soft.std(), np.float32)


def plain() -> NDArray[np.float32]:
    return np.full((HEIGHT, LENGTH), 90, np.float32)


def mesh(seed: int = 0) -> NDArray[np.float32]:
    x, y = np.arange(LENGTH)[None, :], np.arange(HEIGHT)[:, None]
    threads = 30.0 * ((x % 12 < 3) | (y % 12 < 3))
    dirt = np.random.default_rng(seed).normal(0, 4, (HEIGHT, LENGTH))
    return np.asarray(cv2.GaussianBlur((90 + threads + dirt).astype(np.float32), (0, 0), 1.0))


def with_items(belt: NDArray[np.float32], count: int = 12) -> NDArray[np.float32]:
    rng = np.random.default_rng(7)
    belt = belt.copy()
    for k in range(count):
        centre = (k * LENGTH // count, int(rng.integers(80, HEIGHT - 80)))
        axes = (int(rng.integers(20, 45)), int(rng.integers(20, 45)))
        grey = float(rng.choice([20.0, 60.0, 160.0, 230.0]))
        cv2.ellipse(belt, centre, axes, float(rng.integers(0, 180)), 0, 360, grey, -1)
    return belt


def glare(strength: float) -> NDArray[np.float32]:
    spots = np.zeros((HEIGHT, WIDTH), np.float32)
    cv2.ellipse(spots, (400, 200), (70, 25), 20, 0, 360, 1.0, -1)
    cv2.line(spots, (100, 50), (150, 400), 1.0, 5)
    return np.asarray(strength * cv2.GaussianBlur(spots, (0, 0), 2))


def pictures(
    belt: NDArray[np.float32],
    positions_px: Sequence[float],
    still: NDArray[np.float32] | None = None,
    flicker: float = 0.0,
    noise: float = 2.0,
) -> list[Pixels]:
    """What a camera with a vignette sees while the belt goes to the right."""
    y, x = np.mgrid[-1:1:480j, -1:1:640j].astype(np.float32)
    vignette = 1 - 0.15 * (x * x + y * y)
    seen = []
    for k, position_px in enumerate(positions_px):
        move = np.array([[1, 0, position_px - 1500], [0, 1, 0]], np.float64)
        view = cv2.warpAffine(
            belt, move, (WIDTH, HEIGHT), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP
        )
        view *= vignette * np.float32(1 + flicker * math.sin(1.7 * k))
        view += np.float32(noise) * NOISE[k % len(NOISE)]
        if still is not None:
            view += still
        grey = np.clip(view, 0, 255).astype(np.uint8)
        seen.append(np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), np.uint8))
    return seen


def steps_of(positions_px: Sequence[float]) -> list[float]:
    return [b - a for a, b in pairwise(positions_px)]


def start_stop_reverse() -> list[float]:
    speeds = [0.0] * 5 + [1.6 * k for k in range(1, 17)] + [26.0] * 4
    speeds += [26.0 - 2.0 * k for k in range(1, 14)] + [0.0] * 4 + [-1.5 * k for k in range(6)]
    return np.cumsum([0.0, *speeds]).tolist()


def measured(shift: BeltShift, seen: list[Pixels]) -> list[float | None]:
    """In pixels, without the first, which has none before it."""
    found = [shift.measure(pixels) for pixels in seen]
    assert found[0] is None
    return [None if m is None else m * PX_PER_M for m in found[1:]]


def check_each(found: list[float | None], expected: list[float], within_px: float) -> None:
    wrong = [
        (k, want, got)
        for k, (got, want) in enumerate(zip(found, expected, strict=True))
        if got is not None and abs(got - want) > within_px
    ]
    assert wrong == []


@pytest.mark.parametrize("step_px", [26.7, -26.7, 5.8, 1.3, 53.0])
def test_two_metres_of_belt_add_up_to_within_one_percent(step_px: float) -> None:
    # One runs the whole way; the others are as exact on less of it.
    count = min(round(2.0 * PX_PER_M / abs(step_px)), 60 if step_px == 26.7 else 25)
    positions = [k * step_px for k in range(count + 1)]
    found = measured(BeltShift(PX_PER_M), pictures(with_items(rubber()), positions))
    assert None not in found
    total = sum(step for step in found if step is not None)
    assert total == pytest.approx(positions[-1], rel=0.01)
    check_each(found, steps_of(positions), 0.3)


@pytest.mark.parametrize(
    ("belt", "still", "flicker"),
    [
        (rubber(), None, 0.0),
        (rubber(), glare(120), 0.0),
        (rubber(4.0), glare(120), 0.0),
        (rubber(), None, 0.15),
        (with_items(rubber(6.0)), glare(60), 0.1),
        (mesh(), None, 0.0),
    ],
    ids=["rubber", "glare", "dull-glare", "flicker", "items-glare-flicker", "mesh"],
)
def test_it_follows_start_stop_and_reverse(
    belt: NDArray[np.float32], still: NDArray[np.float32] | None, flicker: float
) -> None:
    positions = start_stop_reverse()
    found = measured(BeltShift(PX_PER_M), pictures(belt, positions, still, flicker))
    check_each(found, steps_of(positions), 0.8)
    assert found.count(None) <= len(found) // 10
    known = [(got, want) for got, want in zip(found, steps_of(positions), strict=True) if got]
    assert sum(got for got, _ in known) == pytest.approx(sum(want for _, want in known), rel=0.01)


def test_glare_alone_stands_while_few_items_move_on_a_plain_belt() -> None:
    positions = [12.0 * k for k in range(40)]
    seen = pictures(with_items(plain()), positions, glare(80))
    found = measured(BeltShift(PX_PER_M), seen)
    check_each(found, steps_of(positions), 2.0)
    assert found.count(None) <= len(found) // 2


def test_a_belt_without_texture_shows_nothing() -> None:
    shift = BeltShift(PX_PER_M)
    found = measured(shift, pictures(plain(), [10.0 * k for k in range(20)]))
    assert found == [None] * 19
    assert (shift.measured, shift.unclear) == (0, 19)


def test_a_black_picture_shows_nothing() -> None:
    assert measured(BeltShift(PX_PER_M), [np.zeros((HEIGHT, WIDTH, 3), np.uint8)] * 4) == [None] * 3


def test_pictures_of_different_belts_show_nothing() -> None:
    seen = [pictures(rubber(seed=seed), [0.0])[0] for seed in range(6)]
    assert measured(BeltShift(PX_PER_M), seen) == [None] * 5


def test_a_belt_that_stands_does_not_creep() -> None:
    found = measured(BeltShift(PX_PER_M), pictures(rubber(), [100.0] * 30, glare(50), 0.1))
    known = [step for step in found if step is not None]
    assert len(known) > 20
    assert max(abs(step) for step in known) < 0.1
    assert abs(sum(known)) < 0.3


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize("is_calibrated", [False, True])
def test_every_direction_counts_forward(direction: str, is_calibrated: bool) -> None:
    positions = [11.0 * k for k in range(8)]
    turn = {
        "right": None,
        "left": cv2.ROTATE_180,
        "down": cv2.ROTATE_90_CLOCKWISE,
        "up": cv2.ROTATE_90_COUNTERCLOCKWISE,
    }[direction]
    seen = pictures(rubber(), positions)
    if turn is not None:
        seen = [np.asarray(cv2.rotate(pixels, turn), np.uint8) for pixels in seen]
    height, width = seen[0].shape[:2]
    if is_calibrated:
        calibration = BeltCalibration.from_px_per_m(PX_PER_M, width, height, direction)
        shift = BeltShift.from_calibration(calibration)
    else:
        shift = BeltShift(PX_PER_M, direction)
    found = measured(shift, seen)
    assert None not in found
    check_each(found, steps_of(positions), 0.3)


def test_a_camera_that_looks_aslant_measures_metres_of_belt() -> None:
    positions = [14.0 * k for k in range(30)]
    corners = np.array([[0, 0], [WIDTH, 0], [WIDTH, HEIGHT], [0, HEIGHT]], np.float32)
    aslant = np.array([[30, 10], [600, 40], [630, 470], [5, 440]], np.float32)
    warp = cv2.getPerspectiveTransform(corners, aslant)
    seen = [
        np.asarray(cv2.warpPerspective(pixels, warp, (WIDTH, HEIGHT)), np.uint8)
        for pixels in pictures(rubber(), positions)
    ]
    square = BeltCalibration.from_px_per_m(PX_PER_M, WIDTH, HEIGHT)
    matrix = np.asarray(square.homography) @ np.linalg.inv(warp)
    matrix /= matrix[2, 2]
    calibration = BeltCalibration(tuple(tuple(row) for row in matrix.tolist()), WIDTH, HEIGHT)
    found = measured(BeltShift.from_calibration(calibration), seen)
    total = sum(step for step in found if step is not None)
    assert None not in found
    assert total == pytest.approx(positions[-1], rel=0.01)


def test_grey_pictures_do_and_another_size_starts_again() -> None:
    seen = pictures(rubber(), [0.0, 9.0, 18.0])
    shift = BeltShift(PX_PER_M)
    found = measured(shift, [pixels[:, :, 0].copy() for pixels in seen])
    assert found == pytest.approx([9.0, 9.0], abs=0.2)
    assert shift.measure(seen[0][:400].copy()) is None
    found_m = shift.measure(seen[1][:400].copy())
    assert found_m == pytest.approx(9.0 / PX_PER_M, abs=0.2 / PX_PER_M)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((480, 640, 3), np.float32),
        np.zeros((640,), np.uint8),
        np.zeros((20, 640, 3), np.uint8),
        np.zeros((0, 0, 3), np.uint8),
        np.zeros((480, 640, 4), np.uint8),
    ],
    ids=["float", "flat", "low", "empty", "four"],
)
def test_what_is_no_picture_is_refused(pixels: Pixels) -> None:
    with pytest.raises(InvalidInputError) as caught:
        BeltShift(PX_PER_M).measure(pixels)
    assert caught.value.field == "pixels"


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("px_per_m", {"px_per_m": 0.0}),
        ("px_per_m", {"px_per_m": math.nan}),
        ("direction", {"px_per_m": 800.0, "direction": "sideways"}),
        ("max_shift_m", {"px_per_m": 800.0, "max_shift_m": -1.0}),
    ],
)
def test_bad_settings_are_refused_by_name(field: str, values: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        BeltShift(**values)  # type: ignore[arg-type]
    assert caught.value.field == field
