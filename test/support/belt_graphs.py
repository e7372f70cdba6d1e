# SPDX-License-Identifier: Apache-2.0
"""Runs a belt's graph, with the twin for a camera, to its end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.errors import SorterError
from recycle_sorter.paths import share_file
from recycle_sorter.ros.belt_graph import BeltGraph
from recycle_sorter_msgs.msg import (
    BeltLanding,
    BeltState,
    BeltTruth,
    DiverterCommand,
    ItemRecord,
    SortDecision,
)
from support.belt_said import Said
from support.belt_twins import make_cutouts
from support.ros import Harness

TOPICS: dict[str, Any] = {
    "belt/truth": BeltTruth,
    "belt/landing": BeltLanding,
    "belt/decision": SortDecision,
    "belt/record": ItemRecord,
    "belt/state": BeltState,
    "actuator/diverter_command": DiverterCommand,
}
ITEMS = 6
_WIDTH_PX, _HEIGHT_PX, _PX_PER_M = 320, 240, 400.0


def write_parts(folder: Path, **changes: Any) -> dict[str, Any]:
    """Writes layout, scenario and cut-outs of a small twin; returns the settings that name them.

    Args:
        folder: Where to.
        **changes: Values of the scenario, ``__`` for the dot.
    """
    layout = load_yaml(share_file("config/belt.yaml"))
    layout["camera"]["px_per_m"] = _PX_PER_M
    scenario = load_yaml(share_file("config/twin.yaml"))
    given: dict[str, Any] = {
        "duration_sec": None,
        "items__count": ITEMS,
        "items__empty_sec": 1.0,
        "items__per_min": 120.0,
        "camera__fps_hz": 20.0,
        "camera__width_px": _WIDTH_PX,
        "camera__height_px": _HEIGHT_PX,
        "camera__px_per_m": _PX_PER_M,
        "belt__texture": "plain",
        "light__glare": 0.0,
        "machine__end_m": layout["end_m"],
        **changes,
    }
    for name, value in given.items():
        section, _, key = name.rpartition("__")
        (scenario[section] if section else scenario)[key] = value
    for name, data in (("layout", layout), ("scenario", scenario)):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    cutouts = make_cutouts(folder / "cutouts")
    return {
        "layout": str(folder / "layout.yaml"),
        "scenario": str(folder / "scenario.yaml"),
        "cutouts": str(cutouts),
        "engine": "onnxruntime",
    }


class BeltRun:
    """A belt's graph that is started, listened to until its end, and stopped."""

    def __init__(
        self, ros: Harness, settings: Mapping[str, Any], record: str = "", namespace: str = ""
    ) -> None:
        self.ros = ros
        self.said = Said({topic: [] for topic in TOPICS})
        self._subscriptions = [
            ros.node.create_subscription(
                kind, f"{namespace}/{topic}" if namespace else topic,
                self.said.messages[topic].append, 1000,
            )
            for topic, kind in TOPICS.items()
        ]  # fmt: skip
        self.graph = BeltGraph(ros.executor, settings, namespace, record)
        try:
            self.graph.start()
        except SorterError:
            del self.graph
            raise

    def to_end(self) -> Said:
        """Runs it; returns what was said."""
        graph, wait_for, heard = self.graph, self.ros.wait_for, self.said.messages
        try:
            wait_for(graph.camera.finished.done, "the belt's end", timeout_sec=150.0)
            graph.camera.finished.result()
            graph.finish()
            decided = graph.actuator.line.counts()["decisions"]
            wait_for(lambda: len(heard["belt/record"]) >= decided, "every record")
            wait_for(lambda: len(heard["belt/decision"]) >= decided, "every decision")
            graph.drain(lambda: False)  # the recorder, too
        finally:
            graph.stop()
            for subscription in self._subscriptions:
                self.ros.node.destroy_subscription(subscription)
            del self.graph, graph  # it knows the executor (see Harness.close)
            self.ros.renew_executor()
        return self.said
