# SPDX-License-Identifier: Apache-2.0
"""What the classifiers of station and belt share: one model, and one answer to each picture."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection
from typing import Any

from sensor_msgs.msg import Image

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.ports import Engine
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.factory import create_engine
from recycle_sorter.paths import shipped_model
from recycle_sorter.ros import qos
from recycle_sorter.ros.diagnostics import WARN, Diagnostics, Report
from recycle_sorter.ros.model_info import model_info
from recycle_sorter.ros.parameters import Param, declare
from recycle_sorter.ros.sorter_node import SorterNode
from recycle_sorter_msgs.msg import ModelInfo


class AnsweringNode(SorterNode):
    """Answers a picture once, under the picture's own header; a subclass knows what.

    The subclass calls ``load`` when it knows the line's materials, and ``listen`` once it is ready.

    Attributes:
        values: The node's parameters.
        bundle: The model.
        engine: What runs it, once it is loaded.
        counts: Pictures by what became of them.

    Args:
        name: Of the node.
        params: What it declares; ``model``, ``engine``, ``precision``, ``threads`` and ``lossless``
            among them.
        answer: Type and topic of its answers.
        **node_options: Those of ``Node``.

    Raises:
        SorterError: If the model cannot be loaded.
    """

    def __init__(
        self, name: str, params: tuple[Param, ...], answer: tuple[type[Any], str],
        **node_options: Any,
    ) -> None:  # fmt: skip
        super().__init__(name, **node_options)
        self.values = values = declare(self, params)
        self.bundle = ModelBundle.load(values["model"] or shipped_model())
        self.engine: Engine
        self.counts = {"frames": 0, "answered": 0, "refused": 0, "failed": 0}
        self._problem = ""
        self._answer = answer

    @property
    def model_id(self) -> str:
        """Which model answers."""
        return self.bundle.model_id

    @property
    def done(self) -> int:
        """How many pictures it is through with, one way or another."""
        return self.counts["answered"] + self.counts["refused"] + self.counts["failed"]

    def load(self, materials: Collection[str], batch: int = 1) -> None:
        """Loads the network into its engine, if it fits the line.

        Args:
            materials: What the line knows of; the model must name nothing else.
            batch: How many pictures the network is shown at once.

        Raises:
            InvalidInputError: If it does.
            ModelError: If the network does not load.
        """
        if never := self.bundle.require_fits(materials):
            self.get_logger().warning(f"{self.model_id} cannot tell {', '.join(never)}")
        values = self.values
        self.engine = create_engine(
            values["engine"], self.bundle, values["precision"], values["threads"], batch
        )
        self.at_destroy.callback(self.engine.close)

    def listen(self) -> None:
        """Says what the model is, and takes pictures from now on."""
        self._answers = self.create_publisher(*self._answer, **qos.overridable(qos.RESULT))
        self._infos = self.create_publisher(ModelInfo, "classifier/model_info", qos.LATCHED)
        Diagnostics(self, self._report_status, self.model_id)
        image_in = qos.overridable(qos.image_in(self.values["lossless"]))
        self.create_subscription(Image, "camera/image_raw", self._on_image, **image_in)
        info = model_info(self.bundle, self.engine)
        info.header.stamp = self.get_clock().now().to_msg()
        self._infos.publish(info)
        engine = f"{self.engine.name} in {self.engine.precision}"
        self.get_logger().info(f"{self.model_id} on {engine}")

    @abstractmethod
    def answer(self, picture: Image) -> Any:
        """The message that answers a picture.

        Raises:
            InvalidInputError: If the picture is none.
            ModelError: If the network fails.
        """

    @abstractmethod
    def state(self) -> Report:
        """What diagnostics tell while there is no problem."""

    def _on_image(self, message: Image) -> None:
        self.counts["frames"] += 1
        try:
            answer = self.answer(message)
        except InvalidInputError as error:
            self._complain("refused", f"picture refused: {error}")
            return
        except ModelError as error:
            self._complain("failed", str(error))
            return
        self._answers.publish(answer)
        self.counts["answered"] += 1
        self._problem = ""

    def _complain(self, count: str, text: str) -> None:
        self.counts[count] += 1
        self._problem = text
        self.get_logger().error(text, throttle_duration_sec=1.0)

    def _report_status(self) -> Report:
        return (WARN, self._problem, self.counts) if self._problem else self.state()
