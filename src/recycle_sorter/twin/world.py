# SPDX-License-Identifier: Apache-2.0
"""What lies where on the belt: drawn once from the seed, before the belt starts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.library import Cutout, Library
from recycle_sorter.twin.profile import SpeedProfile
from recycle_sorter.twin.scenario import Scenario

_EDGE_M = 0.01  # free belt between an item and a side guard
_MAX_ITEMS = 1_000_000
_TRIES = 12


@dataclass(frozen=True, slots=True, eq=False)
class TwinItem:
    """One item on the belt, and the truth about it.

    Attributes:
        item_id: Counts items from 1, in the order in which their middles pass.
        material: What it is made of.
        source: Where its picture came from.
        s_m: Place of the middle of its area on the belt: at time ``t`` it is at
            ``x_m = s_m + position_m(t)``.
        y_m: Its place across, left of the belt's middle positive.
        angle_rad: How it is turned from its picture, counter-clockwise seen from above.
        length_m: Length of the smallest rectangle around it.
        width_m: Width of that.
        along_m: Extent along the belt.
        across_m: Extent across it.
        front_m: From its middle to its downstream end.
        is_overlapping: Whether it lies on another or under one.
        enter_ns: Stamp at which its front first comes into view; 0 if it never does.
        outline_m: ``(n, 2)`` float64, its convex outline around its middle: x along, y left.
        cutout: Its picture.
    """

    item_id: int
    material: str
    source: str
    s_m: float
    y_m: float
    angle_rad: float
    length_m: float
    width_m: float
    along_m: float
    across_m: float
    front_m: float
    is_overlapping: bool
    enter_ns: int
    outline_m: NDArray[np.float64]
    cutout: Cutout


@dataclass(slots=True)
class _Draft:
    """An item on its way into the world."""

    cutout: Cutout
    length_m: float
    angle_rad: float
    outline_m: NDArray[np.float64]
    s_m: float = 0.0
    y_m: float = 0.0
    is_overlapping: bool = False

    @property
    def front_m(self) -> float:
        return float(self.outline_m[:, 0].max())

    @property
    def back_m(self) -> float:
        return float(-self.outline_m[:, 0].min())

    def placed(self) -> NDArray[np.float32]:
        return np.add(self.outline_m, (self.s_m, self.y_m)).astype(np.float32)


def make_items(
    scenario: Scenario, library: Library, profile: SpeedProfile, start_ns: int
) -> tuple[TwinItem, ...]:
    """Lays the items on the belt.

    Args:
        scenario: How many, how dense, how large.
        library: Their pictures.
        profile: How the belt runs.
        start_ns: Stamp at which it starts.

    Raises:
        InvalidInputError: If the library lacks a material, the belt is too narrow for the items,
            or there would be more than a million.
    """
    drafts: list[_Draft] = []
    rng = np.random.default_rng([scenario.seed, 11])
    pitch_m = profile.mean_m_per_sec() * 60.0 / scenario.items.per_min
    begin_m = profile.position_m(round(scenario.items.empty_sec * NS_PER_SEC))
    last_m = math.inf
    if scenario.duration_sec is not None:
        last_m = profile.position_m(round(scenario.duration_sec * NS_PER_SEC))
    # The belt's own coordinate of the next free place, counted upstream.
    free_m = max(begin_m, 0.0)
    for slot, draft in enumerate(_drafts(scenario, library, rng)):
        if scenario.items.count is not None and len(drafts) >= scenario.items.count:
            break
        if drafts and _is_pair(scenario, drafts, rng) and _lay_on(scenario, draft, drafts, rng):
            at_m = -draft.s_m
        else:
            wished_m = begin_m + (slot + scenario.items.jitter * rng.uniform(-0.5, 0.5)) * pitch_m
            at_m = max(wished_m, free_m) + draft.front_m
            draft.s_m = -at_m
            draft.y_m = _across(scenario, draft, rng)
        if at_m - draft.front_m > last_m:
            break
        if len(drafts) >= _MAX_ITEMS:
            raise InvalidInputError("items.per_min", scenario.items.per_min, "fewer items in all")
        drafts.append(draft)
        free_m = max(free_m, at_m + draft.back_m + scenario.items.min_gap_m)
    _mark_overlaps(drafts)
    drafts.sort(key=lambda each: -each.s_m)
    items = [_item(number, draft) for number, draft in enumerate(drafts, start=1)]
    return tuple(_entered(item, profile, start_ns) for item in items)


def _drafts(scenario: Scenario, library: Library, rng: np.random.Generator) -> Iterator[_Draft]:
    """Items without a place, endlessly; each cut-out is used before any is used again."""
    weights = scenario.items.materials or dict.fromkeys(library.materials, 1.0)
    for name in weights:
        if name not in library.materials:
            known = ", ".join(library.materials)
            raise InvalidInputError(f"items.materials.{name}", name, f"one of {known}")
    names = sorted(name for name, weight in weights.items() if weight > 0.0)
    shares = np.array([weights[name] for name in names], np.float64)
    shares /= shares.sum()
    decks: dict[str, list[Cutout]] = {name: [] for name in names}
    shortest = min(each.length_m for each in library.cutouts)
    longest = max(each.length_m for each in library.cutouts)
    room_m = scenario.belt.width_m - 2.0 * _EDGE_M
    while True:
        name = names[int(rng.choice(len(names), p=shares))]
        if not decks[name]:
            own = library.of(name)
            decks[name] = [own[index] for index in rng.permutation(len(own)).tolist()]
        cutout = decks[name].pop()
        length_m = cutout.length_m
        if scenario.items.size_m is not None:
            low, high = scenario.items.size_m
            share = (length_m - shortest) / (longest - shortest) if longest > shortest else 0.5
            length_m = low + (high - low) * share
        angle = float(rng.uniform(-math.pi, math.pi))
        angle = angle if scenario.items.is_rotated else 0.0
        outline = _turned(cutout, length_m, angle)
        if np.ptp(outline[:, 1]) > room_m:
            # Across it does not fit between the guards: it lies along.
            angle = _along(cutout)
            outline = _turned(cutout, length_m, angle)
        if np.ptp(outline[:, 1]) > room_m:
            raise InvalidInputError(
                "belt.width_m",
                scenario.belt.width_m,
                f"room for an item of {length_m:.3f} m",
                "widen the belt or set items.size_m",
            )
        yield _Draft(cutout, length_m, angle, outline)


def _turned(cutout: Cutout, length_m: float, angle_rad: float) -> NDArray[np.float64]:
    """The outline on the belt, counter-clockwise; the picture's y goes down, the belt's left."""
    x, y = cutout.hull[:, 0] * length_m, -cutout.hull[:, 1] * length_m
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=1)


def _along(cutout: Cutout) -> float:
    """The turn that lays the longer side along the belt."""
    angles = np.linspace(-math.pi / 2, math.pi / 2, 181)
    spans = [float(np.ptp(_turned(cutout, 1.0, float(angle))[:, 1])) for angle in angles]
    return float(angles[int(np.argmin(spans))])


def _across(scenario: Scenario, draft: _Draft, rng: np.random.Generator) -> float:
    half = scenario.belt.width_m / 2.0 - _EDGE_M
    low = -half - float(draft.outline_m[:, 1].min())
    high = half - float(draft.outline_m[:, 1].max())
    middle, reach = (low + high) / 2.0, (high - low) / 2.0 * scenario.items.across
    return float(rng.uniform(middle - reach, middle + reach))


def _is_pair(scenario: Scenario, drafts: Sequence[_Draft], rng: np.random.Generator) -> bool:
    """Whether the next item lies on the last. Pairs only, so that the share comes out."""
    share = scenario.items.overlap_share
    if drafts[-1].is_overlapping:
        return False
    return bool(rng.random() < share / (2.0 - share))


def _lay_on(
    scenario: Scenario, draft: _Draft, drafts: Sequence[_Draft], rng: np.random.Generator
) -> bool:
    """Lays an item half on the last one, upstream of it; False if the belt is too narrow."""
    under = drafts[-1]
    half = scenario.belt.width_m / 2.0 - _EDGE_M
    smaller = min(_area(draft.outline_m), _area(under.outline_m))
    before = drafts[-2] if len(drafts) > 1 else None
    for _ in range(_TRIES):
        share, turn = rng.uniform(0.3, 0.8), rng.uniform(-1.2, 1.2)
        reach = share * (draft.length_m + under.length_m) / 2.0
        draft.s_m = under.s_m - reach * math.cos(turn)
        draft.y_m = under.y_m + reach * math.sin(turn)
        placed = draft.placed()
        common = _common(placed, under.placed())
        is_on = 0.06 * smaller <= common <= 0.6 * smaller
        is_free = before is None or _common(placed, before.placed()) == 0.0
        if is_on and is_free and float(np.abs(placed[:, 1]).max()) <= half:
            under.is_overlapping = draft.is_overlapping = True
            return True
    return False


def _mark_overlaps(drafts: Sequence[_Draft]) -> None:
    """Marks every item whose outline shares area with another's."""
    order = sorted(drafts, key=lambda each: each.s_m - each.back_m)
    active: list[_Draft] = []
    for draft in order:
        begin_m = draft.s_m - draft.back_m
        active = [each for each in active if each.s_m + each.front_m > begin_m]
        for other in active:
            if _common(draft.placed(), other.placed()) > 0.0:
                draft.is_overlapping = other.is_overlapping = True
        active.append(draft)


def _area(outline: NDArray[np.float64]) -> float:
    return float(cv2.contourArea((outline * 1000.0).astype(np.float32))) / 1e6


def _common(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    # Millimetres about one of them: OpenCV computes in single precision.
    at = one.mean(axis=0)
    area, _ = cv2.intersectConvexConvex((one - at) * 1000.0, (other - at) * 1000.0)
    return float(area) / 1e6


def _item(number: int, draft: _Draft) -> TwinItem:
    span = np.ptp(draft.outline_m, axis=0)
    return TwinItem(
        item_id=number,
        material=draft.cutout.material,
        source=draft.cutout.source,
        s_m=draft.s_m,
        y_m=draft.y_m,
        angle_rad=draft.angle_rad,
        length_m=draft.length_m,
        width_m=draft.length_m * draft.cutout.aspect,
        along_m=float(span[0]),
        across_m=float(span[1]),
        front_m=draft.front_m,
        is_overlapping=draft.is_overlapping,
        enter_ns=0,
        outline_m=draft.outline_m,
        cutout=draft.cutout,
    )


def _entered(item: TwinItem, profile: SpeedProfile, start_ns: int) -> TwinItem:
    since_ns = profile.reaches_ns(max(0.0, -(item.s_m + item.front_m)))
    return item if since_ns is None else replace(item, enter_ns=start_ns + since_ns)
