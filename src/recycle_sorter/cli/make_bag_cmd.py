# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter make-bag``: folders of labelled pictures become a recorded bag."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recycle_sorter.cli.help import with_examples
from recycle_sorter.cli.progress import bar_on

if TYPE_CHECKING:
    from recycle_sorter.sources.pictures import Picture

_LISTED_SKIPS = 10
# Plain progress lines for a whole run in a pipe.
_PLAIN_LINES = 10

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter make-bag --images photos --out photos_bag [dim]photos/glass/*.jpg, ...[/dim]

recycle-sorter make-bag --images ../shared/trashnet/images --split-file
../shared/trashnet/split.csv --split val --count 300 --out val_bag

recycle-sorter make-bag --images photos --board empty.jpg --show-sec 1 --fps-hz 15 --out slow_bag

Then: recycle-sorter run --uri photos_bag
"""


def make_bag(
    images: Annotated[Path, typer.Option(help="Folder of pictures, or of one folder a material.")],
    out: Annotated[Path, typer.Option(help="Bag to make (a folder).")],
    split_file: Annotated[
        Path | None, typer.Option(help="CSV with columns path, split and perhaps material.")
    ] = None,
    split: Annotated[str, typer.Option(help="Which split of the table to take.")] = "val",
    count: Annotated[
        int, typer.Option(min=0, help="Choose so many, materials in proportion; 0: all.")
    ] = 0,
    order: Annotated[str, typer.Option(help="shuffle, round_robin or given.")] = "shuffle",
    board: Annotated[
        str, typer.Option(help="Picture of the empty board; auto: from the pictures' borders.")
    ] = "auto",
    fps_hz: Annotated[float, typer.Option(help="Frames a second.")] = 30.0,
    show_sec: Annotated[float, typer.Option(help="How long each item is shown.")] = 0.5,
    gap_sec: Annotated[float, typer.Option(help="Empty board between items.")] = 0.3,
    width_px: Annotated[int, typer.Option(help="Width of the frames.")] = 640,
    height_px: Annotated[int, typer.Option(help="Height of the frames.")] = 480,
    noise_levels: Annotated[
        float, typer.Option(help="Sensor noise, grey levels of 255 (standard deviation).")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of choice, order, jitter and noise.")] = 0,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the JPEGs.")] = 90,
    raw: Annotated[bool, typer.Option("--raw", help="Raw pictures instead of JPEGs.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a bag of that name.")
    ] = False,
) -> None:
    """Turn folders of labelled pictures into a bag: items, empty board between, ground truth."""
    # Loaded here so that other commands need neither OpenCV nor rosbags.
    from recycle_sorter.sources.bag_writer import BagWriter
    from recycle_sorter.sources.images import read_board
    from recycle_sorter.sources.pictures import arrange, choose, find_pictures, pick_split
    from recycle_sorter.sources.slideshow import Slideshow, SlideshowSpec

    spec = SlideshowSpec(
        width_px=width_px,
        height_px=height_px,
        fps_hz=fps_hz,
        show_sec=show_sec,
        gap_sec=gap_sec,
        seed=seed,
        noise_levels=noise_levels,
    )
    writer = BagWriter(out, raw=raw, quality=quality, overwrite=overwrite)
    pictures = find_pictures(images)
    if split_file is not None:
        pictures = pick_split(pictures, split_file, split)
    if count:
        pictures = choose(pictures, count, seed)
    show = Slideshow(arrange(pictures, order, seed), spec, read_board(board))
    with writer, _progress(len(pictures)) as advance:
        last_ns = spec.start_ns
        for frame in show.frames():
            writer.write(frame)
            last_ns = frame.stamp_ns
            advance(show.shown + len(show.skipped))
    _report_skipped(show.skipped)
    skipped = {path for path, _ in show.skipped}
    shown = [picture for picture in pictures if picture.path not in skipped]
    size_mb = sum(file.stat().st_size for file in out.iterdir()) / 1e6
    typer.echo(
        f"{out}: {len(shown)} items ({_by_material(shown)}), {writer.frames} frames, "
        f"{(last_ns - spec.start_ns) / 1e9:.1f} s, {size_mb:.1f} MB"
    )


make_bag.__doc__ = with_examples(make_bag, _EXAMPLES)


def _by_material(pictures: list[Picture]) -> str:
    counts = Counter(picture.material or "unlabelled" for picture in pictures)
    return ", ".join(f"{name} {counts[name]}" for name in sorted(counts))


def _report_skipped(skipped: list[tuple[Path, str]]) -> None:
    for path, why in skipped[:_LISTED_SKIPS]:
        typer.echo(f"skipped {path}: it {why}", err=True)
    if len(skipped) > _LISTED_SKIPS:
        typer.echo(f"skipped {len(skipped)} pictures in all", err=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Yields what takes the number of items done: a bar on a terminal, lines in a pipe."""
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_terminal:
        with bar_on(console) as bar:
            task = bar.add_task("items", total=total)
            yield lambda done: bar.update(task, completed=done)
        return
    step = max(1, -(-total // _PLAIN_LINES))
    reported = 0

    def advance(done: int) -> None:
        nonlocal reported
        if done >= reported + step or done == total > reported:
            reported = done
            typer.echo(f"item {done} of {total}", err=True)

    yield advance
