# SPDX-License-Identifier: Apache-2.0
"""classifier_node: names the material of what lies in the newest frame."""

from __future__ import annotations

import time
from typing import Any

from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from recycle_sorter.config_files import load_routing
from recycle_sorter.core.types import Frame
from recycle_sorter.inference.classifier import MaterialClassifier
from recycle_sorter.paths import share_file
from recycle_sorter.ros import conversions
from recycle_sorter.ros.answering_node import AnsweringNode
from recycle_sorter.ros.diagnostics import OK, Report
from recycle_sorter.ros.images import image_to_frame
from recycle_sorter.ros.parameters import CLASSIFIER
from recycle_sorter.ros.runner import run_node
from recycle_sorter.vision.board import BoardConfig, BoardModel
from recycle_sorter_msgs.msg import MaterialClassification


class ClassifierNode(AnsweringNode):
    """Says of each frame what lies in it."""

    def __init__(self, **node_options: Any) -> None:
        answer = (MaterialClassification, "classifier/classification")
        super().__init__("classifier_node", CLASSIFIER, answer, **node_options)
        routing = load_routing(self.values["routing"] or share_file("config/routing.yaml"))
        self.load(routing.materials)
        self._classifier = MaterialClassifier(self.bundle, self.engine, _board(self.values))
        self._newest: Frame | None = None
        self.create_service(Trigger, "classifier/learn_board", self._on_learn_board)
        self.listen()

    def answer(self, picture: Image) -> MaterialClassification:
        """See ``AnsweringNode``."""
        self._newest = image_to_frame(picture)
        found = self._classifier.classify(self._newest, time.perf_counter_ns)
        return conversions.classification_to_message(found, picture.header)

    def state(self) -> Report:
        """See ``AnsweringNode``."""
        return OK, "ready", self.counts

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
