# SPDX-License-Identifier: Apache-2.0
"""What a run came to: figures, decision log, and the page's content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from recycle_sorter.belt_run.page import RunView, render_page
from recycle_sorter.belt_run.parts import bin_of, make_marks
from recycle_sorter.belt_run.runner import BeltRunner, Decided
from recycle_sorter.belt_run.timeline import Track
from recycle_sorter.core.belt.account import BeltAccount
from recycle_sorter.core.belt.judged import JudgedItem, TrueItem
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.types import Outcome
from recycle_sorter.core.types import NS_PER_SEC

PositionM = Callable[[int], float]
"""The belt's position at a stamp, metres."""

# What ends so near the decision line may not have been decided.
_BEYOND_M: Final = 0.05


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that has ended.

    Attributes:
        about: What ran, by name, for people.
        summary: Its figures, ready for JSON.
        items: Every item with what became of it.
        log: The decision log.
        track: Where the belt was.
        layout: What stands along it.
        notices: Pictures that could not be used, for people.
    """

    about: Mapping[str, str]
    summary: Mapping[str, Any]
    items: list[JudgedItem]
    log: str
    track: Track
    layout: Layout
    notices: tuple[str, ...] = ()

    def page(self, title: str) -> str:
        """The run as one HTML page."""
        return render_page(
            RunView(
                title, self.about, self.summary, self.items, self.track,
                make_marks(self.layout), bin_of(self.layout),
            )
        )  # fmt: skip


@dataclass(slots=True)
class Truths:
    """What is known of a run's truth.

    Attributes:
        items: The true items.
        landings: Bin by true item.
        position_m: The belt's, as the truth counts it; None if only the line knows of it.
    """

    items: list[TrueItem] = field(default_factory=list)
    landings: dict[int, str] = field(default_factory=dict)
    position_m: PositionM | None = None


def new_account(layout: Layout) -> BeltAccount:
    """An empty account of a layout's line."""
    return BeltAccount(
        bin_of(layout), layout.routing.reject_bin, tolerance_sec=layout.tolerance_sec
    )


def counted(item: TrueItem, last_m: float, layout: Layout) -> TrueItem:
    """The item with what the belt's last position says of whether it could be decided."""
    return replace(item, counts=item.s_m + last_m > layout.decision_line_m + _BEYOND_M)


def measure_passes(
    account: BeltAccount, layout: Layout, position_m: Callable[[int], float | None]
) -> None:
    """Notes where each item that was fired for was when its diverter had been set.

    Args:
        account: Holds truth, decisions and records; their times are those of ``position_m``.
        layout: Of the line.
        position_m: The belt's, as the account's truth counts it; None where it is not known: such
            items are left out.
    """
    places = {place.name: place for place in layout.places}
    for judged in account.items():
        truth, record = judged.truth, judged.record
        if truth is None or record is None or record.outcome is not Outcome.FIRED:
            continue
        place = places.get(record.diverter)  # a record that was heard may name any
        if place is not None:
            ready_ns = record.issued_ns + round(place.lead_sec * NS_PER_SEC)
            travelled_m = position_m(ready_ns)
            if travelled_m is not None:
                there_m = truth.s_m + travelled_m
                account.on_pass(record.decision.item_id, there_m - place.position_m)


def make_result(
    runner: BeltRunner,
    layout: Layout,
    truths: Truths,
    about: Mapping[str, str],
    **more: Any,
) -> RunResult:
    """Judges a run.

    Args:
        runner: Whose run has ended.
        layout: Of its line.
        truths: What is known of the truth; it may be nothing.
        about: What ran.
        **more: Further entries of the summary.
    """
    account = new_account(layout)
    for item in truths.items:
        account.on_truth(item)
    for true_id, name in truths.landings.items():
        account.on_landing(true_id, name)
    for decided in runner.decided:
        _note(account, decided, truths.position_m)
    for record in runner.records:
        account.on_record(record)
    stamps, positions = zip(*runner.track, strict=True) if runner.track else ((), ())
    if truths.position_m is not None:
        measure_passes(account, layout, truths.position_m)
        positions = tuple(truths.position_m(stamp) for stamp in stamps)
    return RunResult(
        about,
        account.summary(
            frames=runner.frames, refused=runner.refused, counts=runner.line.counts(), **more
        ),
        account.items(),
        runner.log.text,
        Track(tuple(stamps), tuple(positions)),
        layout,
        tuple(runner.notices),
    )


def _note(account: BeltAccount, decided: Decided, position_m: PositionM | None) -> None:
    decision, item = decided.decision, decided.item
    s_m = item.s_m if position_m is None else decided.x_m - position_m(decision.stamp_ns)
    asked = [one for one in item.evidence if one.probabilities]
    crops = [dict(zip(item.materials, one.probabilities, strict=True)) for one in asked]
    middle = min(range(len(asked)), key=lambda i: abs(asked[i].offset_m), default=None)
    account.on_decision(
        decision, s_m, item.y_m, latency_ns=decided.latency_ns, crops=crops, centre=middle
    )
