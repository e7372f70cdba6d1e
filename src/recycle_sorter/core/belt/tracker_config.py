# SPDX-License-Identifier: Apache-2.0
"""How items are followed on a belt, and what is counted on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass

from recycle_sorter.core import checks
from recycle_sorter.core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """How items are followed.

    Attributes:
        view_m: Where the camera's view starts and ends, ``x_m``.
        gate_m: How far an item may lie from where it was; large ones somewhat further, 0.001 to 1.
        enter_frames: Pictures before an item counts, 1 to 100.
        travel_m: How far the belt must have carried it before it counts: a reflection stands still.
            0 counts at once, 0 to 1.
        split_frames: Pictures that show two items where one was before they count as two, 1 to 100.
        glimpse_frames: Pictures in a row without what does not count yet before it is dropped, 1
            to 1000.
        evidence_frames: Most entries of evidence kept for one item, 2 to 1000.
        clear_area_m2: What is smaller must ride along for longer before it counts: it may be a mark
            on the belt or a piece of an item; 0 to 1.
        keep_m: How far beyond the view what is forgotten is still known, should the belt run back.
    """

    view_m: tuple[float, float] = (0.0, 0.8)
    gate_m: float = 0.025
    enter_frames: int = 2
    travel_m: float = 0.03
    split_frames: int = 3
    glimpse_frames: int = 15
    evidence_frames: int = 60
    clear_area_m2: float = 0.0012
    keep_m: float = 0.5

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field, its value and its bounds.
        """
        low_m, high_m = self.view_m
        if not (math.isfinite(low_m) and math.isfinite(high_m) and low_m < high_m):
            raise InvalidInputError("view_m", self.view_m, "from a lower to a higher x_m")
        bounds: dict[str, tuple[float, float]] = {
            "gate_m": (0.001, 1.0),
            "enter_frames": (1, 100),
            "travel_m": (0.0, 1.0),
            "split_frames": (1, 100),
            "glimpse_frames": (1, 1000),
            "evidence_frames": (2, 1000),
            "clear_area_m2": (0.0, 1.0),
            "keep_m": (0.0, 100.0),
        }
        checks.within(self, bounds)


@dataclass(slots=True)
class TrackerCounters:
    """What came in and what was left aside, for diagnostics."""

    items: int = 0
    frames: int = 0
    stamps_refused: int = 0
    detections: int = 0
    detections_refused: int = 0
    evidence_refused: int = 0
    glimpses: int = 0
    standing: int = 0
    joint_views: int = 0
    splits: int = 0
