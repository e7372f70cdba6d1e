# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter simulate``: the sorting line on a belt that is not there."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recycle_sorter.cli.belt_line import opened_perception, opened_watchers
from recycle_sorter.cli.belt_options import (
    Background,
    CropsFolder,
    EngineName,
    JsonFile,
    LayoutFile,
    LogFile,
    ModelFolder,
    Overwrite,
    Precision,
    Quiet,
    RecordFolder,
    ReportFile,
    VideoFile,
)
from recycle_sorter.cli.belt_output import check_outputs, frames_progress, write_outputs
from recycle_sorter.cli.help import with_examples
from recycle_sorter.cli.pairs import parse_pairs
from recycle_sorter.core.errors import InvalidInputError

if TYPE_CHECKING:
    from recycle_sorter.twin.scenario import Scenario

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter simulate [dim]a minute of belt, 80 items, the shipped model[/dim]

recycle-sorter simulate --items-per-min 240 --report run.html --video run.mp4

recycle-sorter simulate --profile ramp --seed 7 --json - | jq .position_error_mm

recycle-sorter simulate --belt green:mesh --overlap-share 0.2 --set light.glare=0.6

recycle-sorter simulate --record belt_bag --log one.jsonl; recycle-sorter replay belt_bag

recycle-sorter simulate --cutouts my_items --model my_bundle [dim]my items, my model[/dim]

recycle-sorter simulate --cutouts my_items --crops belt_crops --crops-every 10
[dim]belt_crops/glass/..., to train on: recycle-sorter train --extra belt_crops[/dim]
"""


def simulate(
    seed: Annotated[int | None, typer.Option(min=0, help="Of all that is left to chance.")] = None,
    duration_sec: Annotated[float | None, typer.Option(help="How long the belt runs.")] = None,
    items_per_min: Annotated[float | None, typer.Option(help="Items a minute.")] = None,
    speed: Annotated[
        float | None, typer.Option(help="Belt speed, metres a second; ramps: the fastest.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="constant, ramp, stop_and_go, jog or points.")
    ] = None,
    belt: Annotated[
        str | None, typer.Option(help="Colour, texture, or colour:texture, e.g. black:rubber.")
    ] = None,
    overlap_share: Annotated[
        float | None, typer.Option(help="Share of items that overlap another, 0 to 1.")
    ] = None,
    scenario: Annotated[
        Path | None, typer.Option(help="Scenario file. Default: config/twin.yaml.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="NAME=VALUE of the scenario, e.g. light.glare=0.6; repeatable."),
    ] = None,
    layout: LayoutFile = None,
    cutouts: Annotated[
        Path | None,
        typer.Option(
            "--cutouts", "--library", help="Folder of cut-outs. Default: those that ship."
        ),
    ] = None,
    model: ModelFolder = None,
    engine: EngineName = "openvino",
    precision: Precision = "auto",
    background: Background = "",
    json_file: JsonFile = None,
    report: ReportFile = None,
    log: LogFile = None,
    record: RecordFolder = None,
    video: VideoFile = None,
    crops: CropsFolder = None,
    crops_every: Annotated[
        int, typer.Option(min=1, help="With --crops: those of each so manieth frame.")
    ] = 1,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Run the sorting line on a simulated belt, as fast as it goes, and judge the run.

    The same options give the same decisions. Without ROS; `recycle-sorter run` has nodes.
    """
    # Loaded here so that other commands need neither OpenCV nor an engine.
    from recycle_sorter.belt_run.overlay import Overlay
    from recycle_sorter.belt_run.parts import scenario_calibration, twin_diverters
    from recycle_sorter.belt_run.simulate import simulate as run_twin
    from recycle_sorter.belt_run.twin_fit import check_speed
    from recycle_sorter.belt_run.watchers import Progress, Watchers
    from recycle_sorter.config_files import load_layout
    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.paths import share_file, shipped_model
    from recycle_sorter.twin.library import SHIPPED, load_library
    from recycle_sorter.twin.scenario_file import load_scenario
    from recycle_sorter.twin.twin import Twin

    the_layout = load_layout(layout or "")
    given = _changes(seed, duration_sec, items_per_min, speed, profile, belt, overlap_share)
    given.update(parse_pairs("--set", changes or []))
    given["machine.end_m"] = the_layout.end_m
    if the_layout.motion.m_per_tick is not None:
        given["machine.m_per_tick"] = the_layout.motion.m_per_tick
    the_scenario = load_scenario(scenario, given)
    check_speed(the_scenario, the_layout)
    calibration = scenario_calibration(the_scenario, the_layout)
    twin = Twin(
        the_scenario,
        load_library(cutouts),
        twin_diverters(the_layout),
        end_bin=the_layout.routing.reject_bin,
    )
    check_outputs(json_file, report, log)
    bundle = ModelBundle.load(model or shipped_model())
    with ExitStack() as stack:
        # Opened before the model, so that a name that is taken is told at once.
        watchers = stack.enter_context(
            opened_watchers(
                record, video, crops, overwrite=overwrite, fps_hz=the_scenario.camera.fps_hz,
                overlay=Overlay(calibration, the_layout.decision_line_m), twin=twin,
                crops_every=crops_every,
                crops_source=cutouts or share_file(SHIPPED),
            )
        )  # fmt: skip
        perception, name = stack.enter_context(
            opened_perception(the_layout, calibration, bundle, engine, precision, background)
        )
        advance = stack.enter_context(frames_progress(twin.frame_count, quiet))
        about = {
            "model": name,
            "scenario": _describe(the_scenario),
            "seed": f"seed {the_scenario.seed}",
        }
        started = time.perf_counter()
        result = run_twin(
            twin, the_layout, perception, time.perf_counter_ns,
            watcher=Watchers([*watchers, Progress(advance)]), about=about,
        )  # fmt: skip
        took_sec = time.perf_counter() - started
    write_outputs(result, "Simulated belt", json_file=json_file, report=report, log=log)
    if not quiet:
        belt_sec = result.summary["duration_sec"]
        typer.echo(f"{belt_sec:.0f} s of belt in {took_sec:.1f} s", err=True)


simulate.__doc__ = with_examples(simulate, _EXAMPLES)


def _changes(
    seed: int | None,
    duration_sec: float | None,
    items_per_min: float | None,
    speed: float | None,
    profile: str | None,
    belt: str | None,
    overlap_share: float | None,
) -> dict[str, Any]:
    """What the options say, by the scenario's names."""
    from recycle_sorter.twin.scenario import COLOURS, TEXTURES

    found: dict[str, Any] = {
        "seed": seed,
        "duration_sec": duration_sec,
        "items.per_min": items_per_min,
        "items.overlap_share": overlap_share,
        "speed.kind": profile,
        "speed.speed_m_per_sec": speed,
        "speed.high_m_per_sec": speed if profile == "ramp" else None,
    }
    for part in (belt or "").split(":") if belt else ():
        if part in COLOURS:
            found["belt.colour"] = part
        elif part in TEXTURES:
            found["belt.texture"] = part
        else:
            known = ", ".join([*COLOURS, *TEXTURES])
            raise InvalidInputError("--belt", belt, f"of {known}, e.g. green:mesh")
    return {name: value for name, value in found.items() if value is not None}


def _describe(scenario: Scenario) -> str:
    speed, belt = scenario.speed, scenario.belt
    colour = belt.colour if isinstance(belt.colour, str) else "coloured"
    pace = f"{speed.speed_m_per_sec:g} m/s"
    if speed.kind == "ramp":
        pace = f"{speed.low_m_per_sec:g} to {speed.high_m_per_sec:g} m/s"
    return (
        f"{scenario.items.per_min:g} items/min, {speed.kind.replace('_', ' ')} {pace}, "
        f"{colour} {belt.texture} belt, overlaps {scenario.items.overlap_share:g}"
    )
