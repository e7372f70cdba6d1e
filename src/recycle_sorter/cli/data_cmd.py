# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter data``: is a data set sound, which pictures train, and is it unchanged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recycle_sorter.cli.progress import count_pictures
from recycle_sorter.core.errors import InvalidInputError

if TYPE_CHECKING:
    from recycle_sorter.ml.dataset.duplicates import ObjectGroups
    from recycle_sorter.ml.dataset.records import Dataset
    from recycle_sorter.ml.dataset.splits import Splits

data = typer.Typer(name="data", help="Check, split and verify data sets.", no_args_is_help=True)

_Source = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        help="Folder of one folder a class, perhaps below images/; or a CSV of path,material.",
    ),
]

_CHECK_HELP = """Name pictures that are unreadable, tiny, uniform, overexposed, doubled or related.

Related are those of one object, photographed again. Exit code 1 with --strict if anything else
is found, otherwise 0.

[bold]Examples[/bold]

recycle-sorter data check photos [dim]photos/glass/..., photos/paper/...[/dim]

recycle-sorter data check photos --report check.html [dim]with the pictures, to look at[/dim]

recycle-sorter data check ../shared/trashnet --split-file ../shared/trashnet/split.csv
--json check.json [dim]and how many objects of val are in train too[/dim]

recycle-sorter data check photos --no-objects --strict && recycle-sorter train --data photos
"""
_SPLIT_HELP = """Decide which pictures train, which choose and which test; write it as a CSV.

By object, photographs of one thing stay together: a split by picture flatters.

[bold]Examples[/bold]

recycle-sorter data split photos --out split.csv

recycle-sorter data split photos --out split.csv --split-by object --seed 1

recycle-sorter data split photos --out split.csv --train-ratio 0.8 --val-ratio 0.1
--test-ratio 0.1 --manifest manifest.json
"""
_VERIFY_HELP = """Compare pictures with a manifest, bit by bit.

Exit code 1 if one is missing or changed; each is named.

[bold]Examples[/bold]

recycle-sorter data verify photos manifest.json

recycle-sorter data verify photos runs/first/manifest.json
"""


@data.command(help=_CHECK_HELP)
def check(
    source: _Source,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write everything; - for standard output.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML page that shows the pictures.")
    ] = None,
    objects: Annotated[
        bool,
        typer.Option("--objects/--no-objects", help="Find pictures of one object (the slow part)."),
    ] = True,
    split_file: Annotated[
        Path | None,
        typer.Option(help="CSV of path,material,split: count objects that are on both sides."),
    ] = None,
    min_side_px: Annotated[int, typer.Option(help="Shorter sides below it are tiny.")] = 64,
    max_burnt: Annotated[
        float, typer.Option(help="Share of burnt-out pixels that is too much.")
    ] = 0.25,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit code 1 if anything is wrong.")
    ] = False,
) -> None:
    """Name what is wrong with a data set."""
    from rich.console import Console

    from recycle_sorter.ml.dataset.checks import Limits, check_dataset
    from recycle_sorter.ml.dataset.duplicates import find_groups
    from recycle_sorter.ml.dataset.page import write_page
    from recycle_sorter.ml.dataset.records import read_dataset
    from recycle_sorter.ml.dataset.splits import read_split_file

    limits = Limits(min_side_px=min_side_px, max_burnt=max_burnt)
    dataset = read_dataset(source)
    splits = None if split_file is None else read_split_file(dataset, split_file)
    with count_pictures("checking") as progress:
        result = check_dataset(dataset, limits=limits, progress=progress)
    values = result.to_dict()
    groups = None
    if objects:
        with count_pictures("comparing") as progress:
            groups = find_groups(dataset.pictures, progress=progress)
        values["objects"] = groups.to_dict()
        if splits is not None:
            values["objects"]["shared_with_train"] = _shared(groups, splits)
    if report is not None:
        with _writing(report):
            write_page(report, dataset, result, groups)
    if json_file is not None and str(json_file) != "-":
        with _writing(json_file):
            json_file.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    if str(json_file) == "-":
        typer.echo(json.dumps(values, indent=1))
    else:
        out = Console(soft_wrap=True)
        if out.is_terminal and result.findings:
            Console().print(result.table())
        elif not out.is_terminal:
            for line in result.lines():
                typer.echo(line)
        for line in _summary(values):
            typer.echo(line)
    if strict and result.findings:
        raise typer.Exit(1)


@data.command(help=_SPLIT_HELP)
def split(
    source: _Source,
    out: Annotated[Path, typer.Option(help="CSV to write: path,material,split.")],
    split_by: Annotated[str, typer.Option(help="picture or object.")] = "picture",
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same split.")] = 0,
    train_ratio: Annotated[float, typer.Option(help="Share that trains.")] = 0.6,
    val_ratio: Annotated[float, typer.Option(help="Share that chooses.")] = 0.2,
    test_ratio: Annotated[float, typer.Option(help="Share that tests.")] = 0.2,
    manifest: Annotated[
        Path | None, typer.Option(help="Also write the sha256 of every picture and split.")
    ] = None,
) -> None:
    """Split a data set."""
    from recycle_sorter.ml.dataset.duplicates import find_groups
    from recycle_sorter.ml.dataset.manifest import make_manifest
    from recycle_sorter.ml.dataset.records import read_dataset
    from recycle_sorter.ml.dataset.splits import check_ratios, split_dataset, write_split_file

    # Before the slow part: a wrong ratio must not show after a minute.
    check_ratios(train_ratio, val_ratio, test_ratio)
    if split_by not in ("picture", "object"):
        raise InvalidInputError("split_by", split_by, "picture or object")
    dataset = read_dataset(source)
    groups = None
    if split_by == "object":
        with count_pictures("comparing") as progress:
            groups = find_groups(dataset.pictures, progress=progress)
    splits = split_dataset(
        dataset,
        train_ratio=train_ratio,
        val_ratio=val_ratio,
        test_ratio=test_ratio,
        seed=seed,
        by=split_by,
        groups=None if groups is None else groups.ids,
    )
    with _writing(out):
        write_split_file(splits, dataset.classes, out)
    if manifest is not None:
        with count_pictures("hashing") as progress, _writing(manifest):
            make_manifest(splits, progress).write(manifest)
    for line in _split_lines(dataset, splits, groups):
        typer.echo(line)


@data.command(help=_VERIFY_HELP)
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The data set's folder.")],
    manifest: Annotated[Path, typer.Argument(help="JSON of `data split --manifest` or of a run.")],
) -> None:
    """Verify a data set."""
    from recycle_sorter.ml.dataset.manifest import differences, read_manifest
    from recycle_sorter.ml.dataset.records import find_root

    known = read_manifest(manifest)
    root = find_root(folder)
    with count_pictures("hashing") as progress:
        changed = differences(known, root, progress)
    for name, what in sorted(changed.items()):
        typer.echo(f"{name}: {what}")
    count = sum(len(part) for part in known.parts.values())
    typer.echo(f"{count - len(changed)} of {count} pictures are as the manifest says")
    if changed:
        raise typer.Exit(1)


def _shared(groups: ObjectGroups, splits: Splits) -> dict[str, dict[str, int]]:
    """For val and test: of how many pictures the object is in train as well."""
    from recycle_sorter.ml.dataset.duplicates import count_shared

    names = {part: [one.name for one in ones] for part, ones in splits.parts().items()}
    return {
        part: {
            "pictures": len(names[part]),
            "shared": count_shared(groups, names[part], names["train"]),
        }
        for part in ("val", "test")
        if names[part]
    }


def _summary(values: dict[str, Any]) -> Iterator[str]:
    counts = ", ".join(f"{name} {count}" for name, count in values["classes"].items())
    yield f"{values['pictures']} pictures: {counts}"
    found = ", ".join(f"{kind} {len(all_)}" for kind, all_ in values["findings"].items() if all_)
    yield f"findings: {found or 'none'}"
    objects = values.get("objects")
    if objects is None:
        return
    yield (
        f"{objects['objects']} objects; {100 * objects['share_in_groups']:.0f} % of the pictures "
        f"have company, at most {objects['largest']} of one object"
    )
    for part, shared in objects.get("shared_with_train", {}).items():
        share = 100 * shared["shared"] / shared["pictures"]
        yield (
            f"{part}: {shared['shared']} of {shared['pictures']} pictures ({share:.0f} %) "
            "show an object that is in train too"
        )


def _split_lines(dataset: Dataset, splits: Splits, groups: ObjectGroups | None) -> Iterator[str]:
    for name, part in splits.parts().items():
        counts = dict.fromkeys(range(len(dataset.classes)), 0)
        for picture in part:
            counts[picture.label] += 1
        shown = ", ".join(f"{dataset.classes[label]} {count}" for label, count in counts.items())
        yield f"{name}: {len(part)} pictures: {shown}"
    if groups is not None:
        yield f"{len(set(groups.ids))} objects, none of them in two splits"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInputError(
            "file to write", str(path), f"a place that can be written ({error.strerror})"
        ) from error
