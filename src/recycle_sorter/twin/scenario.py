# SPDX-License-Identifier: Apache-2.0
"""What a simulated line shows: plain, checked values. ``config/twin.yaml`` explains each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from recycle_sorter.core import checks
from recycle_sorter.core.belt.layout import DIRECTIONS
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.speed import SpeedSpec

# A fixed epoch: stamp 0 would read as "unset", and the present would differ every run.
START_NS = 1_700_000_000 * NS_PER_SEC
TEXTURES = ("plain", "rubber", "mesh", "dirty")
COLOURS: Mapping[str, tuple[float, float, float]] = {
    "black": (46, 47, 50),
    "grey": (112, 116, 120),
    "white": (205, 206, 203),
    "green": (38, 104, 74),
    "blue": (44, 92, 150),
}


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """The camera above the belt.

    Attributes:
        width_px: Width of the frames.
        height_px: Height of the frames.
        fps_hz: Frames a second.
        px_per_m: Pixels a metre of belt.
        direction: Where in the picture the belt travels to.
        exposure_sec: Exposure; times the belt's speed it is the length of the motion blur.
        focus_blur_px: Standard deviation of the blur of a lens out of focus.
        noise_levels: Standard deviation of the sensor's noise, grey levels of 255.
    """

    width_px: int = 640
    height_px: int = 480
    fps_hz: float = 30.0
    px_per_m: float = 800.0
    direction: str = "right"
    exposure_sec: float = 0.002
    focus_blur_px: float = 0.5
    noise_levels: float = 1.5

    def __post_init__(self) -> None:
        checks.whole("camera.width_px", self.width_px, 64, 4096)
        checks.whole("camera.height_px", self.height_px, 64, 4096)
        checks.number("camera.fps_hz", self.fps_hz, 1.0, 240.0)
        checks.number("camera.px_per_m", self.px_per_m, 50.0, 10_000.0)
        checks.one_of("camera.direction", self.direction, DIRECTIONS)
        checks.number("camera.exposure_sec", self.exposure_sec, 0.0, 1.0 / self.fps_hz)
        checks.number("camera.focus_blur_px", self.focus_blur_px, 0.0, 8.0)
        checks.number("camera.noise_levels", self.noise_levels, 0.0, 30.0)

    @property
    def along_px(self) -> int:
        """Size of the picture along the belt."""
        return self.width_px if self.direction in ("right", "left") else self.height_px

    @property
    def across_px(self) -> int:
        """Size of the picture across the belt."""
        return self.height_px if self.direction in ("right", "left") else self.width_px

    @property
    def view_m(self) -> tuple[float, float]:
        """What the picture shows of the belt: along and across, metres."""
        return self.along_px / self.px_per_m, self.across_px / self.px_per_m


@dataclass(frozen=True, slots=True)
class ItemsSpec:
    """The items on the belt.

    Attributes:
        count: How many; None for as many as ``duration_sec`` of the scenario brings.
        per_min: Items a minute at the mean speed of the profile, where sizes leave room.
        min_gap_m: Free belt from the end of one to the front of the next.
        jitter: Spread of the spacing, 0 (even) to 1.
        overlap_share: Share of items that overlap another.
        size_m: Shortest and longest length; None for the library's own lengths.
        across: Share of the belt's width over which items are spread, 0 for the middle.
        is_rotated: Whether items lie in any direction.
        materials: Weight of each material; empty for all of the library alike.
        empty_sec: Empty belt at the start, from which a finder learns it.
    """

    count: int | None = None
    per_min: float = 80.0
    min_gap_m: float = 0.03
    jitter: float = 0.5
    overlap_share: float = 0.0
    size_m: tuple[float, float] | None = None
    across: float = 0.8
    is_rotated: bool = True
    materials: Mapping[str, float] = field(default_factory=dict)
    empty_sec: float = 2.0

    def __post_init__(self) -> None:
        if self.count is not None:
            checks.whole("items.count", self.count, 0, 1_000_000)
        checks.number("items.per_min", self.per_min, 0.1, 10_000.0)
        checks.number("items.min_gap_m", self.min_gap_m, 0.0, 10.0)
        checks.number("items.jitter", self.jitter, 0.0, 1.0)
        checks.number("items.overlap_share", self.overlap_share, 0.0, 1.0)
        checks.number("items.across", self.across, 0.0, 1.0)
        checks.number("items.empty_sec", self.empty_sec, 0.0, 600.0)
        if self.size_m is not None:
            low, high = checks.numbers("items.size_m", self.size_m, 2, 0.01, 1.0)
            if low > high:
                raise InvalidInputError("items.size_m", self.size_m, "the shorter length first")
        for name, weight in self.materials.items():
            checks.number(f"items.materials.{name}", weight, 0.0, 1e6)
        if self.materials and not any(self.materials.values()):
            raise InvalidInputError("items.materials", dict(self.materials), "a weight above 0")


@dataclass(frozen=True, slots=True)
class BeltSpec:
    """The belt's looks.

    Attributes:
        width_m: Width between the side guards; wider than the view, and none are seen.
        colour: A name of ``COLOURS``, or red, green and blue, 0 to 255.
        texture: A name of ``TEXTURES``.
    """

    width_m: float = 0.55
    colour: str | tuple[float, float, float] = "black"
    texture: str = "rubber"

    def __post_init__(self) -> None:
        checks.number("belt.width_m", self.width_m, 0.05, 5.0)
        checks.one_of("belt.texture", self.texture, TEXTURES)
        if isinstance(self.colour, str):
            checks.one_of("belt.colour", self.colour, tuple(COLOURS))
        else:
            checks.numbers("belt.colour", self.colour, 3, 0.0, 255.0)

    @property
    def rgb(self) -> tuple[float, float, float]:
        """Red, green and blue, 0 to 255."""
        return COLOURS[self.colour] if isinstance(self.colour, str) else self.colour


@dataclass(frozen=True, slots=True)
class LightSpec:
    """The light on the belt.

    Attributes:
        gain: Brightness, 1 as the cut-outs have it.
        colour: Gain of red, green and blue.
        glare: Strength of the lamp's reflection, which stands still, 0 to 1.
        drift: Slow change of brightness, either way, relative.
        drift_period_sec: How long one slow change there and back takes.
        flicker: Change of brightness by the mains, either way, relative.
        flicker_hz: Frequency of that change (twice the mains').
    """

    gain: float = 1.0
    colour: tuple[float, float, float] = (1.0, 1.0, 1.0)
    glare: float = 0.25
    drift: float = 0.03
    drift_period_sec: float = 60.0
    flicker: float = 0.01
    flicker_hz: float = 100.3

    def __post_init__(self) -> None:
        checks.number("light.gain", self.gain, 0.05, 4.0)
        checks.numbers("light.colour", self.colour, 3, 0.1, 3.0)
        checks.number("light.glare", self.glare, 0.0, 1.0)
        checks.number("light.drift", self.drift, 0.0, 0.9)
        checks.number("light.drift_period_sec", self.drift_period_sec, 1.0, 1e6)
        checks.number("light.flicker", self.flicker, 0.0, 0.5)
        checks.number("light.flicker_hz", self.flicker_hz, 0.0, 1e5)


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """What is on the machine beside camera and belt.

    Attributes:
        m_per_tick: Belt a tick of the encoder.
        end_m: Where items leave the machine, from the view's upstream edge.
        jitter_sec: Standard deviation of the diverters' delay, cut off at twice that.
    """

    m_per_tick: float = 0.0005
    end_m: float = 2.5
    jitter_sec: float = 0.001

    def __post_init__(self) -> None:
        checks.number("machine.m_per_tick", self.m_per_tick, 1e-6, 0.1)
        checks.number("machine.end_m", self.end_m, 0.05, 1000.0)
        checks.number("machine.jitter_sec", self.jitter_sec, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run of the twin; the same scenario gives the same run.

    Attributes:
        seed: Of everything that is left to chance.
        duration_sec: How long it runs; None until the last of ``items.count`` has left.
        camera: The camera above the belt.
        items: The items on it.
        belt: The belt's looks.
        light: The light on it.
        speed: How it runs.
        machine: Encoder, diverters and end.
    """

    seed: int = 1
    duration_sec: float | None = 60.0
    camera: CameraSpec = field(default_factory=CameraSpec)
    items: ItemsSpec = field(default_factory=ItemsSpec)
    belt: BeltSpec = field(default_factory=BeltSpec)
    light: LightSpec = field(default_factory=LightSpec)
    speed: SpeedSpec = field(default_factory=SpeedSpec)
    machine: MachineSpec = field(default_factory=MachineSpec)

    def __post_init__(self) -> None:
        checks.whole("seed", self.seed, 0, 2**63 - 1)
        if self.duration_sec is not None:
            checks.number("duration_sec", self.duration_sec, 0.1, 7 * 24 * 3600.0)
        elif self.items.count is None:
            raise InvalidInputError(
                "duration_sec", None, "a duration or items.count", "give one of the two"
            )
