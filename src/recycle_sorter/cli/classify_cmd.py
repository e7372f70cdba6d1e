# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter classify``: names the material in pictures, without ROS."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from recycle_sorter.cli.help import with_examples
from recycle_sorter.core.errors import SourceError

if TYPE_CHECKING:
    from recycle_sorter.inference.classifier import MaterialClassifier

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter classify bottle.jpg

recycle-sorter classify photos/ --top 3 [dim]every picture of a folder[/dim]

recycle-sorter classify *.png --engine onnxruntime --json > answers.json

recycle-sorter classify photos/ | sort -t "$(printf '\\t')" -k 3 -n [dim]least sure first[/dim]
"""


@dataclass(frozen=True)
class Answer:
    """What came of one picture: probabilities by material, or why there are none."""

    path: Path
    probabilities: dict[str, float]
    error: str = ""

    def best(self, count: int) -> list[tuple[str, float]]:
        """The most probable materials, best first."""
        ranked = sorted(self.probabilities.items(), key=lambda entry: entry[1], reverse=True)
        return ranked[:count]


def classify(
    images: Annotated[list[Path], typer.Argument(help="Pictures, or folders of pictures.")],
    model: Annotated[
        Path | None, typer.Option(help="Model bundle. Default: the one that ships.")
    ] = None,
    engine: Annotated[str, typer.Option(help="openvino, onnxruntime or torch.")] = "openvino",
    precision: Annotated[str, typer.Option(help="auto, fp32, bf16 or int8.")] = "auto",
    top: Annotated[int, typer.Option(min=1, help="So many materials for each picture.")] = 1,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object with all probabilities.")
    ] = False,
) -> None:
    """Name the material in pictures. Exit code 1 if a picture could not be read."""
    # Loaded here so that other commands need neither OpenCV nor an engine.
    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.inference.classifier import MaterialClassifier
    from recycle_sorter.inference.factory import create_engine
    from recycle_sorter.paths import shipped_model

    bundle = ModelBundle.load(model or shipped_model())
    runner = create_engine(engine, bundle, precision)
    out = Console()
    try:
        answers = _answer_all(images, MaterialClassifier(bundle, runner))
        if as_json:
            kept = list(answers)
            shown = {
                "model_id": bundle.model_id,
                "engine": runner.name,
                "precision": runner.precision,
                "pictures": [_as_fields(answer) for answer in kept if not answer.error],
                "failed": [
                    {"path": str(answer.path), "error": answer.error}
                    for answer in kept
                    if answer.error
                ],
            }
            typer.echo(json.dumps(shown, indent=2))
        elif out.is_terminal:
            kept = list(track(answers, "classifying", console=out, transient=True))
            out.print(_table(kept, top, f"{bundle.model_id} on {runner.name} ({runner.precision})"))
        else:
            kept = list(_show_lines(answers, top))
    finally:
        runner.close()
    failed = [answer for answer in kept if answer.error]
    for answer in failed:
        typer.echo(f"{answer.path}: {answer.error}", err=True)
    if failed:
        typer.echo(f"{len(failed)} of {len(kept)} pictures could not be read", err=True)
        raise typer.Exit(1)


classify.__doc__ = with_examples(classify, _EXAMPLES)


def _answer_all(images: Iterable[Path], classifier: MaterialClassifier) -> Iterator[Answer]:
    from recycle_sorter.sources.pictures import find_pictures

    for given in images:
        try:
            paths = [p.path for p in find_pictures(given)] if given.is_dir() else [given]
        except SourceError as error:
            yield Answer(given, {}, str(error))
            continue
        for path in paths:
            yield _answer(path, classifier)


def _answer(path: Path, classifier: MaterialClassifier) -> Answer:
    from recycle_sorter.sources.pictures import load_picture

    try:
        return Answer(path, classifier.classify_image(load_picture(path)))
    except SourceError as error:
        return Answer(path, {}, str(error))


def _as_fields(answer: Answer) -> dict[str, object]:
    material, confidence = answer.best(1)[0]
    return {
        "path": str(answer.path),
        "material": material,
        "confidence": confidence,
        "probabilities": answer.probabilities,
    }


def _show_lines(answers: Iterable[Answer], top: int) -> Iterator[Answer]:
    """Writes each answer as it comes: path, then material and probability, between tabs."""
    for answer in answers:
        if not answer.error:
            cells = [f"{material}\t{value:.4f}" for material, value in answer.best(top)]
            typer.echo("\t".join([str(answer.path), *cells]))
        yield answer


def _table(answers: Iterable[Answer], top: int, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("picture", overflow="fold")
    table.add_column("material")
    table.add_column("probability", justify="right")
    for answer in answers:
        if answer.error:
            table.add_row(str(answer.path), "[red]failed[/red]", "")
        for rank, (material, value) in enumerate(answer.best(top)):
            table.add_row(str(answer.path) if rank == 0 else "", material, f"{value:.3f}")
    return table
