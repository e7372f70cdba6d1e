# SPDX-License-Identifier: Apache-2.0
"""Progress through pictures: a bar on a terminal, plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

# Plain progress lines for a whole run in a pipe.
_PLAIN_LINES = 10


def bar_on(console: Console, *, transient: bool = False) -> Progress:
    """Returns a bar with what is done, how many of how many, and the time left."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=transient)


@contextmanager
def count_pictures(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yields what takes pictures done and of how many: a bar on a terminal, lines in a pipe."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with bar_on(console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return

    def advance(done: int, total: int) -> None:
        step = max(1, -(-total // _PLAIN_LINES))
        if done % step == 0 or done == total:
            typer.echo(f"{what}: {done} of {total} pictures", err=True)

    yield advance
