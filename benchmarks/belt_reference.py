# SPDX-License-Identifier: Apache-2.0
"""What a belt's run is compared with: trackers that see the truth, and an afternoon's sorter.

Both look on while the line runs, on the same frames and crops.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from recycle_sorter.belt_run.parts import bin_of, twin_diverters
from recycle_sorter.belt_run.runner import BeltRunner, Watcher
from recycle_sorter.core.belt.account import BeltAccount
from recycle_sorter.core.belt.fusion import FusionConfig
from recycle_sorter.core.belt.judge import JudgeConfig, judge_item
from recycle_sorter.core.belt.judged import TrueItem
from recycle_sorter.core.belt.layout import Layout
from recycle_sorter.core.belt.types import Evidence, Observation, TrackedItem
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.twin.commands import TwinCommands
from recycle_sorter.twin.library import Library
from recycle_sorter.twin.twin import Twin
from recycle_sorter.twin.world import TwinItem

_GATE_M = 0.03
_LATENCY_NS = 30_000_000  # as of ``RunnerConfig``
_LOCKOUT_NS = 150_000_000


class TruthTracker(Watcher):
    """Hands each crop to the item that it truly shows, and judges each item on its crops.

    That is the classifier's own accuracy with the line's own fusion and limits: what tracking and
    timing lose is missing from it.
    """

    def __init__(self, twin: Twin, layout: Layout) -> None:
        self._twin = twin
        self._layout = layout
        self._fusion = FusionConfig()
        self._seen: dict[int, TrackedItem] = {}

    def on_frame(self, frame: Frame, observation: Observation, runner: BeltRunner) -> None:
        """See ``Watcher``."""
        position_m = self._twin.position_m(frame.stamp_ns)
        middle_m = self._layout.camera.view_length_m / 2
        for item in self._twin.visible(frame.stamp_ns):
            x_m = item.s_m + position_m
            if item.is_overlapping or x_m > self._layout.decision_line_m:
                continue
            near = [
                (abs(one.centre_m[0] - x_m) + abs(one.centre_m[1] - item.y_m), number)
                for number, one in enumerate(observation.detections)
                if one.probabilities
            ]
            if near and min(near)[0] <= _GATE_M:
                shown = observation.detections[min(near)[1]]
                weight = self._fusion.weight(shown)
                self._track(item, observation.materials).evidence.append(
                    Evidence(frame.stamp_ns, shown.probabilities, weight, x_m - middle_m)
                )

    def _track(self, item: TwinItem, materials: tuple[str, ...]) -> TrackedItem:
        if item.item_id not in self._seen:
            size_m = (item.length_m, item.width_m)
            self._seen[item.item_id] = TrackedItem(
                item.item_id, item.s_m, item.y_m, size_m, item.along_m, item.enter_ns, 0,
                materials=materials,
            )  # fmt: skip
        return self._seen[item.item_id]

    def result(self, truths: list[TrueItem]) -> dict[str, Any]:
        """How many separate items of a run it judges right.

        Returns:
            ``items`` that it has crops of, ``material_right`` and ``bin_right`` of those.
        """
        bins = bin_of(self._layout)
        found = {"items": 0, "material_right": 0, "bin_right": 0}
        for truth in truths:
            item = self._seen.get(truth.item_id)
            if item is None or not (truth.counts and truth.is_separate):
                continue
            judged = judge_item(item, self._layout.routing, JudgeConfig(), self._fusion)
            found["items"] += 1
            found["material_right"] += judged.material == truth.material
            found["bin_right"] += judged.bin == bins[truth.material]
        return found


@dataclass(slots=True)
class _Order:
    at_ns: int
    diverter: str
    position_rad: float
    dwell_sec: float


@dataclass
class AfternoonSorter(Watcher):
    """No tracking: acts at once on the newest classification of what is in the view's middle.

    Its diverter moves a fixed delay later, right for the belt's mean speed. What it saw last it
    does not take again for 150 ms. It works on a twin of its own, of the same scenario.

    Attributes:
        twin: Nobody else commands it.
        layout: Of the line.
        holds_one: Whether it takes nothing new until it has acted, as scripts do that sleep.
    """

    twin: Twin
    layout: Layout
    holds_one: bool
    _orders: list[_Order] = field(default_factory=list)
    _free_ns: int = 0

    @classmethod
    def beside(
        cls, twin: Twin, library: Library, layout: Layout, holds_one: bool
    ) -> AfternoonSorter:
        """One for the same scenario, with diverters of its own."""
        own = Twin(twin.scenario, library, twin_diverters(layout), layout.routing.reject_bin)
        return cls(own, layout, holds_one)

    def on_frame(self, frame: Frame, observation: Observation, runner: BeltRunner) -> None:
        """See ``Watcher``."""
        now_ns = frame.stamp_ns + _LATENCY_NS
        speed = self.twin.scenario.speed.profile().mean_m_per_sec()
        middle_m = self.layout.camera.view_length_m / 2
        # So wide that an item at the mean speed is not passed over between two frames.
        reach_m = speed / self.twin.scenario.camera.fps_hz
        there = [
            one
            for one in observation.detections
            if one.probabilities and abs(one.centre_m[0] - middle_m) <= reach_m
        ]
        if not there or now_ns < self._free_ns:
            return
        surest = max(there, key=lambda one: max(one.probabilities))
        material = observation.materials[surest.probabilities.index(max(surest.probabilities))]
        self._free_ns = now_ns + _LOCKOUT_NS
        target = self.layout.routing.bins[bin_of(self.layout)[material]]
        if not target.diverter:
            return
        place = self.layout.place(target.diverter)
        delay_sec = (place.position_m - middle_m) / speed - place.lead_sec
        at_ns = now_ns + round(delay_sec * NS_PER_SEC) - _LATENCY_NS
        self._orders.append(_Order(at_ns, place.name, target.position_rad, place.dwell_sec))
        if self.holds_one:
            self._free_ns = at_ns

    def result(self, truths: list[TrueItem]) -> dict[str, Any]:
        """Its account: ``sorting`` and ``bins`` of ``BeltAccount.summary``."""
        commands = TwinCommands(self.twin, twin_diverters(self.layout))
        account = BeltAccount(bin_of(self.layout), self.layout.routing.reject_bin)
        for truth in truths:
            account.on_truth(truth)
        landings = []
        for order in sorted(self._orders, key=lambda one: one.at_ns):
            landings += commands.landed(order.at_ns)
            commands.command(order.diverter, order.position_rad, order.dwell_sec, order.at_ns)
        for landing in [*landings, *commands.landed(self.twin.end_ns)]:
            account.on_landing(landing.item_id, landing.bin)
        summary = account.summary()
        return {"sorting": summary["sorting"], "bins": summary["bins"]}


Make = Callable[[Twin, Library, Layout], AfternoonSorter]
REFERENCES: Mapping[str, Make] = {
    "afternoon: fixed delay": lambda twin, library, layout: AfternoonSorter.beside(
        twin, library, layout, holds_one=False
    ),
    "afternoon: one at a time": lambda twin, library, layout: AfternoonSorter.beside(
        twin, library, layout, holds_one=True
    ),
}
