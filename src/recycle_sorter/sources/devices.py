# SPDX-License-Identifier: Apache-2.0
"""Which cameras this machine has."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_VIDEO_NODE = re.compile(r"video(\d+)")


@dataclass(frozen=True, slots=True)
class Camera:
    """One V4L2 device node. A USB camera often has two; pictures come from the first.

    Attributes:
        path: The node, e.g. ``/dev/video0``; may change its number at the next start.
        stable_path: Its link under ``/dev/v4l/by-id``, which stays; empty if it has none.
        name: What the driver calls it; may be empty.
    """

    path: str
    stable_path: str = ""
    name: str = ""


def list_cameras(
    dev: Path = Path("/dev"), sys_class: Path = Path("/sys/class/video4linux")
) -> list[Camera]:
    """Lists the V4L2 nodes there are, by number.

    Args:
        dev: Where device nodes are; tests hand in a folder of their own.
        sys_class: Where the kernel tells their names.
    """
    stable: dict[str, str] = {}
    by_id = dev / "v4l" / "by-id"
    if by_id.is_dir():
        for link in sorted(by_id.iterdir()):
            stable.setdefault(link.resolve().name, str(link))
    numbered: list[tuple[int, Camera]] = []
    for node in dev.glob("video*"):
        match = _VIDEO_NODE.fullmatch(node.name)
        if match is None:
            continue
        name = _first_line(sys_class / node.name / "name")
        numbered.append((int(match[1]), Camera(str(node), stable.get(node.name, ""), name)))
    return [camera for _, camera in sorted(numbered, key=lambda entry: entry[0])]


def describe_cameras(cameras: Sequence[Camera]) -> str:
    """Says in one line which cameras there are, for errors and ``doctor``."""
    if not cameras:
        return "no camera found (/dev/v4l/by-id and /dev/video* are empty)"
    shown = []
    for camera in cameras:
        text = camera.stable_path or camera.path
        details = [part for part in (camera.path, camera.name) if part and part != text]
        shown.append(f"{text} ({', '.join(details)})" if details else text)
    return "cameras found: " + "; ".join(shown)


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
