# SPDX-License-Identifier: Apache-2.0
"""Starts, spins and ends nodes the same way everywhere: exit codes, Ctrl-C, executors."""

from __future__ import annotations

import gc
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import rclpy
from rclpy.duration import Duration
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions
from rclpy.task import Future

from recycle_sorter.core.errors import SorterError
from recycle_sorter.ros.transport import use_shipped_transport

AnyNode = TypeVar("AnyNode", bound=Node)
_SLICE_SEC = 0.25
_DRAIN_SEC = 0.3  # what has arrived is heard by then, and what was published delivered


def make_executor() -> Executor:
    """The events executor where rclpy has it, which measured fastest; else the default one."""
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def settle() -> None:
    """Takes what start-up made out of the garbage collector's sight; call it once, when all is up.

    To walk 70,000 objects, most of them modules', would hold every thread up for some 20 ms.
    """
    gc.collect()
    gc.freeze()


def spin(
    executor: Executor,
    finished: Future[Any],
    duration_sec: float = math.inf,
    is_interrupted: Callable[[], bool] = lambda: False,
) -> None:
    """Spins until ``finished`` is done, its context is shut down, it is interrupted, or so long.

    In slices, because the events executor waits without end by a time that overflows in older
    C++ libraries: it then turns in a circle with its queue locked, and no message gets through.
    Python sees signals between slices, too.

    Args:
        executor: Spins its nodes.
        finished: Its exception, if it has one, is raised here.
        duration_sec: How long at most.
        is_interrupted: Whether to end early; asked between slices.
    """
    deadline = time.monotonic() + duration_sec
    while rclpy.ok() and not finished.done() and not is_interrupted():
        left_sec = deadline - time.monotonic()
        if left_sec <= 0:
            return
        slice_sec = min(left_sec, _SLICE_SEC)
        if isinstance(executor, Executor):
            # rclpy's own executors would leave a done-callback behind with every slice.
            executor.spin_once(timeout_sec=slice_sec)
        else:
            executor.spin_until_future_complete(finished, slice_sec)
    if finished.done():
        finished.result()


def deliver(node: Node) -> None:
    """Waits, but not for long, until all that a node has published is where it is wanted."""
    deadline = time.monotonic() + _DRAIN_SEC
    for publisher in node.publishers:
        left_sec = max(0.0, deadline - time.monotonic())
        publisher.wait_for_all_acked(Duration(seconds=left_sec))


@contextmanager
def interrupted_by_signals(interrupt: Callable[[], None]) -> Iterator[None]:
    """Lets Ctrl-C and SIGTERM call ``interrupt``; a second one ends the process at once.

    Python's own way, an exception in whichever callback happens to run, leaves work half done and
    has the events executor log it as that callback's failure.
    """

    def on_signal(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, before[signal.Signals(number)])
        interrupt()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Refusal(SorterError):
    """A node refuses to go on; starting it again would not help."""


@contextmanager
def refusing() -> Iterator[None]:
    """Makes every ``SorterError`` inside a refusal to start."""
    try:
        yield
    except SorterError as error:
        raise Refusal(f"refused to start: {error}") from error


def run_process(args: list[str] | None, body: Callable[[], None]) -> int:
    """Runs ``body`` with ROS up and turns its end into an exit code.

    Args:
        args: Command line, or None for ``sys.argv``.
        body: Makes nodes (inside ``refusing``), spins and frees them.

    Returns:
        0 after an end or an interruption, 1 after an error, 2 after a refusal.
    """
    use_shipped_transport()
    # Not as a context manager: rclpy has that only from Kilted on.
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    try:
        body()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except Refusal as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except SorterError as error:
        sys.stderr.write(f"stopped: {error}\n")
        return 1
    finally:
        rclpy.try_shutdown()
    return 0


def run_node(
    make: Callable[[], AnyNode],
    args: list[str] | None,
    finished: Callable[[AnyNode], Future[Any]] = lambda _: Future(),
    linger_sec: float = 0.0,
    at_end: Callable[[AnyNode], None] = lambda _: None,
) -> int:
    """Runs one node in this process; when it is to end, what has arrived by then is still heard.

    Args:
        make: Makes the node.
        args: Command line, or None for ``sys.argv``.
        finished: Gives a future that ends the run; the default's never does.
        linger_sec: How long to stay after that end.
        at_end: Called last; what it publishes is still delivered.

    Returns:
        The exit code, as of ``run_process``.
    """

    def body() -> None:
        with refusing():
            node = make()
        settle()
        executor = make_executor()
        executor.add_node(node)
        stop = threading.Event()
        try:
            with interrupted_by_signals(stop.set):
                spin(executor, finished(node), is_interrupted=stop.is_set)
            # A process that exits takes its shared memory along, with the last frames in it.
            spin(executor, Future(), max(linger_sec, _DRAIN_SEC))
            at_end(node)
            deliver(node)
        finally:
            executor.remove_node(node)
            node.destroy_node()

    return run_process(args, body)
