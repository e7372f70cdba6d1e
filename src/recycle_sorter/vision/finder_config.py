# SPDX-License-Identifier: Apache-2.0
"""What the finder takes for an item."""

from __future__ import annotations

from dataclasses import dataclass

from recycle_sorter.core import checks
from recycle_sorter.core.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class FinderConfig:
    """What is an item.

    Attributes:
        min_item_m: Smaller things are dirt, 0.002 to 1.
        max_item_m: Longer ones are several items that touch, 0.01 to 5.
        join_m: Fragments of one item lie no further apart, 0 to 0.1.
        near_m: Items no further apart count as touching, 0 to 0.1.
        part_m: Small pieces no further from another outline are of that item, 0 to 0.1.
        deep_m: The outline of one item has no deeper bay, 0.001 to 1.
        notch_m: Nor two bays that are both deeper than this, 0.001 to 1.
        broad_m: Nor an area above this squared, 0.01 to 5.
        learn_frames: How many frames of belt make the model, 1 to 200; no closer than 5 cm of
            belt or a tenth of a second where the belt's position is known.
        adapt_m: How far the belt travels until what stands still is mostly learnt anew; 0 never.
    """

    min_item_m: float = 0.02
    max_item_m: float = 0.40
    join_m: float = 0.010
    near_m: float = 0.006
    part_m: float = 0.018
    deep_m: float = 0.036
    notch_m: float = 0.016
    broad_m: float = 0.2
    learn_frames: int = 18
    adapt_m: float = 4.0

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field, its value and its bounds.
        """
        bounds: dict[str, tuple[float, float]] = {
            "min_item_m": (0.002, 1.0),
            "max_item_m": (0.01, 5.0),
            "join_m": (0.0, 0.1),
            "near_m": (0.0, 0.1),
            "part_m": (0.0, 0.1),
            "deep_m": (0.001, 1.0),
            "notch_m": (0.001, 1.0),
            "broad_m": (0.01, 5.0),
            "learn_frames": (1, 200),
            "adapt_m": (0.0, 1e4),
        }
        checks.within(self, bounds, "finder.")
        if self.min_item_m >= self.max_item_m:
            expected = f"above finder.min_item_m ({self.min_item_m:g})"
            raise InvalidInputError("finder.max_item_m", self.max_item_m, expected)
