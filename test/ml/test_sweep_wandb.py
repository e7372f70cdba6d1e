# SPDX-License-Identifier: Apache-2.0
"""The shipped sweep file, run by W&B's own ``wandb sweep`` and ``wandb agent``.

The server is a stand-in on loopback and ``recycle-sorter`` a script that writes down how it was
called; the training itself is tested elsewhere.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.wandb_server import Upload, serve
from typer.testing import CliRunner

from recycle_sorter.cli.app import app
from recycle_sorter.ml.training.hyperparameters import Hyperparameters

pytestmark = pytest.mark.ml

SHIPPED = Path(__file__).parents[2] / "config" / "sweep" / "sweep.yaml"
SCRIPT = """#!{python}
import json, os, pathlib, sys
told = {{"words": sys.argv[1:], "sweep": os.environ["WANDB_SWEEP_ID"]}}
pathlib.Path({out!r}, os.environ["WANDB_RUN_ID"]).write_text(json.dumps(told))
"""


def wandb(folder: Path, upload: Upload, *words: str) -> str:
    """Runs W&B's command line against the stand-in; returns what it said."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("WANDB_")},
        "PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"]]),
        "HOME": str(home),
        "WANDB_BASE_URL": upload.url,
        "WANDB_API_KEY": "a" * 40,
        "WANDB_ERROR_REPORTING": "false",
    }
    done = subprocess.run(
        [sys.executable, "-m", "wandb", *words],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def drawn(sweep: dict[str, Any], number: int) -> dict[str, Any]:
    """What W&B's server would choose: some value of each parameter."""
    return {
        name: {"value": raw["values"][number % len(raw["values"])] if "values" in raw else 0.001}
        for name, raw in sweep["parameters"].items()
    }


def test_wandbs_agent_runs_the_shipped_sweep(tmp_path: Path) -> None:
    script = tmp_path / "bin" / "recycle-sorter"
    script.parent.mkdir()
    calls = tmp_path / "calls"
    calls.mkdir()
    script.write_text(SCRIPT.format(python=sys.executable, out=str(calls)), encoding="utf-8")
    script.chmod(0o755)
    with serve() as upload:
        said = wandb(tmp_path, upload, "sweep", str(SHIPPED))
        created = re.search(r"wandb agent (\S+)", said)
        assert created is not None, said
        sweep = yaml.safe_load(upload.sweep)
        assert sweep == yaml.safe_load(SHIPPED.read_text("utf-8"))
        upload.commands = [
            {
                "type": "run",
                "run_id": f"run{number}",
                "program": sweep["program"],
                "args": drawn(sweep, number),
            }
            for number in range(2)
        ] + [{"type": "exit"}]
        wandb(tmp_path, upload, "agent", "--count", "2", created[1])
    for number in range(2):
        told = json.loads((calls / f"run{number}").read_text("utf-8"))
        assert told["sweep"] == "sweep1"
        train, data, where, *words = told["words"]
        assert (train, data, where) == ("train", "--data", "../shared/trashnet")
        given = dict(word.removeprefix("--").split("=", 1) for word in words)
        made = Hyperparameters.from_mapping(given)
        expected = {name: value["value"] for name, value in drawn(sweep, number).items()}
        assert {name: getattr(made, name) for name in expected} == expected
        # The real command takes these words too: what it misses is the data.
        done = CliRunner().invoke(app, ["train", "--data", str(tmp_path / "missing"), *words])
        assert str(tmp_path / "missing") in f"{done.exception}{done.output}"
        assert "No such option" not in done.output
