# SPDX-License-Identifier: Apache-2.0
"""Items on a moving belt, found, followed and sorted by the real ROS graph in real time.

The twin node shows a belt at 0.5 m/s, 640x480 at 30 fps, with 80 and 240 items a minute that no
model was trained on (the shipped renderings; photographs where they stand); the shipped model
names them, the actuator fires their diverters. In one process, and with twin, classifier and
actuator as three processes. A further process listens and judges the run by the account of
``recycle-sorter simulate``: the truth is what the twin published. ``issued`` is by the actuator's
own clock, ``published`` by the middleware's. A run lasts until its last item has left. At 240 a
minute items are 6 to 10 cm long: larger ones leave no room.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.belt_graphs import GraphRun, node_settings, run_nodes_apart, run_one_process
from benchmarks.belt_scenes import BUSY_PER_MIN, CALM_PER_MIN, cut_photos, scene
from benchmarks.belt_verdict import Verdict
from benchmarks.context import Context
from benchmarks.processes import Lab, open_lab
from benchmarks.report import (
    PERCENTILES,
    Cell,
    Figure,
    Report,
    Table,
    at_least,
    at_most,
    percentile,
    spread,
)
from recycle_sorter.core.errors import SorterError

_FOUND_PERCENT = 99.0
_TIME_MS = 5.0
_PLACE_MM = 10.0
_MORE_SEC = 60.0  # of photographs, and of a belt that changes its speed
_ITEM_COLUMNS = [
    "run", "items", "per min", "separate", "found", "found %", "doubled", "phantoms", "decided",
    "lost records", "fired", "passed", "run ended", "conflict", "other missed", "fired late",
]  # fmt: skip


def run(context: Context) -> Report:
    """Runs every pace both ways, then photographs and a belt that changes its speed."""
    report = Report("belt", details={"model": context.model_facts(), "summaries": {}})
    tables = _tables()
    report.tables += tables.values()
    calm_sec, busy_sec = context.pick(100.0, 11.0), context.pick(75.0, 11.0)
    apart_sec = context.pick(52.0, 11.0)
    paces = {CALM_PER_MIN: calm_sec, BUSY_PER_MIN: busy_sec}
    if context.quick:
        del paces[CALM_PER_MIN]
    with open_lab() as lab:
        for per_min, duration_sec in paces.items():
            name = f"{per_min:g}/min, one process"
            done = _one(context, lab, name, scene(per_min, 5, duration_sec), duration_sec)
            _tell(report, tables, name, done)
            _promise(report, name, done.verdicts[0])
        for per_min in paces:
            name = f"{per_min:g}/min, three processes"
            context.say(f"{name}, {apart_sec:g} s")
            settings = node_settings(context, lab, scene(per_min, 6, apart_sec))
            done = run_nodes_apart(lab, settings, apart_sec)
            _tell(report, tables, name, done)
            _promise(report, name, done.verdicts[0])
        if context.quick:
            report.notes.append("80 a minute, photographs and changing speed left out: --quick")
        else:
            _photographs(context, lab, report, tables)
            _ramp(context, lab, report, tables)
    return report


def _one(
    context: Context,
    lab: Lab,
    name: str,
    changes: dict[str, Any],
    duration_sec: float,
    cutouts: Path | None = None,
) -> GraphRun:
    context.say(f"{name}, {duration_sec:g} s")
    settings = node_settings(context, lab, changes, cutouts)
    return run_one_process(lab, settings, duration_sec)


def _photographs(context: Context, lab: Lab, report: Report, tables: dict[str, Table]) -> None:
    try:
        cutouts = cut_photos(context, lab)
    except SorterError as error:
        report.notes.append(f"photographs left out: {error}")
        return
    for per_min in (CALM_PER_MIN, BUSY_PER_MIN):
        name = f"{per_min:g}/min of photographs, one process"
        changes = scene(per_min, 7, _MORE_SEC)
        done = _one(context, lab, name, changes, _MORE_SEC, cutouts)
        _tell(report, tables, name, done)
        _promise(report, name, done.verdicts[0])


def _ramp(context: Context, lab: Lab, report: Report, tables: dict[str, Table]) -> None:
    name = "80/min, 0.2 to 1.0 m/s, one process"
    changes = scene(CALM_PER_MIN, 8, _MORE_SEC) | {"speed.kind": "ramp"}
    done = _one(context, lab, name, changes, _MORE_SEC)
    _tell(report, tables, name, done)
    error_mm = percentile([abs(mm) for mm in done.verdicts[0].error_mm], 99)
    report.figures.append(at_most(f"{name}: place at the diverter p99", error_mm, "mm", _PLACE_MM))


def _tables() -> dict[str, Table]:
    run = ["run", *PERCENTILES]
    return {
        "items": Table("items: what became of them", list(_ITEM_COLUMNS)),
        "issued": Table("command: issued off its time, by the actuator", [*run, "max ms"]),
        "published": Table("command: published after it was due", list(run)),
        "place": Table(
            "place of the item when its diverter is set, off the diverter's",
            ["run", "N", "p50 mm", "p95 mm", "p99 mm"],
        ),
        "seen": Table(
            "from a picture's stamp to what it shows",
            [*run, "engine p50 ms", "pictures", "lost"],
        ),
        "decided": Table("from an item's last picture's stamp to its decision", list(run)),
        "cpu": Table("CPU seconds a second", ["run", "process", "CPU s / s"]),
        "bins": Table(
            "bins",
            ["run", "bin", "items", "purity %", "due", "recovery %"],
        ),
    }


def _tell(report: Report, tables: dict[str, Table], name: str, done: GraphRun) -> None:
    verdict = done.verdicts[0]
    summary = verdict.summary
    report.details["summaries"][name] = summary
    tables["items"].rows.append([name, *_item_cells(verdict)])
    issued = [abs(ms) for ms in verdict.issued_ms]
    tables["issued"].rows.append([name, *spread(issued), max(issued, default=None)])
    tables["published"].rows.append([name, *spread(verdict.published_ms)])
    tables["place"].rows.append([name, *spread([abs(mm) for mm in verdict.error_mm])])
    engine_ms = percentile(verdict.engine_ms, 50)
    tables["seen"].rows.append(
        [name, *spread(verdict.seen_ms), round(engine_ms, 3), verdict.pictures, verdict.lost]
    )
    tables["decided"].rows.append([name, *spread(verdict.decided_ms)])
    for process, rate in done.cpu.items():
        tables["cpu"].rows.append([name, process, round(rate, 3)])
    for row in summary["bins"]:
        cells = [row["items"], _percent(row["purity"]), row["due"], _percent(row["recovery"])]
        tables["bins"].rows.append([name, row["bin"], *cells])


def _item_cells(verdict: Verdict) -> list[Cell]:
    items, records = verdict.summary["items"], verdict.summary["records"]
    causes = records["causes"]
    ended, conflict = causes.get("run_ended", 0), causes.get("conflict", 0)
    return [
        items["true"], round(verdict.per_min, 1), items["separate"], items["found_separate"],
        _percent(items["found_separate_share"]), items["doubled"], items["phantoms"],
        items["decided"], records["lost"], records["fired"], records["passed"], ended, conflict,
        records["missed"] - ended - conflict, records["fired_late"],
    ]  # fmt: skip


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)


def _promise(report: Report, name: str, verdict: Verdict) -> None:
    items, records = verdict.summary["items"], verdict.summary["records"]
    issued = percentile([abs(ms) for ms in verdict.issued_ms], 99)
    published = percentile(verdict.published_ms, 99)
    found = items["found_separate_share"]
    share = float("nan") if found is None else 100 * found
    report.figures += [
        at_least(f"{name}: separate items found of {items['separate']}", share, "%",
                 _FOUND_PERCENT),
        at_most(f"{name}: doubled", float(items["doubled"]), "items", 0.0),
        at_most(f"{name}: lost records", float(records["lost"]), "items", 0.0),
        at_most(f"{name}: fired late", float(records["fired_late"]), "items", 0.0),
        at_most(f"{name}: command issued off its time, p99 of {records['fired']}", issued, "ms",
                _TIME_MS),
        Figure(f"{name}: command published after it was due, p99", round(published, 3), "ms"),
    ]  # fmt: skip
