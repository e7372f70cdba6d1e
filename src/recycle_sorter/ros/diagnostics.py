# SPDX-License-Identifier: Apache-2.0
"""Counters on /diagnostics, once a second, for rqt and for ``ros2 topic echo``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue

from recycle_sorter.ros.sorter_node import SorterNode

OK = DiagnosticStatus.OK
WARN = DiagnosticStatus.WARN
ERROR = DiagnosticStatus.ERROR

Report = tuple[bytes, str, Mapping[str, object]]


class Diagnostics:
    """Publishes one status a second.

    Args:
        node: Whose status.
        report: Gives level (``OK``, ``WARN``, ``ERROR``), a sentence, and the counters.
        hardware: What it concerns: camera, model, driver.
    """

    def __init__(self, node: SorterNode, report: Callable[[], Report], hardware: str) -> None:
        self._node = node
        self._report = report
        self._hardware = hardware
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", 10)
        node.every(1.0, self.publish)

    def publish(self) -> None:
        """Publishes now."""
        level, text, values = self._report()
        status = DiagnosticStatus(
            level=level,
            name=self._node.get_fully_qualified_name(),
            message=text,
            hardware_id=self._hardware,
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
