# SPDX-License-Identifier: Apache-2.0
"""Parameters: one table, one commented file, and the nodes that declare exactly these."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import rclpy
from rcl_interfaces.srv import DescribeParameters
from rclpy.node import Node
from support.bags import write_item_bag
from support.ros import Harness

from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.drivers.factory import DRIVERS
from recycle_sorter.inference.factory import ENGINES, MAX_THREADS, PRECISIONS
from recycle_sorter.paths import share_file
from recycle_sorter.ros.actuator_node import ActuatorNode
from recycle_sorter.ros.belt_actuator_node import BeltActuatorNode
from recycle_sorter.ros.belt_bag_node import BeltBagNode
from recycle_sorter.ros.belt_classifier_node import BeltClassifierNode
from recycle_sorter.ros.belt_parameters import BELT_TABLES
from recycle_sorter.ros.camera_node import CameraNode
from recycle_sorter.ros.classifier_node import ClassifierNode
from recycle_sorter.ros.parameters import (
    ACTUATOR,
    CAMERA,
    CLASSIFIER,
    RECORDER,
    Param,
    declare,
    reject_bad_sets,
)
from recycle_sorter.ros.recorder_node import RecorderNode
from recycle_sorter.ros.twin_node import TwinNode
from recycle_sorter.sources.factory import KINDS

TABLES: dict[str, tuple[Param, ...]] = {
    "camera_node": CAMERA,
    "classifier_node": CLASSIFIER,
    "actuator_node": ACTUATOR,
    "recorder_node": RECORDER,
    **BELT_TABLES,
}
EVERY = [
    pytest.param(param, id=f"{node}.{param.name}")
    for node, params in TABLES.items()
    for param in params
]
FILE = share_file("config/sorter.yaml")


def test_the_file_holds_every_parameter_of_every_node() -> None:
    assert list(load_yaml(FILE)) == [f"/**/{node}" for node in TABLES]


@pytest.mark.parametrize("node", TABLES)
def test_the_file_agrees_with_the_table(node: str) -> None:
    written: dict[str, Any] = load_yaml(FILE)[f"/**/{node}"]["ros__parameters"]
    declared = {param.name: param.default for param in TABLES[node]}
    assert list(written) == list(declared)
    assert written == declared
    assert {n: type(v) for n, v in written.items()} == {n: type(v) for n, v in declared.items()}


@pytest.mark.parametrize("node", TABLES)
def test_the_file_comments_every_parameter(node: str) -> None:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    start = lines.index(f"/**/{node}:")
    for param in TABLES[node]:
        place = next(
            i for i in range(start, len(lines)) if lines[i].startswith(f"    {param.name}:")
        )
        comment = lines[place - 1].strip()
        assert comment.startswith("# "), param.name
        assert param.text in comment
        assert ("[settable]" in comment) == param.is_dynamic
        for choice in param.choices:
            assert choice in comment


@pytest.mark.parametrize("param", EVERY)
def test_every_parameter_is_described_and_bounded(param: Param) -> None:
    assert param.text
    descriptor = param.descriptor()
    assert descriptor.description == param.text
    assert descriptor.read_only is not param.is_dynamic
    if isinstance(param.default, (bool, str)):
        assert param.low is param.high is None
    else:
        assert param.low is not None
        assert param.high is not None
        assert param.low <= param.default <= param.high
        ranges: list[Any] = [*descriptor.integer_range, *descriptor.floating_point_range]
        (limits,) = ranges
        assert (limits.from_value, limits.to_value) == (param.low, param.high)
    if param.choices:
        assert param.default in param.choices
        assert all(choice in descriptor.additional_constraints for choice in param.choices)


def test_choices_are_those_of_the_code_behind_them() -> None:
    by_name = {param.name: param for params in TABLES.values() for param in params}
    assert by_name["source"].choices == KINDS
    assert by_name["engine"].choices == ENGINES
    assert by_name["precision"].choices == PRECISIONS
    assert by_name["driver"].choices == DRIVERS
    assert by_name["threads"].high == MAX_THREADS


def test_a_name_means_the_same_in_every_node() -> None:
    shared: dict[str, set[tuple[type, tuple[str, ...]]]] = {}
    for params in TABLES.values():
        for param in params:
            shared.setdefault(param.name, set()).add((type(param.default), param.choices))
    assert all(len(kinds) == 1 for kinds in shared.values())


def wrong_values(param: Param) -> list[Any]:
    """Values that must be refused."""
    if isinstance(param.default, bool):
        return ["yes", 1]
    if isinstance(param.default, str):
        return [1, *(["no such choice"] if param.choices else [])]
    assert param.low is not None
    assert param.high is not None
    if isinstance(param.default, int):
        return ["1", int(param.low) - 1, int(param.high) + 1]
    return ["1.0", param.low - 0.001, param.high * 1.001, math.nan, math.inf, -math.inf]


@pytest.mark.node
@pytest.mark.parametrize("node_name", TABLES)
def test_wrong_values_are_refused_by_name(ros: Harness, node_name: str) -> None:
    for param in TABLES[node_name]:
        for value in wrong_values(param):
            override = rclpy.Parameter(param.name, value=value)
            node = ros.adopt(Node("probe", parameter_overrides=[override]))
            with pytest.raises(InvalidInputError, match=param.name):
                declare(node, [param])
            ros.stop(node)


@pytest.mark.node
def test_a_rejected_set_changes_nothing_and_says_why(ros: Harness) -> None:
    params = (
        Param("mode", "slow", "a choice", choices=("slow", "fast"), is_dynamic=True),
        Param("count", 1, "a number", 0, 9, is_dynamic=True),
    )
    applied: list[dict[str, Any]] = []

    def apply(values: dict[str, Any]) -> None:
        if values["mode"] == "fast" and values["count"] == 0:
            raise InvalidInputError("count", 0, "1 or more when fast")
        applied.append(values)

    node = ros.adopt(Node("probe"))
    declare(node, params)
    reject_bad_sets(node, params, apply)
    assert ros.set_parameter("probe", "mode", "fast") == (True, "")
    assert ros.set_parameter("probe", "mode", "faster") == (
        False, "mode: got 'faster', expected one of: slow, fast",
    )  # fmt: skip
    assert ros.set_parameter("probe", "count", 0) == (
        False, "count: got 0, expected 1 or more when fast",
    )  # fmt: skip
    assert applied == [{"mode": "fast", "count": 1}]
    assert node.get_parameter("mode").value == "fast"
    assert node.get_parameter("count").value == 1


ROS_OWN = {"use_sim_time", "start_type_description_service"}


@pytest.mark.node
def test_the_nodes_declare_exactly_the_table(
    ros: Harness, tmp_path: Path, tiny_bundle: Path
) -> None:
    bag = write_item_bag(tmp_path / "bag", ["glass"])
    cases: list[tuple[Any, dict[str, Any]]] = [
        (CameraNode, {"uri": str(bag)}),
        (ClassifierNode, {"model": str(tiny_bundle), "engine": "onnxruntime"}),
        (ActuatorNode, {}),
        (RecorderNode, {"output": str(tmp_path / "record")}),
        (BeltClassifierNode, {"model": str(tiny_bundle), "engine": "onnxruntime"}),
        (BeltActuatorNode, {}),
        (BeltBagNode, {"uri": str(bag)}),
        (TwinNode, {}),
    ]
    assert len(cases) == len(TABLES)
    for make, values in cases:
        node: Node = ros.start(make, **values)
        declared = {
            name
            for name in node.get_parameters_by_prefix("")
            if name not in ROS_OWN and not name.startswith("qos_overrides.")
        }
        expected = TABLES[node.get_name()]
        assert declared == {param.name for param in expected}
        request = DescribeParameters.Request(names=[param.name for param in expected])
        described = ros.call(DescribeParameters, f"{node.get_name()}/describe_parameters", request)
        for param, descriptor in zip(expected, described.descriptors, strict=True):
            assert descriptor.description == param.text
            assert bool(descriptor.floating_point_range) == isinstance(param.default, float)
        ros.stop(node)
        ros.renew_executor()
