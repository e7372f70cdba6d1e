# SPDX-License-Identifier: Apache-2.0
"""What a person sees of a belt's run while it goes."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from recycle_sorter.belt_run.watched import WatchedRun
from recycle_sorter.cli.belt_display import make_belt_display, record_line
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome
from recycle_sorter.core.types import Reason, SortDecision


def decision(reason: Reason = Reason.ACCEPTED, bin_name: str = "glass") -> SortDecision:
    return SortDecision(1, 7, "glass", 0.93, bin_name, reason, "glass 0.93", 9)


FIRED = ItemRecord(
    decision(), Outcome.FIRED, diverter="paddle_2", scheduled_ns=10**9, issued_ns=10**9 + 1_500_000
)


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (FIRED, "-> glass    paddle_2 +1.5 ms"),
        (ItemRecord(decision(bin_name="residue"), Outcome.PASSED), "-> residue  passed"),
        (
            ItemRecord(decision(Reason.LOW_MARGIN, "residue"), Outcome.PASSED),
            "passed, rejected: glass 0.93",
        ),
        (
            ItemRecord(decision(), Outcome.MISSED, Cause.CONFLICT, detail="paddle_2 is needed"),
            "missed: paddle_2 is needed",
        ),
    ],
)
def test_a_line_tells_how_an_item_ended(record: ItemRecord, expected: str) -> None:
    line = record_line(record).plain
    assert line.startswith("   7  glass     0.93  -> ")
    assert line.endswith(expected)


def console(is_terminal: bool) -> Console:
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=120)


def shown(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    out = console(is_terminal=False)
    with make_belt_display(False, out) as display:
        display.started("net", "openvino", "bf16", "twin of seed 1")
        display.frame(WatchedRun())
        display.record(FIRED)
    lines = shown(out).splitlines()
    assert lines[0] == "net on openvino (bf16), belt from twin of seed 1"
    assert lines[1].endswith("paddle_2 +1.5 ms")
    assert len(lines) == 2


def test_a_terminal_has_a_live_line() -> None:
    out = console(is_terminal=True)
    run = WatchedRun(frames=12)
    with make_belt_display(False, out) as display:
        assert math.isnan(run.speed_m_per_sec)
        display.frame(run)
        display.record(FIRED)
        run.on_belt(1, 0.5, 0.25)
        display.frame(run)
    assert "belt 0.25 m/s, 12 pictures, 0 items decided, 1 fired" in shown(out)


def test_quiet_is_silent() -> None:
    out = console(is_terminal=True)
    with make_belt_display(True, out) as display:
        display.started("net", "openvino", "bf16", "twin")
        display.frame(WatchedRun())
        display.record(FIRED)
    assert shown(out) == ""
