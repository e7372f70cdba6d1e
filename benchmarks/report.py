# SPDX-License-Identifier: Apache-2.0
"""Results: tables for people, JSON with everything needed to judge them later."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.console import Console
from rich.table import Table as RichTable

from benchmarks import machine

FORMAT = 1
Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with what it should be.

    Attributes:
        name: What it is.
        value: None if it could not be measured.
        unit: ``ms``, ``x``, ``frames``, ...
        target: In words, e.g. ``"at most 4"``.
        holds: Whether the target is met; None where it does not apply here.
    """

    name: str
    value: float | None
    unit: str
    target: str = ""
    holds: bool | None = None


def at_most(name: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that must not exceed ``limit``."""
    return Figure(name, round(value, 4), unit, f"at most {limit:g}", bool(value <= limit))


def at_least(name: str, value: float, unit: str, limit: float) -> Figure:
    """A figure that must reach ``limit``."""
    return Figure(name, round(value, 4), unit, f"at least {limit:g}", bool(value >= limit))


@dataclass(slots=True)
class Table:
    """Rows of cells under named columns; numbers are rounded only for people."""

    title: str
    columns: list[str]
    rows: list[list[Cell]] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """What one benchmark found.

    Attributes:
        name: The benchmark's module.
        figures: What is promised, and whether it holds.
        tables: The measurements.
        notes: What was left out and why, and what a reader must know.
        details: Further values, for machines.
        seconds: How long it took.
        load_before: Load average of the minute before it began: 0 on an idle machine.
    """

    name: str
    figures: list[Figure] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    load_before: float = 0.0


PERCENTILES = ["N", "p50 ms", "p95 ms", "p99 ms"]


def spread(values_ms: Sequence[float]) -> list[Cell]:
    """N, p50, p95 and p99: the cells under ``PERCENTILES``."""
    if not len(values_ms):
        return [0, None, None, None]
    p50, p95, p99 = np.percentile(np.asarray(values_ms, dtype=np.float64), (50, 95, 99)).tolist()
    return [len(values_ms), round(p50, 3), round(p95, 3), round(p99, 3)]


def percentile(values_ms: Sequence[float], percent: float) -> float:
    """One percentile; NaN of nothing, which meets no target."""
    return float(np.percentile(np.asarray(values_ms), percent)) if len(values_ms) else float("nan")


def write_report(
    report: Report, measures: str, folder: Path, command: str, *, is_quick: bool
) -> Path:
    """Writes ``<name>.json``.

    Args:
        report: What was found.
        measures: What is measured and how: the benchmark's docstring.
        folder: Where to; made if it is not there.
        command: What was typed.
        is_quick: Whether the settings were too short for the figures to mean anything.

    Returns:
        The file.
    """
    content = {
        "format": FORMAT,
        "name": report.name,
        "measures": measures.strip(),
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "command": command,
        "quick": is_quick,
        "commit": machine.commit(),
        "hardware": machine.hardware(),
        "versions": machine.versions(),
        "load_before": round(report.load_before, 2),
        "seconds": round(report.seconds, 1),
        "figures": [asdict(figure) for figure in report.figures],
        "tables": [asdict(table) for table in report.tables],
        "notes": report.notes,
        "details": report.details,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{report.name}.json"
    text = json.dumps(_without_nan(content), indent=2, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")
    return path


def make_console() -> Console:
    """A console that never folds tables in a pipe, which has no width."""
    console = Console()
    return console if console.is_terminal else Console(width=200)


def print_report(report: Report, measures: str, console: Console) -> None:
    """Prints tables; without colours and lines in a pipe."""
    summary = measures.strip().splitlines()[0]
    console.print(f"\n[bold]{report.name}[/bold]: {summary}", soft_wrap=True, highlight=False)
    for table in report.tables:
        _print_table(table, console)
    if report.figures:
        figures = Table("", ["figure", "value", "unit", "target", "holds"])
        words = {True: "yes", False: "NO", None: "-"}
        for figure in report.figures:
            cells: list[Cell] = [figure.name, figure.value, figure.unit, figure.target]
            figures.rows.append([*cells, words[figure.holds]])
        _print_table(figures, console)
    for note in report.notes:
        console.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)


def _print_table(table: Table, console: Console) -> None:
    style = box.SIMPLE_HEAD if console.is_terminal else None
    shown = RichTable(box=style)
    for index, column in enumerate(table.columns):
        is_number = any(isinstance(row[index], (int, float)) for row in table.rows)
        shown.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    for row in table.rows:
        shown.add_row(*(_text(cell) for cell in row))
    # Not rich's own title, which it folds to the table's width.
    console.print(f"\n{table.title}".rstrip(), style="italic", markup=False, highlight=False)
    console.print(shown)


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:.2f}" if isinstance(cell, float) else str(cell)


def _without_nan(value: Any) -> Any:
    """JSON has no NaN: null says that nothing was measured."""
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value
