# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter compare``: runs side by side, and what of their difference is noise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from recycle_sorter.cli.help import with_examples

if TYPE_CHECKING:
    from recycle_sorter.ml.evaluation.compare import Comparison

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter compare runs/resnet18_a runs/resnet34_b

recycle-sorter compare old.json new.json --against old [dim]other than the most accurate[/dim]

recycle-sorter compare runs/* --html comparison.html --csv comparison.csv
"""
_STYLES = {"better": "green", "worse": "red"}


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Run folders, report folders of `evaluate`, or its JSON files."),
    ],
    against: Annotated[
        str, typer.Option(help="Name of the run to compare with. Default: the most accurate.")
    ] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write JSON; - for standard output.")
    ] = None,
    html_file: Annotated[Path | None, typer.Option("--html", help="Write a page.")] = None,
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write a table.")] = None,
) -> None:
    """Put runs side by side and say when a difference is noise.

    Folders without an evaluation (`runs/*` may name some) are left out and told on standard error.

    Runs on the same pictures are compared picture by picture (paired bootstrap, McNemar's exact
    test), others by their accuracies alone.
    """
    # numpy is not needed to show the help.
    from recycle_sorter.ml.evaluation import compare as comparing
    from recycle_sorter.ml.evaluation.files import csv_text, to_json
    from recycle_sorter.ml.evaluation.runs import load_runs
    from recycle_sorter.output_files import write_text

    found = comparing.compare(load_runs(runs, _warn), against or None)
    to_stdout = json_file is not None and str(json_file) == "-"
    if to_stdout:
        typer.echo(to_json(found.to_dict()), nl=False)
    else:
        show(found, Console())
        if json_file is not None:
            write_text(json_file, to_json(found.to_dict()))
    if csv_file is not None:
        write_text(csv_file, csv_text(csv_rows(found)))
    if html_file is not None:
        from recycle_sorter.ml.evaluation.report import render_comparison

        write_text(html_file, render_comparison(found))


compare.__doc__ = with_examples(compare, _EXAMPLES)


def show(comparison: Comparison, console: Console) -> None:
    """Writes tables on a terminal and lines in a pipe."""
    if not console.is_terminal:
        # Not by rich, which would turn tabs into spaces.
        for row in csv_rows(comparison):
            typer.echo("\t".join(row))
        for difference in comparison.differences:
            typer.echo(f"{difference.run}: {difference.verdict}: {difference.reason}")
        return
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("run", overflow="fold")
    for column in ("pictures", "accuracy", "95 % interval", "at 90 %", "ECE", "difference"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict")
    for run in comparison.runs:
        one = comparison.difference_of(run)
        low, high = run.interval
        at = run.figures["accuracy_at_coverage"].get("0.9")
        verdict = one.verdict if one else "reference"
        style = _STYLES.get(verdict, "dim")
        table.add_row(
            Text(run.name),
            str(run.n),
            f"{100 * run.accuracy:.1f} %",
            f"{100 * low:.1f} to {100 * high:.1f}",
            "" if at is None else f"{100 * at:.1f} %",
            f"{100 * run.figures['ece']:.1f} %",
            f"{100 * one.accuracy:+.1f}" if one else "",
            Text(verdict, style),
        )
    console.print(table)
    console.print()
    for difference in comparison.differences:
        console.print(Text(difference.run, "bold").append(f": {difference.reason}", "not bold"))


def _warn(line: str) -> None:
    typer.echo(line, err=True)


def csv_rows(comparison: Comparison) -> list[list[str]]:
    """One row a run under one row of names; shares 0 to 1."""
    materials = sorted({name for run in comparison.runs for name in run.figures["recall"]})
    coverages = sorted({k for run in comparison.runs for k in run.figures["accuracy_at_coverage"]})
    rows = [
        ["run", "n", "accuracy", "low", "high", "ece"]
        + [f"accuracy_at_{share}" for share in coverages]
        + [f"recall_{name}" for name in materials]
        + ["reference", "difference", "difference_low", "difference_high", "p_value", "verdict"]
    ]
    for run in comparison.runs:
        one = comparison.difference_of(run)
        figures = run.figures
        values = [run.accuracy, *run.interval, figures["ece"]]
        values += [figures["accuracy_at_coverage"].get(share) for share in coverages]
        values += [figures["recall"].get(name) for name in materials]
        cells = ["" if value is None else f"{value:.4f}" for value in values]
        last = [comparison.reference.name, "", "", "", "", "reference"]
        if one is not None:
            numbers = (one.accuracy, *one.interval)
            last[1:] = [*(f"{value:.4f}" for value in numbers), f"{one.p_value:.3g}", one.verdict]
        rows.append([run.name, str(run.n), *cells, *last])
    return rows
