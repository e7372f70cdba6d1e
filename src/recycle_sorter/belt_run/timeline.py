# SPDX-License-Identifier: Apache-2.0
"""The belt's timeline as SVG: each item a bar along time and place."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np

from recycle_sorter.core.belt.judged import JudgedItem
from recycle_sorter.core.belt.types import Cause, Outcome

STRIP_SEC: Final = 20.0
MAX_STRIPS: Final = 18  # keeps the page below about 2 MB
_WIDTH, _HEIGHT = 1000, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 8, 12, 22
_SMOOTH_M: Final = 0.004  # a bend of a bar smaller than this is not drawn
_LONG_GAP_NS: Final = 250_000_000  # what a belt did meanwhile, nobody knows


@dataclass(frozen=True, slots=True)
class BeltMarks:
    """What stands along the belt, metres downstream from the upstream edge of the view.

    Attributes:
        view_length_m: Where the view ends.
        decision_line_m: Where items are decided.
        diverters: Name and place of each.
        end_m: Where the belt ends.
    """

    view_length_m: float
    decision_line_m: float
    diverters: tuple[tuple[str, float], ...]
    end_m: float


@dataclass(frozen=True, slots=True)
class Track:
    """Where the belt was, by time.

    Attributes:
        stamps_ns: Growing.
        positions_m: Metres travelled at each.
    """

    stamps_ns: tuple[int, ...]
    positions_m: tuple[float, ...]

    def position_m(self, stamp_ns: float) -> float:
        """Place at a time, between samples by a line; held beyond the ends."""
        return float(np.interp(stamp_ns, self.stamps_ns, self.positions_m))

    def known_m(self, stamp_ns: int) -> float | None:
        """Place at a time; None before the first sample, after the last, and in long gaps."""
        index = bisect_left(self.stamps_ns, stamp_ns)
        if index == len(self.stamps_ns):
            return None
        if self.stamps_ns[index] == stamp_ns:
            return self.positions_m[index]
        if index == 0 or self.stamps_ns[index] - self.stamps_ns[index - 1] > _LONG_GAP_NS:
            return None
        return self.position_m(stamp_ns)


@dataclass(frozen=True, slots=True)
class _Bar:
    points: tuple[tuple[float, float], ...]  # seconds since the start, metres
    width_m: float
    look: str
    text: str
    fire: tuple[float, float] | None


def draw_timeline(
    items: Sequence[JudgedItem], track: Track, marks: BeltMarks
) -> tuple[list[str], float]:
    """Draws the run in strips.

    Args:
        items: All items; those never found too.
        track: Where the belt was; at least two samples, or there is nothing to draw.
        marks: What stands along it.

    Returns:
        One ``<svg>`` element a strip of ``STRIP_SEC``, at most ``MAX_STRIPS``, and the seconds
        of the run that they leave out.
    """
    if len(track.stamps_ns) < 2:
        return [], 0.0
    start_ns = track.stamps_ns[0]
    total_sec = (track.stamps_ns[-1] - start_ns) / 1e9
    bars = [bar for bar in (_bar(item, track, marks) for item in items) if bar]
    count = max(1, math.ceil(total_sec / STRIP_SEC - 1e-9))
    strips = [
        _strip(number * STRIP_SEC, [b for b in bars if _is_in(b, number)], marks)
        for number in range(min(count, MAX_STRIPS))
    ]
    return strips, max(0.0, total_sec - MAX_STRIPS * STRIP_SEC)


def look_of(item: JudgedItem) -> str:
    """``fired``, ``passed``, ``missed``, or ``unseen`` for what has no decision."""
    if item.decision is None:
        return "unseen"
    if item.truth is None and item.is_doubled:
        return "missed"
    if item.record is None:
        return "missed"
    if item.record.outcome is Outcome.MISSED and item.record.cause is not Cause.RUN_ENDED:
        return "missed"
    return "fired" if item.record.outcome is Outcome.FIRED else "passed"


def describe(item: JudgedItem) -> str:
    """One line on an item, for people."""
    parts = []
    if item.decision is not None:
        decision = item.decision
        parts.append(
            f"item {decision.item_id}: {decision.material} {decision.confidence:.2f} "
            f"to {decision.bin} ({decision.reason.name.lower()})"
        )
    if item.truth is not None:
        apart = "" if item.truth.is_separate else ", overlapping"
        parts.append(f"truly {item.truth.material}{apart}")
    if item.decision is None:
        parts.append("never decided")
    if item.is_doubled:
        parts.append("decided twice")
    if item.record is not None and item.record.detail:
        parts.append(item.record.detail)
    if item.landed is not None:
        parts.append(f"fell into {item.landed or 'no bin'}")
    return "; ".join(parts)


def _is_in(bar: _Bar, number: int) -> bool:
    start_sec, end_sec = bar.points[0][0], bar.points[-1][0]
    return start_sec < (number + 1) * STRIP_SEC and end_sec >= number * STRIP_SEC


def _bar(item: JudgedItem, track: Track, marks: BeltMarks) -> _Bar | None:
    start_ns = track.stamps_ns[0]
    last_m = marks.end_m
    if item.record is not None and item.record.outcome is Outcome.FIRED:
        last_m = dict(marks.diverters).get(item.record.diverter, marks.end_m)
    samples = [
        ((stamp - start_ns) / 1e9, item.s_m + position)
        for stamp, position in zip(track.stamps_ns, track.positions_m, strict=True)
        if -0.05 <= item.s_m + position <= last_m + 0.02
    ]
    if len(samples) < 2:
        return None
    record, fire = item.record, None
    if record is not None and record.outcome is Outcome.FIRED and record.issued_ns:
        at_m = item.s_m + track.position_m(record.issued_ns)
        fire = ((record.issued_ns - start_ns) / 1e9, at_m)
    width_m = item.truth.length_m if item.truth is not None and item.truth.length_m else 0.08
    return _Bar(_smooth(samples), width_m, look_of(item), describe(item), fire)


def _smooth(samples: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The samples without those that lie on the line between their neighbours."""
    kept = [0]
    stack = [(0, len(samples) - 1)]
    while stack:
        low, high = stack.pop()
        times = np.array([sample[0] for sample in samples[low : high + 1]])
        places = np.array([sample[1] for sample in samples[low : high + 1]])
        off = np.abs(places - np.interp(times, times[[0, -1]], places[[0, -1]]))
        worst = int(off.argmax())
        if off[worst] > _SMOOTH_M:
            stack += [(low, low + worst), (low + worst, high)]
        else:
            kept.append(high)
    return tuple(samples[index] for index in sorted(kept))


def _strip(start_sec: float, bars: Sequence[_Bar], marks: BeltMarks) -> str:
    """One strip: time to the right, place downward."""
    number = round(start_sec / STRIP_SEC)
    title = f"The belt from {start_sec:g} to {start_sec + STRIP_SEC:g} s: {len(bars)} items"
    inner = "".join([*_axes(start_sec, marks), *_drawn(start_sec, bars, marks)])
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-labelledby="strip{number}">'
        f'<title id="strip{number}">{title}</title>'
        f'<clipPath id="clip{number}"><rect x="{_LEFT}" y="{_TOP}" '
        f'width="{_WIDTH - _LEFT - _RIGHT}" height="{_HEIGHT - _TOP - _BOTTOM}"/></clipPath>'
        f"{inner}</svg>"
    )


def _x(at_sec: float, start_sec: float) -> float:
    return _LEFT + (at_sec - start_sec) / STRIP_SEC * (_WIDTH - _LEFT - _RIGHT)


def _y(place_m: float, marks: BeltMarks) -> float:
    return _TOP + place_m / marks.end_m * (_HEIGHT - _TOP - _BOTTOM)


def _axes(start_sec: float, marks: BeltMarks) -> Iterator[str]:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    step = 2
    for second in range(0, int(STRIP_SEC) + 1, step):
        x = _x(start_sec + second, start_sec)
        yield f'<path class="grid" d="M{x:.1f} {_TOP}V{bottom}"/>'
        anchor = "end" if second == STRIP_SEC else "middle"
        label = f"{start_sec + second:g} s" if second == 0 else f"{start_sec + second:g}"
        yield f'<text x="{x:.1f}" y="{_HEIGHT - 7}" text-anchor="{anchor}">{label}</text>'
    yield f'<rect class="grid" x="{_LEFT}" y="{_TOP}" width="{right - _LEFT}" '
    yield f'height="{bottom - _TOP}"/>'
    named = [("decide", marks.decision_line_m), *marks.diverters]
    taken: list[float] = []
    for name, place_m in named:
        y = _y(place_m, marks)
        yield f'<path class="mark" d="M{_LEFT} {y:.1f}H{right}"/>'
        at = bisect_left(taken, y)
        if all(abs(y - other) >= 10 for other in taken[max(0, at - 1) : at + 1]):
            taken.insert(at, y)
            yield f'<text x="{_LEFT - 5}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'


def _drawn(start_sec: float, bars: Sequence[_Bar], marks: BeltMarks) -> Iterator[str]:
    number = round(start_sec / STRIP_SEC)
    yield f'<g clip-path="url(#clip{number})">'
    per_m = (_HEIGHT - _TOP - _BOTTOM) / marks.end_m
    # Faults last, so that they lie on top.
    for bar in sorted(bars, key=lambda one: one.look in ("missed", "unseen")):
        path = "L".join(f"{_x(t, start_sec):.1f} {_y(m, marks):.1f}" for t, m in bar.points)
        width = max(1.5, bar.width_m * per_m * 0.7)
        yield (
            f'<path class="item {bar.look}" stroke-width="{width:.1f}" d="M{path}">'
            f"<title>{escape(bar.text)}</title></path>"
        )
        if bar.fire is not None:
            x, y = _x(bar.fire[0], start_sec), _y(bar.fire[1], marks)
            yield f'<circle class="fire" cx="{x:.1f}" cy="{y:.1f}" r="2.6"/>'
    yield "</g>"


def draw_histogram(values: Sequence[float], unit: str, name: str) -> str:
    """A histogram of at most 31 bars as one ``<svg>`` element; empty for no values.

    Args:
        values: What to count.
        unit: Of the values, for the axis.
        name: What they are, for readers who do not see it; ends up in an id too.
    """
    if not values:
        return ""
    width, height, floor = 420, 180, 150
    low, high = min(values), max(values)
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    bins = min(31, max(5, round(math.sqrt(len(values)))))
    counts, edges = np.histogram(np.asarray(values), bins=bins, range=(low, high))
    most = int(counts.max())
    step = (width - 20) / bins
    bars = "".join(
        f'<rect class="bar" x="{10 + i * step:.1f}" width="{max(1.0, step - 1):.1f}" '
        f'y="{floor - 130 * int(count) / most:.1f}" height="{130 * int(count) / most:.1f}">'
        f"<title>{edges[i]:.2f} to {edges[i + 1]:.2f} {escape(unit)}: {int(count)}</title></rect>"
        for i, count in enumerate(counts)
        if count
    )
    key = "".join(letter if letter.isalnum() else "_" for letter in name)
    ticks = "".join(
        f'<text x="{x}" y="{floor + 16}" text-anchor="{anchor}">{value:.2f} {escape(unit)}</text>'
        for x, anchor, value in (
            (10, "start", low), (width / 2, "middle", (low + high) / 2), (width - 10, "end", high),
        )
    )  # fmt: skip
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="h_{key}">'
        f'<title id="h_{key}">{escape(name)}: {len(values)} values from {low:.2f} to {high:.2f} '
        f'{escape(unit)}</title><path class="grid" d="M10 {floor}H{width - 10}"/>'
        f"{bars}{ticks}</svg>"
    )
