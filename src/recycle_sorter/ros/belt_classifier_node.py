# SPDX-License-Identifier: Apache-2.0
"""belt_classifier_node: finds the items of the newest picture and names their materials."""

from __future__ import annotations

import math
import time
from typing import Any

from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from recycle_sorter.belt_run.parts import (
    CROPS_AT_ONCE,
    check_camera,
    make_calibration,
    make_perception,
)
from recycle_sorter.belt_run.perception import BeltPerception
from recycle_sorter.belt_run.picture_size import PictureSize
from recycle_sorter.config_files import load_layout
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros import qos
from recycle_sorter.ros.answering_node import AnsweringNode
from recycle_sorter.ros.belt_parameters import BELT_CLASSIFIER
from recycle_sorter.ros.diagnostics import OK, Report
from recycle_sorter.ros.images import image_to_frame
from recycle_sorter.ros.runner import run_node
from recycle_sorter_msgs.msg import BeltObservation, BeltState


class BeltClassifierNode(AnsweringNode):
    """Says of each picture which items lie in it."""

    def __init__(self, **node_options: Any) -> None:
        answer = (BeltObservation, "belt/observation")
        super().__init__("belt_classifier_node", BELT_CLASSIFIER, answer, **node_options)
        self.counts["items"] = 0
        self._layout = load_layout(self.values["layout"])
        check_camera(self._layout)
        self.load(self._layout.routing.materials, CROPS_AT_ONCE)
        self._background = self.values["background"].replace("auto", "")
        self._perception: BeltPerception | None = None
        self._picture_size = PictureSize()
        self._position_m: float | None = None
        self.create_service(Trigger, "classifier/learn_belt", self._on_learn_belt)
        self.create_subscription(
            BeltState, "belt/state", self._on_state, **qos.overridable(qos.RESULT)
        )
        self.listen()

    def answer(self, picture: Image) -> BeltObservation:
        """See ``AnsweringNode``."""
        frame = image_to_frame(picture)
        perception = self._perception_for(picture.width, picture.height)
        seen = perception.observe(frame, time.perf_counter_ns, self._position_m)
        self.counts["items"] += len(seen.detections)
        return convert.observation_to_message(seen, picture.header)

    def state(self) -> Report:
        """See ``AnsweringNode``."""
        is_ready = self._perception is not None and self._perception.finder.is_ready
        return OK, "ready" if is_ready else "learning the empty belt", self.counts

    def _perception_for(self, width_px: int, height_px: int) -> BeltPerception:
        """The parts for pictures of a size; made anew, belt and all, if it changes for good."""
        if self._picture_size.is_new(width_px, height_px) or self._perception is None:
            calibration = make_calibration(self._layout, width_px, height_px)
            self._perception = make_perception(
                self._layout, calibration, self.bundle, self.engine, self._background
            )
            self._picture_size.settle(width_px, height_px)
            self.get_logger().info(f"pictures of {width_px} x {height_px}: learning the belt")
        return self._perception

    def _on_state(self, message: BeltState) -> None:
        """Where the belt was a picture ago; the finder learns the belt by the way it has gone."""
        position_m = float(message.position_m)
        is_picture = self._layout.motion.source == "picture"  # then its own measure is newer
        self._position_m = position_m if math.isfinite(position_m) and not is_picture else None

    def _on_learn_belt(
        self, _request: Trigger.Request, response: Trigger.Response
    ) -> Trigger.Response:
        if self._perception is None:
            response.message = "no picture has arrived yet"
        else:
            self._perception.finder.relearn()
            response.success = True
            response.message = "the next pictures teach the empty belt anew"
        return response


def main(args: list[str] | None = None) -> int:
    """Runs the node until it is interrupted."""
    return run_node(BeltClassifierNode, args)
