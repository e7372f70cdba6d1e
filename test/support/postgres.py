# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL server for the length of a test: no network, a socket in a folder of its own."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_DEBIAN = Path("/usr/lib/postgresql")
# PostgreSQL refuses to run as root; Debian's package makes this user.
_USER = "postgres"


def find_programs() -> Path | None:
    """The folder with initdb and postgres, of the newest version; None without any."""
    versions = [path for path in _DEBIAN.glob("*/bin") if (path / "initdb").is_file()]
    if versions:
        return max(versions, key=lambda path: float(path.parent.name))
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


@contextmanager
def run_postgres(programs: Path) -> Iterator[str]:
    """Runs a server with a database in a folder of its own; gives its address to SQLAlchemy."""
    user = _USER if os.geteuid() == 0 else getpass.getuser()
    # Not below pytest's folder, which other users may not enter.
    folder = Path(tempfile.mkdtemp(prefix="sweeps-"))
    if os.geteuid() == 0:
        shutil.chown(folder, user)
    data = folder / "data"
    as_user = {"user": user} if os.geteuid() == 0 else {}
    initdb = [programs / "initdb", "-D", data, "-U", "sweeper", "-A", "trust", "-E", "UTF8"]
    try:
        done = subprocess.run(
            [*initdb, "--locale=C", "--no-sync"],
            cwd=folder, capture_output=True, text=True, check=False, **as_user,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        options = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        with (folder / "server.log").open("w") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *settings],
                cwd=folder, stdout=log, stderr=log, **as_user,
            )  # fmt: skip
        try:
            ready = [programs / "pg_isready", "-q", "-h", folder, "-U", "sweeper"]
            while subprocess.run(ready, check=False).returncode != 0:
                assert server.poll() is None, (folder / "server.log").read_text("utf-8")
                time.sleep(0.05)
            yield f"postgresql://sweeper@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # ends connections, and then itself
            server.wait(timeout=60)
    finally:
        shutil.rmtree(folder)
