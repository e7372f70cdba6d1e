# SPDX-License-Identifier: Apache-2.0
"""The digital twin: a line that answers as hardware would, the same for the same scenario."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recycle_sorter.core.belt.judged import EnteringItem, Landing
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.twin.diverters import TwinDiverter, TwinDiverters
from recycle_sorter.twin.library import Library
from recycle_sorter.twin.paint import Painter
from recycle_sorter.twin.scenario import START_NS, Scenario
from recycle_sorter.twin.world import TwinItem, make_items

_TAIL_NS = NS_PER_SEC // 2


class Twin:
    """A belt with camera, encoder and diverters.

    Time is that of stamps, handed in: the twin runs as fast as it is asked. An item falls into the
    first bin whose diverter stands within its tolerance of the bin's angle at the moment the
    middle of the item *first* comes to the diverter; into ``end_bin`` if none does.

    Attributes:
        scenario: What it shows.
        items: The truth about every item, in the order in which they pass.
        start_ns: Stamp of the first frame, when the belt starts.
        end_ns: Stamp after the last frame.
        frame_count: How many frames there are.
        diverters: The diverters; a ``DiverterDriver``.
    """

    def __init__(
        self,
        scenario: Scenario,
        library: Library,
        diverters: Sequence[TwinDiverter] = (),
        end_bin: str = "",
    ) -> None:
        """Lays out the run.

        Args:
            scenario: What to show.
            library: Pictures of the items.
            diverters: The line's diverters, any order.
            end_bin: The bin at the belt's end.

        Raises:
            InvalidInputError: If parts do not fit each other, or the last item never leaves.
        """
        self.scenario = scenario
        self.start_ns = START_NS
        self.diverters = TwinDiverters(diverters, scenario.seed, scenario.machine.jitter_sec)
        self._end_bin = end_bin
        self._profile = scenario.speed.profile()
        beyond = [each.name for each in diverters if each.position_m >= scenario.machine.end_m]
        if beyond:
            raise InvalidInputError("machine.end_m", scenario.machine.end_m, f"beyond {beyond[0]}")
        self.items: tuple[TwinItem, ...] = make_items(
            scenario, library, self._profile, self.start_ns
        )
        self.end_ns = self.start_ns + self._duration_ns()
        fps_hz = scenario.camera.fps_hz
        self.frame_count = -(-(self.end_ns - self.start_ns) * round(fps_hz * 1000) // (
            NS_PER_SEC * 1000
        ))  # fmt: skip
        self._painter: Painter | None = None  # a belt takes a second to paint: on demand
        self._landings: list[Landing] = []
        self._landed: set[int] = set()
        # (arrival, item, place in the order of diverters), earliest last.
        self._arrivals = sorted(self._arrivals_of_all(), reverse=True)

    def stamp_ns(self, index: int) -> int:
        """Stamp of a frame: the middle of its exposure."""
        return self.start_ns + round(index * NS_PER_SEC / self.scenario.camera.fps_hz)

    def frame(self, index: int) -> Frame:
        """Paints a frame.

        Args:
            index: From 0; frames may be asked for in any order.

        Returns:
            ``(height_px, width_px, 3)`` uint8 BGR with its stamp.
        """
        stamp_ns = self.stamp_ns(index)
        since_ns = stamp_ns - self.start_ns
        if self._painter is None:
            self._painter = Painter(self.scenario, self.items)
        pixels = self._painter.paint(
            index, since_ns, self.position_m(stamp_ns), self.speed_m_per_sec(stamp_ns)
        )
        return Frame(stamp_ns, pixels, "bgr8")

    def frames(self) -> Iterator[Frame]:
        """Yields all frames."""
        return map(self.frame, range(self.frame_count))

    def position_m(self, stamp_ns: int) -> float:
        """True position of the belt: 0 at the start, downstream positive."""
        return self._profile.position_m(stamp_ns - self.start_ns)

    def speed_m_per_sec(self, stamp_ns: int) -> float:
        """True speed of the belt."""
        return self._profile.speed_m_per_sec(stamp_ns - self.start_ns)

    def encoder_ticks(self, stamp_ns: int) -> int:
        """What the encoder has counted by then; falls while the belt runs back."""
        # The small offset keeps 0.3 / 0.1 from being 2 ticks.
        return int((self.position_m(stamp_ns) / self.scenario.machine.m_per_tick + 1e-6) // 1)

    def visible(self, stamp_ns: int) -> list[TwinItem]:
        """Items any part of which is in view, upstream last, hidden by another or not."""
        position_m = self.position_m(stamp_ns)
        view_m = self.scenario.camera.view_m[0]
        found = []
        for item in self.items:
            front_m = item.s_m + position_m + item.front_m
            if front_m > 0.0 and front_m - item.along_m < view_m:
                found.append(item)
        return found

    def entering(self, item: TwinItem) -> EnteringItem:
        """An item as it comes into view, as a line tells of it."""
        position_m = self.position_m(item.enter_ns)
        return EnteringItem(
            stamp_ns=item.enter_ns,
            item_id=item.item_id,
            material=item.material,
            x_m=item.s_m + position_m,
            y_m=item.y_m,
            length_m=item.along_m,
            width_m=item.across_m,
            position_m=position_m,
            is_overlapping=item.is_overlapping,
            source=item.source,
        )

    def arrival_ns(self, item: TwinItem, x_m: float) -> int | None:
        """Stamp at which an item's middle first comes to a place; None if it never does."""
        since_ns = self._profile.reaches_ns(x_m - item.s_m)
        return None if since_ns is None else self.start_ns + since_ns

    def command(self, diverter: str, position_rad: float, issued_ns: int) -> int:
        """Commands a diverter; see ``TwinDiverters.move``."""
        return self.diverters.move(diverter, position_rad, issued_ns)

    def landed(self, until_ns: int | None = None) -> list[Landing]:
        """Where items have fallen by a time, in order of time.

        Commands must be given before the landings after them are asked for.

        Args:
            until_ns: Stamp; None for the end of the run.

        Returns:
            All landings since the start.
        """
        limit_ns = self.end_ns if until_ns is None else until_ns
        gates = self.diverters.in_order
        while self._arrivals and self._arrivals[-1][0] <= limit_ns:
            stamp_ns, index, place = self._arrivals.pop()
            item = self.items[index]
            if item.item_id in self._landed:
                continue
            if place == len(gates):
                self._land(item, self._end_bin, "", 0.0, self.scenario.machine.end_m, stamp_ns)
                continue
            gate = gates[place]
            angle = self.diverters.position_rad(gate.name, stamp_ns)
            fallen = gate.bin_at(angle)
            if fallen is not None:
                self._land(item, fallen, gate.name, angle, gate.position_m, stamp_ns)
        return list(self._landings)

    def _land(
        self, item: TwinItem, fallen: str, diverter: str, angle: float, x_m: float, stamp_ns: int
    ) -> None:
        self._landed.add(item.item_id)
        self._landings.append(
            Landing(item.item_id, item.material, fallen, diverter, angle, x_m, stamp_ns)
        )

    def _arrivals_of_all(self) -> Iterator[tuple[int, int, int]]:
        places = [gate.position_m for gate in self.diverters.in_order]
        places.append(self.scenario.machine.end_m)
        for index, item in enumerate(self.items):
            for place, x_m in enumerate(places):
                stamp_ns = self.arrival_ns(item, x_m)
                if stamp_ns is not None:
                    yield stamp_ns, index, place

    def _duration_ns(self) -> int:
        if self.scenario.duration_sec is not None:
            return round(self.scenario.duration_sec * NS_PER_SEC)
        if not self.items:
            return round(self.scenario.items.empty_sec * NS_PER_SEC) + _TAIL_NS
        last = self.items[-1]
        leaves_ns = self.arrival_ns(last, self.scenario.machine.end_m)
        if leaves_ns is None:
            raise InvalidInputError(
                "duration_sec", None, "a belt that carries the last item out", "give a duration"
            )
        return leaves_ns - self.start_ns + _TAIL_NS
