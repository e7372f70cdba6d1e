# SPDX-License-Identifier: Apache-2.0
"""The figures of a belt's run, each defined where it is counted.

*Separate* items lie apart from all others; overlapping ones are rejected on purpose, so what asks
for a found or well sorted item asks it of separate ones too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from recycle_sorter.core.belt.judged import JudgedItem
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome
from recycle_sorter.core.types import Reason


def share(part: int, whole: int) -> float | None:
    """``part / whole``, 4 digits; None of nothing."""
    return round(part / whole, 4) if whole else None


def spread(values: Sequence[float], factor: float) -> dict[str, float | int | None]:
    """Percentiles of how far values lie from 0, and the greatest, with how many there are.

    Args:
        values: What to count, e.g. nanoseconds; the sign is left out.
        factor: From their unit to that of the result.

    Returns:
        ``n``, ``p50``, ``p95``, ``p99``, ``max``; None of each but ``n`` for no values.
    """
    if not values:
        return {"n": 0, "p50": None, "p95": None, "p99": None, "max": None}
    sizes = np.abs(np.asarray(values, dtype=np.float64)) * factor
    p50, p95, p99, most = np.percentile(sizes, (50, 95, 99, 100)).round(3).tolist()
    return {"n": len(values), "p50": p50, "p95": p95, "p99": p99, "max": most}


def count_items(items: Sequence[JudgedItem]) -> dict[str, Any]:
    """Who was found.

    Returns:
        ``true`` and ``separate`` items; ``found`` and ``found_separate``: those with a decision
        of their own; ``found_share`` and ``found_separate_share`` of them; ``missed``: true items
        without a decision; ``doubled``: decisions on an item that has one already; ``phantoms``:
        decisions where nothing lay; ``decided``: decisions in all; ``rejected``: decisions for
        the reject bin, by ``reasons``.
    """
    true = [item for item in items if item.is_counted]
    separate = [item for item in true if item.is_separate]
    found = sum(item.decision is not None for item in true)
    found_separate = sum(item.decision is not None for item in separate)
    decisions = [item.decision for item in items if item.decision is not None]
    reasons = Counter(d.reason.name.lower() for d in decisions if d.reason is not Reason.ACCEPTED)
    stray = [item for item in items if item.truth is None] if true else []
    return {
        "true": len(true),
        "separate": len(separate),
        "found": found,
        "found_share": share(found, len(true)),
        "found_separate": found_separate,
        "found_separate_share": share(found_separate, len(separate)),
        "missed": len(true) - found,
        "doubled": sum(item.is_doubled for item in stray),
        "phantoms": sum(not item.is_doubled for item in stray),
        "decided": len(decisions),
        "rejected": sum(reasons.values()),
        "reasons": dict(sorted(reasons.items())),
    }


def count_records(
    decided: Sequence[int], records: Sequence[ItemRecord], tolerance_ns: int
) -> dict[str, Any]:
    """How items ended.

    Args:
        decided: Ids of the decisions.
        records: What was written.
        tolerance_ns: A command issued later than this after its time was fired late.

    Returns:
        ``written``; ``lost``: decisions without a record; ``doubled``: records beyond the first
        of an item; ``stray``: records of no decision; ``fired``, ``passed``, ``missed``, the last
        by ``causes``; ``fired_late``, which must never be.
    """
    written = Counter(record.decision.item_id for record in records)
    outcomes = Counter(record.outcome for record in records)
    causes = Counter(r.cause.name.lower() for r in records if r.cause is not Cause.NONE)
    late = sum(
        record.outcome is Outcome.FIRED and record.issued_ns - record.scheduled_ns > tolerance_ns
        for record in records
    )
    return {
        "written": len(records),
        "lost": len(set(decided) - set(written)),
        "doubled": sum(count - 1 for count in written.values()),
        "stray": len(set(written) - set(decided)),
        "fired": outcomes[Outcome.FIRED],
        "passed": outcomes[Outcome.PASSED],
        "missed": outcomes[Outcome.MISSED],
        "causes": dict(sorted(causes.items())),
        "fired_late": late,
    }


def bin_reached(item: JudgedItem, reject_bin: str) -> str | None:
    """The bin that an item fell into.

    That which was seen; where nobody saw, that of its record: the decision's bin if its diverter
    fired, else the reject bin, as for an item that nobody found. None for one still under way.
    """
    if item.landed is not None or item.is_under_way:
        return item.landed
    if item.record is None:
        return reject_bin if item.decision is None else None
    return item.record.decision.bin if item.record.outcome is Outcome.FIRED else reject_bin


def bin_decided(item: JudgedItem, reject_bin: str) -> str:
    """The bin that was decided for an item; what was not found falls into the reject bin."""
    return item.decision.bin if item.decision is not None else reject_bin


def _true_and_reached(
    items: Sequence[JudgedItem], reject_bin: str
) -> list[tuple[JudgedItem, str, str]]:
    """Items that are known and have landed: item, true material, bin."""
    found = []
    for item in items:
        reached = bin_reached(item, reject_bin)
        if item.truth is not None and item.is_counted and reached is not None:
            found.append((item, item.truth.material, reached))
    return found


def bins(
    items: Sequence[JudgedItem], bin_of: Mapping[str, str], reject_bin: str
) -> list[dict[str, Any]]:
    """Purity and recovery of each bin.

    Args:
        items: The run.
        bin_of: Bin in which each material belongs.
        reject_bin: The bin at the end.

    Returns:
        One mapping a bin: ``bin``; ``items``: what fell into it; ``right``: of those, what belongs
        there; ``purity``: ``right / items``; ``due``: items on the belt that belong there;
        ``recovery``: share of those that reached it; ``recovery_separate``: the same of separate
        items; ``purity_decided`` and ``recovery_decided``: the same two figures had each item
        fallen where its decision said.
    """
    known = _true_and_reached(items, reject_bin)
    names = [name for name in dict.fromkeys(bin_of.values()) if name != reject_bin]
    rows = []
    for name in [*names, reject_bin]:
        inside = [material for _, material, reached in known if reached == name]
        due = [(item, reached) for item, material, reached in known if bin_of.get(material) == name]
        separate = [(item, reached) for item, reached in due if item.is_separate]
        said = [material for item, material, _ in known if bin_decided(item, reject_bin) == name]
        right = sum(bin_of.get(material) == name for material in inside)
        right_said = sum(bin_of.get(material) == name for material in said)
        rows.append(
            {
                "bin": name,
                "items": len(inside),
                "right": right,
                "purity": share(right, len(inside)),
                "due": len(due),
                "recovery": share(right, len(due)),
                "recovery_separate": share(
                    sum(reached == name for _, reached in separate), len(separate)
                ),
                "purity_decided": share(right_said, len(said)),
                "recovery_decided": share(right_said, len(due)),
            }
        )
    return rows


def contamination(
    items: Sequence[JudgedItem], bin_of: Mapping[str, str], reject_bin: str
) -> dict[str, dict[str, int]]:
    """How many items of each true material fell into each bin: rows bins, columns materials."""
    known = _true_and_reached(items, reject_bin)
    materials = sorted({*bin_of, *(material for _, material, _ in known)})
    names = list(dict.fromkeys([*bin_of.values(), reject_bin, *(name for _, _, name in known)]))
    counts = Counter((reached, material) for _, material, reached in known)
    return {name: {material: counts[name, material] for material in materials} for name in names}


def classifier(items: Sequence[JudgedItem]) -> dict[str, Any]:
    """The classifier's own accuracy on the items that were found, whatever became of them.

    Returns:
        Of all and, under ``separate``, of separate found items whose pictures were kept:
        ``items``; ``crops``: their pictures; ``crop_accuracy``: share of pictures that name the
        true material; ``centre_accuracy``: share of items whose picture nearest the view's middle
        does; ``best_accuracy``: whose surest picture does; ``fused_accuracy``: whose decision,
        over all pictures, does; ``fusion_gain_points``: fused less surest, in points of 100.
    """
    found = [item for item in items if item.truth and item.decision and item.crops]
    return {
        **_accuracy(found),
        "separate": _accuracy([item for item in found if item.is_separate]),
    }


def _accuracy(items: Sequence[JudgedItem]) -> dict[str, Any]:
    crops = right_crops = centre = best = fused = 0
    for item in items:
        if item.truth is None or item.decision is None:
            continue
        said = [top(crop) for crop in item.crops]
        true = item.truth.material
        crops += len(said)
        right_crops += said.count(true)
        surest = max(range(len(said)), key=lambda i: max(item.crops[i].values(), default=0.0))
        best += said[surest] == true
        centre += said[surest if item.centre is None else item.centre] == true
        fused += item.decision.material == true
    gain = round(100 * (fused - best) / len(items), 2) if items else None
    return {
        "items": len(items),
        "crops": crops,
        "crop_accuracy": share(right_crops, crops),
        "centre_accuracy": share(centre, len(items)),
        "best_accuracy": share(best, len(items)),
        "fused_accuracy": share(fused, len(items)),
        "fusion_gain_points": gain,
    }


def top(probabilities: Mapping[str, float]) -> str:
    """The most probable material, ties by name; empty for none."""
    return min(probabilities, key=lambda name: (-probabilities[name], name), default="")


def sorting(
    items: Sequence[JudgedItem], bin_of: Mapping[str, str], reject_bin: str
) -> dict[str, Any]:
    """What tracking and timing cost, on separate items.

    Returns:
        ``items``: separate ones that have landed; ``decided_right``: share for which the bin of
        the material was decided; ``sorted_right``: share that reached it;
        ``lost_points``: how much of ``decided_right`` was lost on the way, in points of 100: by
        conflicts, commands not fired, and a diverter that met another item;
        ``wrong_place``: items that landed elsewhere than decided.
    """
    known = [one for one in _true_and_reached(items, reject_bin) if one[0].is_separate]
    decided = sum(bin_decided(one, reject_bin) == bin_of.get(name) for one, name, _ in known)
    reached = sum(bin_of.get(name) == place for _, name, place in known)
    astray = sum(bin_decided(one, reject_bin) != place for one, _, place in known)
    lost = round(100 * (decided - reached) / len(known), 2) if known else None
    return {
        "items": len(known),
        "decided_right": share(decided, len(known)),
        "sorted_right": share(reached, len(known)),
        "lost_points": lost,
        "wrong_place": astray,
    }
