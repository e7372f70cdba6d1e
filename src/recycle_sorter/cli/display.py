# SPDX-License-Identifier: Apache-2.0
"""Shows a run: live on a terminal, plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from recycle_sorter.core.stats import JudgedDecision, RunStats
from recycle_sorter.core.types import Reason

COLOURS = {
    "cardboard": "yellow",
    "glass": "green",
    "metal": "cyan",
    "paper": "white",
    "plastic": "blue",
    "trash": "magenta",
}


class RunDisplay:
    """Writes each decision as a line; on a terminal a progress line stays below them.

    Args:
        console: Where to write.
        progress: The live line, or None for plain output.
        is_quiet: Leave out everything but the summary.
    """

    def __init__(self, console: Console, progress: Progress | None, is_quiet: bool) -> None:
        self._console = console
        self._progress = progress
        self._is_quiet = is_quiet
        self._task = progress.add_task("starting", total=None) if progress else None

    def started(self, model_id: str, engine: str, precision: str, source: str) -> None:
        """Says what runs."""
        if not self._is_quiet:
            self._print(f"{model_id} on {engine} ({precision}), frames from {source}")

    def frame(self, stats: RunStats) -> None:
        """Moves the live line."""
        if self._progress is None or self._task is None:
            return
        text = f"{stats.frames_classified} frames, {len(stats.decisions)} items"
        if stats.correct is not None:
            text += f", {stats.correct} right"
        self._progress.update(self._task, description=text)

    def decision(self, judged: JudgedDecision, diverter: str, position_rad: float) -> None:
        """Writes one decision."""
        if self._is_quiet:
            return
        self._print(decision_line(judged, diverter, position_rad))

    def summary(self, result: dict[str, Any]) -> None:
        """Writes the account of the run."""
        if self._progress is not None:
            self._progress.stop()
        for line in summary_lines(result) if not self._console.is_terminal else ():
            self._console.print(line, highlight=False, soft_wrap=True)
        if self._console.is_terminal:
            self._console.print(summary_table(result))

    def _print(self, line: str | Text) -> None:
        console = self._progress.console if self._progress else self._console
        console.print(line, highlight=False, soft_wrap=True)


@contextmanager
def make_display(is_quiet: bool, console: Console | None = None) -> Iterator[RunDisplay]:
    """A display that suits where the output goes."""
    out = console or Console()
    if not out.is_terminal or is_quiet:
        yield RunDisplay(out, None, is_quiet)
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        yield RunDisplay(out, progress, is_quiet)


def decision_line(judged: JudgedDecision, diverter: str, position_rad: float) -> Text:
    """One decision: item, material, where it goes and why, how late, and whether it is right."""
    decision = judged.decision
    line = Text(f"{decision.item_id:4d}  ")
    line.append(f"{decision.material:<9} {decision.confidence:4.2f}",
                style=COLOURS.get(decision.material, ""))  # fmt: skip
    how = f"{diverter} {position_rad:+.2f} rad" if diverter else "straight on"
    line.append(f"  -> {decision.bin:<8} {how:<18} {judged.latency_ns / 1e6:6.1f} ms")
    if decision.reason is not Reason.ACCEPTED:
        line.append(f"  rejected: {decision.detail}", style="dim")
    if judged.truth is not None:
        if judged.is_correct:
            line.append("  right", style="green")
        else:
            line.append(f"  it is {judged.truth.material}", style="red")
    return line


def summary_lines(result: dict[str, Any]) -> list[str]:
    """The summary, one entry a line, for pipes."""
    return [f"{name}: {value}" for name, value in _rows(result)]


def summary_table(result: dict[str, Any]) -> Table:
    """The summary for a terminal."""
    table = Table(show_header=False, title="Summary", title_justify="left", min_width=48)
    for name, value in _rows(result):
        table.add_row(name, value)
    return table


def _rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("frames", f"{result['frames_in']} in, {result['frames_classified']} classified, "
                   f"{result['frames_dropped']} dropped"),
        ("items", f"{result['items']}, {result['decisions']} decided, "
                  f"{result['rejected']} rejected"),
    ]  # fmt: skip
    if result["correct"] is not None and result["items"]:
        share = 100 * result["correct"] / result["items"]
        rows.append(("right", f"{result['correct']} of {result['items']} ({share:.1f} %)"))
        rows.append(("missed, doubled", f"{result['missed']}, {result['doubled']}"))
    bins = ", ".join(f"{name} {count}" for name, count in result["by_bin"].items())
    rows.append(("bins", bins or "none"))
    latency = result["latency_ms"]
    if latency["p50"] is not None:
        text = f"p50 {latency['p50']:.1f} ms, p95 {latency['p95']:.1f}, p99 {latency['p99']:.1f}"
        rows.append(("image stamp to command", text))
    return rows
