# SPDX-License-Identifier: Apache-2.0
"""Where items really are when their diverter is set, on belts that do not run evenly.

The twin, headless: 0.2 to 1.0 m/s and back every 20 s, stop and go, and a belt that also backs up;
each with the encoder, with a topic that tells the speed (100 Hz), and with the motion measured
from the pictures alone. The place is the true one, at the time for which the diverter was
commanded. Two sorters of an afternoon look at the same frames and crops: they act at once on the
newest classification, a fixed delay later; one of them takes nothing new until it has acted.
"""

from __future__ import annotations

from benchmarks.belt_runs import TwinDone, TwinJob, run_twins
from benchmarks.belt_scenes import scene
from benchmarks.context import Context
from benchmarks.report import Figure, Report, Table, at_most, percentile, spread

_PLACE_MM = 10.0
_PER_MIN = 150.0
_MOTIONS = ("encoder", "speed", "picture")
_PROFILES = {"0.2 to 1.0 m/s": "ramp", "stop and go": "stop_and_go", "backs up": "jog"}
# Promised of these; a belt that backs up is a further trial.
_PROMISED = ("ramp", "stop_and_go")


def run(context: Context) -> Report:
    """Runs every profile with every source of motion."""
    report = Report("belt_motion", details={"model": context.model_facts(), "summaries": {}})
    duration_sec = context.pick(68.0, 12.5)
    motions = ("encoder", "picture") if context.quick else _MOTIONS
    profiles = {"0.2 to 1.0 m/s": "ramp"} if context.quick else _PROFILES
    jobs = [
        TwinJob(
            f"{label}, {motion}",
            scene(_PER_MIN, 21, duration_sec) | {"speed.kind": kind},
            str(context.bundle.path),
            motion,
        )
        for label, kind in profiles.items()
        for motion in motions
    ]
    context.say(f"{len(jobs)} belts of {duration_sec:g} s, headless")
    done = run_twins(jobs)
    _tell_places(report, done)
    _tell_items(report, done)
    _tell_references(report, done)
    for one in done:
        report.details["summaries"][one.job.name] = one.summary
        if one.job.changes["speed.kind"] in _PROMISED:
            error_mm = percentile([abs(mm) for mm in one.errors_mm], 99)
            name = f"{one.job.name}: place at the diverter p99 of {len(one.errors_mm)}"
            report.figures.append(at_most(name, error_mm, "mm", _PLACE_MM))
    late = sum(one.summary["records"]["fired_late"] for one in done)
    report.figures.append(at_most("fired late, all runs", float(late), "items", 0.0))
    report.figures += _advantages(done)
    return report


def _tell_places(report: Report, done: list[TwinDone]) -> None:
    places = Table(
        "place of the item when its diverter is set, off the diverter's",
        ["belt", "N", "p50 mm", "p95 mm", "p99 mm", "max mm", "mean mm"],
    )
    for one in done:
        sizes = [abs(mm) for mm in one.errors_mm]
        most = round(max(sizes), 3) if sizes else None
        mean = round(sum(one.errors_mm) / len(sizes), 3) if sizes else None
        places.rows.append([one.job.name, *spread(sizes), most, mean])
    report.tables.append(places)


def _tell_items(report: Report, done: list[TwinDone]) -> None:
    items = Table(
        "items",
        ["belt", "items", "found %", "doubled", "phantoms", "lost records", "fired", "conflict",
         "late", "other missed", "fired late", "landed astray"],
    )  # fmt: skip
    for one in done:
        counted, records = one.summary["items"], one.summary["records"]
        causes = records["causes"]
        conflict, late = causes.get("conflict", 0), causes.get("late", 0)
        found = counted["found_separate_share"]
        items.rows.append(
            [one.job.name, counted["true"], None if found is None else round(100 * found, 2),
             counted["doubled"], counted["phantoms"], records["lost"], records["fired"], conflict,
             late, records["missed"] - conflict - late, records["fired_late"],
             one.summary["sorting"]["wrong_place"]]
        )  # fmt: skip
    report.tables.append(items)


def _tell_references(report: Report, done: list[TwinDone]) -> None:
    table = Table("separate items in the right bin, %", ["belt", "sorter", "N", "right %"])
    for one in done:
        own = one.summary["sorting"]
        table.rows.append([one.job.name, "this one", own["items"], _percent(own["sorted_right"])])
        if one.job.motion == "encoder":
            for name, verdict in one.references.items():
                sorting = verdict["sorting"]
                cells = [sorting["items"], _percent(sorting["sorted_right"])]
                table.rows.append([one.job.name, name, *cells])
    report.tables.append(table)


def _advantages(done: list[TwinDone]) -> list[Figure]:
    """Items in the right bin over those of the better afternoon's sorter."""
    found = []
    for one in done:
        own = one.summary["sorting"]["sorted_right"]
        others = [verdict["sorting"]["sorted_right"] for verdict in one.references.values()]
        best = max((share for share in others if share), default=None)
        if one.job.motion == "encoder" and own is not None and best:
            name = f"{one.job.name}: items sorted right over an afternoon's sorter"
            found.append(Figure(name, round(own / best, 2), "x"))
    return found


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 2)
