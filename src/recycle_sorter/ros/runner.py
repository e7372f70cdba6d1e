# SPDX-License-Identifier: Apache-2.0
"""Starts, spins and ends nodes the same way everywhere: exit codes, Ctrl-C, executors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.task import Future

from recycle_sorter.core.errors import SorterError
from recycle_sorter.ros.transport import use_shipped_transport

AnyNode = TypeVar("AnyNode", bound=Node)


def make_executor() -> Executor:
    """The events executor where rclpy has it, which measured fastest; else the default one."""
    try:
        from rclpy.experimental import EventsExecutor
    except ImportError:
        return SingleThreadedExecutor()
    return EventsExecutor()


def run_node(
    make: Callable[[], AnyNode],
    args: list[str] | None,
    finished: Callable[[AnyNode], Future[Any]] | None = None,
) -> int:
    """Runs one node in this process.

    Args:
        make: Makes the node; a ``SorterError`` from it is a refusal to start.
        args: Command line, or None for ``sys.argv``.
        finished: Gives a future that ends the run; its exception becomes the exit code.

    Returns:
        0 after an end or an interruption, 1 after an error, 2 if the node refused to start.
    """
    use_shipped_transport()
    try:
        with rclpy.init(args=args):
            try:
                node = make()
            except SorterError as error:
                sys.stderr.write(f"refused to start: {error}\n")
                return 2
            executor = make_executor()
            executor.add_node(node)
            try:
                if finished is None:
                    executor.spin()
                else:
                    future = finished(node)
                    executor.spin_until_future_complete(future)
                    if future.done():
                        future.result()
            finally:
                executor.remove_node(node)
                node.destroy_node()
    except (KeyboardInterrupt, ExternalShutdownException):
        return 0
    except SorterError as error:
        sys.stderr.write(f"stopped: {error}\n")
        return 1
    return 0
