# SPDX-License-Identifier: Apache-2.0
"""A valid routing and the classifications to feed it, for tests of the deciding half."""

from __future__ import annotations

from typing import Any

from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.routing import Routing
from recycle_sorter.core.routing_file import parse_routing
from recycle_sorter.core.types import (
    NS_PER_SEC,
    Classification,
    PlannedCommand,
    Reason,
    SortDecision,
)

START_NS = 1_700_000_000 * NS_PER_SEC
FRAME_NS = NS_PER_SEC // 30


def sec(seconds: float) -> int:
    """Seconds as nanoseconds."""
    return round(seconds * NS_PER_SEC)


def routing_data(delay_sec: float = 0.0) -> dict[str, Any]:
    """A valid routing as a file gives it: two flaps, five bins, the limits of ``trash`` at 0."""
    flap = {
        "home_rad": 0.0,
        "min_rad": -0.8,
        "max_rad": 0.8,
        "stroke_sec": 0.16,
        "dwell_sec": 0.3,
        "delay_sec": delay_sec,
    }
    return {
        "diverters": [{"name": "flap_1", **flap}, {"name": "flap_2", **flap}],
        "bins": [
            {"name": "fibre", "diverter": "flap_1", "position_rad": -0.6},
            {"name": "glass", "diverter": "flap_1", "position_rad": 0.6},
            {"name": "metal", "diverter": "flap_2", "position_rad": -0.6},
            {"name": "plastic", "diverter": "flap_2", "position_rad": 0.6},
            {"name": "residue", "diverter": ""},
        ],
        "reject_bin": "residue",
        "defaults": {"min_confidence": 0.5, "min_margin": 0.1},
        "materials": {
            "cardboard": {"bin": "fibre"},
            "glass": {"bin": "glass", "min_confidence": 0.7},
            "metal": {"bin": "metal"},
            "paper": {"bin": "fibre", "min_margin": 0.3},
            "plastic": {"bin": "plastic"},
            "trash": {"bin": "residue", "min_confidence": 0.0, "min_margin": 0.0},
        },
    }


def routing(delay_sec: float = 0.0) -> Routing:
    """``routing_data``, checked."""
    return parse_routing(routing_data(delay_sec))


def sure(material: str, confidence: float = 0.95) -> tuple[float, ...]:
    """Probabilities in the order of ``MATERIALS``; the others share the rest."""
    rest = (1.0 - confidence) / (len(MATERIALS) - 1)
    return tuple(confidence if name == material else rest for name in MATERIALS)


def item(stamp_ns: int, material: str = "glass", confidence: float = 0.95) -> Classification:
    """A frame that shows an item."""
    return Classification(stamp_ns, True, MATERIALS, sure(material, confidence), "test")


def empty(stamp_ns: int) -> Classification:
    """A frame of the empty board."""
    return Classification(stamp_ns, False, MATERIALS, (), "test")


def decision(item_id: int = 1, stamp_ns: int = START_NS, bin: str = "glass") -> SortDecision:  # noqa: A002
    """A decision."""
    return SortDecision(stamp_ns, item_id, "glass", 0.9, bin, Reason.ACCEPTED, "glass 0.90", 5)


def command(
    diverter: str = "flap_1",
    position_rad: float = 0.6,
    item_id: int = 1,
    dwell_sec: float = 0.3,
) -> PlannedCommand:
    """A command to be executed at once."""
    return PlannedCommand(decision(item_id), diverter, position_rad, START_NS, dwell_sec)
