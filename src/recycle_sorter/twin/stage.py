# SPDX-License-Identifier: Apache-2.0
"""What stands still in the picture: lamps and their reflection, side guards, the sensor."""

from __future__ import annotations

import math
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.twin.scenario import Scenario

_UNIT: Final = 128.0  # what stands for a gain of 1 in the map of the light
_VIGNETTE: Final = 0.16
_FIELD_MARGIN_PX: Final = 64
_GUARD_BGR: Final = (104.0, 101.0, 98.0)

Picture = NDArray[np.uint8]


class Stage:
    """Light and guards. All pictures are as of a belt that travels to the right.

    Args:
        scenario: Camera, belt and light.
    """

    def __init__(self, scenario: Scenario) -> None:
        camera, light = scenario.camera, scenario.light
        self._light = light
        self._rng = np.random.default_rng([scenario.seed, 31])
        width, height = camera.along_px, camera.across_px
        y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
        self._phase = float(self._rng.uniform(0.0, 2.0 * np.pi))
        # A light bar across the belt, somewhat off the camera's middle.
        bar = float(self._rng.uniform(-0.5, 0.5))
        fall = 1.0 - 0.1 * (x - bar) ** 2 - 0.5 * _VIGNETTE * (x * x + y * y)
        colour = np.asarray(light.colour[::-1], np.float32)
        self._map = np.ascontiguousarray(fall[..., None] * colour, np.float32)
        self._glare = self._reflection(x, y)
        guard_px = (camera.across_px - scenario.belt.width_m * camera.px_per_m) / 2.0
        self._guard_px = max(0, min(height // 2, round(guard_px)))
        self._guards = self._guard(width) if self._guard_px else None
        self._edge = self._belt_edge(height) if self._guard_px else None

    def frame_guards(self, picture: Picture) -> None:
        """Puts the side guards beside the belt; changes the picture."""
        if self._guards is None or self._edge is None:
            return
        size, reach = self._guard_px, len(self._edge)
        top, bottom = picture[size : size + reach], picture[-size - reach : -size]
        # The guards stand higher than the belt and shade its rim.
        top[:] = cv2.multiply(top, np.broadcast_to(self._edge, top.shape).copy(), scale=1 / 255)
        flipped = np.broadcast_to(self._edge[::-1], bottom.shape).copy()
        bottom[:] = cv2.multiply(bottom, flipped, scale=1 / 255)
        picture[:size] = self._guards
        picture[-size:] = self._guards[::-1]

    def light(self, picture: Picture, since_sec: float) -> Picture:
        """Lights the picture as of a time since the start."""
        light = self._light
        drift = light.drift * math.sin(
            2.0 * math.pi * since_sec / light.drift_period_sec + self._phase
        )
        mains = light.flicker * math.sin(2.0 * math.pi * since_sec * light.flicker_hz)
        gain = light.gain * (1.0 + drift) * (1.0 + mains)
        lit = cv2.multiply(picture, self._map, scale=gain, dtype=cv2.CV_8U)
        if self._glare is None:
            return np.asarray(lit, np.uint8)
        return np.asarray(cv2.scaleAdd(self._glare, min(gain, 2.0), lit), np.uint8)

    def _reflection(
        self, x: NDArray[np.float32], y: NDArray[np.float32]
    ) -> NDArray[np.uint8] | None:
        """The lamp's reflection: a soft streak across the belt, and a small bright spot."""
        strength = self._light.glare
        at = float(self._rng.uniform(-0.7, 0.7))
        tilt = float(self._rng.uniform(-0.15, 0.15))
        spot = self._rng.uniform(-0.6, 0.6, 2)
        if strength == 0.0:
            return None
        off = x - at - tilt * y
        streak = np.exp(-((off / 0.22) ** 2)) * np.exp(-((y / 0.9) ** 2))
        core = np.exp(-((off / 0.07) ** 2)) * np.exp(-((y / 0.6) ** 2))
        bright = np.exp(-(((x - spot[0]) / 0.09) ** 2) - ((y - spot[1]) / 0.07) ** 2)
        levels = strength * (70.0 * streak + 60.0 * core + 70.0 * bright)
        colour = np.asarray(self._light.colour[::-1], np.float32) * (1.0, 0.99, 0.96)
        return np.asarray(np.clip(np.rint(levels[..., None] * colour), 0, 255), np.uint8)

    def _guard(self, width: int) -> Picture:
        """A rail of brushed sheet metal, its outer edge first."""
        size = self._guard_px
        grain = self._rng.standard_normal((size, width), np.float32)
        grain = np.asarray(cv2.GaussianBlur(grain, (0, 0), 25.0, sigmaY=0.6), np.float32)
        grain = grain / max(float(grain.std()), 1e-6)
        across = np.linspace(0.0, 1.0, size, dtype=np.float32)[:, None]
        tone = 0.8 + 0.35 * across + 0.035 * grain
        # The folded lip towards the belt: light on it, dark below it.
        rows = np.arange(size, dtype=np.float32)[:, None]
        tone = tone + 0.55 * np.exp(-(((rows - size + 4.0) / 1.4) ** 2))
        tone = tone * (1.0 - 0.75 * np.exp(-(((rows - size + 0.5) / 1.0) ** 2)))
        rail = tone[..., None] * np.asarray(_GUARD_BGR, np.float32)
        return np.asarray(np.clip(np.rint(rail), 0, 255), np.uint8)

    def _belt_edge(self, height: int) -> Picture:
        reach = max(1, min(14, height // 2 - self._guard_px))
        rows = np.arange(reach, dtype=np.float32)
        shade = 255.0 * (1.0 - 0.55 * np.exp(-rows / 4.0))
        return np.asarray(np.rint(shade), np.uint8)[:, None, None]


class Sensor:
    """Noise, the same for the same frame.

    Args:
        scenario: Camera and seed.
    """

    def __init__(self, scenario: Scenario) -> None:
        camera = scenario.camera
        self._seed = scenario.seed
        self._shape = (camera.height_px, camera.width_px)
        self._noise: NDArray[np.int8] | None = None
        if camera.noise_levels > 0.0:
            # Fresh noise for every frame would take most of its time: cut it out of a larger one.
            rng = np.random.default_rng([scenario.seed, 32])
            shape = (self._shape[0] + _FIELD_MARGIN_PX, self._shape[1] + _FIELD_MARGIN_PX)
            grey = rng.standard_normal((*shape, 1), np.float32)
            # Demosaicking blurs the colour of the noise more than its brightness.
            tint = cv2.GaussianBlur(rng.standard_normal((*shape, 3), np.float32), (0, 0), 0.9)
            field = 0.85 * grey + 0.5 * tint / max(float(tint.std()), 1e-6)
            field *= np.float32(camera.noise_levels / float(field.std()))
            self._noise = np.asarray(np.clip(np.rint(field), -127, 127), np.int8)

    def expose(self, picture: Picture, index: int) -> Picture:
        """Adds the noise of a frame."""
        if self._noise is None:
            return picture
        rng = np.random.default_rng([self._seed, 33, index])
        top, left = rng.integers(0, _FIELD_MARGIN_PX + 1, 2).tolist()
        height, width = self._shape
        noise = self._noise[top : top + height, left : left + width]
        return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)
