# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter evaluate``: how often a model is right on labelled pictures, and where not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from recycle_sorter.cli.help import with_examples
from recycle_sorter.cli.progress import bar_on
from recycle_sorter.core.errors import InvalidInputError, ModelError

if TYPE_CHECKING:
    from collections.abc import Callable

    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.ml.dataset.records import Picture
    from recycle_sorter.ml.evaluation.evaluate import Evaluation
    from recycle_sorter.ml.evaluation.gradcam import Explainer

_BAR_WIDTH = 12
_SPLITS = ("train", "val", "test")
_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter evaluate --data photos [dim]photos/glass/..., photos/paper/...[/dim]

recycle-sorter evaluate --data ../shared/trashnet --split-name val --report out

recycle-sorter evaluate --data set --split my_split.csv --json figures.json

recycle-sorter evaluate --data photos --model my_bundle --json - | jq .recall

recycle-sorter evaluate --data photos --report out --explain glass/12.jpg --explain metal/3.jpg

--report needs the extra: pip install 'recycle_sorter\\[train]'; figures and --json do not.
"""


def evaluate(
    data: Annotated[
        Path, typer.Option(help="Folder of one folder a material, or a CSV of path,material.")
    ],
    model: Annotated[
        Path | None, typer.Option(help="Model bundle. Default: the one that ships.")
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(help="CSV of path,material,split. Default: DATA's split.csv, if it is asked."),
    ] = None,
    split_name: Annotated[
        str, typer.Option(help="Only this split: train, val or test. With --split: test.")
    ] = "",
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the figures; - for standard output.")
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Folder for report.html, figures.json and predictions.csv."),
    ] = None,
    explain: Annotated[
        list[str] | None,
        typer.Option(help="Picture for Grad-CAM in the report, as predictions.csv names it."),
    ] = None,
    engine: Annotated[str, typer.Option(help="openvino, onnxruntime or torch.")] = "openvino",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or int8.")] = "auto",
) -> None:
    """Measure a model on labelled pictures, with the engine and preprocessing of the node.

    Pictures that cannot be read are named on standard error and counted, and the rest is measured.
    """
    # Loaded here so that other commands need neither OpenCV nor an engine.
    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.inference.factory import create_engine
    from recycle_sorter.ml.evaluation.evaluate import evaluate_bundle
    from recycle_sorter.ml.evaluation.files import write_json
    from recycle_sorter.paths import shipped_model

    if explain and report is None:
        raise InvalidInputError("--explain", explain[0], "--report DIR beside it", "add it")
    if report is not None:
        from recycle_sorter.ml.evaluation.report import require_report

        require_report()
    if model is not None and (model / "config.json").is_file():
        raise InvalidInputError(
            "--model", str(model), "a model bundle; this is a training's run folder",
            "measure what the node would run: `recycle-sorter export RUN BUNDLE` first",
        )  # fmt: skip
    bundle = ModelBundle.load(model or shipped_model())
    pictures, name = _find(data, bundle.labels, split, split_name)
    runner = create_engine(engine, bundle, precision)
    try:
        with _progress(len(pictures)) as advance:
            result = evaluate_bundle(bundle, runner, pictures, name, advance)
    finally:
        runner.close()
    for failure in result.failed:
        typer.echo(f"{failure.name}: {failure.reason}", err=True)
    if result.failed:
        count, total = len(result.failed), len(pictures)
        typer.echo(f"{count} of {total} pictures could not be read", err=True)
    to_stdout = json_file is not None and str(json_file) == "-"
    show(result, Console(stderr=to_stdout))
    if json_file is not None:
        if to_stdout:
            from recycle_sorter.ml.evaluation.files import to_json

            typer.echo(to_json(result.to_dict()), nl=False)
        else:
            write_json(json_file, result.to_dict())
    if report is not None:
        _write_report(report, result, bundle, explain or [])


evaluate.__doc__ = with_examples(evaluate, _EXAMPLES)


def _find(
    data: Path, labels: tuple[str, ...], split: Path | None, split_name: str
) -> tuple[list[Picture], str]:
    """The pictures to measure on, and what to call them."""
    from recycle_sorter.ml.dataset.records import read_dataset

    name = data.resolve().name
    dataset = read_dataset(data, labels)
    if split is None and not split_name:
        return list(dataset.pictures), name
    from recycle_sorter.ml.dataset.splits import read_split_file

    wanted = split_name or "test"
    if wanted not in _SPLITS:
        raise InvalidInputError("--split-name", wanted, f"one of {', '.join(_SPLITS)}")
    file = split or (data if data.is_file() else data / "split.csv")
    if not file.is_file():
        raise InvalidInputError(
            "--split", str(file), "a CSV of path,material,split", "give its path by --split"
        )
    splits = read_split_file(dataset, file)
    found = {"train": splits.train, "val": splits.val, "test": splits.test}
    if not found[wanted]:
        filled = [one for one in _SPLITS if found[one]]
        raise InvalidInputError(
            "--split-name", wanted, f"a split with pictures in {file}: {', '.join(filled)}"
        )
    return list(found[wanted]), f"{name} ({wanted})"


def _write_report(folder: Path, result: Evaluation, bundle: ModelBundle, chosen: list[str]) -> None:
    from recycle_sorter.ml.evaluation.report import write_evaluation

    notes = []
    explainer: Explainer | None = None
    try:
        from recycle_sorter.ml.evaluation.gradcam import explain_bundle

        explainer = explain_bundle(bundle)
    except ModelError as error:
        if chosen:
            raise
        notes.append(f"No Grad-CAM here. {error}")
    files = write_evaluation(folder, result, explain=explainer, chosen=chosen, notes=notes)
    typer.echo(f"wrote {', '.join(map(str, files))}", err=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """A bar on a terminal, nothing in a pipe."""
    console = Console(stderr=True)
    if not console.is_terminal or not sys.stderr.isatty():
        yield None
        return
    with bar_on(console, transient=True) as progress:
        task = progress.add_task("evaluating", total=total)
        yield lambda done: progress.update(task, completed=done)


def show(result: Evaluation, console: Console) -> None:
    """Writes the figures: tables on a terminal, ``name: value`` lines in a pipe."""
    if not console.is_terminal:
        for line in plain_lines(result):
            console.print(line, highlight=False, soft_wrap=True, markup=False)
        return
    about = result.about
    # Text, not markup: a folder may be called [red].
    title = Text(result.title, "bold")
    console.print(title.append(f"  {about['engine']}, {about['precision']}\n", "not bold dim"))
    console.print(_materials(result))
    console.print()
    summary = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for name, value in _summary(result):
        summary.add_row(Text(name, "dim"), Text(value))
    console.print(summary)


def plain_lines(result: Evaluation) -> list[str]:
    """The figures, one entry a line."""
    figures = result.figures
    materials = [
        f"{name}: recall {_percent(figures.recall[name])}, "
        f"precision {_percent(figures.precision[name])}, F1 {_percent(figures.f1[name])}, "
        f"{figures.counts[name]} pictures"
        for name in figures.recall
    ]
    return [f"{name}: {value}" for name, value in _summary(result)] + materials


def _materials(result: Evaluation) -> Table:
    figures = result.figures
    table = Table(box=None, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("material")
    for column in ("pictures", "recall"):
        table.add_column(column, justify="right")
    table.add_column("", width=_BAR_WIDTH)
    for column in ("95 % interval", "precision", "F1"):
        table.add_column(column, justify="right")
    for name in figures.recall:
        low, high = figures.recall_interval[name]
        table.add_row(
            Text(name),
            str(figures.counts[name]),
            _percent(figures.recall[name]),
            _bar(figures.recall[name]),
            f"{100 * low:.0f} to {100 * high:.0f} %",
            _percent(figures.precision[name]),
            _percent(figures.f1[name]),
        )
    return table


def _bar(share: float) -> ProgressBar:
    return ProgressBar(
        1, share, _BAR_WIDTH, style="bright_black", complete_style="cyan", finished_style="cyan"
    )


def _summary(result: Evaluation) -> list[tuple[str, str]]:
    figures = result.figures
    low, high = figures.interval
    pairs = [
        f"{pair.actual} as {pair.predicted} {pair.count}" for pair in figures.confused_pairs[:3]
    ]
    covered = [
        f"{_percent(value)} at {100 * float(share):.0f} %"
        for share, value in figures.accuracy_at_coverage.items()
    ]
    perfect = figures.ece_perfect
    unread = f", {len(result.failed)} not read" if result.failed else ""
    return [
        ("pictures", f"{figures.n}{unread}"),
        ("accuracy", f"{_percent(figures.accuracy)} (95 %: {_percent(low)} to {_percent(high)})"),
        ("mean recall", _percent(figures.mean_recall)),
        ("among top two", _percent(figures.top2)),
        ("accuracy at coverage", ", ".join(covered)),
        (
            "calibration error",
            f"{_percent(figures.ece)} (ECE, 15 bins; perfect answers: {_percent(perfect[0])} to "
            f"{_percent(perfect[1])})",
        ),
        ("most confused", ", ".join(pairs) or "nothing"),
    ]


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
