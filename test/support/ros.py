# SPDX-License-Identifier: Apache-2.0
"""Runs nodes under test and talks to them: by messages and deadlines, never by sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from numpy.typing import NDArray
from rcl_interfaces.srv import SetParameters
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import Image

from recycle_sorter.core.types import Frame
from recycle_sorter.ros import conversions
from recycle_sorter.ros.runner import make_executor

AnyNode = TypeVar("AnyNode", bound=Node)
Found = TypeVar("Found")

DEADLINE_SEC = 20.0
RELIABLE = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
BEST_EFFORT = QoSProfile(depth=1000, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(
    depth=1000,
    reliability=ReliabilityPolicy.RELIABLE,
    durability=DurabilityPolicy.TRANSIENT_LOCAL,
)


class Harness:
    """Nodes under test, the executor of production, and a node of our own to talk to them.

    Nothing runs but within ``wait_for`` and what uses it, so a test decides what happens between
    two of its lines.
    """

    def __init__(self) -> None:
        self.executor = make_executor()
        self.node = rclpy.create_node("harness")
        self.executor.add_node(self.node)
        self._started: list[Node] = []

    def start(self, make: Callable[..., AnyNode], **parameters: Any) -> AnyNode:
        """Makes a node with the given parameters and spins it along."""
        overrides = [Parameter(name, value=value) for name, value in parameters.items()]
        return self.adopt(make(parameter_overrides=overrides))

    def adopt(self, node: AnyNode) -> AnyNode:
        """Spins and finally destroys a node."""
        self._started.append(node)
        self.executor.add_node(node)
        return node

    def stop(self, node: Node) -> None:
        """Destroys a started node now."""
        self._started.remove(node)
        self.executor.remove_node(node)
        node.destroy_node()

    def renew_executor(self) -> None:
        """Goes on with another executor after nodes with timers were destroyed.

        The events executor still runs what such a timer had queued, on the destroyed node.
        """
        assert not self._started
        self.executor.remove_node(self.node)
        self.executor = make_executor()
        self.executor.add_node(self.node)

    def close(self) -> None:
        """Destroys everything."""
        while self._started:
            self.stop(self._started[-1])
        self.executor.remove_node(self.node)
        self.node.destroy_node()
        # The garbage collector cannot look into the executor: callbacks that know the harness
        # would keep it, and by it the DDS participant, for ever.
        del self.executor

    def wait_for(
        self, predicate: Callable[[], Found], what: str, timeout_sec: float = DEADLINE_SEC
    ) -> Found:
        """Spins until ``predicate`` gives something true, and returns that."""
        deadline = time.monotonic() + timeout_sec
        while not (found := predicate()):
            if time.monotonic() > deadline:
                raise AssertionError(f"waited {timeout_sec} s for {what}")
            self.executor.spin_once(timeout_sec=0.05)
        return found

    def wait_count(self, messages: list[Any], count: int, what: str = "messages") -> list[Any]:
        """Spins until ``messages`` has at least so many entries."""
        self.wait_for(lambda: len(messages) >= count, f"{count} {what}")
        return messages

    def collect(
        self, kind: Any, topic: str, profile: QoSProfile = RELIABLE, publishers: int = 1
    ) -> list[Any]:
        """Subscribes, waits until the publishers match, and returns the list that fills."""
        found: list[Any] = []
        subscription = self.node.create_subscription(kind, topic, found.append, profile)
        self.wait_for(
            lambda: subscription.get_publisher_count() >= publishers, f"a publisher of {topic}"
        )
        return found

    def publisher(
        self, kind: Any, topic: str, profile: QoSProfile = RELIABLE, subscribers: int = 1
    ) -> Publisher[Any]:
        """Makes a publisher and waits until the subscribers match."""
        publisher = self.node.create_publisher(kind, topic, profile)
        self.wait_for(
            lambda: publisher.get_subscription_count() >= subscribers, f"a subscriber of {topic}"
        )
        return publisher

    def call(self, kind: Any, name: str, request: Any) -> Any:
        """Calls a service and returns its response."""
        client = self.node.create_client(kind, name)
        self.wait_for(client.service_is_ready, f"service {name}")
        future = client.call_async(request)
        self.wait_for(future.done, f"the response of {name}")
        self.node.destroy_client(client)
        return future.result()

    def set_parameter(self, node_name: str, name: str, value: Any) -> tuple[bool, str]:
        """Sets a parameter as ``ros2 param set`` does; returns success and reason."""
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        response = self.call(SetParameters, f"{node_name}/set_parameters", request)
        return response.results[0].successful, response.results[0].reason

    def diagnostics(self, publishers: int = 1) -> list[Any]:
        """Collects /diagnostics."""
        return self.collect(DiagnosticArray, "/diagnostics", publishers=publishers)


def status_values(array: Any) -> dict[str, str]:
    """The key-value pairs of a DiagnosticArray's only status."""
    (status,) = array.status
    return {pair.key: pair.value for pair in status.values}


def image_message(
    pixels: NDArray[np.uint8], stamp_ns: int, encoding: str = "bgr8", **changes: Any
) -> Image:
    """A picture message; ``changes`` spoil its fields."""
    message = conversions.frame_to_image(Frame(stamp_ns, pixels, encoding), "camera_optical_frame")
    for name, value in changes.items():
        setattr(message, name, value)
    return message


def stamp_ns(message: Any) -> int:
    """The stamp of a message's header."""
    return conversions.time_to_ns(message.header.stamp)
