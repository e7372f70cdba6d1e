# SPDX-License-Identifier: Apache-2.0
"""Frames: items where the truth says, belts that scroll, light that does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.twin_data import cutout, library, scenario

from recycle_sorter.twin.belts import make_belt
from recycle_sorter.twin.library import Library
from recycle_sorter.twin.paint import Painter
from recycle_sorter.twin.scenario import COLOURS, TEXTURES, Scenario
from recycle_sorter.twin.twin import Twin
from recycle_sorter.vision.belt_calibration import BeltCalibration

RED = Library((cutout("metal", 0.1),))


def red(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """How red each pixel is, 0 to 1, beside a dark belt."""
    bgr = pixels.astype(np.float64)
    return np.clip((bgr[..., 2] - bgr[..., :2].max(axis=2)) / 210.0, 0.0, 1.0)


def middle(weight: NDArray[np.float64]) -> tuple[float, float]:
    y, x = np.mgrid[0 : weight.shape[0], 0 : weight.shape[1]] + 0.5
    total = weight.sum()
    return float((x * weight).sum() / total), float((y * weight).sum() / total)


def moved_px(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> tuple[float, float]:
    grey = [cv2.cvtColor(each, cv2.COLOR_BGR2GRAY).astype(np.float32) for each in (one, other)]
    (x, y), _ = cv2.phaseCorrelate(*grey, cv2.createHanningWindow(grey[0].shape[::-1], cv2.CV_32F))
    return float(x), float(y)


@pytest.mark.parametrize("direction", ["right", "left", "down", "up"])
def test_items_are_painted_where_the_truth_says(direction: str) -> None:
    size = (160, 120) if direction in ("right", "left") else (120, 160)
    still = scenario(
        camera__direction=direction, camera__width_px=size[0], camera__height_px=size[1],
        items__per_min=30.0,
    )  # fmt: skip
    twin = Twin(still, RED)
    looks = BeltCalibration.from_px_per_m(200.0, *size, direction)
    checked = 0
    for index in range(0, twin.frame_count, 11):
        frame = twin.frame(index)
        assert frame.pixels.shape == (size[1], size[0], 3)
        position_m = twin.position_m(frame.stamp_ns)
        whole = [
            item
            for item in twin.visible(frame.stamp_ns)
            if 0.05 < item.s_m + position_m < 0.75 and len(twin.visible(frame.stamp_ns)) == 1
        ]
        for item in whole:
            at = looks.to_belt_m([middle(red(frame.pixels))])[0]
            assert at == pytest.approx((item.s_m + position_m, item.y_m), abs=0.0015)
            # 0.1 m by 0.05 m at 200 px a metre.
            assert (red(frame.pixels) > 0.4).sum() == pytest.approx(200, rel=0.12)
            checked += 1
    assert checked >= 5


def test_an_item_turns_as_the_truth_says() -> None:
    # A wedge: its middle is nearer to its left end.
    wedge = cutout()
    wedge.pixels[..., 3] = 0
    cv2.fillConvexPoly(wedge.pixels, np.array([[4, 4], [4, 44], [84, 24]]), (20, 20, 230, 255))
    twin = Twin(scenario(items__count=6, items__per_min=30.0), Library((_again(wedge.pixels),)))
    turned = 0
    for item in twin.items:
        at_ns = twin.arrival_ns(item, 0.4)
        assert at_ns is not None
        index = round((at_ns - twin.start_ns) * 30 / 1e9)
        found = red(twin.frame(index).pixels)
        outline = np.argwhere(found > 0.5)[:, ::-1]
        tip = outline[np.argmax(np.hypot(*(outline - np.array(middle(found))).T))]
        off = tip - np.array(middle(found))
        angle = np.arctan2(-off[1], off[0])
        assert np.cos(angle - item.angle_rad) > 0.97
        turned += 1
    assert turned == 6


def _again(pixels: NDArray[np.uint8]) -> object:
    made = cutout()
    return type(made)(pixels, "metal", "wedge.png", 0.1)


@pytest.mark.parametrize("texture", TEXTURES)
def test_the_belt_scrolls_with_its_position(texture: str) -> None:
    still = scenario(
        belt__texture=texture, belt__colour="grey", belt__width_m=2.0, items__count=0,
        camera__px_per_m=800.0, camera__width_px=320, camera__height_px=240,
    )  # fmt: skip
    painter = Painter(still, [])
    first = painter.paint(0, 0, 1.0, 0.0)
    again = Painter(still, []).paint(0, 0, 1.0, 0.0)
    np.testing.assert_array_equal(first, again)
    for shift_m in (0.00375, -0.0028):
        x, y = moved_px(first, painter.paint(0, 0, 1.0 + shift_m, 0.0))
        assert (x, y) == pytest.approx((shift_m * 800.0, 0.0), abs=0.2)


@pytest.mark.parametrize("texture", TEXTURES)
@pytest.mark.parametrize("colour", ["black", "green"])
def test_belts_have_their_colour_and_close(texture: str, colour: str) -> None:
    belt = make_belt(1, texture, COLOURS[colour], 640, 200, 400.0)
    assert belt.shape == (200, 640, 3)
    mean = np.median(belt.reshape(-1, 3), axis=0)[::-1]
    assert np.abs(mean - COLOURS[colour]).max() < 45
    steps = np.abs(np.diff(belt.astype(int), axis=1)).mean(axis=(0, 2))
    seam = np.abs(belt[:, 0].astype(int) - belt[:, -1]).mean()
    assert seam <= 1.5 * max(float(np.quantile(steps, 0.99)), 1.0)
    assert np.any(belt != make_belt(2, texture, COLOURS[colour], 640, 200, 400.0))


def test_motion_smears_along_the_travel_only() -> None:
    def sharpness(axis: int, **changes: object) -> float:
        twin = Twin(scenario(items__is_rotated=False, **changes), RED)
        at_ns = twin.arrival_ns(twin.items[0], 0.4)
        assert at_ns is not None
        seen = red(twin.frame(round((at_ns - twin.start_ns) * 30 / 1e9)).pixels)
        return float(np.abs(np.diff(seen, axis=axis)).max())

    fast = {"camera__exposure_sec": 0.03, "speed__speed_m_per_sec": 0.8}  # 4.8 px
    assert sharpness(1, **fast) < 0.5 * sharpness(1)
    assert sharpness(0, **fast) == pytest.approx(sharpness(0), rel=0.2)
    blurred = {"camera__focus_blur_px": 2.0}
    assert sharpness(1, **blurred) < 0.5 * sharpness(1)
    assert sharpness(0, **blurred) < 0.5 * sharpness(0)


def levels(**changes: object) -> NDArray[np.float64]:
    """Mean colour of an empty belt over a second, ``(30, 3)``, red first."""
    still = scenario(items__count=0, belt__colour="grey", belt__texture="plain", **changes)
    painter = Painter(still, [])
    frames = [painter.paint(i, i * 33_333_333, 0.0, 0.0) for i in range(30)]
    return np.array([frame.mean(axis=(0, 1))[::-1] for frame in frames])


def test_gain_and_colour_of_the_light() -> None:
    plain = levels()
    assert np.ptp(plain, axis=0).max() == 0.0
    assert levels(light__gain=0.5)[0] == pytest.approx(0.5 * plain[0], abs=1.0)
    ratio = levels(light__colour=(1.2, 1.0, 0.7))[0] / plain[0]
    assert ratio == pytest.approx((1.2, 1.0, 0.7), abs=0.02)


def test_drift_is_slow_and_flicker_is_not() -> None:
    plain = levels()[0].mean()
    drift = levels(light__drift=0.2, light__drift_period_sec=1.0).mean(axis=1) / plain
    assert np.ptp(drift) == pytest.approx(0.4, abs=0.05)
    assert np.abs(np.diff(drift)).max() < 0.06
    flicker = levels(light__flicker=0.1, light__flicker_hz=107.0).mean(axis=1) / plain
    assert np.ptp(flicker) == pytest.approx(0.2, abs=0.05)


def test_glare_stands_still() -> None:
    base: dict[str, object] = {"items__count": 0, "belt__width_m": 2.0}
    with_, without = (
        Painter(scenario(light__glare=glare, **base), []) for glare in (1.0, 0.0)
    )  # fmt: skip
    shines = [
        with_.paint(0, 0, at, 0.0).astype(int) - without.paint(0, 0, at, 0.0) for at in (0.0, 0.3)
    ]
    assert shines[0].max() > 60
    assert np.abs(shines[0] - shines[1]).max() <= 2


def test_noise_is_of_its_strength_and_new_in_each_frame() -> None:
    clean = Painter(scenario(items__count=0), []).paint(0, 0, 0.0, 0.0).astype(int)
    noisy = Painter(scenario(items__count=0, camera__noise_levels=4.0), [])
    first, second = (noisy.paint(i, 0, 0.0, 0.0).astype(int) - clean for i in (0, 1))
    assert first.std() == pytest.approx(4.0, rel=0.1)
    assert (first - second).std() == pytest.approx(4.0 * 2**0.5, rel=0.1)


def test_items_darken_the_belt_beside_them() -> None:
    bare = scenario(belt__colour="white", belt__texture="plain", items__is_rotated=False)
    twin = Twin(bare, RED)
    item = twin.items[0]
    at_ns = twin.arrival_ns(item, 0.4)
    assert at_ns is not None
    position_m = twin.position_m(at_ns)
    shown = Painter(bare, twin.items).paint(0, 0, position_m, 0.0).astype(int)
    empty = Painter(bare, []).paint(0, 0, position_m, 0.0).astype(int)
    taken = (empty - shown).mean(axis=2)
    row, column = round(60 - item.y_m * 200), 80
    # Half the length is 10 px: just beyond it there is shadow, far off there is none.
    assert taken[row, column + 11] > 8
    assert np.abs(taken[:, : column - 30]).max() <= 1


def test_guards_frame_a_belt_that_is_narrower_than_the_view() -> None:
    narrow, wide = (
        Painter(scenario(items__count=0, belt__width_m=width), []) for width in (0.5, 0.6)
    )
    framed, bare = narrow.paint(0, 0, 0.0, 0.0), wide.paint(0, 0, 0.0, 0.0)
    assert framed[4].mean() > 1.5 * bare[4].mean()
    # They stand still while the belt travels.
    np.testing.assert_array_equal(framed[:10], narrow.paint(0, 0, 0.1, 0.0)[:10])


def test_frames_do_not_depend_on_what_was_painted_before() -> None:
    busy: Scenario = scenario(items__count=40, items__overlap_share=0.5, camera__noise_levels=1.0)
    one, other = Twin(busy, library()), Twin(busy, library())
    order = [40, 3, 200, 41, 3, 0]
    there = {index: other.frame(index) for index in sorted(order)}
    for index in order:
        frame = one.frame(index)
        assert frame.stamp_ns == there[index].stamp_ns
        np.testing.assert_array_equal(frame.pixels, there[index].pixels)
