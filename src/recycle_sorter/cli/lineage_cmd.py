# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter lineage``: what came from what, drawn from the local records of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recycle_sorter.cli.help import with_examples
from recycle_sorter.core.errors import InvalidInputError

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter lineage runs/resnet18_v1 --out lineage.svg

recycle-sorter lineage runs --out docs/lineage.mmd [dim]Mermaid, which GitHub draws[/dim]
"""


def lineage(
    runs: Annotated[list[Path], typer.Argument(help="Run folders, or folders of them.")],
    out: Annotated[Path, typer.Option(help="File to write: .svg, or .mmd for Mermaid.")] = Path(
        "lineage.svg"
    ),
) -> None:
    """Draw the lineage of jobs and artifacts across runs.

    Reads the local records only; neither an account nor W&B is needed.
    """
    if out.suffix not in (".svg", ".mmd"):
        raise InvalidInputError("--out", str(out), "a name that ends in .svg or .mmd")
    from recycle_sorter.ml.lineage import JOB, draw_mermaid, read_lineage
    from recycle_sorter.ml.lineage_svg import draw_svg
    from recycle_sorter.output_files import write_text

    found = read_lineage(runs)
    write_text(out, draw_svg(found) if out.suffix == ".svg" else draw_mermaid(found))
    jobs = sum(node.kind == JOB for node in found.nodes)
    count = f"{jobs} jobs, {len(found.nodes) - jobs} artifacts, {len(found.edges)} links"
    typer.echo(f"{count}: {out}")


lineage.__doc__ = with_examples(lineage, _EXAMPLES)
