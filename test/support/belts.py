# SPDX-License-Identifier: Apache-2.0
"""Moving belts with items on them, drawn: a texture that scrolls, light that does not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.vision.belt_calibration import BeltCalibration
from recycle_sorter.vision.item_finder import ItemFinder

PX_PER_M = 800.0
PERIOD_NS = NS_PER_SEC // 30
LEARN_STEP_M = 0.05  # nearer frames are left out while the belt is learnt
Picture = NDArray[np.float32]

COLOURS_BGR = {"dark": (45, 42, 40), "green": (70, 120, 60), "white": (205, 208, 206)}


@dataclass
class DrawnItem:
    """A polygon or ellipse that lies on the belt at ``s_m`` (``x_m`` less the belt's position)."""

    s_m: float
    y_m: float
    length_m: float
    width_m: float
    angle_deg: float = 0.0
    colour_bgr: tuple[float, float, float] = (40.0, 90.0, 200.0)
    is_ellipse: bool = False
    opacity: float = 1.0
    highlight: bool = False

    def outline(self) -> NDArray[np.float64]:
        """Points ``(n, 2)`` around its middle, metres."""
        if self.is_ellipse:
            angle = np.linspace(0, 2 * math.pi, 60, endpoint=False)
            points = np.stack([np.cos(angle) / 2, np.sin(angle) / 2], axis=1)
        else:
            points = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        points = points * [self.length_m, self.width_m]
        turn = math.radians(self.angle_deg)
        rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        return np.asarray(points @ rotation.T)


@dataclass
class DrawnBelt:
    """A camera over a belt that travels to the right."""

    colour: str = "dark"
    texture_levels: float = 3.0
    noise_levels: float = 1.5
    flicker: float = 0.01
    glare_levels: float = 0.0
    drift: float = 0.0
    seed: int = 0
    width_px: int = 640
    height_px: int = 480
    items: list[DrawnItem] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Draws what does not change: one turn of belt, and the light."""
        self.rng = np.random.default_rng(self.seed)
        self.calibration = BeltCalibration.from_px_per_m(PX_PER_M, self.width_px, self.height_px)
        length = 2048
        fine = self.rng.normal(0, 1, (self.height_px, length)).astype(np.float32)
        coarse = cv2.GaussianBlur(fine, (0, 0), 4.0)
        texture = 0.5 * fine + 0.5 * coarse / coarse.std()
        self.texture = (self.texture_levels * texture)[..., None] * np.float32([0.95, 1.0, 1.02])
        across, down = np.meshgrid(
            np.linspace(-1, 1, self.width_px), np.linspace(-1, 1, self.height_px)
        )
        self.light = (1 - 0.06 * (across**2 + down**2)).astype(np.float32)[..., None]
        spot = np.exp(-(((across - 0.3) / 0.15) ** 2 + ((down + 0.4) / 0.25) ** 2))
        self.glare = (self.glare_levels * spot).astype(np.float32)[..., None]

    def picture(self, position_m: float, index: int = 0) -> NDArray[np.uint8]:
        """``(height_px, width_px, 3)`` uint8 BGR at a position of the belt."""
        start = round(-position_m * PX_PER_M) % self.texture.shape[1]
        columns = (np.arange(self.width_px) + start) % self.texture.shape[1]
        scene = np.ascontiguousarray(self.texture[:, columns])
        scene += np.float32(COLOURS_BGR[self.colour])
        for item in self.items:
            self._draw(scene, item, position_m)
        scene = scene * self.light + self.glare
        gain = 1 + self.drift * math.sin(index / 200) + self.flicker * self.rng.normal()
        scene *= np.float32(gain)
        # A pool of normal noise, cut at random, is as good and far quicker to draw.
        scene += self.noise_levels * self._noise(scene.shape)
        return scene.round().clip(0, 255).astype(np.uint8)

    def _noise(self, shape: tuple[int, ...]) -> Picture:
        if not hasattr(self, "_pool"):
            count = 2 * int(np.prod(shape))
            self._pool = self.rng.normal(0, 1, count).astype(np.float32)
        start = int(self.rng.integers(0, len(self._pool) // 2))
        return self._pool[start : start + int(np.prod(shape))].reshape(shape)

    def _draw(self, scene: Picture, item: DrawnItem, position_m: float) -> None:
        centre = np.array([item.s_m + position_m, item.y_m])
        points = self.calibration.to_image_px(item.outline() + centre)
        if points[:, 0].max() < 0 or points[:, 0].min() > self.width_px:
            return
        cover = np.zeros(scene.shape[:2], np.uint8)
        # Points are of edges, OpenCV's of the middles of pixels; four bits of fraction.
        fixed = np.round((points - 0.5) * 16).astype(np.int32)
        cv2.fillPoly(cover, [fixed], 255, cv2.LINE_AA, 4)
        share = (cover.astype(np.float32) / 255.0 * item.opacity)[..., None]
        scene += share * (np.float32(item.colour_bgr) - scene)
        middle = self.calibration.to_image_px([centre])[0]
        if item.highlight:
            cv2.polylines(scene, [fixed], True, (235, 238, 236), 2, cv2.LINE_AA, 4)
            radius = max(2, int(0.12 * item.width_m * PX_PER_M))
            cv2.circle(scene, (int(middle[0]), int(middle[1])), radius, (240, 240, 240), -1)


def taught(belt: DrawnBelt, is_moving: bool = True) -> ItemFinder:
    """A finder that knows the empty belt."""
    finder = ItemFinder(belt.calibration)
    for index in range(60):
        if not finder.is_ready:
            position_m = -10.0 + index * LEARN_STEP_M * is_moving
            finder.find(belt.picture(position_m, index), index * PERIOD_NS, position_m)
    assert finder.is_ready
    return finder
