# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter render``: pictures of recyclables, made from seeds."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.console import Console

from recycle_sorter.cli.help import with_examples
from recycle_sorter.cli.progress import bar_on
from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.core.materials import MATERIALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from recycle_sorter.render.generate import Job
    from recycle_sorter.render.scene import SceneKind

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter render --out renders --count 6 --scene station [dim]what the sample bag shows[/dim]

recycle-sorter render --out more --seed 100000 --count 100 --width-px 320 --height-px 240
--samples 24 [dim]for training; interrupted, the same command goes on[/dim]

recycle-sorter render --out bottles --materials glass,plastic --processes 2

recycle-sorter render --out dark --scene chute [dim]a dark box, one coloured lamp[/dim]

recycle-sorter render --out boards --board-only --count 1 --scene station

Needs the extra: pip install 'recycle_sorter\\[render]'
"""


def render(
    out: Annotated[Path, typer.Option(help="Folder to write to; pictures in it are kept.")],
    seed: Annotated[int, typer.Option(min=0, help="First seed of every material.")] = 1,
    count: Annotated[int, typer.Option(min=1, help="Pictures a material.")] = 6,
    materials: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(MATERIALS),
    width_px: Annotated[int, typer.Option(min=8, help="Width of a picture.")] = 640,
    height_px: Annotated[int, typer.Option(min=8, help="Height of a picture.")] = 480,
    samples: Annotated[
        int, typer.Option(min=4, help="Samples a pixel; glass and film take twice as many.")
    ] = 64,
    processes: Annotated[
        int, typer.Option(min=1, help="Worker processes; one alone already uses all cores.")
    ] = 1,
    scene: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="free (any board, light and view), station (its fixed camera and boards), belt "
            "(moving, from above, LED bars) or chute (dark, coloured light).",
            show_default="free",
        ),
    ] = None,
    station: Annotated[
        bool, typer.Option("--station", help="The same as --scene station.")
    ] = False,
    board_only: Annotated[
        bool, typer.Option("--board-only", help="Empty boards instead of items.")
    ] = False,
    alone: Annotated[
        bool,
        typer.Option(
            "--alone",
            help="Only the part of the picture with the item, and around it transparent: for "
            "`recycle-sorter cutouts`. Scenes free and station.",
        ),
    ] = False,
) -> None:
    """Renders labelled pictures of recyclables (Mitsuba 3), the same from the same seeds.

    Writes MATERIAL/MATERIAL_SEED.png and truth.csv. A second run goes on where one stopped.
    """
    # The renderer is an extra; nothing of it is imported before it is asked for.
    from recycle_sorter.render import generate

    names = tuple(part.strip() for part in materials.split(",") if part.strip())
    if not names:
        raise InvalidInputError("materials", materials, f"some of {', '.join(MATERIALS)}")
    if station and scene not in (None, "station"):
        raise InvalidInputError("scene", scene, "station or nothing beside --station")
    kind = "station" if station else scene or "free"
    if alone and (board_only or kind not in ("free", "station")):
        raise InvalidInputError("alone", True, "items in scenes free or station", "drop --alone")
    settings = generate.Settings(
        out=out,
        first_seed=seed,
        count=count,
        materials=() if board_only else names,
        width_px=width_px,
        height_px=height_px,
        samples=samples,
        kind=cast("SceneKind", kind),
        alone=alone,
    )
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    started_sec = time.monotonic()
    try:
        jobs = generate.plan(settings)
        left = generate.remaining(jobs)
        console.print(f"{len(left)} of {len(jobs)} pictures to render into {out}", markup=False)
        _run(left, processes, console)
    except OSError as error:
        raise SorterError(f"cannot write below {out}: {error}") from error
    console.print(f"done in {time.monotonic() - started_sec:.0f} s: {out}", markup=False)


render.__doc__ = with_examples(render, _EXAMPLES)


def _run(jobs: Sequence[Job], processes: int, console: Console) -> None:
    """Renders with a bar on a terminal and a line a picture in a pipe."""
    from recycle_sorter.render import generate

    if not console.is_terminal:
        for number, name in enumerate(generate.run(jobs, processes), start=1):
            console.print(f"{number}/{len(jobs)} {name}", markup=False)
        return
    with bar_on(console) as progress:
        task = progress.add_task("rendering", total=len(jobs))
        for name in generate.run(jobs, processes):
            progress.update(task, advance=1, description=name)
