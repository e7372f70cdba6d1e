# SPDX-License-Identifier: Apache-2.0
"""Sorts a recorded bag without any hardware: the sample that ships, unless `uri` names another.

    ros2 launch recycle_sorter replay.launch.py
    ros2 launch recycle_sorter replay.launch.py uri:=my_bag lossless:=true record:=out/bag

Takes every argument of sorter.launch.py, which does the work.
"""

from __future__ import annotations

from pathlib import Path

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

from recycle_sorter.paths import share_file


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` runs."""
    sorter = Path(__file__).with_name("sorter.launch.py")
    return LaunchDescription(
        [
            DeclareLaunchArgument("source", default_value="bag", description="kind of source"),
            DeclareLaunchArgument(
                "uri",
                default_value=str(share_file("samples/recyclables")),
                description="bag to sort",
            ),
            IncludeLaunchDescription(PythonLaunchDescriptionSource(str(sorter))),
        ]
    )
