# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks``: runs them, prints tables, writes ``benchmarks/out/<name>.json``."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.context import ROOT, Context
from benchmarks.report import Report, make_console, print_report, write_report
from recycle_sorter.core.errors import SorterError

# In the order in which they run; each is a module of that name with `run(context) -> Report`.
NAMES = (
    "engines",
    "latency",
    "throughput",
    "transport",
    "across_processes",
    "startup",
    "photos",
    "training",
    "belt",
    "belt_motion",
    "belt_sorting",
    "belt_growth",
)

_HELP = """Measure the figures of the README; everything stays on this machine.

Names: engines, latency, throughput, transport, across_processes, startup, photos, training, and of
a moving belt belt, belt_motion, belt_sorting, belt_growth. Without any, all of them: about 50
minutes on two cores. Nothing else should run meanwhile: the load before each benchmark stands in
its JSON.

[bold]Examples[/bold]

python -m benchmarks [dim]everything[/dim]

python -m benchmarks engines latency

python -m benchmarks --quick [dim]does it work? seconds each, figures mean nothing[/dim]

python -m benchmarks photos --photos photos/ [dim]photos/glass/*.jpg, photos/metal/*.jpg, ...[/dim]
"""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.command(help=_HELP)
def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which ones; default: all.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Seconds each; only a check.")] = False,
    model: Annotated[
        Path | None, typer.Option(help="Model bundle. Default: the shipped one.")
    ] = None,
    photos: Annotated[
        Path, typer.Option(help="Folder of photographs, one folder a material.")
    ] = ROOT.parent / "shared" / "trashnet",
    out: Annotated[Path, typer.Option(help="Where the JSON files go.")] = ROOT / "benchmarks/out",
) -> None:
    """Runs them one after the other; exit code 1 if one failed, whatever its figures."""
    chosen = tuple(names or NAMES)
    for name in chosen:
        if name not in NAMES:
            raise typer.BadParameter(f"{name!r}, expected some of {', '.join(NAMES)}")
    console = make_console()
    context = Context(quick=quick, model=model, photos=photos)
    failed = []
    for name in chosen:
        load_before = os.getloadavg()[0]
        start_sec = time.monotonic()
        module = importlib.import_module(f"benchmarks.{name}")
        try:
            report: Report = module.run(context)
        except SorterError as error:
            failed.append(name)
            console.print(f"{name}: {error}", style="red", markup=False)
            continue
        report.load_before = load_before
        report.seconds = time.monotonic() - start_sec
        print_report(report, str(module.__doc__), console)
        command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
        path = write_report(report, str(module.__doc__), out, command, is_quick=quick)
        console.print(f"written to {path}", style="dim", markup=False, soft_wrap=True)
    if failed:
        console.print(f"failed: {', '.join(failed)}", style="red")
        raise typer.Exit(1)


if __name__ == "__main__":
    app()
