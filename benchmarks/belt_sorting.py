# SPDX-License-Identifier: Apache-2.0
"""Purity and recovery of each bin, beside the classifier's own accuracy on the same crops.

The twin, headless, at 0.5 m/s, 80 and 240 items a minute, several seeds, with the renderings that
ship and with photographs where they stand; no model was trained on either. ``own`` is the
classifier with perfect tracking and timing: each crop is handed to the item that it truly shows,
the item's crops are fused and judged as the line does, and each item falls where it was decided.
What the line sorts right less than that is what finding, tracking, timing and conflicts cost.
Fusion over an item's frames is compared with its single surest frame and with the one nearest the
middle of the view. Counts are pooled over seeds; separate items that landed. Two sorters of an
afternoon look at the same frames: they act at once on the newest classification, a fixed delay
later; one of them takes nothing new until it has acted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.belt_runs import TwinDone, TwinJob, run_twins
from benchmarks.belt_scenes import BUSY_PER_MIN, CALM_PER_MIN, cut_photos, scene
from benchmarks.context import Context
from benchmarks.processes import open_lab
from benchmarks.report import Figure, Report, Table, at_least, at_most
from recycle_sorter.core.errors import SorterError

_COST_POINTS = 1.0
_SEEDS = {CALM_PER_MIN: (31, 32), BUSY_PER_MIN: (33, 34)}
Groups = dict[str, list[TwinDone]]


def run(context: Context) -> Report:
    """Runs every pace and library on several seeds."""
    report = Report("belt_sorting", details={"model": context.model_facts(), "summaries": {}})
    with open_lab() as lab:
        libraries: dict[str, Path | None] = {"renderings": None}
        try:
            libraries["photographs"] = cut_photos(context, lab)
        except SorterError as error:
            report.notes.append(f"photographs left out: {error}")
        done = run_twins(_jobs(context, libraries))
    groups: Groups = defaultdict(list)
    for one in done:
        groups[one.job.name].append(one)
        name = f"{one.job.name}, seed {one.job.changes['seed']}"
        report.details["summaries"][name] = one.summary
    _tell_bins(report, groups)
    _tell_costs(report, groups)
    _tell_fusion(report, groups)
    _tell_references(report, groups)
    return report


def _jobs(context: Context, libraries: dict[str, Path | None]) -> list[TwinJob]:
    paces = {BUSY_PER_MIN: (33,)} if context.quick else _SEEDS
    duration_sec = context.pick(67.5, 12.0)
    jobs = [
        TwinJob(
            f"{per_min:g}/min of {name}",
            scene(per_min, seed, duration_sec),
            str(context.bundle.path),
            cutouts="" if folder is None else str(folder),
        )
        for name, folder in libraries.items()
        for per_min, seeds in paces.items()
        for seed in seeds
    ]
    context.say(f"{len(jobs)} belts of {duration_sec:g} s, headless")
    return jobs


def _tell_bins(report: Report, groups: Groups) -> None:
    table = Table(
        "bins, all items",
        ["belt", "bin", "items", "purity %", "due", "recovery %", "purity as decided %",
         "recovery as decided %"],
    )  # fmt: skip
    for name, runs in groups.items():
        rows: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
        for one in runs:
            for entry in one.summary["bins"]:
                row = rows[entry["bin"]]
                for key in ("items", "right", "due"):
                    row[key] += entry[key]
                decided, right_decided = one.decided[entry["bin"]]
                row["decided"] += decided
                row["right_decided"] += right_decided
        for bin_name, row in rows.items():
            table.rows.append(
                [name, bin_name, int(row["items"]), _percent(row["right"], row["items"]),
                 int(row["due"]), _percent(row["right"], row["due"]),
                 _percent(row["right_decided"], row["decided"]),
                 _percent(row["right_decided"], row["due"])]
            )  # fmt: skip
    report.tables.append(table)


def _tell_costs(report: Report, groups: Groups) -> None:
    table = Table(
        "separate items in the right bin",
        ["belt", "N", "own %", "decided %", "sorted %", "cost points", "found %", "conflicts",
         "late", "landed astray"],
    )  # fmt: skip
    for name, runs in groups.items():
        sorting = [one.summary["sorting"] for one in runs]
        count = sum(one["items"] for one in sorting)
        decided = sum(one["items"] * (one["decided_right"] or 0.0) for one in sorting)
        right = sum(one["items"] * (one["sorted_right"] or 0.0) for one in sorting)
        tracked = sum(one.truth_tracked["items"] for one in runs)
        own = _percent(sum(one.truth_tracked["bin_right"] for one in runs), tracked)
        reached = _percent(right, count)
        cost = None if own is None or reached is None else round(own - reached, 2)
        causes = [one.summary["records"]["causes"] for one in runs]
        separate = sum(one.summary["items"]["separate"] for one in runs)
        found = sum(one.summary["items"]["found_separate"] for one in runs)
        table.rows.append(
            [name, count, own, _percent(decided, count), reached, cost, _percent(found, separate),
             sum(one.get("conflict", 0) for one in causes),
             sum(one.get("late", 0) for one in causes),
             sum(one["wrong_place"] for one in sorting)]
        )  # fmt: skip
        report.figures.append(
            at_most(f"{name}: what finding, tracking and timing cost, N {count}",
                    float("nan") if cost is None else cost, "points", _COST_POINTS)
        )  # fmt: skip
    report.tables.append(table)


def _tell_fusion(report: Report, groups: Groups) -> None:
    table = Table(
        "material named right, separate items",
        ["belt", "seed", "items", "crops", "one crop %", "middle frame %", "surest frame %",
         "fused %", "gain over surest", "gain over middle"],
    )  # fmt: skip
    for name, runs in groups.items():
        rows = [one.summary["classifier"]["separate"] for one in runs]
        for one, row in zip(runs, rows, strict=True):
            table.rows.append([name, str(one.job.changes["seed"]), *_fusion_cells([row])])
        pooled = _fusion_cells(rows)
        table.rows.append([name, "all", *pooled])
        gains = [one["fusion_gain_points"] for one in rows if one["fusion_gain_points"] is not None]
        items = sum(one["items"] for one in rows)
        if items:
            spread = f"{min(gains):g} to {max(gains):g} by seed"
            surest, middle = float(pooled[-2]), float(pooled[-1])
            report.figures += [
                at_least(f"{name}: fusion over the surest frame, N {items} ({spread})", surest,
                         "points", 0.0),
                Figure(f"{name}: fusion over the middle frame, N {items}", middle, "points"),
            ]  # fmt: skip
    report.tables.append(table)


def _fusion_cells(rows: Sequence[dict[str, Any]]) -> list[Any]:
    items = sum(row["items"] for row in rows)
    crops = sum(row["crops"] for row in rows)
    if not items or not crops:
        return [items, crops, *[None] * 6]
    one_crop = _percent(sum(row["crops"] * (row["crop_accuracy"] or 0) for row in rows), crops)
    centre, best, fused = (
        100 * sum(row["items"] * (row[key] or 0) for row in rows) / items
        for key in ("centre_accuracy", "best_accuracy", "fused_accuracy")
    )
    numbers = np.round([centre, best, fused, fused - best, fused - centre], 2).tolist()
    return [items, crops, one_crop, *numbers]


def _tell_references(report: Report, groups: Groups) -> None:
    table = Table("separate items in the right bin, by sorter", ["belt", "sorter", "N", "right %"])
    for name, runs in groups.items():
        shares = {}
        verdicts = {"this one": [one.summary["sorting"] for one in runs]}
        for reference in runs[0].references:
            verdicts[reference] = [one.references[reference]["sorting"] for one in runs]
        for sorter, rows in verdicts.items():
            count = sum(row["items"] for row in rows)
            right = sum(row["items"] * (row["sorted_right"] or 0.0) for row in rows)
            shares[sorter] = _percent(right, count)
            table.rows.append([name, sorter, count, shares[sorter]])
        own = shares.pop("this one")
        best = max((share for share in shares.values() if share), default=None)
        if own is not None and best:
            label = f"{name}: items sorted right over an afternoon's sorter"
            report.figures.append(Figure(label, round(own / best, 2), "x"))
    report.tables.append(table)


def _percent(part: float, whole: float) -> float | None:
    return round(100 * part / whole, 2) if whole else None
