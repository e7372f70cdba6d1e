# SPDX-License-Identifier: Apache-2.0
"""Watches a run from outside, as any subscriber could, and keeps its account."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.stats import JudgedDecision, RunStats
from recycle_sorter.ros import qos
from recycle_sorter.ros.conversions import message_to_decision, message_to_truth, time_to_ns
from recycle_sorter.ros.message_info import with_info
from recycle_sorter_msgs.msg import (
    DiverterCommand,
    GroundTruth,
    MaterialClassification,
    ModelInfo,
)

if TYPE_CHECKING:
    from rclpy.subscription import MessageInfo  # Jazzy has no such name


class MonitorNode(Node):
    """Counts frames, judges decisions by the truth, and measures latencies.

    A latency runs from the picture's stamp to the moment at which the command was published,
    which the middleware notes. In lossless mode stamps are those of the recording, so it runs from
    the moment at which the picture was published.

    Attributes:
        stats: The account.
        model: What the classifier said of its model, once it has.
        inference_sec: Preprocessing and network of every frame with an item.
        lossless: Whether stamps are those of a recording.

    Args:
        on_decision: Told of each decision with its command.
        on_frame: Told of each classification.
        **node_options: Those of ``Node``.
    """

    def __init__(
        self,
        on_decision: Callable[[JudgedDecision, DiverterCommand], None],
        on_frame: Callable[[RunStats], None],
        **node_options: Any,
    ) -> None:
        super().__init__("monitor_node", **node_options)
        self.stats = RunStats()
        self.model: ModelInfo | None = None
        self.inference_sec: list[float] = []
        self._on_decision = on_decision
        self._on_frame = on_frame
        self.lossless = False
        self._published_ns: dict[int, int] = {}
        listen = self.create_subscription
        listen(CameraInfo, "camera/camera_info", with_info(self._camera_info), qos.RESULT)
        listen(GroundTruth, "camera/ground_truth", self._ground_truth, qos.RESULT)
        listen(MaterialClassification, "classifier/classification", self._result, qos.RESULT)
        listen(ModelInfo, "classifier/model_info", self._model_info, qos.LATCHED)
        listen(DiverterCommand, "actuator/diverter_command", with_info(self._command), qos.RESULT)

    def _camera_info(self, message: CameraInfo, info: MessageInfo) -> None:
        self.stats.frames_in += 1
        if self.lossless:
            self._published_ns[time_to_ns(message.header.stamp)] = info["source_timestamp"]

    def _ground_truth(self, message: GroundTruth) -> None:
        self.stats.on_truth(time_to_ns(message.header.stamp), message_to_truth(message))

    def _result(self, message: MaterialClassification) -> None:
        self.stats.frames_classified += 1
        if message.item_present:
            self.inference_sec.append(float(message.inference_time_sec))
        self._on_frame(self.stats)

    def _model_info(self, message: ModelInfo) -> None:
        self.model = message

    def _command(self, message: DiverterCommand, info: MessageInfo) -> None:
        try:
            decision = message_to_decision(message)
        except InvalidInputError as error:  # another version's actuator, or anybody
            self.get_logger().warning(f"command left out: {error}")
            return
        since_ns = self._published_ns.get(decision.stamp_ns, decision.stamp_ns)
        latency_ns = info["source_timestamp"] - since_ns
        self._on_decision(self.stats.on_decision(decision, latency_ns), message)
