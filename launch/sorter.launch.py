# SPDX-License-Identifier: Apache-2.0
"""Brings the sorter up: camera, classifier and actuator.

    ros2 launch recycle_sorter sorter.launch.py source:=usb uri:=0
    ros2 launch recycle_sorter sorter.launch.py uri:=my_bag namespace:=lane1 record:=out/bag
    ros2 launch recycle_sorter sorter.launch.py mode:=belt source:=twin
    ros2 launch recycle_sorter sorter.launch.py mode:=belt uri:=belt_bag layout:=my_belt.yaml

A node that dies is started again; one that refuses to start (exit code 2) ends the launch, and so
does the end of a recorded source (the camera's exit code 0).
"""

from __future__ import annotations

from typing import Any

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    LogInfo,
    OpaqueFunction,
    RegisterEventHandler,
    SetEnvironmentVariable,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch_ros.actions import Node

from recycle_sorter.paths import share_file
from recycle_sorter.ros.transport import shipped_environment

REFUSED = 2
# Launch argument -> what it is. Each is a node parameter of the same name; empty leaves the
# parameter file's value.
SETTINGS = {
    "source": "kind of source: auto, usb, video, images or bag; belt: also twin",
    "uri": "camera index or path, video file, folder of pictures, or bag",
    "model": "folder of the model bundle",
    "engine": "openvino, onnxruntime or torch",
    "precision": "auto, fp32, bf16 or int8",
    "routing": "routing file (station)",
    "layout": "file of the belt's layout (belt)",
    "scenario": "file of what the twin shows (belt)",
    "seed": "seed of the images source, or of the twin's scenario",
    "duration_sec": "how long the twin's belt runs (belt)",
    "driver": "what moves the diverters",
    "rate": "speed of a recorded source",
    "loop": "true: start a recorded source anew at its end",
    "lossless": "true: every frame gets exactly one result",
    "wait_for_listeners": "a recorded source waits for so many readers of camera/camera_info",
}
OPTIONS = {
    "mode": ("station", "station: one item at a time; belt: a moving belt"),
    "params": ("", "parameter file; empty: config/sorter.yaml"),
    "namespace": ("", "namespace of all nodes, for a second lane"),
    "composed": ("false", "true: all nodes in one process"),
    "record": ("", "write a bag (MCAP) to this new folder"),
    "respawn": ("true", "start a node again that died"),
}


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs."""
    arguments = [
        DeclareLaunchArgument(name, default_value="", description=text)
        for name, text in SETTINGS.items()
    ] + [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in OPTIONS.items()
    ]
    environment = [SetEnvironmentVariable(k, v) for k, v in shipped_environment().items()]
    return LaunchDescription([*arguments, *environment, OpaqueFunction(function=_nodes)])


def _nodes(context: LaunchContext) -> list[Any]:
    given = context.launch_configurations
    settings = {name: _typed(name, given[name]) for name in SETTINGS if given[name]}
    mode = given["mode"]
    if mode not in ("station", "belt"):
        raise RuntimeError(f"mode:={mode}: expected station or belt")
    settings["mode"] = mode
    if given["record"]:
        settings.setdefault("wait_for_listeners", 1)  # the recorder, lest it miss the beginning
    params = given["params"] or str(share_file("config/sorter.yaml"))

    def node(executable: str, *words: str, respawn: bool = True, **overrides: Any) -> Node:
        values = settings | overrides
        return Node(
            package="recycle_sorter",
            executable=executable,
            namespace=given["namespace"],
            arguments=list(words),
            parameters=[params, values],
            output="screen",
            emulate_tty=True,
            respawn=respawn and _is_true("respawn", given["respawn"]),
            respawn_delay=1.0,
        )

    shown_by = _shown_by(given["source"], given["uri"]) if mode == "belt" else "camera"
    if shown_by != "camera":
        settings.pop("source", None)
    if _is_true("composed", given["composed"]):
        nodes = [node("belt_composed", shown_by) if mode == "belt" else node("sorter_composed")]
    else:
        prefix = "belt_" if mode == "belt" else ""
        camera = {"twin": "twin_node", "bag": "belt_bag_node", "camera": "camera_node"}[shown_by]
        nodes = [
            node(name) for name in (f"{prefix}actuator_node", f"{prefix}classifier_node", camera)
        ]
    # The camera, or the process it lives in, comes last: its end is the end of the run.
    handlers = [_on_exit(each, ends_run=each is nodes[-1]) for each in nodes]
    if given["record"]:
        # Not started again: its bag exists by then, and the sorter goes on without it.
        recorder = node("recorder_node", respawn=False, output=given["record"])
        nodes.insert(0, recorder)
        handlers.append(_on_exit(recorder, ends_run=False))
    return [*handlers, *nodes]


def _on_exit(action: Node, ends_run: bool) -> RegisterEventHandler:
    exits = 0

    def react(event: ProcessExited, context: LaunchContext) -> list[Any]:
        nonlocal exits
        exits += 1
        if context.is_shutdown:
            return []
        # Only at first: a node that ran and then refuses (its camera is unplugged) may come back.
        if event.returncode == REFUSED and exits == 1:
            reason = f"{event.process_name} refused to start"
        elif event.returncode == 0 and ends_run:
            reason = "the source has ended"
        else:
            return []
        return [LogInfo(msg=reason), EmitEvent(event=Shutdown(reason=reason))]

    return RegisterEventHandler(OnProcessExit(target_action=action, on_exit=react))


def _shown_by(source: str, uri: str) -> str:
    # What a station has no need of.
    from recycle_sorter.sources.belt_choice import belt_source

    return belt_source(source, uri)


def _typed(name: str, text: str) -> bool | int | float | str:
    if name in ("loop", "lossless"):
        return _is_true(name, text)
    if name in ("wait_for_listeners", "seed"):
        return int(text)
    return float(text) if name in ("rate", "duration_sec") else text


def _is_true(name: str, text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise RuntimeError(f"{name}:={text}: expected true or false")
    return text.lower() == "true"
