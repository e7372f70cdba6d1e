# SPDX-License-Identifier: Apache-2.0
"""The line's player: entries in order, in their own time or in lock step; it stops and it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.ros.line_player import Entry, LinePlayer
from recycle_sorter.ros.line_source import merged
from recycle_sorter.sources.pump import PumpConfig

pytestmark = pytest.mark.node

FIRST_NS = 1_700_000_000 * NS_PER_SEC


class Stage:
    """A clock that moves by waiting, and what was sent when."""

    def __init__(self) -> None:
        self.now_ns = 5 * NS_PER_SEC
        self.sent: list[tuple[str, int, int]] = []
        self.framed: list[int] = []
        self.asked: list[int] = []
        self.stop_after = 10**9

    def entry(self, name: str, after_ns: int, is_frame: bool = False) -> Entry:
        def send(stamp_ns: int) -> None:
            self.sent.append((name, stamp_ns, self.now_ns))

        return Entry(FIRST_NS + after_ns, send, is_frame)

    def wait(self, seconds: float) -> bool:
        self.now_ns += round(seconds * NS_PER_SEC)
        return len(self.sent) >= self.stop_after

    def player(
        self,
        entries: Iterator[Entry],
        rate: float = 1.0,
        lossless: bool = False,
        answer: Callable[[int], bool] = lambda _: True,
    ) -> LinePlayer:
        def await_answer(stamp_ns: int) -> bool:
            self.asked.append(stamp_ns)
            return answer(stamp_ns)

        return LinePlayer(
            entries,
            PumpConfig(rate, False, lossless),
            lambda: self.now_ns,
            self.wait,
            await_answer,
            self.framed.append,
        )


def entries(stage: Stage) -> Iterator[Entry]:
    ticks = (stage.entry(f"tick {i}", i * 10**7) for i in range(7))
    frames = (stage.entry(f"frame {i}", i * 3 * 10**7, is_frame=True) for i in range(3))
    return merged(ticks, frames)


@pytest.mark.parametrize("rate", [1.0, 2.0])
def test_entries_go_out_when_they_are_due(rate: float) -> None:
    stage = Stage()
    start_ns = stage.now_ns
    player = stage.player(entries(stage), rate)
    assert player.recorded_ns(stage.now_ns) is None
    player.run()
    names = [name for name, _, _ in stage.sent]
    assert names[:3] == ["tick 0", "frame 0", "tick 1"]
    assert len(names) == 10
    for name, stamp_ns, now_ns in stage.sent:
        assert now_ns == pytest.approx(stamp_ns, abs=2), name
    last = next(stamp_ns for name, stamp_ns, _ in stage.sent if name == "tick 6")
    assert last - start_ns == pytest.approx(6 * 10**7 / rate, abs=2)
    assert player.recorded_ns(last) == pytest.approx(FIRST_NS + 6 * 10**7, abs=5)
    assert player.clock_ns_of(FIRST_NS + 6 * 10**7) == pytest.approx(last, abs=2)
    assert stage.framed == [FIRST_NS, FIRST_NS + 3 * 10**7, FIRST_NS + 6 * 10**7]
    assert player.counters.published == 3
    assert not stage.asked


def test_in_lock_step_stamps_stay_and_each_picture_waits_for_its_answer() -> None:
    stage = Stage()
    before_ns = stage.now_ns
    player = stage.player(
        entries(stage), lossless=True, answer=lambda stamp_ns: len(stage.asked) < 3
    )
    player.run()
    assert stage.now_ns == before_ns
    stamps = [stamp_ns for _, stamp_ns, _ in stage.sent]
    assert stamps == sorted(set(stamps))
    assert stamps[0] == FIRST_NS
    assert len(stage.asked) == 3
    assert player.counters.unanswered == 1
    assert player.clock_ns_of(FIRST_NS + 5) == FIRST_NS + 5


def test_it_stops_amid_the_entries() -> None:
    stage = Stage()
    stage.stop_after = 4
    stage.player(entries(stage)).run()
    assert len(stage.sent) == 4


def test_what_reading_raises_comes_after_what_was_read() -> None:
    stage = Stage()

    def broken() -> Iterator[Entry]:
        yield stage.entry("first", 0)
        raise SourceError("the bag is torn")

    with pytest.raises(SourceError, match="torn"):
        stage.player(broken()).run()
    assert [name for name, _, _ in stage.sent] == ["first"]
