# SPDX-License-Identifier: Apache-2.0
"""The pump: pacing, reconnecting and lock step, in made-up time."""

from __future__ import annotations

import numpy as np
import pytest

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.sources.backoff import Backoff
from recycle_sorter.sources.fake import FakeSource
from recycle_sorter.sources.pump import FramePump, PumpConfig

START_NS = 1_000 * NS_PER_SEC
PERIOD_NS = NS_PER_SEC // 10
RECORDED = [
    Frame(5 * NS_PER_SEC + i * PERIOD_NS, np.full((16, 16, 3), i, np.uint8)) for i in range(4)
]


class World:
    """A clock that only waiting moves, and an outlet that notes what it gets."""

    def __init__(self, answers: bool = True, stop_after: int | None = None) -> None:
        self.now_ns = START_NS
        self.sent: list[tuple[int, int]] = []  # stamp, time of sending
        self.waits: list[float] = []
        self.reports: list[tuple[str, bool]] = []
        self.refused: set[int] = set()
        self._answers = answers
        self._stop_after = stop_after

    def clock_ns(self) -> int:
        return self.now_ns

    def wait(self, seconds: float) -> bool:
        if seconds > 0:
            self.waits.append(seconds)
        self.now_ns += round(seconds * NS_PER_SEC)
        return self._stop_after is not None and len(self.sent) >= self._stop_after

    def prepare(self, frame: Frame) -> Frame:
        if int(frame.pixels[0, 0, 0]) in self.refused:
            raise InvalidInputError("pixels", "scripted", "others")
        return frame

    def send(self, message: Frame) -> None:
        self.sent.append((message.stamp_ns, self.now_ns))

    def await_result(self, stamp_ns: int) -> bool:
        return self._answers

    def report(self, text: str, is_error: bool) -> None:
        self.reports.append((text, is_error))

    def pump(self, source: FakeSource, **config: object) -> FramePump[Frame]:
        settings = PumpConfig(**config)  # type: ignore[arg-type]
        return FramePump(source, self, settings, Backoff(0.5, 2.0), self.clock_ns, self.wait)


def test_a_recording_is_published_when_it_is_due_with_stamps_of_now() -> None:
    world = World()
    world.pump(FakeSource(RECORDED)).run()
    due = [START_NS + i * PERIOD_NS for i in range(4)]
    assert world.sent == [(ns, ns) for ns in due]


def test_the_cores_are_left_alone_for_half_of_the_time_between_frames() -> None:
    world = World()
    world.pump(FakeSource(RECORDED)).run()
    # Before the second frame the period is not known yet.
    assert world.waits == pytest.approx([0.1, 0.05, 0.05, 0.05, 0.05, 0.05])


def test_twice_the_rate_is_half_of_the_time() -> None:
    world = World()
    world.pump(FakeSource(RECORDED), rate=2.0).run()
    assert [ns for _, ns in world.sent] == [START_NS + i * PERIOD_NS // 2 for i in range(4)]


def test_lossless_keeps_the_stamps_and_never_waits() -> None:
    world = World()
    world.pump(FakeSource(RECORDED), lossless=True).run()
    assert [stamp for stamp, _ in world.sent] == [frame.stamp_ns for frame in RECORDED]
    assert world.waits == []


def test_a_missing_result_is_counted_and_told() -> None:
    world = World(answers=False)
    pump = world.pump(FakeSource(RECORDED), lossless=True)
    pump.run()
    assert pump.counters.unanswered == len(RECORDED)
    assert all(is_error for _, is_error in world.reports)


def test_a_loop_goes_on_with_growing_stamps_until_it_is_stopped() -> None:
    world = World(stop_after=10)
    pump = world.pump(FakeSource(RECORDED), loop=True)
    pump.run()
    stamps = [stamp for stamp, _ in world.sent]
    assert len(stamps) == 10
    assert np.diff(stamps).tolist() == [PERIOD_NS] * 9
    assert pump.counters.loops == 2


def test_an_empty_recording_does_not_loop_for_ever() -> None:
    world = World()
    pump = world.pump(FakeSource([]), loop=True)
    pump.run()
    assert pump.counters.loops == 0


def test_a_frame_that_cannot_be_prepared_is_left_out_and_told() -> None:
    world = World()
    world.refused = {1}
    world.pump(FakeSource(RECORDED)).run()
    assert len(world.sent) == 3
    assert world.reports[0][0].startswith("frame left out: pixels")


def test_a_lost_camera_is_opened_again_with_growing_waits() -> None:
    world = World()
    source = FakeSource(RECORDED, is_live=True, lost_after=2, failing_reopens=3)
    pump = world.pump(source)
    pump.run()
    assert world.waits == [0.5, 1.0, 2.0, 2.0]
    assert pump.counters.reopened == 1
    assert pump.counters.published == 2 + len(RECORDED)
    assert world.reports[0] == ("fake: lost, as scripted; reconnecting", True)
    assert world.reports[-1] == ("fake is back", False)


def test_a_recording_that_breaks_off_is_raised_and_closed() -> None:
    world = World()
    source = FakeSource(RECORDED, lost_after=2)
    with pytest.raises(SourceError, match="lost"):
        world.pump(source).run()
    assert len(world.sent) == 2
    assert source.read() is None
