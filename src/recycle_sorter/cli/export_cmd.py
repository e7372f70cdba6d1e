# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter export``: from a run folder to a model bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recycle_sorter.cli.help import with_examples

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter export runs/resnet18_v1 models/mine

recycle-sorter export runs/resnet50_thin_v2 models/resnet50_thin --measure out/renders/chute
--measure web_pictures --note "The third of three seeds."

recycle-sorter export runs/old my_bundle --data /media/disk/photos [dim]the data moved[/dim]

recycle-sorter export runs/old my_bundle --licence CC-BY-4.0 --licence-file my_licence.txt

Try it: recycle-sorter evaluate --model my_bundle --data photos
"""


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run, as train wrote it.")],
    bundle: Annotated[
        Path, typer.Argument(help="Folder to write; an older bundle there is replaced.")
    ],
    data: Annotated[
        Path | None, typer.Option(help="The run's data set, if it has moved since.")
    ] = None,
    measure: Annotated[
        list[Path] | None,
        typer.Option(
            "--measure", "--renders", help="Class folders to measure as well; repeatable."
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Name on the card. Default: the run's.")] = "",
    note: Annotated[str, typer.Option(help="A remark on the training for the card.")] = "",
    licence: Annotated[
        str, typer.Option(help="SPDX name of the licence that you give the weights.")
    ] = "Apache-2.0",
    licence_file: Annotated[
        Path | None, typer.Option(help="Its text; needed for any but Apache-2.0.")
    ] = None,
) -> None:
    """Write a model bundle: graph, weights, int8 network, labels, figures, card, manifest.

    Every engine must give the trained network's answers to real pictures. Temperature and
    suggested thresholds come from val. The int8 network, calibrated on train, is kept if it costs
    at most 0.3 points there.
    """
    from recycle_sorter.ml.bundling import ExportJob, export_bundle, track_export

    job = ExportJob(
        run=run,
        out=bundle,
        data=data,
        measure=measure or [],
        name=name,
        note=note,
        licence=licence,
        licence_file=licence_file,
    )
    written = export_bundle(job, typer.echo)
    track_export(job, written, typer.echo)
    typer.echo(f"{written.model_id} in {bundle}")


export.__doc__ = with_examples(export, _EXAMPLES)
