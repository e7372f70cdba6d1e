# SPDX-License-Identifier: Apache-2.0
"""Progress through pictures: a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

# Plain progress lines for a whole run in a pipe.
_PLAIN_LINES = 10


@contextmanager
def count_pictures(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yields what takes pictures done and of how many: a bar on a terminal, lines in a pipe."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True)
    if console.is_terminal:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return

    def advance(done: int, total: int) -> None:
        step = max(1, -(-total // _PLAIN_LINES))
        if done % step == 0 or done == total:
            typer.echo(f"{what}: {done} of {total} pictures", err=True)

    yield advance
