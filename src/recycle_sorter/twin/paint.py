# SPDX-License-Identifier: Apache-2.0
"""Paints what the camera sees.

Items lie still on the belt, so belt and items are painted together, once, in strips of the belt's
own coordinate. A frame is a window onto them, smeared by the exposure and the lens, then lit by
what stands still: lamps, their reflection, the guards beside the belt, the sensor.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.belts import make_belt
from recycle_sorter.twin.scenario import Scenario
from recycle_sorter.twin.sprites import Sprite, make_sprite
from recycle_sorter.twin.stage import Sensor, Stage
from recycle_sorter.twin.world import TwinItem

_STRIP_PX: Final = 160
_ROUND_M: Final = 3.2  # of a belt, until its texture comes round again
_KEPT_STRIPS: Final = 24
_KEPT_SPRITES: Final = 128
_LENS_PX: Final = 0.45  # no lens is sharper
_MAX_SMEAR_PX: Final = 400.0
_TURNS: Final = {"left": cv2.ROTATE_180, "down": cv2.ROTATE_90_CLOCKWISE,
                 "up": cv2.ROTATE_90_COUNTERCLOCKWISE}  # fmt: skip

Picture = NDArray[np.uint8]


class Painter:
    """Paints frames of a scenario.

    Args:
        scenario: Camera, belt and light.
        items: What lies on the belt.
    """

    def __init__(self, scenario: Scenario, items: Sequence[TwinItem]) -> None:
        camera, belt = scenario.camera, scenario.belt
        self._scenario = scenario
        self._items = {item.item_id: item for item in items}
        self._along_px, self._across_px = camera.along_px, camera.across_px
        strips = max(2, -(-round(_ROUND_M * camera.px_per_m) // _STRIP_PX))
        strips = min(strips, max(2, 9000 // _STRIP_PX))
        self._belt = make_belt(
            scenario.seed,
            belt.texture,
            belt.rgb,
            strips * _STRIP_PX,
            self._across_px,
            camera.px_per_m,
        )
        self._stage = Stage(scenario)
        self._sensor = Sensor(scenario)
        self._by_strip = self._shelve(items)
        self._strips: OrderedDict[int, Picture] = OrderedDict()
        self._sprites: OrderedDict[int, Sprite] = OrderedDict()

    def paint(
        self, index: int, since_ns: int, position_m: float, speed_m_per_sec: float
    ) -> Picture:
        """Paints one frame.

        Args:
            index: Number of the frame; its noise follows from it.
            since_ns: Time since the start.
            position_m: The belt's position in the middle of the exposure.
            speed_m_per_sec: The belt's speed then.

        Returns:
            ``(height_px, width_px, 3)`` uint8, BGR.
        """
        camera = self._scenario.camera
        offset = -position_m * camera.px_per_m
        whole = math.floor(offset)
        smear_px = abs(speed_m_per_sec) * camera.exposure_sec * camera.px_per_m
        blur_px = math.hypot(_LENS_PX, camera.focus_blur_px)
        along = _smear(min(smear_px, _MAX_SMEAR_PX), blur_px, offset - whole)
        reach = len(along) // 2
        window = self._window(whole - reach, self._along_px + 2 * reach)
        seen = cv2.sepFilter2D(window, cv2.CV_8U, along, _smear(0.0, blur_px, 0.0))
        picture = np.array(seen[:, reach : reach + self._along_px], np.uint8, order="C")
        self._stage.frame_guards(picture)
        picture = self._stage.light(picture, since_ns / NS_PER_SEC)
        if camera.direction in _TURNS:
            picture = np.asarray(cv2.rotate(picture, _TURNS[camera.direction]), np.uint8)
        return self._sensor.expose(picture, index)

    def _window(self, left: int, width: int) -> Picture:
        """The belt with its items, from a column of its own coordinate on."""
        first, last = left // _STRIP_PX, (left + width - 1) // _STRIP_PX
        parts = [self._strip(number) for number in range(first, last + 1)]
        begin = left - first * _STRIP_PX
        # Cut at both ends first: what is joined is copied.
        parts[-1] = parts[-1][:, : left + width - last * _STRIP_PX]
        parts[0] = parts[0][:, begin:]
        return np.asarray(cv2.hconcat(parts), np.uint8)

    def _strip(self, number: int) -> Picture:
        if number in self._strips:
            self._strips.move_to_end(number)
            return self._strips[number]
        begin = (number * _STRIP_PX) % self._belt.shape[1]
        strip = self._belt[:, begin : begin + _STRIP_PX].copy()
        for item_id in self._by_strip.get(number, ()):
            self._sprite(item_id).draw(strip, number * _STRIP_PX)
        self._strips[number] = strip
        while len(self._strips) > max(_KEPT_STRIPS, 2 + self._along_px // _STRIP_PX * 2):
            self._strips.popitem(last=False)
        return strip

    def _sprite(self, item_id: int) -> Sprite:
        if item_id not in self._sprites:
            self._sprites[item_id] = make_sprite(
                self._items[item_id], self._scenario.camera.px_per_m, self._across_px
            )
        self._sprites.move_to_end(item_id)
        while len(self._sprites) > _KEPT_SPRITES:
            self._sprites.popitem(last=False)
        return self._sprites[item_id]

    def _shelve(self, items: Sequence[TwinItem]) -> dict[int, list[int]]:
        """Items by the strips that they or their shadows may reach, lowest first."""
        px_per_m = self._scenario.camera.px_per_m
        found: dict[int, list[int]] = {}
        for item in items:
            reach = item.along_m + 0.06
            low = math.floor((item.s_m - reach) * px_per_m) // _STRIP_PX
            high = math.ceil((item.s_m + reach) * px_per_m) // _STRIP_PX
            for number in range(low, high + 1):
                found.setdefault(number, []).append(item.item_id)
        return found


def _smear(length_px: float, blur_px: float, shift_px: float) -> NDArray[np.float32]:
    """Filter of a point that is blurred and moves over a length, its middle shifted.

    The window's column ``c + shift_px`` comes to column ``c``.
    """
    half = max(length_px, 0.02) / 2.0
    reach = math.ceil(half + 3.0 * blur_px + 1.0)
    root = blur_px * math.sqrt(2.0)
    taps = [
        math.erf((at - shift_px + half) / root) - math.erf((at - shift_px - half) / root)
        for at in range(-reach, reach + 1)
    ]
    return np.asarray(np.divide(taps, sum(taps)), np.float32)
