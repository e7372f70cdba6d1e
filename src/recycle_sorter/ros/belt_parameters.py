# SPDX-License-Identifier: Apache-2.0
"""The parameters of a belt's nodes; see ``parameters.py``."""

from __future__ import annotations

from typing import Final

from recycle_sorter.ros.parameters import (
    ACTUATOR,
    CAMERA,
    CLASSIFIER,
    Param,
    choose,
)

_LAYOUT: Final = Param("layout", "", "file of the belt's layout; empty takes the shipped one")
_PLAYED: Final = choose(
    CAMERA,
    "rate", "lossless", "frame_id", "wait_for_graph_sec", "wait_for_listeners", "ack_timeout_sec",
    "jpeg_quality",
)  # fmt: skip

BELT_CLASSIFIER = (
    *choose(CLASSIFIER, "model", "engine", "precision", "threads"),
    _LAYOUT,
    Param(
        "background",
        "auto",
        "what the network sees around an item; auto takes what serves best",
        choices=("auto", "keep", "plain"),
    ),
    *choose(CLASSIFIER, "lossless"),
)

BELT_ACTUATOR = (
    _LAYOUT,
    *choose(ACTUATOR, "driver", "enabled"),
    Param("tick_hz", 250.0, "commands leave within half a period of it of their time", 1.0, 1000.0),
    Param("max_age_sec", 0.5, "older or newer stamps are refused", 0.01, 3600.0),
    Param("own_clock", True, "stamps are of this machine's clock, or of one kept in step with it"),
    *choose(ACTUATOR, "lossless"),
)

TWIN = (
    Param("scenario", "", "file of what the twin shows; empty takes the shipped one"),
    _LAYOUT,
    Param("cutouts", "", "folder of the items' pictures; empty takes the shipped one"),
    Param("seed", -1, "seed of the scenario; -1 leaves the file's", -1, 2**31 - 1),
    Param("duration_sec", 0.0, "how long the belt runs; 0 leaves the file's", 0.0, 86400.0),
    Param("encoder_hz", 200.0, "how often the encoder tells its count", 1.0, 1000.0),
    *_PLAYED,
)

BELT_BAG = (
    *choose(CAMERA, "uri", "topic"),
    *_PLAYED,
)

BELT_TABLES: dict[str, tuple[Param, ...]] = {
    "belt_classifier_node": BELT_CLASSIFIER,
    "belt_actuator_node": BELT_ACTUATOR,
    "twin_node": TWIN,
    "belt_bag_node": BELT_BAG,
}
