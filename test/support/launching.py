# SPDX-License-Identifier: Apache-2.0
"""What the launch tests share: including our launch files and listening beside them."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

import rclpy
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from sensor_msgs.msg import CameraInfo

from recycle_sorter.paths import share_file
from recycle_sorter.ros import qos
from recycle_sorter.ros.transport import use_shipped_transport
from recycle_sorter_msgs.msg import (
    BeltEncoder,
    BeltObservation,
    BeltState,
    BeltTruth,
    DiverterCommand,
    DiverterState,
    GroundTruth,
    ItemRecord,
    MaterialClassification,
    ModelInfo,
    SortDecision,
)

TOPICS: dict[str, tuple[Any, Any]] = {
    "camera/camera_info": (CameraInfo, qos.RESULT),
    "camera/ground_truth": (GroundTruth, qos.RESULT),
    "classifier/classification": (MaterialClassification, qos.RESULT),
    "classifier/model_info": (ModelInfo, qos.LATCHED),
    "actuator/diverter_command": (DiverterCommand, qos.RESULT),
    "actuator/diverter_state": (DiverterState, qos.LATCHED),
}
BELT_TOPICS: dict[str, tuple[Any, Any]] = {
    "camera/camera_info": (CameraInfo, qos.RESULT),
    "classifier/model_info": (ModelInfo, qos.LATCHED),
    "actuator/diverter_command": (DiverterCommand, qos.RESULT),
    "actuator/diverter_state": (DiverterState, qos.LATCHED),
    "belt/encoder": (BeltEncoder, qos.RESULT),
    "belt/truth": (BeltTruth, qos.RESULT),
    "belt/observation": (BeltObservation, qos.RESULT),
    "belt/state": (BeltState, qos.RESULT),
    "belt/decision": (SortDecision, qos.RESULT),
    "belt/record": (ItemRecord, qos.RESULT),
}


def include(name: str, **arguments: str) -> IncludeLaunchDescription:
    """One of the installed launch files with arguments."""
    path = share_file(f"launch/{name}.launch.py")
    source = PythonLaunchDescriptionSource(str(path))
    return IncludeLaunchDescription(source, launch_arguments=arguments.items())


class Listener:
    """Collects what the sorter publishes, from before it starts until it is closed."""

    def __init__(self, namespace: str = "", topics: Mapping[str, tuple[Any, Any]] = TOPICS) -> None:
        self._topics = topics
        self.messages: dict[str, list[Any]] = defaultdict(list)
        self._arrived = threading.Condition()
        use_shipped_transport()  # the same network as the nodes', or they meet late
        self._context = Context()
        rclpy.init(context=self._context)
        node_options: dict[str, Any] = {"namespace": namespace} if namespace else {}
        self._node = rclpy.create_node("listener", context=self._context, **node_options)
        for topic, (kind, profile) in topics.items():
            self._node.create_subscription(kind, topic, self._keeper(topic), profile)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._spin, daemon=True)
        self._thread.start()

    def wait_for(self, is_there: Callable[[], bool], timeout_sec: float) -> bool:
        """Waits until ``is_there``, looked at after each message; False if it never is."""
        deadline = time.monotonic() + timeout_sec
        with self._arrived:
            while not is_there():
                left_sec = deadline - time.monotonic()
                if left_sec <= 0:
                    return False
                self._arrived.wait(left_sec)
        return True

    def silent_topics(self) -> list[str]:
        """The topics on which nothing has arrived."""
        return [topic for topic in self._topics if not self.messages[topic]]

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stops listening."""
        self._executor.shutdown()
        self._thread.join(timeout=5.0)
        self._node.destroy_node()
        rclpy.shutdown(context=self._context)

    def _keeper(self, topic: str) -> Callable[[Any], None]:
        def keep(message: Any) -> None:
            with self._arrived:
                self.messages[topic].append(message)
                self._arrived.notify_all()

        return keep

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            return


def right_and_total(listener: Listener) -> tuple[int, int]:
    """How many items were sorted right and how many there were, by the recording's truth."""
    truths = sorted(
        (message.header.stamp.sec, message.header.stamp.nanosec, message.material)
        for message in listener.messages["camera/ground_truth"]
    )
    right = 0
    for command in listener.messages["actuator/diverter_command"]:
        stamp = (command.header.stamp.sec, command.header.stamp.nanosec)
        shown = [material for sec, nanosec, material in truths if (sec, nanosec) <= stamp]
        accepted = command.reason == DiverterCommand.REASON_ACCEPTED
        right += bool(shown) and accepted and shown[-1] == command.material
    return right, len(truths)
