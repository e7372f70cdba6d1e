# SPDX-License-Identifier: Apache-2.0
"""What all pictures of one item say together.

The default is the weighted mean of the probabilities (a linear opinion pool), in which a sure
picture counts more than a doubtful one. Pictures of one item are far from independent: they share
its shape, its light and the network's blind spots, so their product would be much surer than it is
right, and one wild picture can veto a material in it. The mean of calibrated probabilities is never
surer than the surest of its pictures, so limits mean what they say. The logarithmic pool is there
for models whose errors differ from picture to picture.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from recycle_sorter.core.belt.types import Detection, Evidence, TrackedItem
from recycle_sorter.core.errors import InvalidInputError

POOLS = ("linear", "log")
# A probability of 0 would veto its material for good; no network is that sure.
_LEAST = 1e-4


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """How pictures are weighed and pooled.

    Attributes:
        fusion: ``"linear"`` (mean) or ``"log"`` (geometric mean, tempered).
        temper: Exponent of the geometric mean, above 0 to 100: 1 takes all pictures for one, their
            number takes them for independent. Not used by ``"linear"``.
        cut_weight: Weight of a picture whose edge cuts the item, above 0 to 1; a whole view is 1.
        touching_weight: Factor for a picture in which it touches another item, above 0 to 1.
        sureness: A picture counts by its highest probability to this power, 0 to 10; 0: all alike.
    """

    fusion: str = "linear"
    temper: float = 1.0
    cut_weight: float = 0.3
    touching_weight: float = 0.5
    sureness: float = 2.0

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field, its value and its bounds.
        """
        if self.fusion not in POOLS:
            raise InvalidInputError("fusion", self.fusion, f"one of {', '.join(POOLS)}")
        for name, high in (("temper", 100.0), ("cut_weight", 1.0), ("touching_weight", 1.0)):
            value = getattr(self, name)
            if not 0.0 < value <= high:
                raise InvalidInputError(name, value, f"a number above 0 up to {high:g}")
        if not 0.0 <= self.sureness <= 10.0:
            raise InvalidInputError("sureness", self.sureness, "a number from 0 to 10")

    def weight(self, detection: Detection) -> float:
        """How much one picture of an item counts, above 0 to 1."""
        weight = 1.0 if detection.is_whole else self.cut_weight
        weight *= self.touching_weight if detection.is_touching else 1.0
        return weight * math.pow(max(detection.probabilities, default=1.0), self.sureness)


def fuse(item: TrackedItem, config: FusionConfig) -> dict[str, float]:
    """Pools an item's evidence.

    Args:
        item: The item; the order of its evidence does not matter.
        config: How.

    Returns:
        Probabilities by material, each 0 to 1, sum 1; empty if no picture was classified.
    """
    if not item.evidence:
        return {}
    total = math.fsum(one.weight for one in item.evidence)
    if config.fusion == "linear":
        # fsum is exact, so neither order nor machine changes a digit.
        pooled = [
            math.fsum(one.weight * one.probabilities[i] for one in item.evidence) / total
            for i in range(len(item.materials))
        ]
    else:
        scores = [
            config.temper
            / total
            * math.fsum(
                one.weight * math.log(max(one.probabilities[i], _LEAST)) for one in item.evidence
            )
            for i in range(len(item.materials))
        ]
        highest = max(scores)
        pooled = [math.exp(score - highest) for score in scores]
    norm = math.fsum(pooled)
    return {name: value / norm for name, value in zip(item.materials, pooled, strict=True)}


def best_frame(item: TrackedItem, rule: str = "confident") -> Evidence | None:
    """The one picture that would decide if pictures were not pooled, for comparison.

    Args:
        item: The item.
        rule: ``"confident"`` takes the picture with the highest probability of any material,
            ``"middle"`` the one nearest the middle of the view. The older one wins ties.

    Returns:
        Its evidence; None if no picture was classified.

    Raises:
        InvalidInputError: If there is no such rule.
    """
    said = [one for one in item.evidence if one.probabilities]
    if rule == "confident":
        return max(said, key=lambda one: max(one.probabilities), default=None)
    if rule == "middle":
        return min(said, key=lambda one: abs(one.offset_m), default=None)
    raise InvalidInputError("rule", rule, "confident or middle")


def add_evidence(item: TrackedItem, evidence: Evidence, limit: int) -> None:
    """Appends to an item's evidence and keeps it within a limit.

    An item that stands in view gives the same view over and over. Beyond the limit, of the two
    views closest to each other along the belt the lighter one goes, the older one if they weigh the
    same; the newest stays. So a long stop neither fills memory nor outweighs the other views.

    Args:
        item: The item.
        evidence: One picture's say, newer than all before.
        limit: How many are kept, 2 or more.
    """
    kept = item.evidence
    kept.append(evidence)
    if len(kept) <= limit:
        return
    order = sorted(range(len(kept)), key=lambda i: (kept[i].offset_m, i))
    _, first, second = min(
        (kept[b].offset_m - kept[a].offset_m, min(a, b), max(a, b)) for a, b in pairwise(order)
    )
    lighter_is_second = kept[second].weight < kept[first].weight and second != len(kept) - 1
    del kept[second if lighter_is_second else first]


def is_usable(probabilities: Sequence[float], materials: int) -> bool:
    """Whether these are probabilities of that many materials: messages come from outside."""
    return (
        len(probabilities) == materials
        and all(0.0 <= p <= 1.0 + 1e-6 for p in probabilities)
        and abs(math.fsum(probabilities) - 1.0) < 1e-2
    )
