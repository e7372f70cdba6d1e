# SPDX-License-Identifier: Apache-2.0
"""Moves frames from a source to whoever publishes them: paced, reconnecting, or in lock step.

The body of the camera's thread. It reads no clock and sleeps by no library call of its own: both
come in, so that tests run it in no time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.core.ports import FrameSource
from recycle_sorter.core.types import NS_PER_SEC, Frame
from recycle_sorter.sources.backoff import Backoff
from recycle_sorter.sources.pacing import Pacer

Message = TypeVar("Message")


class Outlet(Protocol, Generic[Message]):
    """Where frames go."""

    def prepare(self, frame: Frame) -> Message:
        """Does the slow part, converting, before the frame is due."""
        ...

    def send(self, message: Message) -> None:
        """Publishes at once."""
        ...

    def await_result(self, stamp_ns: int) -> bool:
        """Lossless mode: waits until the frame's result has come; False if it never did."""
        ...

    def report(self, text: str, is_error: bool) -> None:
        """Tells people: camera lost, opened again, source ended."""
        ...


@dataclass(slots=True)
class PumpCounters:
    """What the pump did, for diagnostics."""

    published: int = 0
    reopened: int = 0
    unanswered: int = 0
    loops: int = 0


@dataclass(frozen=True, slots=True)
class PumpConfig:
    """How the pump runs.

    Attributes:
        rate: Speed of a recorded source.
        loop: Start a recorded source anew at its end.
        lossless: Wait for each frame's result before the next goes out.
    """

    rate: float = 1.0
    loop: bool = False
    lossless: bool = False


class FramePump(Generic[Message]):
    """Runs one source until it ends or is stopped.

    Args:
        source: Where frames come from.
        outlet: Where they go.
        config: Pacing.
        backoff: Waits between attempts to open a lost camera.
        clock_ns: Clock of the stamps.
        wait: Waits so many seconds; returns True if the pump shall stop.
    """

    def __init__(
        self,
        source: FrameSource,
        outlet: Outlet[Message],
        config: PumpConfig,
        backoff: Backoff,
        clock_ns: Callable[[], int],
        wait: Callable[[float], bool],
    ) -> None:
        self.counters = PumpCounters()
        self._source = source
        self._outlet = outlet
        self._config = config
        self._backoff = backoff
        self._clock_ns = clock_ns
        self._wait = wait
        self._frames_this_loop = 0

    def run(self) -> None:
        """Pumps until the source ends or ``wait`` says stop; then closes the source."""
        try:
            if self._source.is_live:
                self._run_live()
            else:
                self._run_recorded()
        finally:
            self._source.close()

    def _run_live(self) -> None:
        while not self._wait(0.0):
            try:
                frame = self._source.read()
            except SourceError as error:
                self._outlet.report(f"{error}; reconnecting", is_error=True)
                if not self._reconnect():
                    return
                continue
            if frame is None:
                return
            self._publish(frame)

    def _reconnect(self) -> bool:
        while not self._wait(self._backoff.next_delay_sec()):
            try:
                self._source.reopen()
            except SourceError as error:
                self._outlet.report(str(error), is_error=True)
                continue
            self._backoff.reset()
            self.counters.reopened += 1
            self._outlet.report(f"{self._source.name} is back", is_error=False)
            return True
        return False

    def _run_recorded(self) -> None:
        pacer = Pacer(self._clock_ns(), self._config.rate, self._config.lossless)
        before_ns: int | None = None
        while not self._wait(0.0):
            frame = self._source.read()
            if frame is None:
                if not self._config.loop or not self._frames_this_loop:
                    return
                self._source.reopen()
                pacer.start_over()
                self.counters.loops += 1
                self._frames_this_loop = 0
                continue
            self._frames_this_loop += 1
            paced = pacer.schedule(frame.stamp_ns)
            message = self._prepare(replace(frame, stamp_ns=paced.stamp_ns))
            if message is None:
                continue
            delay_ns = paced.due_ns - self._clock_ns()
            if not self._config.lossless and delay_ns > 0 and self._wait(delay_ns / NS_PER_SEC):
                return
            self._send(message, paced.stamp_ns)
            if before_ns is not None and not self._config.lossless:
                self._rest(2 * paced.due_ns - before_ns)
            before_ns = paced.due_ns

    def _rest(self, next_ns: int) -> None:
        """Leaves the cores to the network: no decoding in the first half of the time there is."""
        free_ns = next_ns - self._clock_ns()
        if free_ns > 0:
            self._wait(free_ns / 2 / NS_PER_SEC)

    def _publish(self, frame: Frame) -> None:
        message = self._prepare(frame)
        if message is not None:
            self._send(message, frame.stamp_ns)

    def _prepare(self, frame: Frame) -> Message | None:
        try:
            return self._outlet.prepare(frame)
        except InvalidInputError as error:
            self._outlet.report(f"frame left out: {error}", is_error=True)
            return None

    def _send(self, message: Message, stamp_ns: int) -> None:
        self._outlet.send(message)
        self.counters.published += 1
        if self._config.lossless and not self._outlet.await_result(stamp_ns):
            self.counters.unanswered += 1
            self._outlet.report(f"no result for the frame of {stamp_ns} ns", is_error=True)
