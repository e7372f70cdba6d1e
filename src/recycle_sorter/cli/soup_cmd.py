# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter soup``: one network out of several runs, by averaging their weights."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from recycle_sorter.cli.help import with_examples

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter soup runs/seed0 runs/seed1 --out runs/both

recycle-sorter soup runs/fine --start-share 0.5 --out runs/half
[dim]half way back to what it started from: keeps more of what it knew[/dim]

recycle-sorter compare runs/seed0 runs/seed1 runs/both [dim]did it help?[/dim]
"""


def soup(
    runs: Annotated[list[Path], typer.Argument(help="Finished run folders.")],
    out: Annotated[Path, typer.Option(help="The new run folder.")],
    start_share: Annotated[
        float,
        typer.Option(min=0.0, max=0.99, help="Share of what the first run started from, in it."),
    ] = 0.0,
    data: Annotated[
        Path | None, typer.Option(help="The data set, if it has moved since the training.")
    ] = None,
) -> None:
    """Average the weights of runs that started from the same ones, and measure the result."""
    from recycle_sorter.ml.evaluation.report import write_evaluation
    from recycle_sorter.ml.held_out import check_data, leaks_of
    from recycle_sorter.ml.training.run_folder import load_run
    from recycle_sorter.ml.training.soup import make_soup
    from recycle_sorter.ml.training.tracked import EVALUATION_NAME, evaluate_run

    command = shlex.join(["recycle-sorter", *sys.argv[1:]])
    # Before anything is written: a soup that nobody can measure would only be in the way.
    first = load_run(runs[0])
    splits = first.splits(data)
    hashes = check_data(first, splits)
    made = load_run(make_soup(runs, out, command, start_share))
    name = Path(made.config["data"]).resolve().stem
    result = evaluate_run(out, splits.val, splits.test, name)
    write_evaluation(out / EVALUATION_NAME, result)
    for line in leaks_of(out, made.config, hashes):
        typer.echo(line)
    typer.echo(f"{result.title}: {result.figures.accuracy:.1%} of {result.figures.n}")


soup.__doc__ = with_examples(soup, _EXAMPLES)
