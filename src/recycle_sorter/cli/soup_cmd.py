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
    tracking: Annotated[
        str, typer.Option(help="auto, online, offline or disabled (local record only).")
    ] = "auto",
) -> None:
    """Average the weights of runs that started from the same ones, and measure the result."""
    from recycle_sorter.ml.tracking import mode_of
    from recycle_sorter.ml.training.tracked_soup import run_soup

    command = shlex.join(["recycle-sorter", *sys.argv[1:]])
    run_soup(
        runs, out, typer.echo, command=command, start_share=start_share, data=data,
        mode=mode_of("--tracking", tracking),
    )  # fmt: skip
    typer.echo(f"next: recycle-sorter export {out} models/{out.name}")


soup.__doc__ = with_examples(soup, _EXAMPLES)
