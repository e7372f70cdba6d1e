# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter doctor``: what is there, what is missing, and how to get it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from recycle_sorter.cli import doctor_checks, doctor_ros
from recycle_sorter.cli.doctor_checks import Finding
from recycle_sorter.cli.help import with_examples

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter doctor

recycle-sorter doctor --model my_bundle --routing my_bins.yaml [dim]do they fit?[/dim]

recycle-sorter doctor --json | jq '.findings[] | select(.status != "ok")'
"""


def doctor(
    model: Annotated[
        Path | None, typer.Option(help="Model bundle. Default: the one that ships.")
    ] = None,
    routing: Annotated[
        Path | None, typer.Option(help="Routing file. Default: config/routing.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Check what is installed, the cameras, the engines and the model. Exit code 1 on a failure."""
    out = Console()
    findings = []
    for finding in _examine(model, routing):
        findings.append(finding)
        if not as_json:
            out.print(_line(finding), soft_wrap=True)
    counts = {status: sum(f.status == status for f in findings) for status in _STYLES}
    if as_json:
        shown = {"ok": counts["fail"] == 0, "findings": [asdict(f) for f in findings]}
        typer.echo(json.dumps(shown, indent=2))
    else:
        out.print(f"{counts['ok']} ok, {counts['warn']} warnings, {counts['fail']} failures")
    if counts["fail"]:
        raise typer.Exit(1)


doctor.__doc__ = with_examples(doctor, _EXAMPLES)


def _examine(model: Path | None, routing: Path | None) -> Iterator[Finding]:
    """All checks, quick ones first; each finding as soon as it is known."""
    yield from doctor_checks.check_python()
    yield from doctor_checks.check_cpu()
    yield from doctor_checks.check_packages()
    yield from doctor_ros.check_ros()
    yield from doctor_ros.check_transport()
    yield from doctor_checks.check_shared_memory()
    yield from doctor_checks.check_cameras()
    bundle = None
    for found in doctor_checks.check_model(model):
        if isinstance(found, Finding):
            yield found
        else:
            bundle = found
    if bundle is not None:
        yield from doctor_checks.check_engines(bundle)
    yield from doctor_checks.check_routing(routing, bundle)
    yield from doctor_checks.check_sample()


def _line(finding: Finding) -> Text:
    line = Text(f"{finding.status:<5}", style=_STYLES[finding.status])
    line.append(f"{finding.name}: {finding.text}", style="default")
    if finding.fix and finding.status != "ok":
        line.append(f". Fix: {finding.fix}", style="default")
    return line
