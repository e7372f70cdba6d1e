# SPDX-License-Identifier: Apache-2.0
"""How long a second ``make run`` takes until its first picture is published.

From the start of ``make`` to the first picture in the run's own recording; set-up has been done, so
it only checks its stamps. Three times, after one
run that warms the page cache. Where that time goes is told by Python's own ``-X importtime``: each
package's share of all imports, in a process of its own.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import defaultdict

from rosbags.rosbag2 import Reader

from benchmarks.context import ROOT, Context
from benchmarks.pictures import write_items
from benchmarks.processes import Lab, open_lab
from benchmarks.report import Report, Table, at_most
from recycle_sorter.core.errors import SorterError

_LIMIT_SEC = 5.0
_RUN_SEC = 2.0
_TIMEOUT_SEC = 120.0
_SAMPLE = ROOT / "samples" / "recyclables"
_IMPORTS = "import recycle_sorter.cli.app, recycle_sorter.ros.session, openvino"
_SHOWN = 12
_OF_THE_WHEELS = ("LD_LIBRARY_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE")


def run(context: Context) -> Report:
    """Measures the start, then the imports."""
    report = Report("startup")
    times_sec = []
    if shutil.which("make") and (ROOT / "Makefile").is_file():
        with open_lab() as lab:
            for index in range(int(context.pick(4, 1))):
                context.say(f"make run, {'warming up' if index == 0 else f'number {index}'}")
                times_sec.append(_time_run(context, lab))
        kept_sec = times_sec[1:] or times_sec
        table = Table("make run to first picture", ["run", "seconds"])
        table.rows = [[number + 1, round(sec, 2)] for number, sec in enumerate(kept_sec)]
        report.tables.append(table)
        worst_sec = max(kept_sec)
        name = "second `make run` to first picture, slowest"
        report.figures.append(at_most(name, worst_sec, "s", _LIMIT_SEC))
    else:
        report.notes.append("make run left out: there is no make, or this is no checkout")
    context.say("imports")
    report.tables.append(_time_imports())
    return report


def _time_run(context: Context, lab: Lab) -> float:
    # In the same process: another one may take seconds to be discovered.
    bag = lab.folder / f"start_{time.time_ns()}"
    options = f"--quiet --duration-sec {_RUN_SEC:g} --record {bag} -p images=none"
    if not _SAMPLE.is_dir():
        options += f" --uri {write_items(lab.folder / 'items', 6)}"
    if context.model is not None:
        options += f" --model {context.bundle.path}"
    # As from a shell: what the ROS wheels put into this process's environment must not help.
    env = {name: value for name, value in lab.env.items() if name not in _OF_THE_WHEELS}
    start_ns = time.time_ns()
    lab.run(["make", "run", f"ARGS={options}"], _TIMEOUT_SEC, env=env, stdout=subprocess.DEVNULL)
    with Reader(bag) as reader:
        infos = [c for c in reader.connections if c.topic.endswith("camera_info")]
        times_ns = [recorded_ns for _, recorded_ns, _ in reader.messages(infos)]
    if not times_ns:
        raise SorterError("make run: no picture was published")
    return (min(times_ns) - start_ns) / 1e9


def _time_imports() -> Table:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", _IMPORTS],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    own_us: dict[str, int] = defaultdict(int)
    for line in done.stderr.splitlines():
        fields = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and fields[0].strip().isdigit():
            own_us[fields[2].strip().split(".")[0]] += int(fields[0])
    total_us = sum(own_us.values())
    table = Table("imports of `recycle-sorter run`", ["package", "ms"])
    table.rows.append(["all", round(total_us / 1e3, 1)])
    largest = sorted(own_us.items(), key=lambda item: -item[1])[:_SHOWN]
    table.rows += [[name, round(us / 1e3, 1)] for name, us in largest]
    return table
