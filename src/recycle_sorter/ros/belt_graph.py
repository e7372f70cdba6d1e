# SPDX-License-Identifier: Apache-2.0
"""A belt's graph in one process."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ros.belt_actuator_node import BeltActuatorNode
from recycle_sorter.ros.belt_bag_node import BeltBagNode
from recycle_sorter.ros.belt_classifier_node import BeltClassifierNode
from recycle_sorter.ros.belt_parameters import BELT_ACTUATOR, BELT_BAG, BELT_CLASSIFIER, TWIN
from recycle_sorter.ros.camera_node import CameraNode
from recycle_sorter.ros.graph import GraphBase, Kind, Kinds
from recycle_sorter.ros.line_source import LineSourceNode
from recycle_sorter.ros.parameters import CAMERA
from recycle_sorter.ros.twin_node import TwinNode
from recycle_sorter.sources.belt_choice import belt_source

# Python's own, 5 ms, is how long a tick may wait for a thread that paints or computes.
_SWITCH_SEC = 0.0005
_KINDS: dict[str, Kind] = {
    "twin": (TwinNode, TWIN),
    "bag": (BeltBagNode, BELT_BAG),
    "camera": (CameraNode, CAMERA),
}


@dataclass(slots=True)
class BeltGraph(GraphBase[LineSourceNode | CameraNode, BeltClassifierNode, BeltActuatorNode]):
    """The graph of a moving belt.

    Attributes:
        shown_by: ``"twin"``, ``"bag"`` or ``"camera"``; empty: as ``belt_source`` says by the
            settings ``source`` and ``uri``.
    """

    shown_by: str = ""

    def __post_init__(self) -> None:
        GraphBase.__post_init__(self)
        settings = {**self.settings, "mode": "belt"}
        if not self.shown_by:
            asked = (str(settings.get(name, "")) for name in ("source", "uri"))
            self.shown_by = belt_source(*asked)
        if self.shown_by not in _KINDS:
            raise InvalidInputError("shown_by", self.shown_by, f"one of {', '.join(_KINDS)}")
        if self.shown_by != "camera":
            settings.pop("source", None)
        self.settings = settings

    def start(self) -> None:
        """Makes the nodes; see ``GraphBase.start``."""
        sys.setswitchinterval(min(sys.getswitchinterval(), _SWITCH_SEC))
        GraphBase.start(self)

    def finish(self) -> None:
        """Lets the belt's last movements arrive, too; see ``GraphBase.finish``."""
        camera, intake = self.camera, self.actuator.intake
        camera.stop()
        if isinstance(camera, LineSourceNode):
            told = camera.told.get(intake.stream, 0)
            self.drain(lambda: intake.received >= told)
        GraphBase.finish(self)

    def _kinds(self) -> Kinds:
        return Kinds(
            (BeltActuatorNode, BELT_ACTUATOR),
            (BeltClassifierNode, BELT_CLASSIFIER),
            _KINDS[self.shown_by],
        )
