# SPDX-License-Identifier: Apache-2.0
"""classifier_node: names the material of what lies in the newest frame."""

from __future__ import annotations

import time
from typing import Any

from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from recycle_sorter.config_files import load_routing
from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.ports import Engine
from recycle_sorter.core.types import Frame
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.classifier import MaterialClassifier
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.paths import share_file, shipped_model
from recycle_sorter.ros import conversions, qos
from recycle_sorter.ros.diagnostics import OK, WARN, Diagnostics, Report
from recycle_sorter.ros.images import image_to_frame
from recycle_sorter.ros.model_info import model_info
from recycle_sorter.ros.parameters import CLASSIFIER, declare
from recycle_sorter.ros.runner import run_node
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter.vision.board import BoardConfig, BoardModel
from recycle_sorter_msgs.msg import MaterialClassification, ModelInfo


class ClassifierNode(SorterNode):
    """Takes a frame, answers once, under the frame's own header."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("classifier_node", **node_options)
        values = declare(self, CLASSIFIER)
        bundle = ModelBundle.load(values["model"] or shipped_model())
        routing = load_routing(values["routing"] or share_file("config/routing.yaml"))
        if never := bundle.require_fits(routing.materials):
            self.get_logger().warning(f"{bundle.model_id} cannot tell {', '.join(never)}")
        engine = create_engine(values["engine"], bundle, values["precision"], values["threads"])
        self.at_destroy.callback(engine.close)
        self._classifier = MaterialClassifier(bundle, engine, _board(values))
        self._newest: Frame | None = None
        self._problem = ""
        self.counts = {"frames": 0, "answered": 0, "refused": 0, "failed": 0}
        self._results = self.create_publisher(
            MaterialClassification,
            "classifier/classification",
            **qos.overridable(qos.RESULT),
        )
        self._infos = self.create_publisher(ModelInfo, "classifier/model_info", qos.LATCHED)
        self.create_service(Trigger, "classifier/learn_board", self._on_learn_board)
        Diagnostics(self, self._report_status, bundle.model_id)
        self.create_subscription(
            Image,
            "camera/image_raw",
            self._on_image,
            **qos.overridable(qos.image_in(values["lossless"])),
        )
        info = model_info(bundle, engine)
        info.header.stamp = self.get_clock().now().to_msg()
        self._infos.publish(info)
        self.get_logger().info(f"{bundle.model_id} on {engine.name} in {engine.precision}")

    @property
    def engine(self) -> Engine:
        """What runs the network."""
        return self._classifier.engine

    @property
    def model_id(self) -> str:
        """Which model answers."""
        return self._classifier.bundle.model_id

    @property
    def done(self) -> int:
        """How many pictures it is through with, one way or another."""
        return self.counts["answered"] + self.counts["refused"] + self.counts["failed"]

    def _on_image(self, message: Image) -> None:
        self.counts["frames"] += 1
        try:
            self._newest = image_to_frame(message)
            found = self._classifier.classify(self._newest, time.perf_counter_ns)
        except InvalidInputError as error:
            self._complain("refused", f"picture refused: {error}")
            return
        except ModelError as error:
            self._complain("failed", str(error))
            return
        self._results.publish(conversions.classification_to_message(found, message.header))
        self.counts["answered"] += 1
        self._problem = ""

    def _on_learn_board(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        if self._classifier.board is None:
            response.message = "detect_board is false: there is no board to learn"
        elif self._newest is None:
            response.message = "no picture has arrived yet"
        else:
            self._classifier.learn_board(self._newest)
            response.success = True
            response.message = "what lies in view is the empty board from now on"
        return response

    def _complain(self, count: str, text: str) -> None:
        self.counts[count] += 1
        self._problem = text
        self.get_logger().error(text, throttle_duration_sec=1.0)

    def _report_status(self) -> Report:
        return (WARN, self._problem, self.counts) if self._problem else (OK, "ready", self.counts)


def _board(values: dict[str, Any]) -> BoardModel | None:
    if not values["detect_board"]:
        return None
    config = BoardConfig(relearn_sec=values["relearn_sec"])
    if values["board_image"]:
        return BoardModel.from_image(values["board_image"], config)
    return BoardModel(config)


def main(args: list[str] | None = None) -> int:
    """Runs the node until it is interrupted."""
    return run_node(ClassifierNode, args)
