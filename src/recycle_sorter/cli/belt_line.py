# SPDX-License-Identifier: Apache-2.0
"""What ``simulate`` and ``replay`` run: who looks at the belt, and who looks on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from recycle_sorter.core.errors import SorterError

if TYPE_CHECKING:
    from recycle_sorter.belt_run.overlay import Overlay
    from recycle_sorter.belt_run.perception import BeltPerception
    from recycle_sorter.belt_run.runner import Watcher
    from recycle_sorter.belt_run.watchers import CropFolder
    from recycle_sorter.core.belt.layout import Layout
    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.twin.twin import Twin
    from recycle_sorter.vision.belt_calibration import BeltCalibration

_OF_A_TWIN = "crops of simulated belts with"


@contextmanager
def opened_watchers(
    record: Path | None,
    video: Path | None,
    crops: Path | None,
    *,
    overwrite: bool,
    fps_hz: float,
    overlay: Overlay,
    twin: Twin | None = None,
    crops_every: int = 1,
    crops_source: Path | None = None,
) -> Iterator[list[Watcher]]:
    """Yields those that write what they see of a run; its files are whole afterwards.

    Args:
        record: Folder of the bag to record.
        video: File of the film.
        crops: Folder of the items' pictures.
        overwrite: Whether ``record`` may stand already.
        fps_hz: Pace of the film.
        overlay: Draws on its frames.
        twin: Whose belt it is, if it is one's.
        crops_every: Crops of each so manieth frame.
        crops_source: Folder of what the crops are made of, for their credit.

    Raises:
        SorterError: If a name is taken, or cannot be written.
    """
    from recycle_sorter.belt_run.overlay import FilmWriter
    from recycle_sorter.belt_run.watchers import Bag, CropFolder, Film
    from recycle_sorter.credit_file import check_credits
    from recycle_sorter.sources.belt_bag_writer import BeltBagWriter

    watchers: list[Watcher] = []
    bag = None
    with ExitStack() as stack:
        if record is not None:
            bag = Bag(stack.enter_context(BeltBagWriter(record, overwrite=overwrite)), twin)
            watchers.append(bag)
        if video is not None:
            watchers.append(Film(stack.enter_context(FilmWriter(video, fps_hz)), overlay))
        if crops is not None:
            folder = CropFolder(crops, twin, crops_every)
            watchers.append(folder)
            if crops_source is not None:
                check_credits(crops)
                # Also after a run that broke off: what it wrote is somebody's too.
                how = "crops of what was recorded in" if twin is None else _OF_A_TWIN
                stack.callback(_credit_crops, folder, crops, crops_source, how)
        yield watchers
        if bag is not None:
            bag.finish()


def _credit_crops(written: CropFolder, crops: Path, source: Path, how: str) -> None:
    """Says what crops are made of; of a folder that got none, nothing is claimed."""
    from recycle_sorter.credit_file import copy_licences, write_credits
    from recycle_sorter.ml.provenance import made_from

    if not written.written:
        return
    try:
        write_credits(crops, [made_from(source, how)])
        copy_licences(source, crops)
    except SorterError as error:  # the run's account is worth more
        typer.echo(f"no credit was written: {error}", err=True)


@contextmanager
def opened_perception(
    layout: Layout,
    calibration: BeltCalibration,
    bundle: ModelBundle,
    engine: str,
    precision: str,
    background: str,
) -> Iterator[tuple[BeltPerception, str]]:
    """Yields what looks at a belt's pictures, and the model's name for the report.

    Args:
        layout: Of the line.
        calibration: Of the pictures.
        bundle: The model.
        engine: Runs it; as for ``create_engine``.
        precision: Likewise.
        background: As for ``make_perception``.

    Raises:
        SorterError: If the engine cannot run the model.
    """
    from recycle_sorter.belt_run.parts import CROPS_AT_ONCE, make_perception
    from recycle_sorter.inference.factory import create_engine

    runner = create_engine(engine, bundle, precision, batch=CROPS_AT_ONCE)
    try:
        name = f"{bundle.model_id} on {runner.name} ({runner.precision})"
        yield make_perception(layout, calibration, bundle, runner, background), name
    finally:
        runner.close()
