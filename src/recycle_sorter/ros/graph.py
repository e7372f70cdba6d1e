# SPDX-License-Identifier: Apache-2.0
"""The graph in one process: the same node classes that launch starts one by one."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rclpy.exceptions import InvalidNamespaceException
from rclpy.executors import Executor, ExternalShutdownException
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.task import Future
from rclpy.validate_namespace import validate_namespace

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ros.actuator_node import ActuatorNode
from recycle_sorter.ros.camera_node import CameraNode
from recycle_sorter.ros.classifier_node import ClassifierNode
from recycle_sorter.ros.parameters import ACTUATOR, CAMERA, CLASSIFIER, RECORDER, Param
from recycle_sorter.ros.recorder_node import RecorderNode
from recycle_sorter.ros.runner import spin

_DRAIN_SEC = 0.5
_QOS_PREFIX = "qos_overrides."
_PARAMS: dict[type[Node], tuple[Param, ...]] = {
    CameraNode: CAMERA,
    ClassifierNode: CLASSIFIER,
    ActuatorNode: ACTUATOR,
    RecorderNode: RECORDER,
}


@dataclass(slots=True)
class Graph:
    """Camera, classifier, actuator, and a recorder if wanted, in one process.

    The camera comes last: it starts to publish when the others are up.

    Attributes:
        executor: Spins all of them.
        inference_executor: Spins the classifier instead, on a thread of its own, so that no
            diverter waits for an inference that has begun; None to leave it with the others.
        settings: Parameter values by name; each node takes those it declares.
        namespace: Of all nodes.
        record: Folder of a bag to write; empty for none.
    """

    executor: Executor
    settings: Mapping[str, Any] = field(default_factory=dict)
    namespace: str = ""
    record: str = ""
    inference_executor: Executor | None = None
    _inference_end: Future[None] = field(default_factory=Future)
    _inference: threading.Thread | None = None
    _nodes: list[Node] = field(default_factory=list)

    def __post_init__(self) -> None:
        try:
            validate_namespace("/" + self.namespace.strip("/"))
        except InvalidNamespaceException as error:
            expected = "letters, digits and _, not beginning with a digit, e.g. lane1"
            raise InvalidInputError("namespace", self.namespace, expected) from error

    def start(self) -> None:
        """Makes the nodes.

        Raises:
            SorterError: If one refuses to start; those before it are then freed.
        """
        _check_names(self.settings)
        try:
            self._add(ActuatorNode)
            self._add(ClassifierNode)
            if self.record:
                self._add(RecorderNode, output=self.record)
            self._add(CameraNode)
            if self.inference_executor is not None:
                self._inference = threading.Thread(target=self._spin_inference, name="inference")
                self._inference.start()
        except BaseException:
            self.stop()
            raise

    @property
    def camera(self) -> CameraNode:
        """The camera node."""
        return next(node for node in self._nodes if isinstance(node, CameraNode))

    @property
    def classifier(self) -> ClassifierNode:
        """The classifier node."""
        return next(node for node in self._nodes if isinstance(node, ClassifierNode))

    @property
    def actuator(self) -> ActuatorNode:
        """The actuator node."""
        return next(node for node in self._nodes if isinstance(node, ActuatorNode))

    def add(self, node: Node) -> None:
        """Spins and frees a further node with the others."""
        self._nodes.append(node)
        self._executor_of(node).add_node(node)

    def drain(self, is_done: Callable[[], bool]) -> None:
        """Spins until ``is_done`` or for half a second: what is under way shall arrive."""
        deadline = time.monotonic() + _DRAIN_SEC
        while not is_done() and time.monotonic() < deadline:
            self.executor.spin_once(timeout_sec=0.02)

    def finish(self) -> None:
        """Ends the camera, lets what is under way arrive, and decides the item in view."""
        self.camera.stop()
        published = self.camera.pump.counters.published
        self.drain(lambda: self.classifier.done >= published)
        answered = self.classifier.counts["answered"]
        self.drain(lambda: self.actuator.received >= answered)
        self.actuator.finish()

    def stop(self) -> None:
        """Frees the nodes, the camera first."""
        self._inference_end.set_result(None)
        if self._inference is not None:
            self._inference.join()
        while self._nodes:
            node = self._nodes.pop()
            self._executor_of(node).remove_node(node)
            node.destroy_node()

    def _executor_of(self, node: Node) -> Executor:
        if self.inference_executor is not None and isinstance(node, ClassifierNode):
            return self.inference_executor
        return self.executor

    def _spin_inference(self) -> None:
        assert self.inference_executor is not None
        try:
            spin(self.inference_executor, self._inference_end)
        except ExternalShutdownException:
            return
        except Exception as error:
            self.camera.finished.set_exception(error)  # whoever spins must hear of it
            raise

    def _add(self, kind: type[Node], **more: Any) -> None:
        values = {
            param.name: param.widen(self.settings[param.name])
            for param in _PARAMS[kind]
            if param.name in self.settings
        }
        # Whose topic it is, the node knows; others leave it alone.
        values |= {n: v for n, v in self.settings.items() if n.startswith(_QOS_PREFIX)}
        overrides = [Parameter(name, value=value) for name, value in {**values, **more}.items()]
        options: dict[str, Any] = {"parameter_overrides": overrides}
        if self.namespace:
            options["namespace"] = self.namespace
        self.add(kind(**options))


def _check_names(settings: Mapping[str, Any]) -> None:
    known = {param.name for params in _PARAMS.values() for param in params}
    for name, value in settings.items():
        if name not in known and not name.startswith(_QOS_PREFIX):
            close = difflib.get_close_matches(name, known, n=1)
            fix = f"did you mean {close[0]}?" if close else "see config/sorter.yaml"
            raise InvalidInputError(name, value, "a parameter of one of the nodes", fix)
