# SPDX-License-Identifier: Apache-2.0
"""Pictures of empty belts, which repeat along the travel as a real one comes round again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A belt in the making: ``across_px`` rows, ``along_px`` columns, joined end to end."""

    rng: np.random.Generator
    along_px: int
    across_px: int
    px_per_m: float

    def cloud(self, along_m: float, across_m: float) -> Field:
        """Smooth noise of mean 0 and deviation 1; lengths are those of its patches."""
        scale = max(1.0, 0.4 * min(along_m, across_m) * self.px_per_m)
        across, along = (max(2, round(side / scale)) for side in (self.across_px, self.along_px))
        noise = self.rng.standard_normal((across, along), np.float32)
        # Two noise cells to a patch at least, so that blurring can round them.
        sigmas = [max(0.01, size * self.px_per_m / scale / 2.0) for size in (along_m, across_m)]
        pad = min(along, 1 + int(3.0 * sigmas[0]))
        wide = cv2.copyMakeBorder(noise, 0, 0, pad, pad, cv2.BORDER_WRAP)
        wide = cv2.GaussianBlur(wide, (0, 0), sigmas[0], sigmaY=sigmas[1])
        wide = cv2.copyMakeBorder(
            np.asarray(wide[:, pad : pad + along]), 0, 0, 4, 4, cv2.BORDER_WRAP
        )
        factor = self.along_px / along
        grown = cv2.resize(
            wide, (round((along + 8) * factor), self.across_px), interpolation=cv2.INTER_CUBIC
        )
        left = round(4 * factor)
        field = grown[:, left : left + self.along_px]
        return np.asarray((field - field.mean()) / max(float(field.std()), 1e-6), np.float32)

    def lines(self, count: int, longest_m: float, spread_rad: float) -> Field:
        """Fine scratches, most of them along the travel, 0 to 1."""
        mask = np.zeros((self.across_px, self.along_px), np.float32)
        for _ in range(count):
            x, y = self.rng.uniform(0, 1, 2) * (self.along_px, self.across_px)
            length = self.rng.uniform(0.1, 1.0) * longest_m * self.px_per_m
            angle = float(self.rng.normal(0.0, spread_rad))
            tone = float(self.rng.uniform(0.15, 0.8))
            dx, dy = length * np.cos(angle), length * np.sin(angle)
            for turn in (-self.along_px, 0, self.along_px):
                start = (round((x + turn) * 16), round(y * 16))
                end = (round((x + turn + dx) * 16), round((y + dy) * 16))
                cv2.line(mask, start, end, tone, 1, cv2.LINE_AA, 4)
        return mask

    def specks(self, count: int, largest_m: float) -> Field:
        """Crumbs and splashes, 0 to 1."""
        mask = np.zeros((self.across_px, self.along_px), np.float32)
        for _ in range(count):
            x, y = self.rng.uniform(0, 1, 2) * (self.along_px, self.across_px)
            size = largest_m * self.px_per_m * float(self.rng.uniform(0.1, 1.0)) ** 3 + 0.4
            squash, turn = float(self.rng.uniform(0.4, 1.0)), float(self.rng.uniform(0, 180))
            tone = float(self.rng.uniform(0.3, 1.0))
            for wrap in (-self.along_px, 0, self.along_px):
                centre = (round((x + wrap) * 16), round(y * 16))
                axes = (round(size * 16), max(4, round(size * squash * 16)))
                cv2.ellipse(mask, centre, axes, turn, 0, 360, tone, -1, cv2.LINE_AA, 4)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.5), np.float32)

    def waves(self, pitch_m: float, slope: float) -> Field:
        """Ripples that meet end to end; ``slope`` is columns a row. 0 to 1."""
        rounds = max(1, round(self.along_px / (pitch_m * self.px_per_m)))
        rows, columns = np.mgrid[0 : self.across_px, 0 : self.along_px].astype(np.float32)
        phase = (columns + slope * rows) * np.float32(2.0 * np.pi * rounds / self.along_px)
        return np.asarray(0.5 + 0.5 * np.sin(phase), np.float32)

    def splice(self) -> Field:
        """Where the belt's ends are joined: a slanting line, 0 to 1."""
        mask = np.zeros((self.across_px, self.along_px), np.float32)
        x = float(self.rng.uniform(0.25, 0.6)) * self.along_px
        slant = 0.35 * self.across_px
        width = max(1, round(0.0025 * self.px_per_m))
        cv2.line(mask, (round(x), 0), (round(x + slant), self.across_px), 1.0, width, cv2.LINE_AA)
        return np.asarray(cv2.GaussianBlur(mask, (0, 0), 0.7), np.float32)


def _mixed(picture: Field, tone: tuple[float, float, float], share: Field) -> Field:
    """Blends a tone (red, green, blue) in where ``share`` is above 0."""
    bgr = np.asarray(tone[::-1], np.float32)
    return np.asarray(picture + (bgr - picture) * np.clip(share, 0.0, 1.0)[..., None], np.float32)


def _lit(picture: Field, factor: Field) -> Field:
    return np.asarray(picture * np.maximum(factor, 0.0)[..., None], np.float32)


def _plain(sheet: _Sheet, picture: Field) -> Field:
    light = 1.0 + 0.03 * sheet.cloud(0.3, 0.12) + 0.022 * sheet.cloud(0.9, 0.006)
    light += 0.02 * sheet.cloud(0.003, 0.003) + 0.02 * sheet.cloud(0.012, 0.012)
    picture = _lit(picture, light.astype(np.float32))
    metres = sheet.along_px / sheet.px_per_m
    picture = _mixed(picture, (176, 178, 176), 0.22 * sheet.lines(round(12 * metres), 0.15, 0.2))
    picture = _mixed(picture, (30, 30, 30), 0.3 * sheet.specks(round(25 * metres), 0.0012))
    return _lit(picture, (1.0 - 0.3 * sheet.splice()).astype(np.float32))


def _rubber(sheet: _Sheet, picture: Field) -> Field:
    # The press leaves the cloth's diamonds in the rubber; work wears it shiny along the travel.
    weave = sheet.waves(0.0085, 1.0) * sheet.waves(0.0085, -1.0)
    worn = 0.5 + 0.5 * np.tanh(sheet.cloud(0.6, 0.08))
    light = 1.0 + (0.34 * weave - 0.09) * (1.0 - 0.55 * worn) + 0.1 * worn
    light += 0.05 * sheet.cloud(1.2, 0.008) + 0.05 * sheet.cloud(0.25, 0.1)
    light += 0.05 * sheet.cloud(0.0035, 0.0035)
    picture = _lit(picture, light.astype(np.float32))
    metres = sheet.along_px / sheet.px_per_m
    picture = _mixed(picture, (150, 147, 140), 0.35 * sheet.lines(round(40 * metres), 0.12, 0.15))
    picture = _mixed(picture, (170, 164, 150), 0.5 * sheet.specks(round(110 * metres), 0.0011))
    return _lit(picture, (1.0 - 0.4 * sheet.splice()).astype(np.float32))


def _mesh(sheet: _Sheet, picture: Field) -> Field:
    """Links of a modular belt: rows of bars with slots, offset from row to row."""
    rows_count = 2 * max(1, round(sheet.along_px / (0.0254 * sheet.px_per_m) / 2.0))
    pitch = sheet.along_px / rows_count
    slot = 0.019 * sheet.px_per_m
    y, x = np.mgrid[0 : sheet.across_px, 0 : sheet.along_px].astype(np.float32) + np.float32(0.5)
    row = np.floor(x / pitch)
    along = x - (row + 0.5) * pitch
    across = np.mod(y + (row % 2) * slot / 2.0, slot) - slot / 2.0
    # Signed distance to the slot's rounded edge, pixels, negative inside.
    corner = 0.12 * slot
    dx, dy = np.abs(along) - 0.27 * pitch + corner, np.abs(across) - 0.3 * slot + corner
    edge = np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0)
    inside = np.clip(0.5 - (edge - corner), 0.0, 1.0)
    # Lit from upstream: one rim of a slot shines, the other is in shade.
    rim = np.exp(-(((edge - corner - 1.0) / 1.1) ** 2)) * np.sign(along)
    hinge = np.exp(-(((np.abs(along) - 0.5 * pitch) / 0.8) ** 2))
    light = 1.0 + 0.13 * rim - 0.42 * hinge
    light += 0.03 * sheet.cloud(0.2, 0.08) + 0.03 * sheet.cloud(0.004, 0.004)
    tone = np.repeat(sheet.rng.normal(1.0, 0.025, rows_count), int(np.ceil(pitch)) + 1)
    picture = _lit(picture, light.astype(np.float32) * tone[row.astype(np.int64) * 2].astype("f4"))
    below = 26.0 + 8.0 * sheet.cloud(0.1, 0.05)
    deep = np.repeat(below[..., None], 3, axis=2) * np.float32(0.75)
    picture = np.asarray(picture + (deep - picture) * inside[..., None], np.float32)
    metres = sheet.along_px / sheet.px_per_m
    solid = (1.0 - inside).astype(np.float32)
    scratches = sheet.lines(round(30 * metres), 0.1, 0.3)
    return _mixed(picture, (190, 192, 190), 0.25 * scratches * solid)


def _dirty(sheet: _Sheet, picture: Field) -> Field:
    picture = _rubber(sheet, picture)
    metres = sheet.along_px / sheet.px_per_m
    for tone, along_m, across_m, least, strength in (
        ((128, 119, 102), 0.5, 0.09, 0.2, 0.3),  # dust, wiped along the travel
        ((58, 49, 38), 0.12, 0.05, 1.0, 0.5),  # dried liquid
        ((24, 24, 25), 0.2, 0.07, 1.0, 0.45),  # grease
    ):
        blot = sheet.cloud(along_m, across_m) + 0.3 * sheet.cloud(0.016, 0.012)
        share = np.clip((blot - least) * 0.9, 0.0, 1.0) * strength
        picture = _mixed(picture, tone, share.astype(np.float32))
    picture = _mixed(picture, (132, 122, 104), 0.6 * sheet.specks(round(260 * metres), 0.0022))
    picture = _mixed(picture, (206, 202, 194), 0.75 * sheet.specks(round(60 * metres), 0.0016))
    return _mixed(picture, (52, 40, 28), 0.55 * sheet.specks(round(14 * metres), 0.009))


_TEXTURES: Mapping[str, Callable[[_Sheet, Field], Field]] = {
    "plain": _plain,
    "rubber": _rubber,
    "mesh": _mesh,
    "dirty": _dirty,
}


def make_belt(
    seed: int,
    texture: str,
    rgb: tuple[float, float, float],
    along_px: int,
    across_px: int,
    px_per_m: float,
) -> NDArray[np.uint8]:
    """Paints one round of an empty belt.

    Args:
        seed: Of its wear.
        texture: A name of ``scenario.TEXTURES``.
        rgb: Its colour, red, green and blue, 0 to 255.
        along_px: Its length; the last column meets the first.
        across_px: Its width.
        px_per_m: Pixels a metre.

    Returns:
        ``(across_px, along_px, 3)`` uint8, BGR, travel to the right.
    """
    sheet = _Sheet(np.random.default_rng([seed, 21]), along_px, across_px, px_per_m)
    picture = np.empty((across_px, along_px, 3), np.float32)
    picture[:] = rgb[::-1]
    painted = _TEXTURES[texture](sheet, picture)
    # Half a level of noise instead of steps.
    painted += sheet.rng.uniform(-0.5, 0.5, painted.shape).astype(np.float32)
    return np.asarray(np.clip(np.rint(painted), 0, 255), np.uint8)
