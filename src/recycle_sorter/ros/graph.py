# SPDX-License-Identifier: Apache-2.0
"""The graph in one process: the same node classes that launch starts one by one.

``Graph`` is a station's; a belt's is ``belt_graph.BeltGraph``.
"""

from __future__ import annotations

import difflib
import threading
import time
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast

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
from recycle_sorter.sources.pump import PumpCounters

_DRAIN_SEC = 0.5
_QOS_PREFIX = "qos_overrides."


class Pump(Protocol):
    """What moves a camera's frames."""

    @property
    def counters(self) -> PumpCounters:
        """What it did."""
        ...


class Camera(Protocol):
    """A node that shows pictures."""

    finished: Future[None]

    @property
    def pump(self) -> Pump:
        """Moves the frames."""
        ...

    def stop(self) -> None:
        """Shows no more."""
        ...


class Classifier(Protocol):
    """A node that answers pictures."""

    counts: dict[str, int]

    @property
    def done(self) -> int:
        """How many pictures it is through with."""
        ...


class Actuator(Protocol):
    """A node that acts on answers."""

    @property
    def received(self) -> int:
        """How many answers it has received."""
        ...

    def finish(self) -> None:
        """Decides what is open: no more answers will come."""
        ...


CameraT = TypeVar("CameraT", bound=Camera)
ClassifierT = TypeVar("ClassifierT", bound=Classifier)
ActuatorT = TypeVar("ActuatorT", bound=Actuator)
Kind = tuple[type[Any], tuple[Param, ...]]


@dataclass(frozen=True, slots=True)
class Kinds:
    """The classes of a graph's nodes, each with its parameters."""

    actuator: Kind
    classifier: Kind
    camera: Kind
    recorder: Kind = (RecorderNode, RECORDER)


@dataclass(slots=True)
class GraphBase(Generic[CameraT, ClassifierT, ActuatorT]):
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
        kinds = self._kinds()
        self._check_names(kinds)
        try:
            self._add(kinds.actuator)
            self._add(kinds.classifier)
            if self.record:
                self._add(kinds.recorder, output=self.record)
            self._add(kinds.camera)
            if self.inference_executor is not None:
                self._inference = threading.Thread(target=self._spin_inference, name="inference")
                self._inference.start()
        except BaseException:
            self.stop()
            raise

    @abstractmethod
    def _kinds(self) -> Kinds:
        """What the graph is made of."""

    @property
    def camera(self) -> CameraT:
        """The camera node."""
        return cast("CameraT", self._find(self._kinds().camera))

    @property
    def classifier(self) -> ClassifierT:
        """The classifier node."""
        return cast("ClassifierT", self._find(self._kinds().classifier))

    @property
    def actuator(self) -> ActuatorT:
        """The actuator node."""
        return cast("ActuatorT", self._find(self._kinds().actuator))

    def _find(self, kind: Kind) -> Node:
        return next(node for node in self._nodes if isinstance(node, kind[0]))

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
        is_classifier = isinstance(node, self._kinds().classifier[0])
        if self.inference_executor is not None and is_classifier:
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

    def _add(self, kind: Kind, **more: Any) -> None:
        make, params = kind
        values = {
            param.name: param.widen(self.settings[param.name])
            for param in params
            if param.name in self.settings
        }
        # Whose topic it is, the node knows; others leave it alone.
        values |= {n: v for n, v in self.settings.items() if n.startswith(_QOS_PREFIX)}
        overrides = [Parameter(name, value=value) for name, value in {**values, **more}.items()]
        options: dict[str, Any] = {"parameter_overrides": overrides}
        if self.namespace:
            options["namespace"] = self.namespace
        self.add(make(**options))

    def _check_names(self, kinds: Kinds) -> None:
        every = (kinds.actuator, kinds.classifier, kinds.camera, kinds.recorder)
        known = {param.name for _, params in every for param in params}
        for name, value in self.settings.items():
            if name not in known and not name.startswith(_QOS_PREFIX):
                close = difflib.get_close_matches(name, known, n=1)
                fix = f"did you mean {close[0]}?" if close else "see config/sorter.yaml"
                raise InvalidInputError(name, value, "a parameter of one of the nodes", fix)


class Graph(GraphBase[CameraNode, ClassifierNode, ActuatorNode]):
    """The graph of a station: one item at a time before the camera."""

    def _kinds(self) -> Kinds:
        return Kinds((ActuatorNode, ACTUATOR), (ClassifierNode, CLASSIFIER), (CameraNode, CAMERA))
