# SPDX-License-Identifier: Apache-2.0
"""How a recorded source waits for the graph, and in lossless mode for each frame's result."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from recycle_sorter.ros import qos
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter_msgs.msg import (
    BeltState,
    DiverterState,
    MaterialClassification,
    ModelInfo,
)

_POLL_SEC = 0.02


@dataclass(frozen=True, slots=True)
class Answers:
    """Which topics show that the graph is up and done with a picture.

    Attributes:
        results: From the classifier to the actuator.
        kind: Message under whose header a picture is done.
        topic: Its topic.
    """

    results: str
    kind: Any
    topic: str


STATION = Answers("classifier/classification", MaterialClassification, "classifier/classification")
# The actuator's answer, not the classifier's: what it commands by then is on its way, too.
BELT = Answers("belt/observation", BeltState, "belt/state")


class Handshake:
    """Knows whether classifier and actuator are up, and which frame was last answered.

    A recording's first frames would be lost while discovery is under way. The latched
    ``model_info`` and ``diverter_state`` prove that both nodes are up and reach this one.

    Args:
        node: The camera node; its parameters ``lossless``, ``wait_for_graph_sec``,
            ``wait_for_listeners`` and ``ack_timeout_sec`` count.
        values: The node's parameters.
        answers: Whose.
    """

    def __init__(self, node: Node, values: dict[str, Any], answers: Answers = STATION) -> None:
        self._node = node
        self._results = answers.results
        self._listeners = int(values["wait_for_listeners"])
        self._wait_sec = float(values["wait_for_graph_sec"])
        self._ack_timeout_sec = float(values["ack_timeout_sec"])
        self._answered = threading.Condition()
        self._answered_ns = -1
        self._model_seen = threading.Event()
        self._actuator_seen = threading.Event()
        self._listen(ModelInfo, "classifier/model_info", self._model_seen)
        self._listen(DiverterState, "actuator/diverter_state", self._actuator_seen)
        self._own_readers = int(values["lossless"] and answers.topic == answers.results)
        if values["lossless"]:
            node.create_subscription(answers.kind, answers.topic, self._on_result, qos.RESULT)

    def await_graph(self, stop: threading.Event) -> bool:
        """Waits until pictures have a reader and both other nodes are up; False if never."""
        deadline = time.monotonic() + self._wait_sec
        while not stop.wait(_POLL_SEC):
            if (
                self._model_seen.is_set()
                and self._actuator_seen.is_set()
                and self._node.count_subscribers("camera/image_raw")
                and self._node.count_subscribers("camera/camera_info") >= self._listeners
                and self._node.count_subscribers(self._results) > self._own_readers
            ):
                return True
            if time.monotonic() > deadline:
                return False
        return False

    def await_result(self, stamp_ns: int, stop: threading.Event) -> bool:
        """Waits for the result of the frame stamped ``stamp_ns``; False if it never came."""
        deadline = time.monotonic() + self._ack_timeout_sec
        with self._answered:
            while self._answered_ns < stamp_ns:
                left_sec = deadline - time.monotonic()
                if left_sec <= 0 or stop.is_set():
                    return False
                self._answered.wait(min(left_sec, 0.5))
        return True

    def _listen(self, kind: Any, topic: str, seen: threading.Event) -> None:
        profile: QoSProfile = qos.LATCHED
        self._node.create_subscription(kind, topic, lambda _: seen.set(), profile)

    def _on_result(self, message: Any) -> None:
        with self._answered:
            self._answered_ns = time_to_ns(message.header.stamp)
            self._answered.notify_all()
