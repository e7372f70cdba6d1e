# SPDX-License-Identifier: Apache-2.0
"""What ``recycle-sorter doctor`` looks at of ROS 2. rclpy is imported in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from recycle_sorter.cli.doctor_checks import Finding, environment_text
from recycle_sorter.core.errors import SorterError
from recycle_sorter.ros.transport import DISCOVERY, OLD_PROFILES, PROFILES, shipped_environment

RMW: Final = "RMW_IMPLEMENTATION"
FAST_DDS: Final = "rmw_fastrtps_cpp"
MIN_SEGMENT_BYTES: Final = 16 << 20
MODULES: Final = (
    "rclpy",
    "sensor_msgs.msg",
    "std_srvs.srv",
    "diagnostic_msgs.msg",
    "cv_bridge",
    "recycle_sorter_msgs.msg",
)
_MAX_PROFILE_BYTES: Final = 1 << 20
_IMPORT_TIMEOUT_SEC: Final = 60.0
_PROBE: Final = """
import importlib, json, sys
found = {"missing": {}, "rmw": "", "where": ""}
for name in sys.argv[1:]:
    try:
        module = importlib.import_module(name)
    except Exception as error:
        found["missing"][name] = f"{type(error).__name__}: {error}"
    else:
        if name == "rclpy":
            found["where"] = module.__file__
            found["rmw"] = module.get_rmw_implementation_identifier()
print(json.dumps(found))
"""


def check_ros(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Whether ROS 2 and our messages import, and from where."""
    command = [sys.executable, "-c", _PROBE, *MODULES]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_IMPORT_TIMEOUT_SEC, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        yield Finding("ros 2", "fail", f"importing it failed: {error}", _ros_fix(environment))
        return
    distro = environment.get("ROS_DISTRO", "")
    kind = f"system ROS 2 {distro}" if distro else "wheels from PyPI"
    if "rclpy" in found["missing"]:
        text = f"no rclpy ({found['missing']['rclpy']})"
        yield Finding("ros 2", "fail", text, _ros_fix(environment))
        return
    yield Finding("ros 2", "ok", f"{kind}, {Path(found['where']).parent}")
    for name, why in found["missing"].items():
        fix = _ros_fix(environment)
        if name.startswith("recycle_sorter_msgs"):
            fix = "make setup" if not distro else "colcon build, then source install/setup.bash"
        yield Finding(name, "fail", why, fix)
    yield _rmw(found["rmw"])


def check_transport(environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """Discovery range and Fast DDS profile, as the graph would find them."""
    shown = environment_text(environment, DISCOVERY)
    reach = environment.get(DISCOVERY, "")
    if not reach:
        yield Finding("discovery", "ok", f"{shown}; run and launch set LOCALHOST")
    elif reach == "LOCALHOST":
        yield Finding("discovery", "ok", f"{shown}: nothing leaves this machine")
    elif reach in ("SUBNET", "SYSTEM_DEFAULT"):
        fix = f"unset {DISCOVERY}, unless other machines shall take part"
        yield Finding("discovery", "warn", f"{shown}: other machines are let in", fix)
    else:
        fix = f"unset {DISCOVERY}"
        yield Finding("discovery", "fail", f"{shown}: nodes find each other nowhere", fix)
    yield from _profile(environment)


def _profile(environment: Mapping[str, str]) -> Iterator[Finding]:
    name = "fast dds profile"
    variable = PROFILES if environment.get(PROFILES) else OLD_PROFILES
    given = environment.get(variable, "")
    shown = environment_text(environment, variable if given else PROFILES)
    try:
        path = Path(given or shipped_environment(environment)[PROFILES])
        segment_bytes = shared_segment_bytes(path)
    except (SorterError, OSError, ET.ParseError, ValueError) as error:
        fix = f"unset {variable}" if given else "install recycle_sorter again"
        yield Finding(name, "fail", f"{shown}: {error}", fix)
        return
    if not given:
        shown += f"; run and launch set {path}"
    if segment_bytes is None:
        text = f"{shown}: no shared memory in it; pictures go over UDP and most get lost"
        yield Finding(name, "warn", text, f"unset {PROFILES}")
    elif segment_bytes < MIN_SEGMENT_BYTES:
        text = (
            f"{shown}: a shared segment of {segment_bytes / 2**20:.1f} MB cuts pictures to pieces"
        )
        fix = f"set segment_size to {MIN_SEGMENT_BYTES} or more, or unset {PROFILES}"
        yield Finding(name, "warn", text, fix)
    else:
        yield Finding(name, "ok", f"{shown}: {segment_bytes >> 20} MB of shared memory")


def shared_segment_bytes(path: Path) -> int | None:
    """The largest shared-memory segment that a Fast DDS profile asks for; None if it has none.

    Raises:
        OSError: If the file cannot be read.
        ParseError: If it is not XML.
        ValueError: If it is far too large, or a size is not a number.
    """
    if path.stat().st_size > _MAX_PROFILE_BYTES:
        raise ValueError(f"{path} is larger than 1 MiB")
    # Whoever could plant a file here could set any other variable; expat caps entity expansion.
    root = ET.fromstring(path.read_bytes())  # noqa: S314
    sizes = []
    for descriptor in root.iter():
        if _tag(descriptor) != "transport_descriptor":
            continue
        values = {_tag(child): (child.text or "").strip() for child in descriptor}
        if values.get("type") == "SHM":
            # 512 KB is Fast DDS's own default.
            sizes.append(int(values.get("segment_size", 512 << 10)))
    return max(sizes, default=None)


def _tag(element: ET.Element) -> str:
    """A tag's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _rmw(name: str) -> Finding:
    if name == FAST_DDS:
        return Finding("rmw", "ok", name)
    return Finding(
        "rmw", "warn", f"{name}: the shipped transport profile is for Fast DDS", f"unset {RMW}"
    )


def _ros_fix(environment: Mapping[str, str]) -> str:
    distro = environment.get("ROS_DISTRO")
    if distro:
        return (
            f"rosdep install --from-paths . --ignore-src, then source /opt/ros/{distro}/setup.bash"
        )
    return "make setup (wheels from PyPI), or source the setup file of a system ROS 2"
