# SPDX-License-Identifier: Apache-2.0
"""Printed pages, cartons and wrappers, composed from `textures`."""

from __future__ import annotations

import cv2
import numpy as np

from recycle_sorter.render import textures as tx
from recycle_sorter.render.materials import Picture


def newsprint(rng: np.random.Generator, height_px: int = 1024, width_px: int = 768) -> Picture:
    """Return a newspaper page: masthead, headlines, columns of text, grey photographs."""
    page = tx.paper(rng, (214, 209, 196), height_px, width_px)
    ink = (46, 44, 44)
    margin, gap = 28, 14
    title = f"{tx.word(rng)} {tx.word(rng)}"
    write_at = (margin, 80)
    tx.write(page, title, write_at, width_px - 2 * margin, ink, cv2.FONT_HERSHEY_TRIPLEX)
    cv2.line(page, (margin, 100), (width_px - margin, 100), ink, 2)
    columns = int(rng.integers(3, 6))
    wide = (width_px - 2 * margin - (columns - 1) * gap) // columns
    for column in range(columns):
        x, y = margin + column * (wide + gap), 116
        while y < height_px - 60:
            kind = rng.random()
            tall = min(int(rng.integers(90, 260)), height_px - 30 - y)
            if kind < 0.22 and tall > 60:
                page[y : y + tall - 14, x : x + wide] = tx.photo(rng, tall - 14, wide, grey=True)
            elif kind < 0.45:
                high = tx.write(page, tx.word(rng), (x, y + 26), wide, ink, tx.font(rng))
                tx.text_lines(page, rng, (x, y + max(high, 34), wide, tall - 34), 9, ink)
            else:
                tx.text_lines(page, rng, (x, y, wide, tall), 9, ink)
            y += tall + 6
    return page


def text_page(rng: np.random.Generator) -> Picture:
    """Return an office print: heading, paragraphs, sometimes a table or a chart."""
    page = tx.paper(rng, (246, 246, 244), 1024, 724)
    ink = (38, 38, 42)
    tx.write(page, f"{tx.word(rng)} {tx.word(rng)}", (70, 90), 260, ink, tx.font(rng))
    y = 120
    while y < 900:
        tall = int(rng.integers(70, 190))
        if rng.random() < 0.2:
            colour = tx.inks(rng, 1)[0]
            for bar in range(9):
                high = int(rng.integers(10, tall - 20))
                left = 90 + bar * 60
                cv2.rectangle(
                    page, (left, y + tall - 10 - high), (left + 38, y + tall - 10), colour, -1
                )
        else:
            tx.text_lines(page, rng, (70, y, 584, tall), 13, ink)
        y += tall + 16
    return page


def notebook_page(rng: np.random.Generator) -> Picture:
    """Return ruled paper with a margin line and handwriting."""
    page = tx.paper(rng, (244, 243, 236), 1024, 724)
    for y in range(90, 1000, 30):
        cv2.line(page, (0, y), (723, y), (150, 180, 214), 2)
    cv2.line(page, (90, 0), (90, 1023), (214, 120, 120), 2)
    pen = (30, 40, 120) if rng.random() < 0.6 else (30, 30, 30)
    for y in range(90, int(rng.uniform(400, 1000)), 30):
        x = 100.0
        while x < rng.uniform(500, 690):
            steps = int(rng.integers(6, 18))
            xs = x + np.cumsum(rng.uniform(1, 5, steps))
            ys = y - 4 - np.abs(rng.normal(4, 5, steps))
            line = np.stack([xs, ys], axis=1).astype(np.int32)
            cv2.polylines(page, [line], False, pen, 2, cv2.LINE_AA)
            x = float(xs[-1]) + 14
    return page


def flyer(rng: np.random.Generator) -> Picture:
    """Return a magazine page or advertisement: picture, colour blocks, slogan, prices."""
    base, accent, ink = tx.inks(rng, 3)
    if rng.random() < 0.6:
        base = (244, 242, 238)
        ink = (30, 30, 34)
    page = tx.plain(base, 1024, 724)
    for _ in range(int(rng.integers(2, 6))):
        wide, tall = int(rng.integers(160, 640)), int(rng.integers(120, 460))
        x, y = int(rng.integers(0, 724 - wide)), int(rng.integers(0, 1024 - tall))
        page[y : y + tall, x : x + wide] = tx.photo(rng, tall, wide)
    cv2.rectangle(
        page, (0, int(rng.integers(0, 800))), (724, int(rng.integers(820, 900))), accent, -1
    )
    for _ in range(3):
        at = (int(rng.integers(20, 300)), int(rng.integers(80, 980)))
        tx.write(page, tx.word(rng), at, float(rng.uniform(180, 380)), ink, tx.font(rng))
    x, y = int(rng.integers(30, 380)), int(rng.integers(60, 700))
    tx.text_lines(page, rng, (x, y, 300, 220), 12, ink)
    return page


def envelope(rng: np.random.Generator, front: bool) -> Picture:
    """Return an envelope's side: address, stamp and window in front, the flap behind."""
    tone = ((240, 240, 236), (236, 230, 214), (222, 196, 150))[
        int(rng.choice(3, p=[0.6, 0.3, 0.1]))
    ]
    side = tx.paper(rng, tone, 512, 1024)
    dim = (int(tone[0] * 0.84), int(tone[1] * 0.84), int(tone[2] * 0.84))
    if not front:
        tip = int(rng.integers(220, 340))
        flap = np.array([[0, 0], [512, tip], [1023, 0]], dtype=np.int32)
        shadow = np.zeros((512, 1024), dtype=np.float32)
        cv2.polylines(shadow, [flap + np.array([0, 5], dtype=np.int32)], False, 0.5, 9, cv2.LINE_AA)
        soft = cv2.GaussianBlur(shadow, (0, 0), 4.0).astype(np.float32)
        side = tx.blended(side, (120, 116, 108), soft)
        cv2.polylines(side, [flap], False, dim, 3, cv2.LINE_AA)
        for x in (0, 1023):
            cv2.line(side, (x, 511), (512, tip - 30), dim, 2, cv2.LINE_AA)
        return side
    if rng.random() < 0.5:
        cv2.rectangle(side, (90, 250), (480, 420), (206, 212, 216), -1)
        cv2.rectangle(side, (90, 250), (480, 420), dim, 3)
        tx.text_lines(side, rng, (120, 280, 280, 110), 24, (60, 60, 66))
    else:
        tx.text_lines(side, rng, (430, 260, 340, 130), 26, (50, 50, 80))
    tx.text_lines(side, rng, (50, 40, 220, 70), 15, (80, 80, 84))
    side[40:150, 860:980] = tx.photo(rng, 110, 120)
    cv2.rectangle(side, (860, 40), (980, 150), (250, 250, 250), 6)
    for offset in range(0, 60, 14):
        cv2.line(side, (640, 60 + offset), (850, 66 + offset), (90, 90, 96), 2, cv2.LINE_AA)
    return side


def carton(rng: np.random.Generator, height_px: int = 768, width_px: int = 512) -> Picture:
    """Return the front of a printed food carton: brand, picture of the food, claims."""
    base, accent, ink = tx.inks(rng, 3)
    front = tx.plain(base, height_px, width_px)
    split = int(height_px * rng.uniform(0.35, 0.6))
    points = np.array([[0, split], [width_px, split - 70], [width_px, height_px], [0, height_px]])
    cv2.fillPoly(front, [points.astype(np.int32)], accent, cv2.LINE_AA)
    radius = int(width_px * 0.3)
    centre = (width_px // 2, int(height_px * 0.68))
    cv2.circle(front, centre, radius, (236, 226, 200), -1, cv2.LINE_AA)
    for _ in range(60):
        angle, reach = rng.uniform(0, 6.3), radius * np.sqrt(rng.random()) * 0.85
        at = (int(centre[0] + reach * np.cos(angle)), int(centre[1] + reach * np.sin(angle)))
        tone = int(rng.integers(120, 220))
        cv2.circle(front, at, 16, (tone, int(tone * 0.7), int(tone * 0.35)), -1, cv2.LINE_AA)
    tx.write(front, tx.word(rng), (30, int(split * 0.6)), width_px - 60, ink, tx.font(rng))
    tx.text_lines(front, rng, (40, int(split * 0.72), 200, 50), 12, ink)
    return front


def shipping_board(rng: np.random.Generator) -> Picture:
    """Return a side of a shipping box: kraft with marks, tape or an address label."""
    side = tx.kraft(rng, 512, 640)
    ink = (70, 48, 30)
    if rng.random() < 0.5:
        tx.write(side, tx.word(rng), (60, 150), float(rng.uniform(160, 360)), ink, tx.font(rng))
        for arrow in (440, 520):
            cv2.arrowedLine(side, (arrow, 450), (arrow, 340), ink, 8, tipLength=0.4)
    if rng.random() < 0.55:
        x, y = int(rng.integers(60, 340)), int(rng.integers(180, 280))
        cv2.rectangle(side, (x, y), (x + 210, y + 140), (240, 240, 238), -1)
        tx.text_lines(side, rng, (x + 12, y + 12, 110, 60), 11, (30, 30, 30))
        tx.barcode(side, rng, (x + 20, y + 80, 160, 50))
    return side


def wrapper(rng: np.random.Generator, height_px: int = 640, width_px: int = 512) -> Picture:
    """Return the print of a crisps bag or a bar's wrapper: rays, splash, brand."""
    base, accent, ink = tx.inks(rng, 3)
    print_ = tx.plain(base, height_px, width_px)
    centre = (width_px // 2, int(height_px * 0.6))
    for ray in range(0, 360, 24):
        cv2.ellipse(
            print_, centre, (height_px, height_px), 0, ray, ray + 10, accent, -1, cv2.LINE_AA
        )
    print_ = tx.blended(print_, base, 0.55 + 0 * tx.cloud(rng, height_px, width_px, 4))
    cv2.ellipse(
        print_, centre, (width_px // 3, height_px // 6), -15, 0, 360, accent, -1, cv2.LINE_AA
    )
    for _ in range(8):
        at = (int(rng.normal(centre[0], 60)), int(rng.normal(centre[1], 50)))
        cv2.ellipse(
            print_,
            at,
            (42, 26),
            float(rng.uniform(0, 180)),
            0,
            360,
            (226, 176, 84),
            -1,
            cv2.LINE_AA,
        )
    high = tx.write(
        print_, tx.word(rng), (50, int(height_px * 0.32)), width_px - 100, ink, tx.font(rng)
    )
    cv2.rectangle(
        print_,
        (50, int(height_px * 0.34)),
        (width_px - 50, int(height_px * 0.34) + high // 6),
        ink,
        -1,
    )
    tx.text_lines(print_, rng, (60, int(height_px * 0.84), 180, 60), 11, ink)
    tx.barcode(print_, rng, (width_px - 150, int(height_px * 0.84), 90, 60))
    return print_
