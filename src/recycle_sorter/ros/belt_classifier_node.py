# SPDX-License-Identifier: Apache-2.0
"""belt_classifier_node: finds the items of the newest picture and names their materials."""

from __future__ import annotations

import math
import time
from typing import Any

from sensor_msgs.msg import Image
from std_srvs.srv import Trigger

from recycle_sorter.belt_run.parts import make_calibration, make_perception
from recycle_sorter.belt_run.perception import BeltPerception
from recycle_sorter.belt_run.picture_size import PictureSize
from recycle_sorter.config_files import load_layout
from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.paths import shipped_model
from recycle_sorter.ros import belt_conversions as convert
from recycle_sorter.ros import qos
from recycle_sorter.ros.belt_parameters import BELT_CLASSIFIER
from recycle_sorter.ros.diagnostics import OK, WARN, Diagnostics, Report
from recycle_sorter.ros.images import image_to_frame
from recycle_sorter.ros.model_info import model_info
from recycle_sorter.ros.parameters import declare
from recycle_sorter.ros.runner import run_node
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter_msgs.msg import BeltObservation, BeltState, ModelInfo


class BeltClassifierNode(SorterNode):
    """Takes a picture, answers once, under the picture's own header."""

    def __init__(self, **node_options: Any) -> None:
        super().__init__("belt_classifier_node", **node_options)
        values = declare(self, BELT_CLASSIFIER)
        self._layout = load_layout(values["layout"])
        self._bundle = bundle = ModelBundle.load(values["model"] or shipped_model())
        if never := bundle.require_fits(self._layout.routing.materials):
            self.get_logger().warning(f"{bundle.model_id} cannot tell {', '.join(never)}")
        self.engine = engine = create_engine(
            values["engine"], bundle, values["precision"], values["threads"]
        )
        self.at_destroy.callback(engine.close)
        self._background = values["background"].replace("auto", "")
        self._perception: BeltPerception | None = None
        self._picture_size = PictureSize()
        self._position_m: float | None = None
        self._problem = ""
        self.counts = {"frames": 0, "answered": 0, "refused": 0, "failed": 0, "items": 0}
        self._results = self.create_publisher(
            BeltObservation, "belt/observation", **qos.overridable(qos.RESULT)
        )
        self._infos = self.create_publisher(ModelInfo, "classifier/model_info", qos.LATCHED)
        self.create_service(Trigger, "classifier/learn_belt", self._on_learn_belt)
        self.create_subscription(
            BeltState, "belt/state", self._on_state, **qos.overridable(qos.RESULT)
        )
        Diagnostics(self, self._report_status, bundle.model_id)
        image_in = qos.overridable(qos.image_in(values["lossless"]))
        self.create_subscription(Image, "camera/image_raw", self._on_image, **image_in)
        info = model_info(bundle, engine)
        info.header.stamp = self.get_clock().now().to_msg()
        self._infos.publish(info)
        self.get_logger().info(f"{bundle.model_id} on {engine.name} in {engine.precision}")

    @property
    def model_id(self) -> str:
        """Which model answers."""
        return self._bundle.model_id

    @property
    def done(self) -> int:
        """How many pictures it is through with, one way or another."""
        return self.counts["answered"] + self.counts["refused"] + self.counts["failed"]

    def _on_image(self, message: Image) -> None:
        self.counts["frames"] += 1
        try:
            frame = image_to_frame(message)
            perception = self._perception_for(message.width, message.height)
            seen = perception.observe(frame, time.perf_counter_ns, self._position_m)
        except InvalidInputError as error:
            self._complain("refused", f"picture refused: {error}")
            return
        except ModelError as error:
            self._complain("failed", str(error))
            return
        self._results.publish(convert.observation_to_message(seen, message.header))
        self.counts["answered"] += 1
        self.counts["items"] += len(seen.detections)
        self._problem = ""

    def _perception_for(self, width_px: int, height_px: int) -> BeltPerception:
        """The parts for pictures of a size; made anew, belt and all, if it changes for good."""
        if self._picture_size.is_new(width_px, height_px) or self._perception is None:
            calibration = make_calibration(self._layout, width_px, height_px)
            self._perception = make_perception(
                self._layout, calibration, self._bundle, self.engine, self._background
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

    def _complain(self, count: str, text: str) -> None:
        self.counts[count] += 1
        self._problem = text
        self.get_logger().error(text, throttle_duration_sec=1.0)

    def _report_status(self) -> Report:
        if self._problem:
            return WARN, self._problem, self.counts
        is_ready = self._perception is not None and self._perception.finder.is_ready
        return OK, "ready" if is_ready else "learning the empty belt", self.counts


def main(args: list[str] | None = None) -> int:
    """Runs the node until it is interrupted."""
    return run_node(BeltClassifierNode, args)
