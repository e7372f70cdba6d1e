# SPDX-License-Identifier: Apache-2.0
"""Diverters that answer late: delay, stroke, jitter, and the bin at an angle."""

from __future__ import annotations

import pytest

from recycle_sorter.core.errors import DriverError, InvalidInputError
from recycle_sorter.core.ports import DiverterDriver
from recycle_sorter.twin.diverters import TwinDiverter, TwinDiverters

MS = 1_000_000
FLAP = TwinDiverter(
    "flap", 1.0, {"left": 0.6, "right": -0.6}, stroke_sec=0.016, delay_sec=0.02, tolerance_rad=0.1
)


def test_it_is_a_driver() -> None:
    assert isinstance(TwinDiverters([FLAP], 1, 0.0), DiverterDriver)


def test_a_command_waits_then_moves_at_the_strokes_speed() -> None:
    flaps = TwinDiverters([FLAP], 1, 0.0)
    assert flaps.move("flap", 0.6, 100 * MS) == 126 * MS
    angles = [flaps.position_rad("flap", t * MS) for t in (0, 100, 120, 123, 126, 500)]
    assert angles == pytest.approx([0.0, 0.0, 0.0, 0.3, 0.6, 0.6])
    # Called back on the way home it turns where it is.
    flaps.home(200 * MS)
    flaps.move("flap", 0.6, 203 * MS)
    assert flaps.position_rad("flap", 223 * MS) == pytest.approx(0.3)
    assert flaps.position_rad("flap", 226 * MS) == pytest.approx(0.6)
    # The past stays as it was.
    assert flaps.position_rad("flap", 123 * MS) == pytest.approx(0.3)


def test_jitter_is_cut_off_seeded_and_each_diverters_own() -> None:
    other = TwinDiverter("other", 2.0, {"end": 0.5}, delay_sec=0.02)

    def begins(names: list[str], seed: int = 5) -> list[int]:
        flaps = TwinDiverters([FLAP, other], seed, 0.004)
        found = []
        for number, name in enumerate(names):
            at = number * 1000 * MS
            there = flaps.position_rad(name, at)
            flaps.move(name, 0.5 - there, at)
            steps = (t for t in range(0, 60 * MS, MS // 20))
            found.append(next(t for t in steps if flaps.position_rad(name, at + t) != there))
        return found

    times = begins(["flap"] * 60)
    assert all(11.9 * MS <= t <= 28.1 * MS for t in times)
    assert len(set(times)) > 20
    assert begins(["flap"] * 60) == times
    assert begins(["flap"] * 60, seed=6) != times
    # What another does leaves this one's delays as they are.
    assert begins(["flap", "other"] * 5)[::2] == times[:5]
    assert begins(["flap", "other"] * 5)[1::2] != times[:5]


def test_the_bin_at_an_angle() -> None:
    assert [FLAP.bin_at(a) for a in (-0.7, -0.49, 0.0, 0.51, 0.8)] == [
        "right", None, None, "left", None,
    ]  # fmt: skip


def test_wrong_calls_are_refused() -> None:
    flaps = TwinDiverters([FLAP], 1, 0.0)
    with pytest.raises(InvalidInputError, match="diverter"):
        flaps.move("flop", 0.1, 0)
    with pytest.raises(InvalidInputError, match="position_rad"):
        flaps.move("flap", 0.9, 0)
    flaps.close()
    with pytest.raises(DriverError):
        flaps.move("flap", 0.1, 0)
    with pytest.raises(InvalidInputError, match="once"):
        TwinDiverters([FLAP, FLAP], 1, 0.0)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"bins": {"a": 0.1}}, "bins.a"),
        ({"bins": {"a": 0.5, "b": 0.6}}, "bins.a"),
        ({"bins": {"a": 2.0}}, "bins.a"),
        ({"home_rad": 1.0}, "home_rad"),
        ({"max_rad": -0.8}, "max_rad"),
        ({"delay_sec": -1.0}, "delay_sec"),
        ({"position_m": float("nan")}, "position_m"),
    ],
)
def test_bad_diverters_are_refused(values: dict[str, object], key: str) -> None:
    settings: dict[str, object] = {"name": "flap", "position_m": 1.0, "bins": {}, **values}
    with pytest.raises(InvalidInputError, match=rf"diverters\.flap\.{key}"):
        TwinDiverter(**settings)  # type: ignore[arg-type]
