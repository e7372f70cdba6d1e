# SPDX-License-Identifier: Apache-2.0
"""Every parameter, declared once: name, default, bounds, meaning.

``config/sorter.yaml`` holds the same names and defaults, commented; a test keeps the two in step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterException, ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from recycle_sorter.core.errors import InvalidInputError

Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter.

    Attributes:
        name: Its name; ends in its unit where it has one.
        default: Default value, which also sets the type.
        text: What it does, for ``ros2 param describe``.
        low: Lowest value, for numbers.
        high: Highest value, for numbers.
        choices: Allowed values, for text.
        is_dynamic: Whether it can be set while the node runs.
    """

    name: str
    default: Value
    text: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    is_dynamic: bool = False

    def descriptor(self) -> ParameterDescriptor:
        """The ROS descriptor, with the range that rclpy itself enforces."""
        found = ParameterDescriptor(
            name=self.name, description=self.text, read_only=not self.is_dynamic
        )
        if self.choices:
            found.additional_constraints = f"one of: {', '.join(self.choices)}"
        if self.low is not None and self.high is not None:
            if isinstance(self.default, float):
                found.floating_point_range = [
                    FloatingPointRange(from_value=self.low, to_value=self.high)
                ]
            else:
                found.integer_range = [
                    IntegerRange(from_value=int(self.low), to_value=int(self.high))
                ]
        return found

    def widen(self, value: Any) -> Any:
        """A whole number where a fraction is meant (``rate=2``) as that fraction."""
        return float(value) if isinstance(self.default, float) and type(value) is int else value

    def check(self, value: Any) -> None:
        """Refuses a value that ROS's own range check would let pass.

        Raises:
            InvalidInputError: If a text is not one of the choices.
        """
        if self.choices and value not in self.choices:
            raise InvalidInputError(self.name, value, f"one of: {', '.join(self.choices)}")


_SOURCES = ("auto", "usb", "video", "images", "bag")
_ENGINES = ("openvino", "onnxruntime", "torch")
_PRECISIONS = ("auto", "fp32", "bf16", "int8")
_LOSSLESS = Param(
    "lossless",
    False,
    "every frame gets exactly one result, as fast as they come; same in all nodes",
)

_MODE = Param("mode", "station", "what the graph sorts", choices=("station", "belt"))

CAMERA = (
    _MODE,
    Param("source", "auto", "kind of source; auto tells by the uri", choices=_SOURCES),
    Param("uri", "", "device index or path, video file, folder of pictures, or bag"),
    Param("width_px", 640, "picture width asked of a USB camera or made of pictures", 16, 8192),
    Param("height_px", 480, "picture height, likewise", 16, 8192),
    Param("fps_hz", 30.0, "frame rate asked of a USB camera or made of pictures", 0.1, 1000.0),
    Param("mjpeg", True, "ask a USB camera for MJPEG, which leaves room on the bus"),
    Param("topic", "", "image topic within a bag; empty takes the first one"),
    Param("rate", 1.0, "speed of a recorded source; 2.0 is twice as fast", 0.01, 1000.0),
    Param("loop", False, "start a recorded source anew when it ends"),
    _LOSSLESS,
    Param("show_sec", 0.5, "how long the images source shows each picture", 0.01, 3600.0),
    Param("gap_sec", 0.3, "empty board between pictures of the images source", 0.0, 3600.0),
    Param("seed", 0, "seed of the images source's noise, jitter and order", 0, 2**31 - 1),
    Param("frame_id", "camera_optical_frame", "frame of the header (REP-103 optical)"),
    Param("reconnect_initial_sec", 0.5, "wait before a lost camera is opened again", 0.01, 60.0),
    Param("reconnect_max_sec", 10.0, "longest such wait; it doubles each time", 0.01, 600.0),
    Param("wait_for_graph_sec", 10.0, "a recorded source waits so long for listeners", 0.0, 600.0),
    Param("wait_for_listeners", 0, "likewise, for so many readers of camera/camera_info", 0, 100),
    Param("ack_timeout_sec", 10.0, "lossless: longest wait for a frame's result", 0.1, 600.0),
    Param("jpeg_quality", 90, "quality of image_raw/compressed", 1, 100),
)

CLASSIFIER = (
    Param("model", "", "folder of the model bundle; empty takes the shipped one"),
    Param("engine", "openvino", "what runs the network", choices=_ENGINES),
    Param(
        "precision",
        "auto",
        "numeric type; auto takes the fastest that keeps the answer",
        choices=_PRECISIONS,
    ),
    Param("threads", 0, "threads of the engine; 0 lets it choose", 0, 256),
    Param("routing", "", "routing file that the model must fit; empty takes the shipped one"),
    Param("detect_board", True, "tell an empty board from an item; false: always an item"),
    Param("board_image", "", "picture of the empty board; empty learns it from blank frames"),
    Param("relearn_sec", 30.0, "a still scene becomes the board after this; 0 never", 0.0, 86400.0),
    _LOSSLESS,
)

ACTUATOR = (
    Param("routing", "", "routing file; empty takes the shipped one"),
    Param("driver", "simulated", "what moves the diverters", choices=("simulated",)),
    Param("enabled", True, "whether diverters follow commands from the start"),
    Param("enter_frames", 2, "frames in a row before an item counts", 1, 1000, is_dynamic=True),
    Param("evidence_frames", 5, "frames until an item is decided", 1, 1000, is_dynamic=True),
    Param("min_evidence_frames", 2, "least frames of an item that left early", 1, 1000,
          is_dynamic=True),
    Param("exit_frames", 2, "empty frames in a row before an item has left", 1, 1000,
          is_dynamic=True),
    Param("reset_gap_sec", 2.0, "after such a pause a new item is in view", 0.1, 3600.0,
          is_dynamic=True),
    Param("stale_timeout_sec", 1.0, "silence that sends diverters home; 0 never", 0.0, 3600.0,
          is_dynamic=True),
    Param("max_age_sec", 1.0, "older classifications are refused; 0 takes any", 0.0, 3600.0,
          is_dynamic=True),
    Param("tick_hz", 100.0, "how often movements and time-outs are looked at", 1.0, 1000.0),
    _LOSSLESS,
)  # fmt: skip

RECORDER = (
    _MODE,
    Param("output", "", "folder of the bag to write; must not exist"),
    Param(
        "images", "compressed", "which pictures to record", choices=("compressed", "raw", "none")
    ),
)


def choose(params: Iterable[Param], *names: str) -> tuple[Param, ...]:
    """Those of the parameters that another node has, too, in the order of the names."""
    by_name = {param.name: param for param in params}
    return tuple(by_name[name] for name in names)


def declare(node: Node, params: Iterable[Param]) -> dict[str, Any]:
    """Declares parameters and returns their values.

    Args:
        node: The node.
        params: What to declare.

    Returns:
        Values by name.

    Raises:
        InvalidInputError: If a value handed in is of the wrong type, out of range or no choice.
    """
    values: dict[str, Any] = {}
    for param in params:
        try:
            declared = node.declare_parameter(param.name, param.default, param.descriptor())
        except (ParameterException, InvalidParameterException) as error:
            raise InvalidInputError(param.name, str(error), _expected(param)) from error
        param.check(declared.value)
        values[param.name] = declared.value
    return values


def reject_bad_sets(
    node: Node, params: Iterable[Param], apply: Callable[[dict[str, Any]], None]
) -> None:
    """Applies parameters that are set while the node runs, or rejects them with the reason.

    Args:
        node: The node.
        params: Its parameters.
        apply: Takes the whole new set of values; raises ``InvalidInputError`` to reject.
    """
    known = {param.name: param for param in params}

    def on_set(changes: list[Parameter[Any]]) -> SetParametersResult:
        values = {name: node.get_parameter(name).value for name in known}
        try:
            for change in changes:
                if change.name in known:
                    known[change.name].check(change.value)
                    values[change.name] = change.value
            apply(values)
        except InvalidInputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    node.add_on_set_parameters_callback(on_set)


def _expected(param: Param) -> str:
    kind = type(param.default).__name__
    if param.low is not None and param.high is not None:
        return f"a {kind} from {param.low:g} to {param.high:g}"
    return f"a {kind}"
