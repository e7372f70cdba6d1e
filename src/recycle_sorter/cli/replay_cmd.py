# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter replay``: the sorting line on a recorded belt."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from recycle_sorter.core.errors import SourceError

if TYPE_CHECKING:
    from recycle_sorter.sources.bag import BagSource

_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter replay belt_bag

recycle-sorter replay belt_bag --report replay.html --video replay.mp4

recycle-sorter replay belt_bag --log one.jsonl; recycle-sorter replay belt_bag --log two.jsonl;
cmp one.jsonl two.jsonl [dim]lossless: the same decisions[/dim]

recycle-sorter replay line.mcap --topic lane2/camera/image_raw --layout lane2.yaml --json -
"""


def replay(
    bag: Annotated[Path, typer.Argument(help="rosbag2 folder or .mcap: pictures and encoder.")],
    topic: Annotated[str, typer.Option(help="Image topic. Default: the first.")] = "",
    layout: LayoutFile = None,
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
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Run the sorting line on a recorded belt: every frame once, and the same each time.

    The bag needs pictures, and a BeltEncoder topic unless the layout takes the belt's motion from
    elsewhere. With BeltTruth in it the run is judged. Without ROS.
    """
    # Loaded here so that other commands need neither OpenCV nor an engine.
    from recycle_sorter.belt_run.overlay import Overlay
    from recycle_sorter.belt_run.parts import make_calibration
    from recycle_sorter.belt_run.replay import replay as run_bag
    from recycle_sorter.belt_run.watchers import Progress, Watchers
    from recycle_sorter.config_files import load_layout
    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.paths import shipped_model
    from recycle_sorter.sources.bag import BagSource
    from recycle_sorter.sources.belt_bag import read_belt

    the_layout = load_layout(layout or "")
    check_outputs(json_file, report, log)
    bundle = ModelBundle.load(model or shipped_model())
    with ExitStack() as stack:
        source = BagSource(bag, topic)
        stack.callback(source.close)
        recording = read_belt(bag, source.topic)
        width_px, height_px, fps_hz = _look_at(source)
        calibration = make_calibration(the_layout, width_px, height_px)
        watchers = stack.enter_context(
            opened_watchers(
                record, video, crops, overwrite=overwrite, fps_hz=fps_hz,
                overlay=Overlay(calibration, the_layout.decision_line_m),
                crops_source=bag,
            )
        )  # fmt: skip
        perception, name = stack.enter_context(
            opened_perception(the_layout, calibration, bundle, engine, precision, background)
        )
        advance = stack.enter_context(frames_progress(source.frame_count, quiet))
        result = run_bag(
            source, recording, the_layout, perception, time.perf_counter_ns,
            watcher=Watchers([*watchers, Progress(advance)]),
            about={"model": name, "bag": f"{bag.name}, {source.topic}"},
        )  # fmt: skip
    for notice in (*source.notices, *recording.notices):
        typer.echo(notice, err=True)
    write_outputs(result, f"Replay of {bag.name}", json_file=json_file, report=report, log=log)


replay.__doc__ = with_examples(replay, _EXAMPLES)


def _look_at(source: BagSource) -> tuple[int, int, float]:
    """Width, height and pace of a bag's frames; the bag stands at its start again."""
    first, second = source.read(), source.read()
    if first is None:
        raise SourceError(f"bag {source.name} has no picture on {source.topic}")
    source.reopen()
    height_px, width_px = first.pixels.shape[:2]
    step_ns = second.stamp_ns - first.stamp_ns if second is not None else 0
    return width_px, height_px, min(240.0, 1e9 / step_ns) if step_ns > 0 else 30.0
