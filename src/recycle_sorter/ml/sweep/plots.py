# SPDX-License-Identifier: Apache-2.0
"""The diagrams of a sweep, as PNG; drawn without pyplot, so no display is needed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recycle_sorter.ml.evaluation.plots import plain
from recycle_sorter.ml.sweep.summary import SweepSummary, TrialRow

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _MUTED, _LINE = "#1b2a33", "#5d6b74", "#d3dade"
_ACCENT, _BAD = "#1f6f8b", "#b3472f"
_MARKS = {"complete": (_ACCENT, "o"), "stopped": ("#c79a3b", "v")}
_DPI = 120
_COLUMNS = 3
# A range that spans more than this is shown logarithmically.
_LOG_RATIO = 50


def draw_all(summary: SweepSummary, folder: Path) -> dict[str, Path]:
    """Draws what there is to draw.

    Returns:
        A line about each diagram, and its file: ``history.png``, ``epochs.png``,
        ``importance.png`` and ``parameters.png`` in the folder.
    """
    drawings: list[tuple[str, str, Callable[[SweepSummary], Figure]]] = [
        ("Each trial, and the best so far", "history", draw_history),
        (f"{summary.metric} over the epochs", "epochs", draw_epochs),
        ("What mattered (PED-ANOVA over complete trials)", "importance", draw_importance),
        (f"{summary.metric} over each hyperparameter", "parameters", draw_parameters),
    ]
    if not any(row.value is not None for row in summary.trials):
        return {}
    drawn = {}
    for text, name, draw in drawings:
        if name == "importance" and not summary.importance:
            continue
        path = folder / f"{name}.png"
        part = path.with_suffix(".part.png")
        draw(summary).savefig(part, dpi=_DPI, facecolor="white")
        part.replace(path)
        drawn[text] = path
    return drawn


def draw_history(summary: SweepSummary) -> Figure:
    """The metric of each trial in the order of the plan, and the best up to it."""
    figure = _figure(7.2, 3.4)
    axes = figure.subplots()
    _scatter(axes, summary, [float(row.slot) for row in _valued(summary)])
    best: list[tuple[int, float]] = []
    pick = max if summary.goal == "maximize" else min
    for row in summary.trials:
        if row.state == "complete" and row.value is not None:
            so_far = row.value if not best else pick(best[-1][1], row.value)
            best.append((row.slot, so_far))
    if best:
        slots, values = zip(*best, strict=True)
        axes.step(slots, values, where="post", color=_BAD, linewidth=1.2, label="best so far")
    failed = [row.slot for row in summary.trials if row.state in ("failed", "interrupted")]
    if failed:
        bottom = axes.get_ylim()[0]
        axes.plot(failed, [bottom] * len(failed), "x", color=_BAD, label="failed, interrupted")
    axes.set_xlabel("trial")
    axes.set_ylabel(plain(summary.metric))
    _finish(axes, summary)
    return figure


def draw_epochs(summary: SweepSummary) -> Figure:
    """The metric of each trial over its epochs; trials that were stopped end early."""
    figure = _figure(7.2, 3.4)
    axes = figure.subplots()
    for row in summary.trials:
        colour = _MARKS.get(row.state, (_MUTED, "."))[0]
        is_best = summary.best is not None and row.slot == summary.best.slot
        axes.plot(
            [epoch + 1 for epoch in row.epochs],
            list(row.epochs.values()),
            color=_BAD if is_best else colour,
            linewidth=2.0 if is_best else 0.9,
            alpha=1.0 if is_best else 0.6,
            marker="." if len(row.epochs) == 1 else None,
            zorder=3 if is_best else 2,
        )
    for label, colour in (("best", _BAD), ("complete", _ACCENT), ("stopped", _MARKS["stopped"][0])):
        axes.plot([], [], color=colour, label=label)
    axes.set_xlabel("epochs")
    axes.set_ylabel(plain(summary.metric))
    _finish(axes, summary)
    return figure


def draw_importance(summary: SweepSummary) -> Figure:
    """A bar for each hyperparameter, the one that mattered most on top."""
    names = list(summary.importance)[::-1]
    shares = [100 * summary.importance[name] for name in names]
    figure = _figure(7.2, 0.9 + 0.32 * len(names))
    axes = figure.subplots()
    axes.barh([plain(name) for name in names], shares, color=_ACCENT, height=0.62)
    for at, share in enumerate(shares):
        axes.text(share + 1, at, f"{share:.0f} %", va="center", fontsize=8, color=_MUTED)
    axes.set_xlim(0, max(shares) * 1.15 + 1)
    axes.set_xlabel("importance, %")
    axes.grid(False)
    return figure


def draw_parameters(summary: SweepSummary) -> Figure:
    """The metric over each hyperparameter that was searched."""
    rows = _valued(summary)
    names = [n for n in rows[0].hyperparameters if len({_key(r, n) for r in rows}) > 1]
    names.sort(key=lambda name: -summary.importance.get(name, 0.0))
    lines = max(math.ceil(len(names) / _COLUMNS), 1)
    figure = _figure(3.2 * _COLUMNS, 2.5 * lines)
    grid = figure.subplots(lines, _COLUMNS, sharey=True, squeeze=False)
    for at, axes in enumerate(grid.flat):
        if at >= len(names):
            axes.set_axis_off()
            continue
        _draw_parameter(axes, summary, rows, names[at])
        if at % _COLUMNS == 0:
            axes.set_ylabel(plain(summary.metric))
    return figure


def _draw_parameter(axes: Axes, summary: SweepSummary, rows: Sequence[TrialRow], name: str) -> None:
    values = [row.hyperparameters.get(name) for row in rows]
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(values) and len(set(numbers)) > 4:
        _scatter(axes, summary, [float(number) for number in numbers])
        if min(numbers) > 0 and max(numbers) / min(numbers) > _LOG_RATIO:
            axes.set_xscale("log")
    else:
        # Few values or words: each has a place of its own, and trials stand side by side in it.
        is_number = len(numbers) == len(values)
        order = sorted(set(numbers)) if is_number else sorted({str(value) for value in values})
        places = {str(word): float(place) for place, word in enumerate(order)}
        spread = [((7 * row.slot) % 11 / 10 - 0.5) * 0.3 for row in rows]
        at = [places[str(value)] + shift for value, shift in zip(values, spread, strict=True)]
        _scatter(axes, summary, at)
        is_long = sum(len(word) for word in places) > 24
        axes.set_xticks(
            list(places.values()),
            [plain(word) for word in places],
            rotation=25 if is_long else 0,
            ha="right" if is_long else "center",
        )
        axes.set_xlim(-0.5, len(places) - 0.5)
    axes.set_title(plain(name), fontsize=9, color=_INK, loc="left")


def _finish(axes: Axes, summary: SweepSummary) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    # A corner by name: to look for the best one is slow with many points, and warns.
    if summary.goal == "maximize":
        axes.legend(loc="lower right", frameon=False, fontsize=8)
    else:
        axes.legend(loc="upper right", frameon=False, fontsize=8)


def _scatter(axes: Axes, summary: SweepSummary, at: Sequence[float]) -> None:
    rows = _valued(summary)
    for state, (colour, mark) in _MARKS.items():
        chosen = [(x, r.value) for x, r in zip(at, rows, strict=True) if r.state == state]
        if chosen:
            xs, ys = zip(*chosen, strict=True)
            axes.scatter(xs, ys, 18, color=colour, marker=mark, alpha=0.8, label=state, zorder=3)


def _valued(summary: SweepSummary) -> list[TrialRow]:
    return [row for row in summary.trials if row.value is not None]


def _key(row: TrialRow, name: str) -> str:
    return repr(row.hyperparameters.get(name))


def _figure(width_inch: float, height_inch: float) -> Figure:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(
        {
            "font.size": 9,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "axes.edgecolor": _MUTED,
            "xtick.color": _MUTED,
            "ytick.color": _MUTED,
        }
    ):
        return Figure(figsize=(width_inch, height_inch), layout="constrained")
