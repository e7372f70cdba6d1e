# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter sweep``: many trainings, to find the hyperparameters that are worth it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from recycle_sorter.cli.help import with_examples
from recycle_sorter.core.checks import one_of
from recycle_sorter.core.errors import InvalidInputError, SorterError

if TYPE_CHECKING:
    from recycle_sorter.ml.sweep.parameters import Scalar
    from recycle_sorter.ml.sweep.study import Sweep
    from recycle_sorter.ml.sweep.summary import SweepSummary
    from recycle_sorter.ml.sweep.watcher import Outcome

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter sweep --data ../shared/trashnet

recycle-sorter sweep --data photos --trials 9 --set architecture=resnet50_thin --set probe=True

recycle-sorter sweep --data photos --storage postgresql://me@host/sweeps [dim]on each machine[/dim]

Called again after a kill, the same command goes on, the trial that ran from its checkpoint.

The file is W&B's own format: wandb sweep FILE runs it too.
"""


def sweep(
    data: Annotated[
        Path, typer.Option(help="Folder of one folder a class, or a CSV of path,material.")
    ],
    config: Annotated[
        Path | None,
        typer.Option(help="Sweep file, in W&B's format. Default: config/sweep/sweep.yaml."),
    ] = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trainings, all processes together.")
    ] = None,
    storage: Annotated[
        str | None,
        typer.Option(help="Database that machines share; otherwise sweep.db in the folder."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder. Default: runs/sweeps/NAME.")] = None,
    held: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Hold a hyperparameter; repeatable."),
    ] = None,
    pruner: Annotated[
        str, typer.Option(help="Stops trials early: file (as it says), hyperband, median, none.")
    ] = "file",
    seed: Annotated[int, typer.Option(min=0, help="Of the split and of what is tried.")] = 0,
    split: Annotated[
        Path | None, typer.Option(help="CSV of path,material,split instead of 60:20:20.")
    ] = None,
    split_by: Annotated[
        str, typer.Option(help="picture, or object: near-duplicates stay in one part.")
    ] = "picture",
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: torch's choice.")] = 0,
    tracking: Annotated[
        str, typer.Option(help="auto, online, offline or disabled (local record only).")
    ] = "auto",
) -> None:
    """Search hyperparameters: TPE, grid or random, hopeless trials stopped early.

    Writes sweep.html (the best, what mattered, every trial), sweep.json, trials.csv, run folders.
    """
    from recycle_sorter.ml.sweep.data import data_fingerprint
    from recycle_sorter.ml.sweep.space import load_sweep
    from recycle_sorter.ml.tracking import mode_of
    from recycle_sorter.ml.training.hyperparameters import Hyperparameters
    from recycle_sorter.paths import share_file

    one_of("--split-by", split_by, ("picture", "object"))
    mode = mode_of("--tracking", tracking)
    path = config or share_file("config/sweep/sweep.yaml")
    spec = load_sweep(path, dict(read_setting(text) for text in held or []))
    spec.check_names(Hyperparameters.__dataclass_fields__)
    folder = out or Path("runs/sweeps") / spec.name
    from recycle_sorter.ml.sweep.study import Sweep

    console = Console(highlight=False, soft_wrap=True)

    def say(line: str) -> None:
        console.print(line, markup=False)

    with Sweep(spec, folder, storage=storage, trials=trials, seed=seed, pruner=pruner) as searched:
        job = _common_job(data, split, split_by, seed, threads, folder, storage)
        searched.check_data(data_fingerprint(job.splits, job.classes, seed))
        from recycle_sorter.ml.sweep.report import write_report
        from recycle_sorter.ml.sweep.summary import summarise
        from recycle_sorter.ml.training.tracked import make_trial

        with _watch(searched, console) as watcher:
            searched.run(make_trial(job, spec.metric, say, mode=mode), watcher)
        summary = searched.ask(lambda: summarise(searched), say)
        best = _best_command(summary, folder, data, split, split_by, seed)
        page = write_report(summary, folder, best)
    for line in _conclusion(summary, best):
        typer.echo(line)
    typer.echo(f"report: {page}")
    failed = [row.error for row in summary.trials if row.state == "failed"]
    if failed and len(failed) == len(summary.trials):
        raise SorterError(f"sweep {spec.name}: every trial failed, the last one: {failed[-1]}")


sweep.__doc__ = with_examples(sweep, _EXAMPLES)


def read_setting(text: str) -> tuple[str, Scalar]:
    """Reads ``name=value``; numbers and True or False are what they look like.

    Raises:
        InvalidInputError: If there is no name or no equals sign.
    """
    name, equals, word = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not name:
        raise InvalidInputError("--set", text, "name=value", "such as --set epoch_qty=8")
    if word.lower() in ("true", "false"):
        return name, word.lower() == "true"
    with suppress(ValueError):
        return name, int(word)
    with suppress(ValueError):
        return name, float(word)
    return name, word


def _best_command(
    summary: SweepSummary, folder: Path, data: Path, split: Path | None, split_by: str, seed: int
) -> str:
    """Returns what trains the best again; nothing if there is none yet."""
    from recycle_sorter.ml.sweep.report import train_command
    from recycle_sorter.ml.sweep.study import trial_name
    from recycle_sorter.ml.training.run_folder import SPLIT_NAME

    if summary.best is None:
        return ""
    written = folder / trial_name(summary.best.slot) / SPLIT_NAME
    return train_command(
        summary.best.hyperparameters,
        data=data, split=split, split_by=split_by, seed=seed, trial_split=written,
    )  # fmt: skip


def _conclusion(summary: SweepSummary, best_command: str) -> Iterator[str]:
    from recycle_sorter.ml.sweep.report import headline

    yield headline(summary)
    for name, share in list(summary.importance.items())[:5]:
        yield f"  {share:4.0%} {name}"
    if best_command:
        yield f"the best: {best_command}"


def _common_job(
    data: Path,
    split: Path | None,
    split_by: str,
    seed: int,
    threads: int,
    folder: Path,
    storage: str | None,
) -> Any:
    """Returns what all trials have in common."""
    from sqlalchemy import make_url

    from recycle_sorter.cli.train_cmd import make_splits
    from recycle_sorter.ml.dataset.records import read_dataset
    from recycle_sorter.ml.training.hyperparameters import Hyperparameters
    from recycle_sorter.ml.training.run import TrainingJob

    if threads:
        import torch

        torch.set_num_threads(threads)
    dataset = read_dataset(data)
    words = ["recycle-sorter", *sys.argv[1:]]
    if storage is not None:
        # Each trial records the command; no password belongs there.
        shown = make_url(storage).render_as_string(hide_password=True)
        words = [word.replace(storage, shown) for word in words]
    return TrainingJob(
        data=data,
        splits=make_splits(dataset, split, (0.6, 0.2, 0.2), split_by, seed),
        classes=dataset.classes,
        out=folder,
        settings=Hyperparameters(seed=seed),
        command=shlex.join(words),
    )


@contextmanager
def _watch(searched: Sweep, console: Console) -> Iterator[Any]:
    """Shows trials: a bar on a terminal, a line a trial in a pipe."""
    if not console.is_terminal:
        yield _Watcher(searched, console, None)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        yield _Watcher(searched, console, progress)


def _tidy(folder: Path, state: str) -> None:
    """Removes what an ended trial no longer needs: of dozens it would fill the disk."""
    names = ["last.ckpt", "untrained.safetensors"]
    if state == "stopped":
        names.append("model.safetensors")
    if state in ("complete", "stopped"):
        for name in names:
            (folder / name).unlink(missing_ok=True)


class _Watcher:
    """Writes a line when a trial ends, and keeps the bar and the summary's data up to date."""

    def __init__(self, searched: Sweep, console: Console, progress: Progress | None) -> None:
        self._sweep = searched
        self._console = console
        self._progress = progress
        self._task = None
        if progress is not None:
            self._task = progress.add_task(searched.spec.name, total=searched.limit)

    def trial(self, outcome: Outcome) -> None:
        """A trial starts or has ended."""
        from recycle_sorter.ml.sweep.report import command_line, write_data
        from recycle_sorter.ml.sweep.study import trial_name
        from recycle_sorter.ml.sweep.summary import summarise

        name = trial_name(outcome.slot)
        if outcome.state == "started":
            again = f", attempt {outcome.attempt}" if outcome.attempt > 1 else ""
            words = command_line(outcome.hyperparameters).replace("--", "")
            self._print(f"{name}{again}: {words}")
            return
        value = "" if outcome.value is None else f" {self._sweep.spec.metric} {outcome.value:.4g}"
        text = f" ({outcome.text})" if outcome.text else ""
        self._print(f"{name} {outcome.state}{value} after {outcome.seconds / 60:.1f} min{text}")
        _tidy(self._sweep.folder / name, outcome.state)
        summary = self._sweep.ask(lambda: summarise(self._sweep), self.note)
        write_data(summary, self._sweep.folder)
        if self._progress is not None and self._task is not None:
            ended = sum(summary.counts.get(s, 0) for s in ("complete", "stopped", "failed"))
            self._progress.update(self._task, completed=ended, description=self._sweep.spec.name)

    def epoch(self, slot: int, epoch: int, value: float) -> None:
        """A trial has ended an epoch."""
        if self._progress is not None and self._task is not None:
            from recycle_sorter.ml.sweep.study import trial_name

            text = f"{trial_name(slot)}, epoch {epoch + 1}: {self._sweep.spec.metric} {value:.4g}"
            self._progress.update(self._task, description=text)

    def note(self, text: str) -> None:
        """The database does not answer, or answers again."""
        self._print(text)

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False)
