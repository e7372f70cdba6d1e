# SPDX-License-Identifier: Apache-2.0
"""Writes what a sweep found: ``sweep.json``, ``trials.csv``, diagrams, and one HTML page."""

from __future__ import annotations

import base64
import csv
import json
import shlex
from collections.abc import Mapping
from html import escape
from io import StringIO
from pathlib import Path

from recycle_sorter.ml.artifacts import replace_text
from recycle_sorter.ml.sweep.parameters import Scalar
from recycle_sorter.ml.sweep.plots import draw_all
from recycle_sorter.ml.sweep.study import trial_name
from recycle_sorter.ml.sweep.summary import SweepSummary, TrialRow

_MAX_ROWS = 200
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1b2a33; max-width: 60rem; margin: 2rem auto;
  padding: 0 1rem; }
h1, h2 { line-height: 1.2; } h2 { margin-top: 2rem; font-size: 1.15rem; }
img { max-width: 100%; } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.6rem; border-bottom: 1px solid #d3dade; text-align: left;
  white-space: nowrap; }
code { background: #eef2f4; padding: 0.1rem 0.3rem; }
"""


def write_data(summary: SweepSummary, folder: Path) -> None:
    """Writes ``sweep.json`` and ``trials.csv``; cheap enough to do after each trial."""
    replace_text(folder / "sweep.json", json.dumps(summary.to_dict(), indent=1) + "\n")
    names = sorted({name for row in summary.trials for name in row.hyperparameters})
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    told = ("trial", "state", summary.metric, "epochs", "minutes", "attempts", "process")
    writer.writerow([*told, *names, "error"])
    for row in summary.trials:
        cells = [
            trial_name(row.slot),
            row.state,
            row.value,
            len(row.epochs),
            row.minutes,
            row.attempts,
        ]
        values = [row.hyperparameters.get(name) for name in names]
        writer.writerow([*cells, row.process, *values, row.error])
    replace_text(folder / "trials.csv", text.getvalue())


def write_report(summary: SweepSummary, folder: Path, best_command: str = "") -> Path:
    """Writes the data, the diagrams and ``sweep.html``, which needs nothing but itself.

    Args:
        summary: What was found.
        folder: Of the sweep.
        best_command: What trains the best again, as `train_command` returns it.

    Returns:
        The page.
    """
    write_data(summary, folder)
    images = draw_all(summary, folder)
    parts = [
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sweep '
        f"{escape(summary.name)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Sweep {escape(summary.name)}</h1><p>{escape(headline(summary))}</p>",
    ]
    if best_command:
        parts.append(f"<h2>The best</h2><p><code>{escape(best_command)}</code></p>")
    for text, path in images.items():
        data = base64.b64encode(path.read_bytes()).decode()
        parts.append(
            f'<h2>{escape(text)}</h2><img alt="{escape(text)}" src="data:image/png;base64,{data}">'
        )
    parts.append(_table(summary))
    parts.append("</body></html>\n")
    page = folder / "sweep.html"
    replace_text(page, "\n".join(parts))
    return page


def headline(summary: SweepSummary) -> str:
    """Returns one line about a sweep."""
    counts = ", ".join(f"{count} {state}" for state, count in sorted(summary.counts.items()))
    line = f"{len(summary.trials)} of {summary.planned} trials ({counts or 'none'})"
    if summary.best is None or summary.best.value is None:
        return line
    return (
        f"{line}; best {summary.metric} {summary.best.value:.4g} ({trial_name(summary.best.slot)})"
    )


def command_line(hyperparameters: Mapping[str, Scalar]) -> str:
    """Returns hyperparameters for people to read, their numbers rounded."""
    return " ".join(f"--{name}={_short(value)}" for name, value in hyperparameters.items())


def train_command(
    hyperparameters: Mapping[str, Scalar],
    *,
    data: Path,
    split: Path | None,
    split_by: str,
    seed: int,
    trial_split: Path,
) -> str:
    """Returns what trains one trial's hyperparameters again, on the pictures that it was chosen by.

    Args:
        hyperparameters: Of the trial.
        data: The sweep's ``--data``.
        split: Its ``--split``.
        split_by: Its ``--split-by``.
        seed: Its ``--seed``, of the split, and of the training where the trial has none of its own.
        trial_split: Where the trial wrote which picture belongs to which part.

    Returns:
        A line for a shell, the numbers exact.
    """
    words = ["recycle-sorter", "train", "--data", str(data)]
    own_seed = hyperparameters.get("seed", seed)
    if split is None and own_seed != seed:
        # A training has one seed for both, so only the file still gives the sweep's split.
        split = trial_split
    if split is not None:
        words += ["--split", str(split)]
    elif split_by != "picture":
        words += ["--split-by", split_by]
    words += [f"--{name}={value}" for name, value in hyperparameters.items() if name != "seed"]
    words += [f"--seed={own_seed}"] if own_seed != 0 else []
    return shlex.join(words)


def _table(summary: SweepSummary) -> str:
    names = sorted({name for row in summary.trials for name in row.hyperparameters})
    head = ["trial", "state", summary.metric, "epochs", "minutes", *names]
    ranked = summary.ranked()
    slots = {row.slot for row in ranked}
    rows = [*ranked, *(row for row in summary.trials if row.slot not in slots)]
    lines = "".join(_line(row, names) for row in rows[:_MAX_ROWS])
    more = "" if len(rows) <= _MAX_ROWS else f"<p>{len(rows) - _MAX_ROWS} more in trials.csv</p>"
    headers = "".join(f"<th>{escape(word)}</th>" for word in head)
    return (
        f'<h2>Trials, best first</h2><div class="wide"><table><tr>{headers}</tr>{lines}</table>'
        f"</div>{more}"
    )


def _line(row: TrialRow, names: list[str]) -> str:
    value = "" if row.value is None else f"{row.value:.4f}"
    minutes = "" if row.minutes is None else f"{row.minutes:.1f}"
    cells = [trial_name(row.slot), row.state, value, str(len(row.epochs)), minutes]
    cells += [_short(row.hyperparameters.get(name, "")) for name in names]
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"


def _short(value: Scalar) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
