# SPDX-License-Identifier: Apache-2.0
"""A small twin whose items the tiny model names right: shapes of its colours."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from recycle_sorter.belt_run.parts import (
    make_perception,
    scenario_calibration,
    twin_diverters,
)
from recycle_sorter.belt_run.perception import BeltPerception
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.ports import Engine
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.fake_engine import FakeEngine
from recycle_sorter.twin.cutouts import write_library
from recycle_sorter.twin.library import Cutout, load_library
from recycle_sorter.twin.scenario_file import load_scenario
from recycle_sorter.twin.twin import Twin
from support.bundles import COLOURS_RGB, SIZE_PX, score


def make_cutouts(folder: Path, *materials: str) -> Path:
    """Writes a library of one ellipse and one box a material, in the tiny model's colours."""
    made = []
    for material in materials or COLOURS_RGB:
        blue_green_red = COLOURS_RGB[material][::-1]
        for shape in ("ellipse", "box"):
            pixels = np.zeros((64, 96, 4), np.uint8)
            if shape == "ellipse":
                cv2.ellipse(pixels, (48, 32), (44, 26), 0, 0, 360, (*blue_green_red, 255), -1)
            else:
                cv2.rectangle(pixels, (8, 12), (88, 52), (*blue_green_red, 255), -1)
            made.append(Cutout(pixels, material, f"{material}_{shape}", 0.08))
    write_library(folder, made)
    return folder


def make_twin(cutouts: Path, **changes: object) -> tuple[Twin, Layout]:
    """A twin on the shipped layout, its camera half as fine as the shipped scenario's.

    Args:
        cutouts: Folder of ``make_cutouts``.
        **changes: Values of the scenario, ``__`` for the dot: ``items__per_min=120``.
    """
    layout = load_layout()
    given: dict[str, object] = {
        "machine.end_m": layout.end_m,
        "duration_sec": 7.0,
        "items.empty_sec": 2.0,
        "items.per_min": 100.0,
        "camera.width_px": 320,
        "camera.height_px": 240,
        "camera.px_per_m": 400.0,
        "belt.texture": "plain",
    }
    given.update({name.replace("__", "."): value for name, value in changes.items()})
    scenario = load_scenario(None, given)
    diverters = twin_diverters(layout)
    return Twin(scenario, load_library(cutouts), diverters, layout.routing.reject_bin), layout


def tiny_perception(twin: Twin, layout: Layout, bundle: Path) -> BeltPerception:
    """Sees with the tiny model's rule, computed in numpy."""
    engine: Engine = FakeEngine((3, SIZE_PX, SIZE_PX), score)
    calibration = scenario_calibration(twin.scenario, layout)
    return make_perception(layout, calibration, ModelBundle.load(bundle), engine)
