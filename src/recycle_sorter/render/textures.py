# SPDX-License-Identifier: Apache-2.0
"""Procedural bitmaps: fibres, print, labels, dirt. All uint8 ``(H, W, 3)`` sRGB, seeded."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.render.materials import Picture

Grey = NDArray[np.float32]
Ink = tuple[int, int, int]

# Made-up brand and product words; no real brand is named.
WORDS = (
    "ALPA", "BRIO", "CORVA", "DELINO", "FRESCO", "GRANO", "HELIO", "KORA", "LUMA", "MERIDA",
    "NORDA", "OLIVA", "PIKANT", "RIVO", "SOLARA", "TOMATO", "VERDE", "ZEST", "CRISPY", "NATURA",
)  # fmt: skip
FONTS = (
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SIMPLEX,
)
PRINT_INKS: tuple[Ink, ...] = (
    (196, 24, 30), (18, 70, 160), (14, 120, 60), (240, 190, 20), (230, 110, 20), (120, 30, 110),
    (20, 20, 24), (240, 238, 230), (20, 150, 170), (220, 60, 120), (150, 200, 60), (90, 50, 30),
)  # fmt: skip


def plain(colour: Ink, height_px: int = 256, width_px: int = 256) -> Picture:
    """Return a picture of one colour."""
    return np.full((height_px, width_px, 3), colour, dtype=np.uint8)


def cloud(rng: np.random.Generator, height_px: int, width_px: int, cells: int) -> Grey:
    """Return smooth noise in [0, 1] with about ``cells`` bumps across its width."""
    rows = max(2, round(cells * height_px / width_px))
    coarse = rng.random((rows, max(2, cells)), dtype=np.float32)
    noise = cv2.resize(coarse, (width_px, height_px), interpolation=cv2.INTER_CUBIC)
    return np.clip(noise, 0.0, 1.0).astype(np.float32)


def shaded(picture: Picture, gain: Grey) -> Picture:
    """Multiply a picture by a grey field ``(H, W)``."""
    result: Picture = np.clip(picture * gain[..., None], 0, 255).astype(np.uint8)
    return result


def blended(picture: Picture, colour: Ink, weight: Grey) -> Picture:
    """Mix a colour over a picture by a weight ``(H, W)`` in [0, 1]."""
    part = np.clip(weight, 0.0, 1.0)[..., None]
    mixed = picture.astype(np.float32) * (1 - part) + np.asarray(colour, np.float32) * part
    return np.clip(mixed, 0, 255).astype(np.uint8)


def paper(
    rng: np.random.Generator, colour: Ink, height_px: int = 512, width_px: int = 512
) -> Picture:
    """Return paper: a colour with fibres and slight clouds."""
    grain = rng.normal(1.0, 0.012, (height_px, width_px)).astype(np.float32)
    cloudy = 0.97 + 0.05 * cloud(rng, height_px, width_px, 6)
    return shaded(plain(colour, height_px, width_px), grain * cloudy)


def kraft(rng: np.random.Generator, height_px: int = 512, width_px: int = 512) -> Picture:
    """Return brown kraft liner: fibres along, faint flute lines across, clouds, specks."""
    tones = ((178, 134, 88), (188, 148, 102), (164, 122, 80), (198, 160, 116))
    base = plain(tones[int(rng.integers(len(tones)))], height_px, width_px)
    fibre = cv2.GaussianBlur(rng.normal(0, 1, (height_px, width_px)).astype(np.float32), (21, 1), 0)
    flutes = np.sin(np.arange(width_px) * 2 * np.pi / rng.uniform(9, 16))[None] * 0.012
    gain = 1.0 + 0.07 * fibre + flutes + 0.1 * (cloud(rng, height_px, width_px, 5) - 0.5)
    specks = (rng.random((height_px, width_px)) < 0.002).astype(np.float32)
    return blended(shaded(base, gain.astype(np.float32)), (100, 70, 40), 0.6 * specks)


def corrugated_edge(rng: np.random.Generator) -> Picture:
    """Return a board's cut edge: a wave between two liners, 6 flutes in 0.05 m of u."""
    height, width, flutes = 64, 384, 7
    picture = plain((92, 64, 40), height, width)
    x = np.arange(width)
    wave = height / 2 + 0.36 * height * np.sin(2 * np.pi * flutes * x / width)
    line = np.stack([x, wave], axis=1).astype(np.int32)
    cv2.polylines(picture, [line], isClosed=False, color=(196, 154, 108), thickness=7)
    for top in (0, height - 9):
        cv2.rectangle(picture, (0, top), (width, top + 9), (186, 144, 98), -1)
    return shaded(picture, rng.normal(1.0, 0.04, (height, width)).astype(np.float32))


def write(
    picture: Picture, text: str, at: tuple[int, int], width_px: float, ink: Ink, font: int
) -> int:
    """Draw a line of text so that it is ``width_px`` wide, in place; return its height."""
    (wide, high), _ = cv2.getTextSize(text, font, 1.0, 2)
    scale = width_px / max(wide, 1)
    weight = max(1, round(2.2 * scale))
    cv2.putText(picture, text, at, font, scale, ink, weight, cv2.LINE_AA)
    return int(high * scale)


def text_lines(
    picture: Picture,
    rng: np.random.Generator,
    box: tuple[int, int, int, int],
    line_px: int,
    ink: Ink,
) -> None:
    """Fill a box (x, y, width, height) with lines of word-like bars, in place."""
    left, top, width, height = box
    for y in range(top, top + height - line_px, line_px):
        end = left + (width if rng.random() > 0.15 else int(width * rng.uniform(0.3, 0.8)))
        x = left
        while x < end - 4:
            word = int(rng.integers(2, 9)) * max(line_px // 4, 1)
            tall = int(line_px * (0.45 if rng.random() > 0.4 else 0.6))
            corner = (min(x + word, end), y + tall)
            cv2.rectangle(picture, (x, y), corner, ink, -1)
            # Gaps inside the bar read as letters.
            for gap in range(x + 2, corner[0] - 1, 3):
                picture[y : y + tall : 2, gap] = np.minimum(
                    picture[y : y + tall : 2, gap] + 110, 250
                )
            x += word + max(line_px // 3, 2)


def barcode(picture: Picture, rng: np.random.Generator, box: tuple[int, int, int, int]) -> None:
    """Draw a bar code on white into a box (x, y, width, height), in place."""
    left, top, width, height = box
    cv2.rectangle(picture, (left, top), (left + width, top + height), (245, 245, 245), -1)
    x = left + 4
    while x < left + width - 6:
        bar = int(rng.integers(1, 4))
        cv2.rectangle(picture, (x, top + 3), (x + bar - 1, top + height - 4), (15, 15, 15), -1)
        x += bar + int(rng.integers(1, 4))


def photo(rng: np.random.Generator, height_px: int, width_px: int, grey: bool = False) -> Picture:
    """Return a stand-in for a printed photograph: soft blobs of few colours."""
    stack = [cloud(rng, height_px, width_px, int(rng.integers(2, 7))) for _ in range(3)]
    if grey:
        stack = [stack[0]] * 3
    tint = rng.uniform(0.5, 1.0, 3) if not grey else np.ones(3)
    blobs = np.stack(stack, axis=-1) * tint
    return np.clip(30 + 215 * blobs, 0, 255).astype(np.uint8)


def inks(rng: np.random.Generator, count: int) -> list[Ink]:
    """Draw ``count`` different printing inks."""
    chosen = rng.choice(len(PRINT_INKS), size=count, replace=False)
    return [PRINT_INKS[int(index)] for index in chosen]


def word(rng: np.random.Generator) -> str:
    """Draw a made-up brand word."""
    return str(rng.choice(WORDS))


def font(rng: np.random.Generator) -> int:
    """Draw one of OpenCV's fonts."""
    return int(rng.choice(FONTS))


def label(
    rng: np.random.Generator,
    height_px: int = 256,
    width_px: int = 768,
    colours: Sequence[Ink] | None = None,
) -> Picture:
    """Return a product label: bands, emblem, brand twice around, small print, bar code."""
    base, accent, ink = colours or inks(rng, 3)
    picture = plain(base, height_px, width_px)
    band = int(height_px * rng.uniform(0.06, 0.2))
    cv2.rectangle(picture, (0, 0), (width_px, band), accent, -1)
    cv2.rectangle(picture, (0, height_px - band), (width_px, height_px), accent, -1)
    face, brand = font(rng), word(rng)
    for centre in (width_px // 4, 3 * width_px // 4):
        middle = height_px // 2
        axes = (int(width_px * 0.17), int(height_px * rng.uniform(0.22, 0.34)))
        if rng.random() < 0.7:
            cv2.ellipse(picture, (centre, middle), axes, 0, 0, 360, accent, -1, cv2.LINE_AA)
        wide = width_px * 0.27
        high = write(picture, brand, (int(centre - wide / 2), middle + 12), wide, ink, face)
        box = (centre - axes[0] // 2, middle + 20, axes[0], int(high * 0.9))
        text_lines(picture, rng, box, 7, ink)
    text_lines(picture, rng, (width_px // 2 - 70, band + 8, 60, height_px - 2 * band - 16), 7, ink)
    barcode(picture, rng, (width_px // 2 + 4, height_px // 3, 70, height_px // 3))
    return picture


def dirty(
    picture: Picture, rng: np.random.Generator, amount: float, tone: Ink = (74, 52, 30)
) -> Picture:
    """Stain a picture: splashes, a smear and grime of one tone; ``amount`` in [0, 1]."""
    height, width = picture.shape[:2]
    grime = np.clip((cloud(rng, height, width, 5) - 1.0 + amount) * 2.2, 0, 0.85)
    result = blended(picture, tone, grime.astype(np.float32))
    mask = np.zeros((height, width), dtype=np.float32)
    for _ in range(int(4 + 26 * amount)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        size = max(1, int(rng.gamma(1.2, 0.014) * width))
        cv2.circle(mask, centre, size, float(rng.uniform(0.3, 0.9)), -1, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask, (0, 0), 2.0)
    return blended(result, tone, soft * (0.6 + 0.4 * cloud(rng, height, width, 24)))


def brushed(rng: np.random.Generator, tone: int = 225) -> Picture:
    """Return brushed metal: fine horizontal streaks."""
    streaks = cv2.GaussianBlur(rng.normal(0, 1, (512, 512)).astype(np.float32), (151, 1), 0)
    return shaded(plain((tone, tone, tone), 512, 512), 1.0 + 0.25 * streaks)


def speckled(rng: np.random.Generator, colour: Ink, strength: float, cells: int = 160) -> Picture:
    """Return a colour with fine blotches (rubber, pulp, stone)."""
    blotch = cloud(rng, 512, 512, cells) - 0.5 + 0.6 * (cloud(rng, 512, 512, 12) - 0.5)
    return shaded(plain(colour, 512, 512), (1.0 + strength * blotch).astype(np.float32))
