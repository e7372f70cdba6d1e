# SPDX-License-Identifier: Apache-2.0
"""Plays what a belt's line tells, entry by entry: in its own time, or in lock step.

A producer thread reads or paints ahead, so that an encoder's count is not late because a picture
was not ready.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.sources.pacing import Pacer
from recycle_sorter.sources.pump import PumpConfig, PumpCounters

_AHEAD = 64  # entries
_POLL_SEC = 0.1


@dataclass(frozen=True, slots=True)
class Entry:
    """What the line tells at a moment.

    Attributes:
        stamp_ns: When, by the recording's own time.
        send: Publishes it under the stamp handed in.
        is_frame: Whether it is a picture, which gets an answer.
    """

    stamp_ns: int
    send: Callable[[int], None]
    is_frame: bool = False


class LinePlayer:
    """Runs entries until they end or ``wait`` says stop.

    Args:
        entries: In order of their stamps; read on a thread of their own.
        config: Pacing; entries are not looped.
        clock_ns: Clock of the stamps.
        wait: Waits so many seconds; returns True if the player shall stop.
        await_answer: Lossless mode: waits for the picture's answer; False if it never came.
        on_frame: Called after each picture (and its answer) with its time in the recording.
    """

    def __init__(
        self,
        entries: Iterator[Entry],
        config: PumpConfig,
        clock_ns: Callable[[], int],
        wait: Callable[[float], bool],
        await_answer: Callable[[int], bool],
        on_frame: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.counters = PumpCounters()
        self._entries = entries
        self._config = config
        self._clock_ns = clock_ns
        self._wait = wait
        self._await_answer = await_answer
        self._on_frame = on_frame
        self._anchor: tuple[int, int] | None = None  # recorded time, clock
        self._queue: queue.Queue[Entry | None] = queue.Queue(_AHEAD)
        self._failure: Exception | None = None
        self._is_over = threading.Event()

    def recorded_ns(self, clock_ns: int) -> int | None:
        """Which time of the recording is played at a time; None before it starts."""
        if self._anchor is None:
            return None
        recorded_ns, start_ns = self._anchor
        return recorded_ns + round((clock_ns - start_ns) * self._config.rate)

    def clock_ns_of(self, recorded_ns: int) -> int:
        """When a time of the recording is played; itself in lock step and before the start."""
        if self._anchor is None or self._config.lossless:
            return recorded_ns
        first_ns, start_ns = self._anchor
        return start_ns + round((recorded_ns - first_ns) / self._config.rate)

    def run(self) -> None:
        """Plays to the end.

        Raises:
            Exception: What reading the entries raised, once those before it are played.
        """
        producer = threading.Thread(target=self._produce, name="line reader", daemon=True)
        producer.start()
        try:
            self._play()
        finally:
            self._is_over.set()
            producer.join()
        if self._failure is not None:
            raise self._failure

    def _play(self) -> None:
        pacer: Pacer | None = None
        while (entry := self._next()) is not None:
            if pacer is None:
                self._anchor = entry.stamp_ns, self._clock_ns()
                pacer = Pacer(self._anchor[1], self._config.rate, self._config.lossless)
            paced = pacer.schedule(entry.stamp_ns)
            delay_ns = paced.due_ns - self._clock_ns()
            if not self._config.lossless and delay_ns > 0 and self._wait(delay_ns / NS_PER_SEC):
                return
            entry.send(paced.stamp_ns)
            if entry.is_frame:
                self.counters.published += 1
                if self._config.lossless and not self._await_answer(paced.stamp_ns):
                    self.counters.unanswered += 1
                self._on_frame(entry.stamp_ns)

    def _next(self) -> Entry | None:
        while not self._wait(0.0):
            with suppress(queue.Empty):
                return self._queue.get(timeout=_POLL_SEC)
        return None

    def _produce(self) -> None:
        try:
            for entry in self._entries:
                if not self._put(entry):
                    return
        except Exception as error:  # noqa: BLE001  (raised again by `run`)
            self._failure = error
        self._put(None)

    def _put(self, entry: Entry | None) -> bool:
        while not self._is_over.is_set():
            with suppress(queue.Full):
                self._queue.put(entry, timeout=_POLL_SEC)
                return True
        return False
