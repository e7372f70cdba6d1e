# SPDX-License-Identifier: Apache-2.0
"""The learning-rate finder suggests, draws, and leaves no trace."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from support.learning import make_job, tiny_network, write_folders

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.models.zoo import build_model, read_weights
from recycle_sorter.ml.training import finder, run, run_folder
from recycle_sorter.ml.training.finder import (
    DATA_NAME,
    PLOT_NAME,
    RangeTest,
    find_learn_rate,
    steepest,
)
from recycle_sorter.ml.training.run import train

pytestmark = pytest.mark.ml


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)


def test_a_rate_is_suggested_drawn_and_written_down(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run", {"ema_decay": 0.5, "early_stop": 2})
    rate = find_learn_rate(job, lambda line: None, steps=40)
    assert rate is not None
    assert 1e-6 < rate < 1
    content = json.loads((job.out / DATA_NAME).read_text(encoding="utf-8"))
    assert content["suggestion"] == rate
    assert len(content["learn_rate"]) == len(content["loss"]) >= 20
    assert content["learn_rate"][0] == pytest.approx(1e-6)
    assert content["learn_rate"] == sorted(content["learn_rate"])
    assert all(math.isfinite(loss) for loss in content["loss"])
    # It lies where the loss falls, between the flat start and the best loss.
    best = content["loss"].index(min(content["loss"]))
    assert rate <= content["learn_rate"][best]
    plot = cv2.imread(str(job.out / PLOT_NAME))
    assert plot is not None
    assert plot.shape[0] > 300
    assert plot.std() > 5


def test_nothing_else_is_left(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "found")
    plain = replace(job, out=tmp_path / "plain")
    find_learn_rate(job, lambda line: None, steps=20)
    assert {path.name for path in job.out.iterdir()} == {DATA_NAME, PLOT_NAME}
    train(plain, lambda line: None)
    train(job, lambda line: None)
    ours, theirs = (read_weights(j.out / run_folder.WEIGHTS_NAME) for j in (job, plain))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert (job.out / PLOT_NAME).is_file()


def test_no_suggestion_is_said_and_drawn_all_the_same(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run")
    said: list[str] = []
    assert find_learn_rate(job, said.append, steps=5) is None
    assert any("no suggestion: the loss never falls" in line for line in said)
    content = json.loads((job.out / DATA_NAME).read_text(encoding="utf-8"))
    assert content["suggestion"] is None
    assert len(content["loss"]) == 5
    assert (job.out / PLOT_NAME).is_file()


def test_a_dip_behind_the_least_loss_is_no_suggestion() -> None:
    rates = np.geomspace(1e-6, 1, 61)
    losses = 2 - 1 / (1 + (1e-3 / rates) ** 2) + 6 / (1 + (0.05 / rates) ** 4)
    losses[54:] -= 4  # training has diverged; the cliff is steeper than the way down
    assert losses[54:].min() > losses.min()
    rate = steepest(rates, losses)
    assert rate == pytest.approx(1e-3, rel=0.5)
    assert rate <= rates[losses.argmin()]


def test_a_loss_that_only_rises_is_no_suggestion_whatever_comes_behind() -> None:
    rates = np.geomspace(1e-6, 1, 61)
    losses = np.linspace(1, 9, 61)
    losses[55:] -= 3
    assert steepest(rates, losses) is None


def test_the_steepest_fall_counts_by_orders_of_magnitude() -> None:
    rates = np.geomspace(1e-6, 1, 61)
    # Falls around 1e-2 and rises again; a small dip at the tiny rates counts for nothing.
    losses = 2 - 1 / (1 + (1e-2 / rates) ** 2) + 3 / (1 + (0.3 / rates) ** 4)
    losses[12] -= 0.02
    assert steepest(rates, losses) == pytest.approx(1e-2, rel=0.5)
    assert steepest(rates, np.linspace(1, 2, 61)) is None
    assert steepest(rates[:5], losses[:5]) is None
    assert steepest(rates, np.full(61, math.nan)) is None


def test_stages_keep_their_proportions(data: Path, tmp_path: Path) -> None:
    seen = []

    class Watch(RangeTest):
        def on_train_batch_start(self, trainer: Any, *args: Any) -> None:
            super().on_train_batch_start(trainer, *args)
            seen.append([group["lr"] for group in trainer.optimizers[0].param_groups])

    job = make_job(data, tmp_path / "run", {"layer_decay": 0.5})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(finder, "RangeTest", Watch)
        find_learn_rate(job, lambda line: None, steps=20)
    for step in seen:
        assert step[0] == pytest.approx(step[-1] * 0.5**5)
    assert [step[-1] for step in seen] == pytest.approx(np.geomspace(1e-6, 1, 20)[: len(seen)])


def test_frozen_norms_stay_frozen_while_it_looks(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []

    def keep(*args: Any) -> Any:
        kept.append(tiny_network(*args))
        return kept[-1]

    monkeypatch.setattr(run, "build_model", keep)
    job = make_job(data, tmp_path / "run", {"freeze_norms": True})
    before = tiny_network("resnet18", 3).bn1.running_mean.clone()
    find_learn_rate(job, lambda line: None, steps=20)
    assert torch.equal(kept[0].bn1.running_mean, before)


def test_what_stops_it_is_named(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"--out: got .*file/x"):
        find_learn_rate(make_job(data, tmp_path / "file" / "x"), lambda line: None, steps=5)
    monkeypatch.setattr(run, "build_model", build_model)
    job = make_job(data, tmp_path / "run", {"batch_size": 1, "weights": "none"})
    with pytest.raises(InvalidInputError, match=r"--batch_size: got 1"):
        find_learn_rate(job, lambda line: None, steps=5)
