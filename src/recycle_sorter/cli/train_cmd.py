# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter train``: from folders of pictures to a trained, tested, recorded network."""

from __future__ import annotations

import inspect
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recycle_sorter.cli.help import with_examples
from recycle_sorter.core.checks import one_of
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.training.hyperparameters import Hyperparameters

if TYPE_CHECKING:
    from recycle_sorter.ml.dataset.splits import Splits
    from recycle_sorter.ml.training.run import TrainingJob

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter train --data photos --architecture=resnet50_thin --weights=packaged --probe=True
--learn_rate=0.0001

recycle-sorter train --data ../shared/trashnet --epoch_qty=8 --transform_horz=True
--architecture=resnet34 --learn_rate=0.001 --batch_size=8

recycle-sorter train --data photos --split-by object --teacher models/resnet50_thin

recycle-sorter train --data photos --find-learn-rate

Dashes and underscores are alike. Called again after a kill, the same command goes on where it
stopped, be it the training or its test. Tracking: WANDB_MODE=offline, online or disabled.
"""


def _train(
    data: Annotated[
        Path, typer.Option(help="Folder of one folder a class, or a CSV of path,material.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Run folder. Default: runs/ARCHITECTURE_v1, v2, ...")
    ] = None,
    split: Annotated[
        Path | None, typer.Option(help="CSV of path,material,split instead of the ratios.")
    ] = None,
    train_ratio: Annotated[float, typer.Option(help="Share that is trained on.")] = 0.6,
    val_ratio: Annotated[float, typer.Option(help="Share to choose and calibrate by.")] = 0.2,
    test_ratio: Annotated[float, typer.Option(help="Share that is only measured.")] = 0.2,
    split_by: Annotated[
        str, typer.Option(help="picture, or object: near-duplicates stay in one part.")
    ] = "picture",
    extra: Annotated[
        list[Path] | None, typer.Option(help="Class folders only to train on; repeatable.")
    ] = None,
    extra_repeats: Annotated[int, typer.Option(min=1, help="Times each is shown an epoch.")] = 1,
    backgrounds: Annotated[
        list[Path] | None,
        typer.Option(help="Any pictures to put items in front of; repeatable."),
    ] = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option(help="Any pictures, to learn the teacher's answers on; repeatable."),
    ] = None,
    find_learn_rate: Annotated[
        bool, typer.Option("--find-learn-rate", help="Only suggest a learning rate, with a plot.")
    ] = False,
    devices: Annotated[str, typer.Option(help="Lightning's: auto or a number.")] = "auto",
    num_nodes: Annotated[int, typer.Option(min=1, help="Lightning's: machines.")] = 1,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0: torch's choice.")] = 0,
    tracking: Annotated[
        str, typer.Option(help="auto, online, offline or disabled (local record only).")
    ] = "auto",
    **given: Any,
) -> None:
    """Train a network on folders of pictures, test it, and record both.

    The run folder gets the weights, the split, figures of every epoch, the record and
    evaluation/report.html. Next: recycle-sorter export RUN BUNDLE.
    """
    settings = Hyperparameters.from_mapping({k: v for k, v in given.items() if v is not None})
    from recycle_sorter.ml.dataset.records import read_dataset
    from recycle_sorter.ml.tracking import mode_of
    from recycle_sorter.ml.training.run import TrainingJob
    from recycle_sorter.ml.training.trainer import is_first_process

    say = typer.echo if is_first_process() else _silent
    mode = mode_of("--tracking", tracking)
    one_of("--split-by", split_by, ("picture", "object"))
    if devices != "auto" and not (devices.isdecimal() and int(devices) > 0):
        raise InvalidInputError("--devices", devices, "auto, or a number from 1")
    if threads:
        import torch

        torch.set_num_threads(threads)
    dataset = read_dataset(data)
    ratios = (train_ratio, val_ratio, test_ratio)
    splits = make_splits(dataset, split, ratios, split_by, settings.seed)
    job = TrainingJob(
        data=data,
        splits=splits,
        classes=dataset.classes,
        out=out or _next_folder(settings, data),
        settings=settings,
        extra=extra or [],
        extra_repeats=extra_repeats,
        backgrounds=backgrounds or [],
        unlabelled=unlabelled or [],
        command=shlex.join(["recycle-sorter", *sys.argv[1:]]),
        devices=devices,
        num_nodes=num_nodes,
    )
    counts = f"{len(splits.train)} train, {len(splits.val)} val, {len(splits.test)} test"
    say(f"{counts} pictures of {', '.join(dataset.classes)}; run folder {job.out}")
    if find_learn_rate:
        _find(job)
        return
    from recycle_sorter.ml.training.tracked import run_jobs

    run_jobs(job, say, mode=mode, bar=sys.stdout.isatty())
    say(f"next: recycle-sorter export {job.out} models/{job.out.name}")


def _silent(message: object) -> None:
    """One of several processes speaks for all."""


def make_splits(
    dataset: Any, file: Path | None, ratios: Sequence[float], by: str, seed: int
) -> Splits:
    """Split a data set as the options say."""
    from recycle_sorter.ml.dataset.splits import read_split_file, split_dataset

    if file is not None:
        return read_split_file(dataset, file)
    groups = None
    if by == "object":
        from recycle_sorter.ml.dataset.duplicates import find_groups

        typer.echo("looking for pictures of one object")
        groups = find_groups(dataset.pictures).ids
    return split_dataset(
        dataset, train_ratio=ratios[0], val_ratio=ratios[1], test_ratio=ratios[2],
        seed=seed, by=by, groups=groups,
    )  # fmt: skip


def _find(job: TrainingJob) -> None:
    from recycle_sorter.ml.training.finder import PLOT_NAME, find_learn_rate

    rate = find_learn_rate(job, typer.echo)
    if rate is None:  # a script must not go on with what is not there
        typer.echo(f"plot: {job.out / PLOT_NAME}")
        raise typer.Exit(1)
    typer.echo(f"suggestion: --learn_rate={rate:.2g} (plot: {job.out / PLOT_NAME})")


def _next_folder(settings: Hyperparameters, data: Path) -> Path:
    """Return the first version that is free, or was begun alike and has not been tested yet."""
    from recycle_sorter.ml.training.run_folder import CONFIG_NAME, read_config

    number = 1
    while True:
        folder = Path("runs") / f"{settings.architecture}_v{number}"
        if not (folder / CONFIG_NAME).is_file():
            return folder
        config = read_config(folder)
        is_same = (
            config["hyperparameters"] == asdict(settings)
            and Path(config["data"]).resolve() == data.resolve()
        )
        if is_same and not _has_ended(folder, config):
            return folder
        number += 1


def _has_ended(folder: Path, config: Mapping[str, Any]) -> bool:
    """Whether nothing is left to do in a run folder: trained, and tested as far as the end."""
    from recycle_sorter.ml.record import EVENTS, FOLDER
    from recycle_sorter.ml.record_reader import read_record
    from recycle_sorter.ml.training.run_folder import WEIGHTS_NAME
    from recycle_sorter.ml.training.tracked import TEST_JOB_NAME

    if "soup_of" in config:  # made by another command, which tests by itself
        return True
    test = folder / TEST_JOB_NAME
    if not (folder / WEIGHTS_NAME).is_file() or not (test / FOLDER / EVENTS).is_file():
        return False
    return read_record(test).state == "finished"


def _option(item: Any) -> inspect.Parameter:
    """Turn a hyperparameter into an option that takes a value, as sweeps give it."""
    meta = item.metadata
    kind = type(item.default).__name__
    metavar = "|".join(meta["choices"]) or {"bool": "True|False"}.get(kind, kind.upper())
    default = item.default if item.default != "" else "none"
    option = typer.Option(
        f"--{item.name.replace('_', '-')}",
        help=f"{meta['help']} [dim]\\[default: {default}][/dim]",
        metavar=metavar,
        rich_help_panel="Hyperparameters",
        show_default=False,
    )
    return inspect.Parameter(
        item.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[str | None, option],
    )


def _command() -> Any:
    """Return the command with one option a hyperparameter; the list stands only there."""

    def train(**given: Any) -> None:
        _train(**given)

    own = inspect.signature(_train, eval_str=True)
    parameters = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in parameters]
    options = [_option(item) for item in fields(Hyperparameters)]
    train.__signature__ = inspect.Signature([*keyword, *options])  # type: ignore[attr-defined]
    train.__annotations__ = {p.name: p.annotation for p in (*keyword, *options)}
    train.__doc__ = with_examples(_train, _EXAMPLES)
    return train


train = _command()
