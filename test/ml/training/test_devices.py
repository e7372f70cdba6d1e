# SPDX-License-Identifier: Apache-2.0
"""Several processes train one network: Lightning's DDP, over gloo on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.learning import CLASSES, write_folders

from recycle_sorter.ml.models.zoo import read_weights
from recycle_sorter.ml.record_reader import read_record
from recycle_sorter.ml.training.callbacks import read_metrics

pytestmark = pytest.mark.ml

# A file of its own, as Lightning starts the other processes from sys.argv.
SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path

import lightning.pytorch as pl
import torch
from support.learning import make_job, tiny_network

from recycle_sorter.ml.training import run, run_folder, tracked

data, out = map(Path, sys.argv[1:])
run.build_model = run_folder.build_model = tiny_network


class Module(run.Classifier):
    def on_fit_end(self):
        rank = self.trainer.global_rank
        torch.save([self.shown, self.model.state_dict()], out.parent / f"rank{rank}.pt")

    def training_step(self, batch, index):
        self.shown = [*getattr(self, "shown", []), len(batch.images)]
        return super().training_step(batch, index)


run.Classifier = Module
settings = {"epoch_qty": 3, "ema_decay": 0.5, "early_stop": 5, "freeze": "early", "dropout": 0.2}
# Saved after every step: all must agree when.
job = replace(make_job(data, out, settings, checkpoint_every_sec=0.0), devices="2")
tracked.run_jobs(job, print, mode="disabled")
print("ended")
"""


def test_two_processes_train_and_end_together(tmp_path: Path) -> None:
    data = write_folders(tmp_path / "set")
    script, out = tmp_path / "script.py", tmp_path / "run"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(data), str(out)],
        capture_output=True, text=True, check=False, timeout=250,
        env={
            **os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1",
            "GLOO_SOCKET_IFNAME": "lo", "WANDB_MODE": "disabled",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    # The first process speaks, writes, tests and records; both end.
    assert lines.count("ended") == 2
    assert sum(line.startswith("epoch ") for line in lines) == 3
    rows = read_metrics(out / "metrics.jsonl")
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert read_record(out).starts == 1
    assert read_record(out).state == "finished"
    assert (out / "evaluation" / "report.html").is_file()
    # All of val is counted, though each process saw half of it: six pictures, two a class.
    for row in rows:
        each = [row[f"val/accuracy/{name}"] for name in CLASSES]
        assert all(value in (0.0, 0.5, 1.0) for value in each)
        assert row["val/accuracy"] == pytest.approx(sum(each) / 3, abs=1e-5)
    # Each had half of the 18 pictures of an epoch, and both end with the same weights.
    first, second = (torch.load(tmp_path / f"rank{n}.pt", weights_only=True) for n in range(2))
    assert first[0] == second[0] == [6, 3] * 3
    saved = read_weights(out / "model.safetensors")
    for name, value in first[1].items():
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked")):
            torch.testing.assert_close(second[1][name], value, msg=name)
            torch.testing.assert_close(saved[name], value, msg=name)
