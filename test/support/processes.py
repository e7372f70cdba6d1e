# SPDX-License-Identifier: Apache-2.0
"""Running the command line as a user does: in a process of its own."""

from __future__ import annotations

import subprocess
import sys


def recycle_sorter(*arguments: str, timeout_sec: float = 300.0) -> str:
    """Runs `recycle-sorter ARGUMENTS`, which must succeed, and returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "recycle_sorter.cli.app", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout_sec,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
