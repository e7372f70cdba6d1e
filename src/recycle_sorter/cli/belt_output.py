# SPDX-License-Identifier: Apache-2.0
"""What ``simulate`` and ``replay`` show and write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recycle_sorter.cli.progress import bar_on
from recycle_sorter.output_files import require_writable, write_text

if TYPE_CHECKING:
    from recycle_sorter.belt_run.result import RunResult

_PLAIN_LINES = 10  # of progress for a whole run in a pipe


@contextmanager
def frames_progress(total: int, is_quiet: bool) -> Iterator[Callable[[int], None]]:
    """Yields what takes the number of frames done: a bar on a terminal, lines in a pipe."""
    console = Console(stderr=True)
    if is_quiet:
        yield lambda done: None
        return
    if console.is_terminal:
        with bar_on(console, transient=True) as bar:
            task = bar.add_task("frames", total=total or None)
            yield lambda done: bar.update(task, completed=done)
        return
    step = max(1, -(-total // _PLAIN_LINES)) if total else 300

    def advance(done: int) -> None:
        if done % step == 0 or done == total:
            of = f" of {total}" if total else ""
            typer.echo(f"frame {done}{of}", err=True)

    yield advance


def check_outputs(json_file: Path | None, report: Path | None, log: Path | None) -> None:
    """Refuses before the run what could not be written after it."""
    for option, path in (("--json", json_file), ("--report", report), ("--log", log)):
        if path is not None and str(path) != "-":
            require_writable(option, path)


def write_outputs(
    result: RunResult,
    title: str,
    *,
    json_file: Path | None,
    report: Path | None,
    log: Path | None,
) -> None:
    """Writes the files that were asked for, and shows the figures.

    JSON to ``-`` goes to standard output, and the figures then to standard error.
    """
    to_stdout = json_file is not None and str(json_file) == "-"
    for notice in result.notices:
        typer.echo(notice, err=True)
    show(result.summary, result.about, Console(stderr=to_stdout))
    if json_file is not None:
        values = {"about": dict(result.about), **result.summary}
        text = json.dumps(values, indent=2, allow_nan=False) + "\n"
        if to_stdout:
            typer.echo(text, nl=False)
        else:
            write_text(json_file, text)
    if report is not None:
        write_text(report, result.page(title))
        typer.echo(f"wrote {report}", err=True)
    if log is not None:
        write_text(log, result.log)


def show(summary: Mapping[str, Any], about: Mapping[str, str], console: Console) -> None:
    """Writes the figures: tables on a terminal, ``name: value`` lines in a pipe."""
    rows = summary_rows(summary)
    if not console.is_terminal:
        for name, value in [*about.items(), *rows]:
            console.print(f"{name}: {value}", highlight=False, soft_wrap=True, markup=False)
        for row in summary["bins"]:
            text = (
                f"bin {row['bin']}: {row['items']} items, purity {percent(row['purity'])}, "
                f"recovery {percent(row['recovery'])} of {row['due']}"
            )
            inside = summary["contamination"].get(row["bin"], {})
            if held := ", ".join(f"{name} {count}" for name, count in inside.items() if count):
                text += f"; holds {held}"
            console.print(text, highlight=False, soft_wrap=True, markup=False)
        return
    console.print(Text(", ".join(about.values()), "dim"))
    console.print(_bins(summary))
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in rows:
        table.add_row(Text(name, "dim"), Text(value, "red" if _is_fault(name, summary) else ""))
    console.print(table)


def percent(share: float | None) -> str:
    """A share as people read it."""
    return "-" if share is None else f"{100 * share:.1f} %"


def summary_rows(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The figures by name, for people."""
    items, records = summary["items"], summary["records"]
    known, sorting = summary["classifier"], summary["sorting"]
    rows = [("frames", str(summary.get("frames", 0)))]
    if summary.get("refused"):
        rows.append(("pictures refused", str(summary["refused"])))
    if items["true"]:
        rows += [
            (
                "separate items found",
                f"{items['found_separate']} of {items['separate']} "
                f"({percent(items['found_separate_share'])})",
            ),
            ("items in all", f"{items['true']}, {items['found']} found"),
            ("doubled, phantoms", f"{items['doubled']}, {items['phantoms']}"),
        ]
    reasons = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in items["reasons"].items())
    rows.append(("decided", f"{items['decided']}, {items['rejected']} rejected"
                 + (f" ({reasons})" if reasons else "")))  # fmt: skip
    causes = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in records["causes"].items())
    rows += [
        (
            "records",
            f"{records['fired']} fired, {records['passed']} passed, {records['missed']} missed"
            + (f" ({causes})" if causes else ""),
        ),
        ("records lost, doubled", f"{records['lost']}, {records['doubled']}"),
        ("fired late", str(records["fired_late"])),
        ("command off its time", spread(summary["timing_error_ms"], "ms")),
    ]
    if summary["position_error_mm"]["n"]:
        rows.append(("place at the diverter", spread(summary["position_error_mm"], "mm")))
    work_ms, latency_ms = summary.get("work_ms"), summary["latency_ms"]
    if work_ms is not None and latency_ms["n"]:  # a run in real time
        rows.append(("picture to decision", spread(latency_ms, "ms")))
    if (work_ms or latency_ms)["n"]:
        rows.append(("work a picture", spread(work_ms or latency_ms, "ms")))
    if known["items"]:
        one = known["separate"] if known["separate"]["items"] else known
        rows += [
            (
                "material named right",
                f"{percent(one['fused_accuracy'])} over all pictures of an item, "
                f"{percent(one['best_accuracy'])} by its surest, "
                f"{percent(one['crop_accuracy'])} by each",
            ),
            (
                "right bin",
                f"decided {percent(sorting['decided_right'])}, "
                f"reached {percent(sorting['sorted_right'])} of {sorting['items']} separate items",
            ),
        ]
    return rows


def spread(figures: Mapping[str, Any], unit: str) -> str:
    """Percentiles in one line."""
    if not figures["n"]:
        return "-"
    return (
        f"p50 {figures['p50']:.2f} {unit}, p95 {figures['p95']:.2f}, p99 {figures['p99']:.2f}, "
        f"greatest {figures['max']:.2f} (n {figures['n']})"
    )


def _is_fault(name: str, summary: Mapping[str, Any]) -> bool:
    items, records = summary["items"], summary["records"]
    counts = {
        "doubled, phantoms": items["doubled"] + items["phantoms"],
        "records lost, doubled": records["lost"] + records["doubled"],
        "fired late": records["fired_late"],
        "pictures refused": summary.get("refused", 0),
    }
    return bool(counts.get(name, 0))


def _bins(summary: Mapping[str, Any]) -> Table:
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("bin")
    materials = list(next(iter(summary["contamination"].values()), {}))
    for head in ("purity", "recovery", "items", *materials):
        table.add_column(head, justify="right")
    for row in summary["bins"]:
        inside = summary["contamination"].get(row["bin"], {})
        table.add_row(
            Text(row["bin"]),
            percent(row["purity"]),
            percent(row["recovery"]),
            str(row["items"]),
            *(str(inside.get(name, 0) or "") for name in materials),
        )
    return table
