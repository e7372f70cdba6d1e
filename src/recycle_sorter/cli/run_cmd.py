# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter run``: the whole graph in one process, with every decision as it falls."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recycle_sorter.cli.help import with_examples
from recycle_sorter.cli.pairs import parse_pairs
from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.output_files import require_writable
from recycle_sorter.paths import share_file

if TYPE_CHECKING:
    from recycle_sorter.ros.session import SessionOptions

SAMPLE = "samples/recyclables"

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter run   [dim]# the sample bag that ships[/dim]

recycle-sorter run --source usb --uri 0   [dim]# the first USB camera[/dim]

recycle-sorter run --uri /dev/v4l/by-id/usb-... --record out/bag   [dim]# a camera, recorded[/dim]

recycle-sorter run --uri my_bag --lossless --summary out.json   [dim]# every frame once[/dim]

recycle-sorter run --uri photos/ --engine onnxruntime -p evidence_frames=8

recycle-sorter run --mode belt   [dim]# a moving belt: the digital twin[/dim]

recycle-sorter run --mode belt --uri belt_bag --layout my_belt.yaml --report run.html
"""


def run(
    mode: Annotated[
        str, typer.Option(help="station: one item at a time; belt: a moving belt.")
    ] = "station",
    source: Annotated[
        str | None, typer.Option(help="auto, usb, video, images or bag; belt: also twin.")
    ] = None,
    uri: Annotated[
        str | None, typer.Option(help="Camera, file, folder or bag. Default: sample bag, twin.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model bundle. Default: the shipped.")] = None,
    engine: Annotated[str | None, typer.Option(help="openvino, onnxruntime or torch.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32, bf16 or int8.")] = None,
    routing: Annotated[str | None, typer.Option(help="Routing file (station).")] = None,
    layout: Annotated[str | None, typer.Option(help="Layout file (belt).")] = None,
    scenario: Annotated[str | None, typer.Option(help="What the twin shows (belt).")] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the images source, or of the twin's scenario.")
    ] = None,
    driver: Annotated[str | None, typer.Option(help="Diverter driver.")] = None,
    namespace: Annotated[str, typer.Option(help="Namespace of all nodes, e.g. lane1.")] = "",
    params: Annotated[
        Path | None, typer.Option(help="Parameter file. Default: config/sorter.yaml.")
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", "-p", help="NAME=VALUE, any node's; repeatable.")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Speed of a recording.")] = None,
    loop: Annotated[
        bool, typer.Option("--loop", help="Start a recording anew at its end.")
    ] = False,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="One result for every frame, as fast as they come.")
    ] = False,
    record: Annotated[str, typer.Option(help="Write a bag (MCAP) to this new folder.")] = "",
    duration_sec: Annotated[float, typer.Option(min=0, help="End after so long; 0: never.")] = 0.0,
    summary: Annotated[Path | None, typer.Option(help="Write the summary as JSON.")] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write the run as one HTML page (belt).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the summary.")] = False,
) -> None:
    """Sort: bring the graph up, show each decision as it falls, end with a summary.

    Exit code 1 if the source broke off, 2 if something refused to start.
    """
    settings: dict[str, Any] = {
        name: value
        for name, value in {
            "source": source, "uri": uri, "model": model, "engine": engine, "precision": precision,
            "routing": routing, "layout": layout, "scenario": scenario, "seed": seed,
            "driver": driver, "rate": rate,
            "loop": loop or None, "lossless": lossless or None,
        }.items()
        if value is not None
    }  # fmt: skip
    settings.update(parse_pairs("--param", param or []))
    params_file = params or share_file("config/sorter.yaml")
    if not Path(params_file).is_file():
        raise InvalidInputError("--params", str(params_file), "a readable YAML file")
    if mode not in ("station", "belt"):
        raise InvalidInputError("--mode", mode, "station or belt")
    if mode == "station" and report is not None:
        raise InvalidInputError("--report", str(report), "nothing: a belt has one", "--mode belt")
    if not (settings.keys() & {"uri", "source"}) and not _names_a_source(params_file):
        settings |= {"source": "twin"} if mode == "belt" else {"uri": str(share_file(SAMPLE))}
    for option, path in (("--summary", summary), ("--report", report)):
        if path is not None:
            require_writable(option, path)
    # Only a run needs ROS; every other command works without.
    from recycle_sorter.ros.session import SessionOptions

    options = SessionOptions(str(params_file), settings, namespace, record, duration_sec)
    run_it = _run_belt if mode == "belt" else _run_station
    error = run_it(options, summary, report, quiet)
    if error:
        typer.echo(f"recycle-sorter: {error}", err=True)
        raise typer.Exit(1)


run.__doc__ = with_examples(run, _EXAMPLES)


def _run_station(
    options: SessionOptions, summary: Path | None, _report: Path | None, quiet: bool
) -> str:
    """Runs a station; returns why its source broke off, or nothing."""
    from recycle_sorter.cli.display import make_display
    from recycle_sorter.ros.session import run_session

    with make_display(quiet) as display:
        result = run_session(options, display)
        display.summary(result)
    if summary is not None:
        summary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return str(result["error"])


def _run_belt(
    options: SessionOptions, summary: Path | None, report: Path | None, quiet: bool
) -> str:
    """The same for a belt, with the account that a simulation has."""
    from recycle_sorter.cli.belt_display import make_belt_display
    from recycle_sorter.cli.belt_output import write_outputs
    from recycle_sorter.ros.belt_session import run_belt_session

    if options.settings.get("source") == "twin" and options.duration_sec:
        # So long by the belt's own time, and what is on it then has its account.
        settings = {**options.settings, "duration_sec": options.duration_sec}
        options = replace(options, settings=settings, duration_sec=0.0)
    with make_belt_display(quiet) as display:
        outcome = run_belt_session(options, display)
    write_outputs(outcome.result, "Run of a belt", json_file=summary, report=report, log=None)
    return outcome.error


def _names_a_source(params_file: Path) -> bool:
    """Whether a parameter file gives the camera node a source, so that the sample is not meant."""
    content = load_yaml(params_file)
    for node, entry in content.items() if isinstance(content, dict) else ():
        values = entry.get("ros__parameters") if isinstance(entry, dict) else None
        if not str(node).endswith(("camera_node", "*")) or not isinstance(values, dict):
            continue
        if values.get("uri") or values.get("source", "auto") != "auto":
            return True
    return False
