# SPDX-License-Identifier: Apache-2.0
"""Watches a belt's run from outside, as any subscriber could, and hands on what it hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from rclpy.node import Node
from sensor_msgs.msg import CameraInfo

from recycle_sorter.belt_run.watched import WatchedRun
from recycle_sorter.core.belt.types import ItemRecord
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import SortDecision
from recycle_sorter.ros import belt_heard as heard
from recycle_sorter.ros import qos
from recycle_sorter.ros.belt_conversions import message_to_observation
from recycle_sorter.ros.conversions import time_to_ns
from recycle_sorter.ros.message_info import with_info
from recycle_sorter_msgs.msg import (
    BeltLanding,
    BeltObservation,
    BeltState,
    BeltTruth,
    ModelInfo,
)
from recycle_sorter_msgs.msg import ItemRecord as ItemRecordMessage
from recycle_sorter_msgs.msg import SortDecision as SortDecisionMessage

if TYPE_CHECKING:
    from rclpy.subscription import MessageInfo  # Jazzy has no such name


class BeltDisplay(Protocol):
    """Shows a belt's run to people."""

    def started(self, model_id: str, engine: str, precision: str, source: str) -> None:
        """The graph is up."""
        ...

    def frame(self, run: WatchedRun) -> None:
        """A picture was answered."""
        ...

    def record(self, record: ItemRecord) -> None:
        """An item has ended."""
        ...


class BeltMonitorNode(Node):
    """Fills a ``WatchedRun``.

    A latency runs from the picture's stamp to the moment at which the decision was published. In
    lossless mode stamps are those of the recording, so it runs from when the picture was.

    Attributes:
        run: What was heard.
        model: What the classifier said of its model, once it has.
        frames_in: Pictures that were published.
        lossless: Whether stamps are those of a recording.

    Args:
        display: Told of pictures and records.
        **node_options: Those of ``Node``.
    """

    def __init__(self, display: BeltDisplay, **node_options: Any) -> None:
        super().__init__("monitor_node", **node_options)
        self.run = WatchedRun()
        self.model: ModelInfo | None = None
        self.frames_in = 0
        self.lossless = False
        self._display = display
        self._published_ns: dict[int, int] = {}
        listen = self.create_subscription
        listen(CameraInfo, "camera/camera_info", with_info(self._camera_info), qos.RESULT)
        listen(ModelInfo, "classifier/model_info", self._model_info, qos.LATCHED)
        listen(BeltObservation, "belt/observation", self._checked(self._observed), qos.RESULT)
        listen(BeltState, "belt/state", self._belt, qos.RESULT)
        listen(BeltTruth, "belt/truth", self._checked(self._truth), qos.RESULT)
        listen(BeltLanding, "belt/landing", self._landing, qos.RESULT)
        listen(SortDecisionMessage, "belt/decision", with_info(self._decision), qos.RESULT)
        listen(ItemRecordMessage, "belt/record", self._checked(self._record), qos.RESULT)

    def _checked(self, callback: Callable[[Any], None]) -> Callable[[Any], None]:
        """Leaves out what cannot be: another version's node said it, or anybody."""

        def take(message: Any) -> None:
            try:
                callback(message)
            except InvalidInputError as error:
                self._leave_out(error)

        return take

    def _leave_out(self, error: InvalidInputError) -> None:
        self.get_logger().warning(f"message left out: {error}")

    def _camera_info(self, message: CameraInfo, info: MessageInfo) -> None:
        self.frames_in += 1
        if self.lossless:
            self._published_ns[time_to_ns(message.header.stamp)] = info["source_timestamp"]

    def _model_info(self, message: ModelInfo) -> None:
        self.model = message

    def _observed(self, message: BeltObservation) -> None:
        self.run.on_observation(message_to_observation(message))
        self._display.frame(self.run)

    def _belt(self, message: BeltState) -> None:
        if message.is_stale:  # a guess: the belt's motion was unknown
            return
        stamp_ns = time_to_ns(message.header.stamp)
        self.run.on_belt(stamp_ns, float(message.position_m), float(message.speed_m_per_sec))

    def _truth(self, message: BeltTruth) -> None:
        self.run.on_truth(heard.message_to_truth(message))

    def _landing(self, message: BeltLanding) -> None:
        self.run.on_landing(int(message.item_id), str(message.bin))

    def _decision(self, message: SortDecisionMessage, info: MessageInfo) -> None:
        try:
            decision = heard.message_to_decision(message)
        except InvalidInputError as error:
            self._leave_out(error)
            return
        since_ns = self._published_ns.get(decision.stamp_ns, decision.stamp_ns)
        latency_ns = info["source_timestamp"] - since_ns
        self.run.on_decision(decision, float(message.x_m), float(message.y_m), latency_ns)

    def _record(self, message: ItemRecordMessage) -> None:
        decision: SortDecision | None = None
        if (decided := self.run.decided.get(int(message.item_id))) is not None:
            decision = decided.decision
        record = heard.message_to_record(message, decision)
        self.run.on_record(record)
        self._display.record(record)
