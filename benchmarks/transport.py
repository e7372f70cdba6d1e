# SPDX-License-Identifier: Apache-2.0
"""Raw pictures from one process to another: what the shipped Fast DDS profile does.

640x480 bgr8 at 30 fps, stamped right before they are published, through rclpy into a callback in
another process, without anything else. Reference in the same run: Fast DDS's own settings. Both
with best-effort and with reliable delivery. The latency is from stamp to callback.
"""

from __future__ import annotations

import subprocess

from benchmarks.context import Context
from benchmarks.probe import READY
from benchmarks.processes import Lab, module, open_lab
from benchmarks.report import PERCENTILES, Report, Table, at_most, spread
from benchmarks.transport_roles import Arrivals

FPS_HZ = 30.0
_START_SEC = 30.0


def run(context: Context) -> Report:
    """Measures profile by reliability."""
    report = Report("transport")
    columns = ["profile", "delivery", "sent", "lost", "lost %", *PERCENTILES]
    table = Table("640x480 bgr8 at 30 fps between two processes", columns)
    count = int(context.pick(30.0, 1.0) * FPS_HZ)
    with open_lab() as lab:
        for profile in ("Fast DDS default", "config/fastdds.xml"):
            for delivery in ("best_effort", "reliable"):
                context.say(f"transport: {profile}, {delivery}, {count} pictures")
                heard = _measure(lab, profile == "Fast DDS default", delivery, count)
                lost = count - len(heard.latency_ms)
                share = round(100 * lost / count, 1)
                row = [profile, delivery, count, lost, share, *spread(heard.latency_ms)]
                table.rows.append(row)
    # The classifier subscribes best-effort.
    ours = {row[1]: row for row in table.rows if row[0] == "config/fastdds.xml"}
    lost_ours = float(str(ours["best_effort"][3]))
    report.tables.append(table)
    report.figures.append(at_most("lost with our profile, best-effort", lost_ours, "pictures", 0.0))
    return report


def _measure(lab: Lab, is_default: bool, delivery: str, count: int) -> Arrivals:
    env = lab.without_profile() if is_default else lab.env
    out = lab.folder / "arrivals.json"
    listener = lab.start(
        module("transport_roles", "listen", delivery, out), env=env, stdout=subprocess.PIPE
    )
    lab.await_line(listener, READY)
    lab.run(
        module("transport_roles", "talk", delivery, count, FPS_HZ),
        count / FPS_HZ + _START_SEC,
        env=env,
    )
    lab.stop(listener)
    return Arrivals.read(out)
