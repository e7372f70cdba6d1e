# SPDX-License-Identifier: Apache-2.0
"""Decides an item once: a bin, or the reject bin and why."""

from __future__ import annotations

from dataclasses import dataclass

from recycle_sorter.core.belt.fusion import FusionConfig, fuse
from recycle_sorter.core.belt.types import TrackedItem
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.routing import Routing, best_material
from recycle_sorter.core.types import Reason, SortDecision


@dataclass(frozen=True, slots=True)
class JudgeConfig:
    """What an item needs beside the routing's limits to be trusted.

    Attributes:
        min_evidence_frames: Least classified pictures, 1 to 30.
        reject_touching: Whether items that lie against others are rejected.
    """

    min_evidence_frames: int = 2
    reject_touching: bool = True

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field, its value and its bounds.
        """
        if not 1 <= self.min_evidence_frames <= 30:
            raise InvalidInputError("min_evidence_frames", self.min_evidence_frames, "1 to 30")


def judge_item(
    item: TrackedItem,
    routing: Routing,
    config: JudgeConfig | None = None,
    fusion: FusionConfig | None = None,
) -> SortDecision:
    """Decides where an item goes.

    The first that holds rejects it: too few classified pictures, touching another item, no rule
    for its material, confidence or margin below the material's limits, a lower expected cost in
    the reject bin (where the routing has costs).

    Args:
        item: What was tracked, with an id.
        routing: Limits, bins and costs.
        config: What else it needs; None for the defaults.
        fusion: How its pictures are pooled; None for the defaults.

    Returns:
        The decision. ``stamp_ns`` is the steady time of the item's last evidence, or of its last
        sighting if it has none; ``material`` is then empty. ``detail`` gives the figures.
    """
    config = config or JudgeConfig()
    probabilities = fuse(item, fusion or FusionConfig())
    material, confidence = best_material(probabilities) if probabilities else ("", 0.0)
    shown = f"{material} {confidence:.2f}" if material else "not classified"
    count = len(item.evidence)
    if count < config.min_evidence_frames:
        text = f"classified in {count} frames, fewer than {config.min_evidence_frames} ({shown})"
        verdict = routing.reject(material, confidence, Reason.TOO_FEW_FRAMES, text)
    elif item.is_touching and config.reject_touching:
        text = f"touches or overlaps another item ({shown})"
        verdict = routing.reject(material, confidence, Reason.OVERLAPPING, text)
    else:
        verdict = routing.judge(probabilities)
    return SortDecision(
        stamp_ns=item.evidence[-1].steady_ns if item.evidence else item.last_ns,
        item_id=item.item_id,
        material=material,
        confidence=confidence,
        bin=verdict.bin.name,
        reason=verdict.reason,
        detail=verdict.detail,
        evidence_frames=item.frames,
        probabilities=probabilities,
    )
