# SPDX-License-Identifier: Apache-2.0
"""What a run came to: figures, decision log, and the page's content."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recycle_sorter.belt_run.page import RunView, render_page
from recycle_sorter.belt_run.parts import bin_of, make_marks
from recycle_sorter.belt_run.runner import BeltRunner, Decided
from recycle_sorter.belt_run.timeline import Track
from recycle_sorter.core.belt.account import BeltAccount
from recycle_sorter.core.belt.judged import JudgedItem, TrueItem
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.types import Outcome
from recycle_sorter.core.types import NS_PER_SEC

ToTruth = Callable[[float, int], float]
"""From a place ``x_m`` in the machine at a stamp to the place on the belt as the truth counts."""


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
    """

    about: Mapping[str, str]
    summary: Mapping[str, Any]
    items: list[JudgedItem]
    log: str
    track: Track
    layout: Layout

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
        to_truth: Converts places; None for a run whose line counts as its truth does.
    """

    items: list[TrueItem] = field(default_factory=list)
    landings: dict[int, str] = field(default_factory=dict)
    to_truth: ToTruth | None = None


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
    account = BeltAccount(
        bin_of(layout), layout.routing.reject_bin, tolerance_sec=layout.tolerance_sec
    )
    for item in truths.items:
        account.on_truth(item)
    for true_id, name in truths.landings.items():
        account.on_landing(true_id, name)
    for decided in runner.decided:
        _note(account, decided, truths.to_truth, layout.camera.view_length_m)
    for record in runner.records:
        account.on_record(record)
    if truths.to_truth is not None:
        for judged in account.items():
            _measure(account, judged, layout, truths.to_truth)
    stamps, positions = zip(*runner.track, strict=True) if runner.track else ((), ())
    if truths.to_truth is not None:
        # An item at the upstream edge lies at minus the belt's position.
        positions = tuple(-truths.to_truth(0.0, stamp) for stamp in stamps)
    return RunResult(
        about,
        account.summary(frames=runner.frames, counts=runner.line.counts(), **more),
        account.items(),
        runner.log.text,
        Track(tuple(stamps), tuple(positions)),
        layout,
    )


def _note(
    account: BeltAccount, decided: Decided, to_truth: ToTruth | None, view_length_m: float
) -> None:
    decision, item = decided.decision, decided.item
    s_m = item.s_m if to_truth is None else to_truth(decided.x_m, decision.stamp_ns)
    asked = [one for one in item.evidence if one.probabilities]
    crops = [dict(zip(item.materials, one.probabilities, strict=True)) for one in asked]
    middle = min(range(len(asked)), key=lambda i: abs(asked[i].offset_m), default=None)
    account.on_decision(
        decision, s_m, item.y_m, latency_ns=decided.latency_ns, crops=crops, centre=middle
    )


def _measure(account: BeltAccount, judged: JudgedItem, layout: Layout, to_truth: ToTruth) -> None:
    """Where the item truly was at the time for which its diverter was commanded."""
    truth, record = judged.truth, judged.record
    if truth is None or record is None or record.outcome is not Outcome.FIRED:
        return
    place = layout.place(record.diverter)
    ready_ns = record.issued_ns + round(place.lead_sec * NS_PER_SEC)
    # Zero of the truth's count lies at -to_truth(0) in the machine.
    true_x_m = truth.s_m - to_truth(0.0, ready_ns)
    account.on_pass(record.decision.item_id, true_x_m - place.position_m)
