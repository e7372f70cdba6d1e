# SPDX-License-Identifier: Apache-2.0
"""The diagrams: as SVG that takes the colours of the page around it, or as PNG for elsewhere.

Drawn by matplotlib without pyplot, so nothing global is kept and no display is needed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.evaluation.calibration import ReliabilityBin
from recycle_sorter.ml.evaluation.coverage import COVERAGES, CoverageCurve
from recycle_sorter.ml.evaluation.metrics import Figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# In an SVG each of these colours, which nothing else uses, becomes the page's CSS variable.
_COLOURS: Final[Mapping[str, str]] = {
    "ink": "#1b2a33",
    "muted": "#5d6b74",
    "line": "#d3dade",
    "accent": "#1f6f8b",
    "bad": "#b3472f",
    "paper": "#fefefe",
}
_SIZE_INCH: Final = (4.8, 3.5)
_MAX_HISTORY_LINES: Final = 12


def require_matplotlib() -> None:
    """Raises `InvalidInputError` with the fix if matplotlib is not installed."""
    try:
        import matplotlib as mpl  # noqa: F401
    except ImportError as error:
        raise missing_extra("matplotlib") from error


def missing_extra(package: str) -> InvalidInputError:
    """The error for a package of the extra ``train`` that is not installed."""
    return InvalidInputError(
        package,
        "not installed",
        "to be installed for a report (figures and --json do not need it)",
        "pip install 'recycle_sorter[train]', or leave the report out",
    )


def plain(text: str) -> str:
    """Returns a name as matplotlib shows it: unescaped, what is between dollars is mathematics."""
    return text.replace("$", r"\$")


def draw_reliability(bins: Sequence[ReliabilityBin]) -> Figure:
    """Accuracy over confidence, with the number of pictures in each bin below."""
    figure = _figure()
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=(4, 1))
    used = [b for b in bins if b.count]
    width = 1 / len(bins)
    middles = [(b.low + b.high) / 2 for b in used]
    axes.plot([0, 1], [0, 1], color=_COLOURS["muted"], linestyle="--", linewidth=1)
    axes.bar(middles, [b.accuracy for b in used], width * 0.92, color=_COLOURS["accent"], alpha=0.8)
    axes.scatter(
        [b.confidence for b in used],
        [b.accuracy for b in used],
        16,
        color=_COLOURS["bad"],
        zorder=3,
    )
    axes.set_ylim(0, 1.02)
    axes.set_ylabel("accuracy")
    below.bar(middles, [b.count for b in used], width * 0.92, color=_COLOURS["muted"], alpha=0.7)
    below.set_xlim(0, 1)
    below.set_xlabel("confidence")
    below.set_ylabel("pictures")
    below.locator_params(axis="y", nbins=2, integer=True)
    for one in (axes, below):
        _dress(one)
    return figure


def draw_coverage(curves: Mapping[str, CoverageCurve]) -> Figure:
    """Accuracy over the share of pictures that is answered."""
    figure = _figure()
    axes = figure.subplots()
    colours = ("accent", "bad", "muted", "ink")
    least = 1.0
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[colours[number % len(colours)]]
        shown = curve.coverage >= min(0.05, curve.coverage[-1])
        axes.plot(curve.coverage[shown], curve.accuracy[shown], color=colour, label=plain(name))
        least = min(least, float(curve.accuracy[shown].min()))
        if len(curves) == 1:
            marks = [curve.at(share)[0] for share in COVERAGES]
            axes.scatter(COVERAGES, marks, 22, color=colour, zorder=3)
            for share, value in zip(COVERAGES, marks, strict=True):
                axes.annotate(
                    f"{100 * value:.1f}",
                    (share, value),
                    textcoords="offset points",
                    xytext=(-5, -11),
                    ha="right",
                    color=_COLOURS["ink"],
                    fontsize=8,
                )
    if len(curves) > 1:
        _legend(axes, columns=2)
    axes.set_xlim(0, 1.01)
    low = math.floor(least * 20 - 0.5) / 20
    axes.set_ylim(max(0, low), 1 + (1 - low) * 0.04)
    axes.set_xlabel("share of the pictures that is answered, the surest first")
    axes.set_ylabel("accuracy")
    _dress(axes)
    return figure


def draw_loss(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Loss on train and val over the epochs; ``rows`` as in a run's ``metrics.jsonl``."""
    figure = _figure()
    axes = figure.subplots()
    for name, colour in (("train/loss", "muted"), ("val/loss", "accent")):
        _line(axes, rows, name, color=_COLOURS[colour], label=name)
    axes.set_ylabel("loss")
    _dress_history(axes)
    return figure


def draw_accuracy(rows: Sequence[Mapping[str, float]]) -> Figure:
    """Accuracy on val, overall and of each material, over the epochs."""
    figure = _figure()
    axes = figure.subplots()
    prefix = "val/accuracy/"
    names = sorted({key for row in rows for key in row if key.startswith(prefix)})
    for number, name in enumerate(names[:_MAX_HISTORY_LINES]):
        _line(axes, rows, name, color=f"C{number}", label=plain(name[len(prefix) :]), linewidth=1)
    _line(axes, rows, "val/accuracy", color=_COLOURS["ink"], label="overall", linewidth=2.2)
    axes.set_ylabel("accuracy on val")
    _dress_history(axes)
    return figure


def draw_confusion(figures: Figures, *, normalised: bool = False) -> Figure:
    """The confusion matrix: rows are predicted, columns are actual."""
    from matplotlib.colors import LinearSegmentedColormap

    values = figures.confusion_normalised if normalised else figures.confusion
    cells: npt.NDArray[np.float64] = np.array(values, dtype=np.float64)
    shares = np.array(figures.confusion_normalised)
    count = len(figures.classes)
    side = max(4.2, 0.75 * count + 1.4)
    figure = _figure(size=(side + 0.6, side))
    axes = figure.subplots()
    shades = LinearSegmentedColormap.from_list("cells", [_COLOURS["paper"], _COLOURS["accent"]])
    axes.imshow(shares, cmap=shades, vmin=0, vmax=1)
    for row in range(count):
        for column in range(count):
            value = cells[row, column]
            text = f"{100 * value:.0f} %" if normalised else f"{value:.0f}"
            colour = _COLOURS["paper" if shares[row, column] > 0.55 else "ink"]
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    names = [plain(name) for name in figures.classes]
    axes.set_xticks(range(count), names, rotation=30, ha="right")
    axes.set_yticks(range(count), names)
    axes.set_xlabel("actual")
    axes.set_ylabel("predicted")
    _dress(axes, grid=False)
    return figure


def to_svg(figure: Figure, name: str, title: str) -> str:
    """Returns an ``<svg>`` element for HTML, its text as text and its colours as CSS variables.

    Args:
        figure: From one of the ``draw_`` functions.
        name: Unique on the page.
        title: What it shows, for those who do not see it.
    """
    import matplotlib as mpl

    text = StringIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(text, format="svg", metadata=nothing, transparent=True)
    svg = text.getvalue()[text.getvalue().index("<svg") :]
    for variable, colour in _COLOURS.items():
        svg = svg.replace(colour, f"var(--{variable})")
    # The page's font, in the size that was laid out.
    svg = re.sub(r"font: (?:\S+ )?([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: [^;\"]*;? ?", "", svg)
    # The ids of shapes must not meet those of another diagram.
    svg = re.sub(r'(\bid="|url\(#|xlink:href="#)', rf"\g<1>{name}-", svg)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg)
    label = f'role="img" aria-labelledby="{name}-title"'
    opening = f'<svg {label}\\1><title id="{name}-title">{escape(title)}</title>'
    return re.sub(r"<svg([^>]*)>", lambda m: opening.replace("\\1", m[1]), svg, count=1)


def save_plots(
    folder: Path,
    figures: Figures,
    curve: CoverageCurve,
    history: Sequence[Mapping[str, float]] = (),
) -> dict[str, Path]:
    """Writes every diagram as PNG, e.g. for a tracker; returns the files by name."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {
        "confusion": draw_confusion(figures),
        "confusion_normalised": draw_confusion(figures, normalised=True),
        "reliability": draw_reliability(figures.reliability),
        "coverage": draw_coverage({"": curve}),
    }
    if history:
        drawn |= {"loss": draw_loss(history), "accuracy": draw_accuracy(history)}
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.png", dpi=150, facecolor=_COLOURS["paper"])
    return {name: folder / f"{name}.png" for name in drawn}


def _figure(size: tuple[float, float] = _SIZE_INCH) -> Figure:
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _dress(axes: Axes, *, grid: bool = True) -> None:
    for side, spine in axes.spines.items():
        spine.set_color(_COLOURS["line"])
        spine.set_visible(side in ("left", "bottom"))
    axes.tick_params(colors=_COLOURS["muted"], labelsize=9, length=3)
    axes.xaxis.label.set_color(_COLOURS["ink"])
    axes.yaxis.label.set_color(_COLOURS["ink"])
    if grid:
        axes.grid(color=_COLOURS["line"], linewidth=0.7)
        axes.set_axisbelow(True)


def _dress_history(axes: Axes) -> None:
    axes.set_xlabel("epoch")
    axes.locator_params(axis="x", integer=True)
    _dress(axes)
    if axes.lines:
        _legend(axes, columns=4)


def _legend(axes: Axes, columns: int) -> None:
    """Above the diagram, where it hides nothing."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=columns,
        frameon=False, fontsize=8, labelcolor=_COLOURS["ink"],
    )  # fmt: skip


def _line(axes: Axes, rows: Sequence[Mapping[str, float]], name: str, **style: Any) -> None:
    points = [(row["epoch"], row[name]) for row in rows if name in row and "epoch" in row]
    if points:
        axes.plot(*zip(*points, strict=True), **style)
