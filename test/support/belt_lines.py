# SPDX-License-Identifier: Apache-2.0
"""A valid belt layout, decisions, and belts that travel as told, for tests of schedule and line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from recycle_sorter.core.belt.history import Prediction
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.layout_file import parse_layout
from recycle_sorter.core.belt.types import Detection, Observation
from recycle_sorter.core.errors import DriverError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.core.types import Reason, SortDecision
from support.sorting import START_NS, sec, sure

TICK_SEC = 0.004


def layout_data() -> dict[str, Any]:
    """A valid belt as a file gives it: a flap of two bins, two of one bin, the end."""
    flap = {"lead_sec": 0.04, "home_rad": 0.0, "min_rad": -0.6, "max_rad": 0.6,
            "stroke_sec": 0.02, "dwell_sec": 0.05}  # fmt: skip
    return {
        "camera": {"view_length_m": 0.8, "view_width_m": 0.6, "px_per_m": 800.0},
        "decision_line_m": 0.7,
        "end_m": 2.0,
        "speed": {"min_m_per_sec": 0.0, "max_m_per_sec": 1.0},
        "motion": {"source": "encoder", "m_per_tick": 0.0005, "timeout_sec": 0.5},
        "diverters": [
            {"name": "flap_1", "position_m": 1.0, **flap},
            {"name": "flap_2", "position_m": 1.3, **flap},
            {"name": "flap_3", "position_m": 1.6, **flap},
        ],
        "bins": [
            {"name": "fibre", "diverter": "flap_1", "position_rad": -0.6},
            {"name": "glass", "diverter": "flap_1", "position_rad": 0.6},
            {"name": "metal", "diverter": "flap_2", "position_rad": 0.6},
            {"name": "plastic", "diverter": "flap_3", "position_rad": 0.6},
            {"name": "residue", "diverter": ""},
        ],
        "reject_bin": "residue",
        "defaults": {"min_confidence": 0.4, "min_margin": 0.1},
        "materials": {
            "cardboard": {"bin": "fibre"},
            "glass": {"bin": "glass"},
            "metal": {"bin": "metal"},
            "paper": {"bin": "fibre"},
            "plastic": {"bin": "plastic"},
            "trash": {"bin": "residue", "min_confidence": 0.0, "min_margin": 0.0},
        },
        "conflict": {"rule": "value_then_confidence", "values": {"metal": 3.0, "glass": 2.0}},
        "tolerance_sec": 0.01,
    }


def layout(**changes: Any) -> Layout:
    """``layout_data``, changed at the top, checked."""
    return parse_layout({**layout_data(), **changes})


BIN_OF = {"glass": "glass", "metal": "metal", "plastic": "plastic", "paper": "fibre",
          "trash": "residue"}  # fmt: skip


def decided(item_id: int, material: str = "glass", confidence: float = 0.9) -> SortDecision:
    """A decision for the material's bin."""
    return SortDecision(
        START_NS, item_id, material, confidence, BIN_OF[material], Reason.ACCEPTED, "sure", 5
    )


@dataclass
class Belt:
    """A belt whose speed runs straight from point to point ``(seconds, m/s)``, then stays."""

    points: Sequence[tuple[float, float]]

    def speed_at(self, at_sec: float) -> tuple[float, float]:
        """Speed and acceleration."""
        for (from_sec, low), (to_sec, high) in pairwise(self.points):
            if from_sec <= at_sec < to_sec:
                slope = (high - low) / (to_sec - from_sec)
                return low + slope * (at_sec - from_sec), slope
        return self.points[-1][1], 0.0

    def position_at(self, at_sec: float) -> float:
        """Metres travelled since 0 s."""
        position_m = 0.0
        for (from_sec, low), (to_sec, high) in pairwise(self.points):
            end_sec = min(at_sec, to_sec)
            if end_sec <= from_sec:
                return position_m
            speed = low + (high - low) * (end_sec - from_sec) / (to_sec - from_sec)
            position_m += 0.5 * (low + speed) * (end_sec - from_sec)
        last_sec, last = self.points[-1]
        return position_m + last * max(0.0, at_sec - last_sec)

    def predict(self, at_sec: float) -> Prediction:
        """The belt as a perfect encoder knows it."""
        speed, slope = self.speed_at(at_sec)
        return Prediction(START_NS + sec(at_sec), self.position_at(at_sec), speed, slope, 1.0)


def steady(speed_m_per_sec: float = 0.5) -> Belt:
    """A belt that never changes its speed."""
    return Belt([(0.0, speed_m_per_sec)])


@dataclass
class FakeDriver:
    """Takes a stroke for every movement; remembers them; fails while told to."""

    diverters: tuple[str, ...] = ("flap_1", "flap_2", "flap_3")
    stroke_sec: float = 0.02
    is_broken: bool = False
    moves: list[tuple[str, float, int]] = field(default_factory=list)
    is_closed: bool = False

    def move(self, diverter: str, position_rad: float, now_ns: int) -> int:
        """Notes the movement."""
        if self.is_broken:
            raise DriverError(f"{diverter} does not answer")
        self.moves.append((diverter, position_rad, now_ns))
        return now_ns + sec(self.stroke_sec)

    def home(self, now_ns: int) -> int:
        """Moves all home."""
        return max(self.move(name, 0.0, now_ns) for name in self.diverters)

    def position_rad(self, diverter: str, now_ns: int) -> float:
        """The last target."""
        targets = [angle for name, angle, _ in self.moves if name == diverter]
        return targets[-1] if targets else 0.0

    def close(self) -> None:
        """Notes it."""
        self.is_closed = True


@dataclass(frozen=True)
class Thing:
    """What lies on a belt: its place, and what the network says of it."""

    s_m: float
    material: str = "glass"
    y_m: float = 0.0
    length_m: float = 0.05
    confidence: float = 0.9
    is_touching: bool = False


VIEW_M = 0.8


def picture(
    things: Sequence[Thing], position_m: float, stamp_ns: int, shift_m: float | None = None
) -> Observation:
    """What a faultless item finder and network say of a belt at a position."""
    detections = []
    for thing in things:
        low_m = max(0.0, thing.s_m - thing.length_m / 2 + position_m)
        high_m = min(VIEW_M, thing.s_m + thing.length_m / 2 + position_m)
        if high_m - low_m < 0.01:
            continue
        is_whole = high_m - low_m > thing.length_m - 1e-9
        long_m, short_m = max(high_m - low_m, 0.04), min(high_m - low_m, 0.04)
        detections.append(
            Detection(
                (0, 0, 10, 10),
                ((low_m + high_m) / 2, thing.y_m),
                (long_m, short_m),
                long_m * short_m,
                is_whole,
                thing.is_touching,
                sure(thing.material, thing.confidence),
                (low_m, high_m),
            )
        )
    return Observation(stamp_ns, tuple(detections), MATERIALS, "test", shift_m)
