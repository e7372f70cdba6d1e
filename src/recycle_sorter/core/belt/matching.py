# SPDX-License-Identifier: Apache-2.0
"""Pairs what was found on the belt with what really lay there, one to one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """Where and when something lies on the belt.

    Attributes:
        s_m: Place along the belt, metres, that does not change while the belt travels.
        y_m: Place across, metres; None where nobody knows.
        time_ns: When a thing entered, or when something was said of it.
    """

    s_m: float
    y_m: float | None
    time_ns: int


def pair(found: Sequence[Place], truths: Sequence[Place], gate_m: float) -> dict[int, int]:
    """Pairs each found place with at most one true one, the nearest pairs first.

    Ties fall by index, so that the same run is always paired alike.

    Args:
        found: What was found. Its time must not lie before that of the truth it is paired with.
        truths: What lay there.
        gate_m: Largest distance of a pair, metres, above 0.

    Returns:
        Index of the true place by index of the found one.
    """
    order = sorted(range(len(truths)), key=lambda index: truths[index].s_m)
    along = [truths[index].s_m for index in order]
    candidates = []
    for number, place in enumerate(found):
        start = bisect_left(along, place.s_m - gate_m)
        for index in order[start:]:
            truth = truths[index]
            if truth.s_m > place.s_m + gate_m:
                break
            away_m = distance_m(place, truth)
            if away_m <= gate_m and place.time_ns >= truth.time_ns:
                candidates.append((away_m, index, number))
    pairs: dict[int, int] = {}
    taken: set[int] = set()
    for _, index, number in sorted(candidates):
        if number not in pairs and index not in taken:
            pairs[number] = index
            taken.add(index)
    return pairs


def distance_m(one: Place, other: Place) -> float:
    """Distance of two places, metres; along the belt alone where one has no ``y_m``."""
    along_m = one.s_m - other.s_m
    if one.y_m is None or other.y_m is None:
        return abs(along_m)
    return float((along_m**2 + (one.y_m - other.y_m) ** 2) ** 0.5)
