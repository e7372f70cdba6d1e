# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter run``: the whole graph in one process, with every decision as it falls."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.paths import share_file

SAMPLE = "samples/recyclables"

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter run   [dim]# the sample bag that ships[/dim]

recycle-sorter run --source usb --uri 0   [dim]# the first USB camera[/dim]

recycle-sorter run --uri /dev/v4l/by-id/usb-... --record out/bag   [dim]# a camera, recorded[/dim]

recycle-sorter run --uri my_bag --lossless --summary out.json   [dim]# every frame once[/dim]

recycle-sorter run --uri photos/ --engine onnxruntime -p evidence_frames=8
"""


def run(
    source: Annotated[str | None, typer.Option(help="auto, usb, video, images or bag.")] = None,
    uri: Annotated[
        str | None, typer.Option(help="Camera, file, folder or bag. Default: the sample bag.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model bundle. Default: the shipped.")] = None,
    engine: Annotated[str | None, typer.Option(help="openvino, onnxruntime or torch.")] = None,
    precision: Annotated[str | None, typer.Option(help="auto, fp32, bf16 or int8.")] = None,
    routing: Annotated[str | None, typer.Option(help="Routing file.")] = None,
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
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only the summary.")] = False,
) -> None:
    """Sort: bring the graph up, show each decision as it falls, end with a summary.

    Exit code 1 if the source broke off, 2 if something refused to start.
    """
    settings: dict[str, Any] = {
        name: value
        for name, value in {
            "source": source, "uri": uri, "model": model, "engine": engine, "precision": precision,
            "routing": routing, "driver": driver, "rate": rate,
            "loop": loop or None, "lossless": lossless or None,
        }.items()
        if value is not None
    }  # fmt: skip
    settings.update(_parse_params(param or []))
    params_file = params or share_file("config/sorter.yaml")
    if not Path(params_file).is_file():
        raise InvalidInputError("--params", str(params_file), "a readable YAML file")
    # Only a run needs ROS; every other command works without.
    from recycle_sorter.ros.session import SessionOptions, run_session

    if not (settings.keys() & {"uri", "source"}) and not _names_a_source(params_file):
        settings["uri"] = str(share_file(SAMPLE))
    from recycle_sorter.cli.display import make_display

    if summary is not None:
        _require_writable(summary)
    options = SessionOptions(str(params_file), settings, namespace, record, duration_sec)
    with make_display(quiet) as display:
        result = run_session(options, display)
        display.summary(result)
    if summary is not None:
        summary.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if result["error"]:
        typer.echo(f"recycle-sorter: {result['error']}", err=True)
        raise typer.Exit(1)


run.__doc__ = f"{run.__doc__}\n\n{_EXAMPLES}"


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


def _require_writable(path: Path) -> None:
    """Finds out before a run, not after it, that its account could not be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    except OSError as error:
        raise InvalidInputError("--summary", str(path), f"a file to write ({error})") from error


def _parse_params(pairs: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not name or not equals:
            raise InvalidInputError("--param", pair, "NAME=VALUE")
        try:
            found[name] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise InvalidInputError(f"--param {name}", text, "a YAML value") from error
    return found
