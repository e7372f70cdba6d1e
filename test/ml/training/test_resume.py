# SPDX-License-Identifier: Apache-2.0
"""A training that was killed anywhere ends as if it had not been."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.learning import make_job, tiny_network, write_folders

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.models.zoo import read_weights
from recycle_sorter.ml.training import run, run_folder
from recycle_sorter.ml.training.callbacks import read_metrics
from recycle_sorter.ml.training.run import train

pytestmark = pytest.mark.ml

# Whatever has a state: average, dropout, schedule, mixing, sizes that change.
STATEFUL = {
    "epoch_qty": 3, "ema_decay": 0.6, "dropout": 0.4, "mixup": 0.5, "transform_crop": 0.6,
    "transform_randaugment": 1, "transform_noise": True, "learn_rate": 0.01,
    "size_px": 40, "first_size_px": 32, "early_stop": 9, "label_smoothing": 0.1,
}  # fmt: skip
STEPS = 3  # an epoch: 18 pictures, six a batch

CHILD = """
import os, signal, sys
from pathlib import Path
import torch
from support.learning import make_job, tiny_network
from recycle_sorter.ml.training import run

data, out, steps, settings, threads = sys.argv[1:]
torch.set_num_threads(int(threads))
calls = 0

def build(*args):
    network = tiny_network(*args)

    def count(module, inputs):
        global calls
        calls += module.training
        if calls == int(steps):
            os.kill(os.getpid(), signal.SIGKILL)

    network.register_forward_pre_hook(count)
    return network

run.build_model = build
run.train(make_job(Path(data), Path(out), eval(settings), checkpoint_every_sec=0.0))
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that nobody interrupted."""
    out = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "build_model", tiny_network)
        return train(make_job(data, out, STATEFUL), lambda line: None)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return read_weights(folder / run_folder.WEIGHTS_NAME)


def figures(folder: Path) -> list[dict[str, Any]]:
    rows = read_metrics(folder / run_folder.METRICS_NAME)
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def assert_alike(ours: Path, theirs: Path) -> None:
    one, other = weights(ours), weights(theirs)
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-6, atol=1e-7, msg=name)
    assert len(figures(ours)) == len(figures(theirs))
    for mine, yours in zip(figures(ours), figures(theirs), strict=True):
        assert mine == pytest.approx(yours, abs=2e-6)


def test_the_whole_run_has_every_epoch(whole: Path) -> None:
    rows = figures(whole)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert rows[0].keys() >= {"train/loss", "val/loss", "val/accuracy", "val/accuracy/glass"}


@pytest.mark.parametrize(
    ("stop", "every_sec"),
    [
        (STEPS + 1, 1e9),  # the last state is that of the end of an epoch
        (STEPS + 1, 0.0),
        (2 * STEPS + 1, 1e9),
        (2, 0.0),  # amid the first epoch
        (STEPS + 3, 0.0),
        (1, 1e9),  # before there was any state
    ],
    ids=["epoch end", "epoch end too", "second end", "amid first", "amid second", "nothing yet"],
)
def test_resumed_equals_uninterrupted(
    data: Path, whole: Path, tmp_path: Path, stop: int, every_sec: float
) -> None:
    out, said = tmp_path / "run", []
    steps = {"stop_after_steps": stop, "checkpoint_every_sec": every_sec}
    train(make_job(data, out, STATEFUL, **steps), said.append)
    assert not (out / run_folder.WEIGHTS_NAME).exists()
    torch.rand(17)  # whatever else draws chance in between
    train(make_job(data, out, STATEFUL), said.append)
    assert any("going on from" in line for line in said) == (stop != 1)
    assert_alike(out, whole)


def test_a_run_killed_three_times_ends_alike(data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for stop in (2, STEPS + 2, 2 * STEPS + 2):
        steps = {"stop_after_steps": stop, "checkpoint_every_sec": 0.0}
        train(make_job(data, out, STATEFUL, **steps), lambda line: None)
    train(make_job(data, out, STATEFUL), lambda line: None)
    assert_alike(out, whole)


def test_a_process_that_was_really_killed_goes_on(data: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    # Sums depend on the number of threads, which an earlier test may have set in this process.
    threads = str(torch.get_num_threads())
    words = [str(data), str(out), str(STEPS + 2), repr(STATEFUL), threads]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *words],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr
    assert not (out / run_folder.WEIGHTS_NAME).exists()
    assert not list(out.glob("*.partial"))
    said: list[str] = []
    train(make_job(data, out, STATEFUL), said.append)
    assert any("going on from" in line for line in said)
    assert_alike(out, whole)


def test_killed_between_the_last_epoch_and_the_weights(
    data: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    job = make_job(data, out, STATEFUL)
    train(job, lambda line: None)
    (out / run_folder.WEIGHTS_NAME).unlink()
    train(job, lambda line: None)
    assert_alike(out, whole)  # the average, not the weights of the last step


def test_a_finished_run_is_left_alone(data: Path, whole: Path) -> None:
    before = (whole / run_folder.WEIGHTS_NAME).stat().st_mtime_ns
    said: list[str] = []
    train(make_job(data, whole, STATEFUL), said.append)
    assert said == [f"{whole} is finished already"]
    assert (whole / run_folder.WEIGHTS_NAME).stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("settings", "named"),
    [({"learn_rate": 0.02}, "learn_rate"), ({"seed": 5, "dropout": 0.1}, "dropout, seed")],
)
def test_a_folder_of_other_settings_is_refused_by_name(
    data: Path, whole: Path, settings: dict[str, Any], named: str
) -> None:
    job = make_job(data, whole, {**STATEFUL, **settings})
    with pytest.raises(InvalidInputError, match=rf"--out: .*same settings \({named} differ\)"):
        train(job, lambda line: None)


def test_a_folder_of_other_data_is_refused(data: Path, whole: Path, tmp_path: Path) -> None:
    other = write_folders(tmp_path / "other", each=9)
    with pytest.raises(InvalidInputError, match="pictures or split differ"):
        train(make_job(other, whole, STATEFUL), lambda line: None)
    classes = write_folders(tmp_path / "classes", classes=("glass", "metal", "wood"))
    with pytest.raises(InvalidInputError, match="classes differ"):
        train(make_job(classes, whole, STATEFUL), lambda line: None)
    with pytest.raises(InvalidInputError, match="extra, extra_repeats differ"):
        train(make_job(data, whole, STATEFUL, extra=[data], extra_repeats=2), lambda line: None)


def test_early_stopping_stays_stopped(data: Path, tmp_path: Path) -> None:
    # Nothing is learned, so that val/loss never gets better.
    settings = {"epoch_qty": 9, "early_stop": 2, "learn_rate": 1e-8, "schedule": "constant"}
    job = make_job(data, tmp_path / "run", {**settings, "freeze_norms": True})
    train(job, lambda line: None)
    count = len(figures(job.out))
    assert count < 9
    (job.out / run_folder.WEIGHTS_NAME).unlink()  # killed right after it had stopped
    train(job, lambda line: None)
    assert len(figures(job.out)) == count


@pytest.mark.parametrize("ema_decay", [0.0, 0.6])
@pytest.mark.parametrize("after_best", [1, STEPS + 1])
def test_the_best_epoch_survives_a_kill(
    data: Path, tmp_path: Path, ema_decay: float, after_best: int
) -> None:
    settings = {"epoch_qty": 30, "early_stop": 3, "learn_rate": 1.0, "schedule": "constant"}
    settings["ema_decay"] = ema_decay
    unbroken = train(make_job(data, tmp_path / "unbroken", settings), lambda line: None)
    best = run_folder.read_config(unbroken)["shipped_epoch"]
    assert best == len(figures(unbroken)) - 4
    out, stop = tmp_path / "run", (best + 1) * STEPS + after_best
    train(make_job(data, out, settings, stop_after_steps=stop), lambda line: None)
    assert not (out / run_folder.WEIGHTS_NAME).exists()
    train(make_job(data, out, settings), lambda line: None)
    assert run_folder.read_config(out)["shipped_epoch"] == best
    assert_alike(out, unbroken)
    (out / run_folder.WEIGHTS_NAME).unlink()  # killed right after it had stopped
    train(make_job(data, out, settings), lambda line: None)
    assert_alike(out, unbroken)


@pytest.mark.parametrize("is_older", [False, True])
def test_only_epochs_that_were_compared_are_spoken_of(
    data: Path, tmp_path: Path, is_older: bool
) -> None:
    settings = {"epoch_qty": 30, "early_stop": 3, "learn_rate": 1.0, "schedule": "constant"}
    unbroken = train(make_job(data, tmp_path / "unbroken", settings), lambda line: None)
    best, stop = run_folder.read_config(unbroken)["shipped_epoch"], len(figures(unbroken)) - 3
    out, said = tmp_path / "run", list[str]()
    train(make_job(data, out, settings, stop_after_steps=stop * STEPS + 1), lambda line: None)
    if is_older:  # versions up to 0.4.1 kept no weights
        path = out / run_folder.CHECKPOINT_NAME
        state = torch.load(path, weights_only=False)
        state["callbacks"] = {k: v for k, v in state["callbacks"].items() if "BestW" not in k}
        torch.save(state, path)
    train(make_job(data, out, settings), said.append)
    rows = figures(out)
    shipped = run_folder.read_config(out)["shipped_epoch"]
    told = f"kept the weights of epoch {shipped + 1}, the least val/loss of "
    if is_older:
        assert shipped == min(rows[stop:], key=lambda row: row["val/loss"])["epoch"] != best
        assert told + f"the epochs from {stop + 1}: nothing was kept of those before" in said
    else:
        assert shipped == min(rows, key=lambda row: row["val/loss"])["epoch"] == best
        assert told + f"{len(rows)} epochs" in said
