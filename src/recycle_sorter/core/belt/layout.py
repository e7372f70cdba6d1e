# SPDX-License-Identifier: Apache-2.0
"""Where things stand along the belt: view, decision line, diverters, end.

``layout_file.parse_layout`` builds a ``Layout`` from a file's mapping. Places are metres downstream
from the upstream edge of the camera's view.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from recycle_sorter.core.routing import Routing

Direction = Literal["right", "left", "down", "up"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("right", "left", "down", "up")
"""Where in the picture a belt may travel to."""


@dataclass(frozen=True, slots=True)
class CameraLayout:
    """What the camera sees of the belt.

    Attributes:
        view_length_m: Length of the view along the belt, metres, above 0.
        view_width_m: Its width across, metres, above 0.
        px_per_m: Pixels per metre of belt where there is no calibration; None if there is one.
        direction: Which way the belt travels in the picture: ``"right"``, ``"left"``, ``"down"``
            or ``"up"``; a calibration says it itself.
        calibration: File of the belt's calibration; empty where ``px_per_m`` is given.
    """

    view_length_m: float
    view_width_m: float
    px_per_m: float | None = None
    direction: str = "right"
    calibration: str = ""


@dataclass(frozen=True, slots=True)
class SpeedLimits:
    """How fast the belt travels forward: from 0 up to ``max_m_per_sec``, metres per second."""

    min_m_per_sec: float
    max_m_per_sec: float


@dataclass(frozen=True, slots=True)
class MotionLayout:
    """Where the belt's motion comes from.

    Attributes:
        source: ``"encoder"``, ``"speed"`` or ``"picture"``.
        timeout_sec: Silence after which the motion is unknown, seconds, above 0.
        m_per_tick: Belt travel of one encoder tick, metres, above 0; None for other sources.
        wrap_bits: Width of the encoder's counter, bits; 0 for one that never wraps.
        speed_m_per_sec: Constant speed of source ``"speed"``; None if a topic tells it.
    """

    source: str
    timeout_sec: float
    m_per_tick: float | None = None
    wrap_bits: int = 0
    speed_m_per_sec: float | None = None


@dataclass(frozen=True, slots=True)
class DiverterPlace:
    """One diverter's place and timing on the belt.

    Attributes:
        name: As in ``Routing.diverters``.
        position_m: Where an item's centre lies when the diverter must be in position, metres.
        lead_sec: How long before that its command is issued, seconds; at least its stroke
            and the layout's tolerance, so that it is in position even if late within that.
        stroke_sec: From one end of its reach to the other, seconds.
        dwell_sec: How long it stays out, seconds.
    """

    name: str
    position_m: float
    lead_sec: float
    stroke_sec: float
    dwell_sec: float

    @property
    def hold_sec(self) -> float:
        """From a command until the diverter is free to go elsewhere."""
        return self.stroke_sec + self.dwell_sec

    @property
    def away_sec(self) -> float:
        """From a command until the diverter is home again."""
        return 2.0 * self.stroke_sec + self.dwell_sec


@dataclass(frozen=True, slots=True)
class ConflictRule:
    """Which of two items gets a diverter that both want in different positions.

    Attributes:
        rule: ``"value_then_confidence"``, ``"confidence_then_value"`` or ``"first"`` (downstream).
        values: Worth of a material, 0 or more; one that is not named is worth 1.
    """

    rule: str
    values: Mapping[str, float]

    def value(self, material: str) -> float:
        """Worth of a material."""
        return self.values.get(material, 1.0)


@dataclass(frozen=True, slots=True)
class Layout:
    """A checked belt: ``layout_file.parse_layout`` builds it.

    Attributes:
        routing: Materials, bins and diverters.
        camera: What is seen.
        decision_line_m: An item is decided when its centre crosses this, metres.
        end_m: Where items leave the machine, metres.
        speed: How fast the belt may travel.
        motion: Where its motion comes from.
        places: The diverters, downstream.
        conflict: Who wins a diverter.
        tolerance_sec: A command that would be issued later than this after its time is late:
            the item is missed, seconds, above 0.
        reserve_sec: From a picture until its decision, at most, seconds.
    """

    routing: Routing
    camera: CameraLayout
    decision_line_m: float
    end_m: float
    speed: SpeedLimits
    motion: MotionLayout
    places: tuple[DiverterPlace, ...]
    conflict: ConflictRule
    tolerance_sec: float
    reserve_sec: float

    def place(self, diverter: str) -> DiverterPlace:
        """The place of a diverter.

        Raises:
            KeyError: If there is no such diverter.
        """
        for place in self.places:
            if place.name == diverter:
                return place
        raise KeyError(diverter)
