# SPDX-License-Identifier: Apache-2.0
"""Commands to the twin: held as long as they say, and by the clock of whoever gives them."""

from __future__ import annotations

import math

import pytest
from support.twin_data import library, scenario

from recycle_sorter.belt_run.parts import twin_diverters
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.twin.commands import TwinCommands
from recycle_sorter.twin.twin import Twin

LAYOUT = load_layout()
PLACE = LAYOUT.places[0]
OUT_RAD = next(b.position_rad for b in LAYOUT.routing.bins.values() if b.diverter == PLACE.name)
BIN = next(b.name for b in LAYOUT.routing.bins.values() if b.diverter == PLACE.name)


def made(rate: float = 1.0) -> tuple[Twin, TwinCommands]:
    diverters = twin_diverters(LAYOUT, rate)
    chosen = scenario(
        items__count=4, items__min_gap_m=0.4, machine__end_m=2.5, machine__jitter_sec=0.0
    )
    twin = Twin(chosen, library(), diverters, "residue")
    return twin, TwinCommands(twin, diverters, rate)


@pytest.mark.parametrize("rate", [0.25, 0.5, 1.0, 2.0, 4.0])
def test_a_command_by_the_lead_serves_at_every_rate(rate: float) -> None:
    twin, commands = made(rate)
    lead_ns = round(PLACE.lead_sec * rate * NS_PER_SEC)  # by the line's clock it is lead_sec
    for item in twin.items[::2]:
        there_ns = twin.arrival_ns(item, PLACE.position_m)
        assert there_ns is not None
        commands.command(PLACE.name, OUT_RAD, PLACE.dwell_sec, there_ns - lead_ns)
    bins = {landing.item_id: landing.bin for landing in commands.landed(twin.end_ns)}
    assert bins == {1: BIN, 2: "residue", 3: BIN, 4: "residue"}
    assert commands.landed(twin.end_ns) == [], "each is told once"


def test_an_angle_in_single_precision_is_within_reach() -> None:
    twin, commands = made()
    commands.command(PLACE.name, math.nextafter(OUT_RAD + 2e-8, 1.0), 0.05, twin.start_ns)
    at_ns = twin.start_ns + round(0.03 * NS_PER_SEC)
    assert twin.diverters.position_rad(PLACE.name, at_ns) == OUT_RAD


@pytest.mark.parametrize(
    ("diverter", "angle_rad", "dwell_sec", "named"),
    [
        ("nobody", 0.0, 0.05, "diverter"),
        (PLACE.name, 9.0, 0.05, "position_rad"),
        (PLACE.name, math.nan, 0.05, "position_rad"),
        (PLACE.name, OUT_RAD, math.nan, "dwell_sec"),
        (PLACE.name, OUT_RAD, -0.1, "dwell_sec"),
    ],
)
def test_what_cannot_be_is_refused(
    diverter: str, angle_rad: float, dwell_sec: float, named: str
) -> None:
    twin, commands = made()
    with pytest.raises(InvalidInputError, match=named):
        commands.command(diverter, angle_rad, dwell_sec, twin.start_ns)
