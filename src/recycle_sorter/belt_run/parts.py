# SPDX-License-Identifier: Apache-2.0
"""From a belt's layout to the parts that a run is put together of."""

from __future__ import annotations

from typing import Final

from recycle_sorter.belt_run.perception import BeltPerception, PerceptionConfig
from recycle_sorter.belt_run.timeline import BeltMarks
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.ports import Engine
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.classifier import MaterialClassifier
from recycle_sorter.twin.diverters import TwinDiverter
from recycle_sorter.twin.scenario import Scenario
from recycle_sorter.vision.belt_calibration import BeltCalibration
from recycle_sorter.vision.belt_shift import BeltShift
from recycle_sorter.vision.item_finder import ItemFinder

# A diverter's answer to a command; the layout's lead must cover it and the stroke.
TWIN_DELAY_SEC: Final = 0.005
# The classifier's share of a picture with four items falls by a third when they go at once; more
# at once gain nothing, and each further size takes time and memory at the start.
CROPS_AT_ONCE: Final = 4
# How much wider a layout may call the view than its calibration measured: people round.
_WIDER: Final = 1.02


def make_calibration(layout: Layout, width_px: int, height_px: int) -> BeltCalibration:
    """The calibration for pictures of a size: the layout's file, or made from its px_per_m.

    Raises:
        InvalidInputError: If the file is faulty or made for pictures of another shape, or the
            layout promises a longer or wider view than the camera has.
    """
    camera = layout.camera
    if camera.calibration:
        calibration = BeltCalibration.load(camera.calibration)
        if (calibration.width_px, calibration.height_px) != (width_px, height_px):
            calibration = calibration.scaled(width_px, height_px)
    else:
        px_per_m = camera.px_per_m or 0.0
        calibration = BeltCalibration.from_px_per_m(px_per_m, width_px, height_px, camera.direction)
    _check_view(layout, calibration)
    return calibration


def check_camera(layout: Layout) -> None:
    """Refuses what can be known to be wrong with a layout's camera before its first picture.

    Raises:
        InvalidInputError: As for ``make_calibration``.
    """
    if layout.camera.calibration:
        _check_view(layout, BeltCalibration.load(layout.camera.calibration))


def scenario_calibration(scenario: Scenario, layout: Layout) -> BeltCalibration:
    """The calibration of a twin's camera, which looks straight down.

    Raises:
        InvalidInputError: If the layout's decision line lies outside of its view, or the layout
            calls it wider than it is.
    """
    camera = scenario.camera
    calibration = BeltCalibration.from_px_per_m(
        camera.px_per_m, camera.width_px, camera.height_px, camera.direction
    )
    _check_view(layout, calibration)
    return calibration


def _check_view(layout: Layout, calibration: BeltCalibration) -> None:
    along_m, across_m = calibration.view_m
    if layout.decision_line_m > along_m:
        raise InvalidInputError(
            "decision_line_m",
            layout.decision_line_m,
            f"within what the camera sees of the belt, {along_m:.3f} m",
            "calibrate the camera again, or move the line upstream",
        )
    if layout.camera.view_width_m > across_m * _WIDER:
        raise InvalidInputError(
            "camera.view_width_m",
            layout.camera.view_width_m,
            f"what the camera sees across the belt, {across_m:.3f} m: items beside it would pass "
            "unseen",
            "mount the camera higher, turn it, or calibrate it again",
        )


def make_perception(
    layout: Layout,
    calibration: BeltCalibration,
    bundle: ModelBundle,
    engine: Engine,
    background: str = "",
) -> BeltPerception:
    """What looks at the belt's pictures.

    Args:
        layout: Its motion source says whether the pictures' shift is measured.
        calibration: Of the pictures.
        bundle: The model.
        engine: Runs it; stays the caller's to close.
        background: As of ``PerceptionConfig``; empty for the default.
    """
    config = PerceptionConfig(background=background) if background else PerceptionConfig()
    shift = None
    if layout.motion.source == "picture":
        # Two frames at 15 Hz lie so far apart at the highest speed.
        shift = BeltShift.from_calibration(calibration, layout.speed.max_m_per_sec / 15.0)
    return BeltPerception(
        ItemFinder(calibration), MaterialClassifier(bundle, engine), shift, config
    )


def bin_of(layout: Layout) -> dict[str, str]:
    """Bin by material, in the order of the layout's bins."""
    order = list(layout.routing.bins)
    rules = sorted(layout.routing.rules.values(), key=lambda rule: order.index(rule.bin))
    return {rule.material: rule.bin for rule in rules}


def make_marks(layout: Layout) -> BeltMarks:
    """What stands along the belt, for the report."""
    return BeltMarks(
        layout.camera.view_length_m,
        layout.decision_line_m,
        tuple((place.name, place.position_m) for place in layout.places),
        layout.end_m,
    )


def twin_diverters(layout: Layout, rate: float = 1.0) -> list[TwinDiverter]:
    """The layout's diverters for a twin.

    Args:
        layout: Where they stand, and how fast they are.
        rate: How much faster than the line's clock the twin's time runs. Their delay and stroke
            are of the line's clock, so the twin's takes so many times as much.
    """
    found = []
    for place in layout.places:
        spec = layout.routing.diverters[place.name]
        bins = layout.routing.bins.values()
        found.append(
            TwinDiverter(
                name=place.name,
                position_m=place.position_m,
                bins={one.name: one.position_rad for one in bins if one.diverter == place.name},
                home_rad=spec.home_rad,
                min_rad=spec.min_rad,
                max_rad=spec.max_rad,
                stroke_sec=place.stroke_sec * rate,
                delay_sec=min(TWIN_DELAY_SEC, place.lead_sec - place.stroke_sec) * rate,
            )
        )
    return found
