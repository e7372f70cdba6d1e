# SPDX-License-Identifier: Apache-2.0
"""Shows a belt's run: live on a terminal, plain lines in a pipe."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from recycle_sorter.cli.display import COLOURS
from recycle_sorter.core.belt.types import ItemRecord, Outcome
from recycle_sorter.core.types import Reason

if TYPE_CHECKING:
    from recycle_sorter.belt_run.watched import WatchedRun

_REFRESH_HZ = 4  # drawing takes time from those who wait for their tick


class BeltRunDisplay:
    """Writes each item as a line when it ends; on a terminal a live line stays below them.

    Args:
        console: Where to write.
        progress: The live line, or None for plain output.
        is_quiet: Write nothing.
    """

    def __init__(self, console: Console, progress: Progress | None, is_quiet: bool) -> None:
        self._console = console
        self._progress = progress
        self._is_quiet = is_quiet
        self._ends: Counter[Outcome] = Counter()
        self._task = progress.add_task("starting", total=None) if progress else None

    def started(self, model_id: str, engine: str, precision: str, source: str) -> None:
        """Says what runs."""
        self._print(f"{model_id} on {engine} ({precision}), belt from {source}")

    def frame(self, run: WatchedRun) -> None:
        """Moves the live line."""
        if self._progress is None or self._task is None:
            return
        speed = run.speed_m_per_sec
        text = "belt unknown" if math.isnan(speed) else f"belt {speed:.2f} m/s"
        text += f", {run.frames} pictures, {run.forgotten + len(run.decided)} items decided"
        for outcome, count in sorted(self._ends.items()):
            text += f", {count} {outcome.name.lower()}"
        self._progress.update(self._task, description=text)

    def record(self, record: ItemRecord) -> None:
        """Writes how an item ended."""
        self._ends[record.outcome] += 1
        self._print(record_line(record))

    def _print(self, line: str | Text) -> None:
        if not self._is_quiet:
            console = self._progress.console if self._progress else self._console
            console.print(line, highlight=False, soft_wrap=True)


@contextmanager
def make_belt_display(is_quiet: bool, console: Console | None = None) -> Iterator[BeltRunDisplay]:
    """A display that suits where the output goes."""
    out = console or Console()
    if not out.is_terminal or is_quiet:
        yield BeltRunDisplay(out, None, is_quiet)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(
        *columns, console=out, transient=True, refresh_per_second=_REFRESH_HZ
    ) as progress:
        yield BeltRunDisplay(out, progress, is_quiet)


def record_line(record: ItemRecord) -> Text:
    """One item: what it is, where it goes and why, and how that went."""
    decision = record.decision
    line = Text(f"{decision.item_id:4d}  ")
    line.append(f"{decision.material:<9} {decision.confidence:4.2f}",
                style=COLOURS.get(decision.material, ""))  # fmt: skip
    line.append(f"  -> {decision.bin:<8} ")
    if record.outcome is Outcome.FIRED:
        off_ms = (record.issued_ns - record.scheduled_ns) / 1e6
        line.append(f"{record.diverter} {off_ms:+.1f} ms", style="green")
    elif record.outcome is Outcome.PASSED:
        line.append("passed")
        if decision.reason is not Reason.ACCEPTED:
            line.append(f", rejected: {decision.detail}", style="dim")
    else:
        line.append(f"missed: {record.detail}", style="red")
    return line
