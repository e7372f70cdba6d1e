# SPDX-License-Identifier: Apache-2.0
"""A short run of a belt, made by hand, for tests of its account and page."""

from __future__ import annotations

from recycle_sorter.belt_run.page import RunView
from recycle_sorter.belt_run.timeline import BeltMarks, Track
from recycle_sorter.core.belt.account import BeltAccount
from recycle_sorter.core.belt.judged import TrueItem
from recycle_sorter.core.belt.types import Cause, ItemRecord, Outcome
from recycle_sorter.core.types import Reason, SortDecision

SEC = 1_000_000_000
SPEED_M_PER_SEC = 0.5
BIN_OF = {"glass": "glass", "metal": "metal", "paper": "fibre", "trash": "residue"}
MARKS = BeltMarks(0.8, 0.7, (("valve_1", 1.2), ("valve_2", 1.6), ("valve_3", 2.0)), 3.0)
VALVE = {"fibre": "valve_1", "glass": "valve_2", "metal": "valve_3"}


def made_view(title: str = "A run", count: int = 40, total_sec: float = 30.0) -> RunView:
    """A belt at half a metre a second with an item every 0.6 s; some end badly."""
    account = BeltAccount(BIN_OF, "residue")
    materials = tuple(BIN_OF)
    for number in range(1, count + 1):
        enter_ns = round(number * 0.6 * SEC)
        s_m = -enter_ns / SEC * SPEED_M_PER_SEC
        true = materials[number % 4]
        account.on_truth(TrueItem(number, true, s_m, 0.0, enter_ns, length_m=0.09))
        if number % 11 == 0:
            account.on_landing(number, "residue")
            continue  # nobody found it
        said = "metal" if number % 7 == 0 else true
        stamp_ns = enter_ns + round(0.7 / SPEED_M_PER_SEC * SEC)
        decision = SortDecision(
            stamp_ns, number, said, 0.9, BIN_OF[said], Reason.ACCEPTED, "because", 20
        )
        probabilities = {name: 0.9 if name == said else 0.1 / 3 for name in materials}
        account.on_decision(
            decision, s_m + 0.002, 0.001, latency_ns=9_000_000 + number,
            crops=[probabilities] * 3, centre=1,
        )  # fmt: skip
        account.on_record(_record(decision, number, enter_ns))
        account.on_landing(number, decision.bin if number % 13 else "residue")
        account.on_pass(number, 0.001 * (number % 5 - 2))
    stamps = tuple(range(0, round(total_sec * SEC) + 1, SEC // 10))
    track = Track(stamps, tuple(stamp / SEC * SPEED_M_PER_SEC for stamp in stamps))
    about = {"model": "net <b>bold</b>", "seed": "1"}
    return RunView(title, about, account.summary(), account.items(), track, MARKS, BIN_OF)


def _record(decision: SortDecision, number: int, enter_ns: int) -> ItemRecord:
    valve = VALVE.get(decision.bin, "")
    if not valve:
        return ItemRecord(decision, Outcome.PASSED, detail="passed to the end")
    place_m = dict(MARKS.diverters)[valve]
    due_ns = enter_ns + round(place_m / SPEED_M_PER_SEC * SEC)
    if number % 13 == 0:
        return ItemRecord(
            decision, Outcome.MISSED, Cause.CONFLICT, valve, due_ns,
            rival_id=number - 1, detail="<item> 12 won",
        )  # fmt: skip
    return ItemRecord(
        decision, Outcome.FIRED, Cause.NONE, valve, due_ns, due_ns + (number % 5 - 2) * 900_000,
        place_m, detail="fired",
    )  # fmt: skip
