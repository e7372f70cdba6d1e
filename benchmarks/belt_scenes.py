# SPDX-License-Identifier: Apache-2.0
"""What the belt's benchmarks show: scenarios of the digital twin, and its items' pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from benchmarks.context import Context
from benchmarks.pictures import find_photos
from benchmarks.processes import Lab, program
from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.paths import share_file

SPEED_M_PER_SEC = 0.5
CALM_PER_MIN, BUSY_PER_MIN = 80.0, 240.0
_EMPTY_SEC = 7.5  # before the first item and behind the last one
_PHOTOS_EACH = 40
_CUT_SEC = 600.0


def scene(per_min: float, seed: int, duration_sec: float) -> dict[str, Any]:
    """Changes to the shipped scenario for so many items a minute at 0.5 m/s.

    The last item has left the machine about when ``duration_sec`` is over, so that every item's
    fate is known. The library's own lengths leave room for about 190 items a minute; above 160,
    items are made small enough for the pace.
    """
    changes: dict[str, Any] = {
        "seed": seed,
        "duration_sec": None,
        "items.count": max(2, round(per_min * (duration_sec - _EMPTY_SEC) / 60.0)),
        "items.per_min": per_min,
        "speed.kind": "constant",
        "speed.speed_m_per_sec": SPEED_M_PER_SEC,
    }
    if per_min > 160.0:
        changes |= {"items.size_m": [0.06, 0.10], "items.min_gap_m": 0.02}
    return changes


def write_scenario(path: Path, changes: Mapping[str, Any]) -> Path:
    """The shipped scenario with changes by dotted name, as a file for the twin's node.

    Raises:
        InvalidInputError: If the shipped scenario is not a mapping.
    """
    content = load_yaml(share_file("config/twin.yaml"))
    if not isinstance(content, dict):
        raise InvalidInputError("config/twin.yaml", content, "a mapping")
    for name, value in changes.items():
        section, _, key = name.partition(".")
        if key:
            content.setdefault(section, {})[key] = value
        else:
            content[name] = value
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def cut_photos(context: Context, lab: Lab) -> Path:
    """Cuts items out of photographs that no model was trained on, by ``recycle-sorter cutouts``.

    Returns:
        A library for the twin in the lab's folder, which ends with it.

    Raises:
        SorterError: If there are no photographs, or no item could be cut out.
    """
    shown, out = lab.folder / "photographs", lab.folder / "cutouts"
    for picture in find_photos(context.photos):
        link = shown / picture.material / picture.path.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(picture.path.resolve())
    count = round(context.pick(_PHOTOS_EACH, 4))
    context.say(f"cutting out up to {count} photographs of each material")
    with (lab.folder / "cutouts.txt").open("w", encoding="utf-8") as said:
        command = program("recycle-sorter", "cutouts", shown, "--out", out, "--count", count)
        lab.run(command, _CUT_SEC, stdout=said, stderr=said)
    return out
