# SPDX-License-Identifier: Apache-2.0
"""One training: its run folder, its start, what it says of bad data, and when it ends."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from support.learning import CLASSES, make_job, picture, tiny_network, write_folders
from torch import nn

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.manifest import read_manifest, verify_manifest
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.evaluation.predictions import predict, torch_network
from recycle_sorter.ml.models.zoo import build_model, features, read_weights, stages
from recycle_sorter.ml.training import run, run_folder, tracked
from recycle_sorter.ml.training.callbacks import read_metrics
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.job import training_pictures
from recycle_sorter.ml.training.loader import ValidationBatches
from recycle_sorter.ml.training.probe import fit_head
from recycle_sorter.ml.training.run import class_counts, make_batches, make_module, spec_of, train
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess

pytestmark = pytest.mark.ml


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folders(tmp_path_factory.mktemp("data") / "set")


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)
    monkeypatch.setattr(run_folder, "build_model", tiny_network)


def silent(line: str) -> None:
    """Nobody listens."""


def test_a_run_folder_says_everything_and_is_read_back(data: Path, tmp_path: Path) -> None:
    said: list[str] = []
    job = make_job(data, tmp_path / "run", {"weight_decay": 0.1}, command="recycle-sorter train")
    assert train(job, said.append) == job.out
    assert {path.name for path in job.out.iterdir()} == {
        "config.json", "split.csv", "manifest.json", "metrics.jsonl", "last.ckpt",
        "untrained.safetensors", "model.safetensors",
    }  # fmt: skip
    config = json.loads((job.out / "config.json").read_text(encoding="utf-8"))
    assert config["hyperparameters"]["weight_decay"] == 0.1
    assert config["classes"] == list(CLASSES)
    assert config["started_from"] == "random weights"
    assert config["command"] == "recycle-sorter train"
    assert config["split"] == {"by": "picture", "seed": 0, "train": 18, "val": 6, "test": 6}
    assert config["minutes"] >= 0
    assert torch.__version__.startswith(config["versions"]["torch"])
    assert config["hardware"]["cores"] >= 1
    loaded = run_folder.load_run(job.out)
    assert loaded.classes == CLASSES
    assert loaded.spec == PreprocessingSpec(32, 32)
    assert not loaded.model.training
    assert loaded.splits().parts() == job.splits.parts()
    ours, start = (read_weights(job.out / f"{n}.safetensors") for n in ("model", "untrained"))
    assert ours.keys() == start.keys()
    assert not torch.equal(ours["fc.weight"], start["fc.weight"])
    assert sum("epoch " in line for line in said) == 2
    manifest = read_manifest(job.out / run_folder.MANIFEST_NAME)
    verify_manifest(manifest, data)
    assert {name: len(part) for name, part in manifest.parts.items()} == {
        "train": 18, "val": 6, "test": 6,
    }  # fmt: skip


def test_every_epoch_is_a_line_with_the_accuracy_of_each_material(
    data: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, dict[str, float]]] = []

    def report(epoch: int, figures: Any) -> bool:
        told.append((epoch, dict(figures)))
        return False

    job = make_job(data, tmp_path / "run", {"epoch_qty": 3})
    train(job, silent, report)
    rows = read_metrics(job.out / run_folder.METRICS_NAME)
    assert [row["epoch"] for row in rows] == [epoch for epoch, _ in told] == [0, 1, 2]
    for row, (_, figures) in zip(rows, told, strict=True):
        each = [row[f"val/accuracy/{name}"] for name in CLASSES]
        assert row["val/accuracy"] == pytest.approx(sum(each) / 3, abs=1e-5)
        assert row["val/loss"] == pytest.approx(figures["val/loss"], abs=1e-5)
        assert row["seconds"] >= 0
    assert rows[-1]["learn_rate"] < 1e-5 < rows[0]["learn_rate"]  # that of the epoch's last step
    with (job.out / run_folder.SPLIT_NAME).open(newline="", encoding="utf-8") as file:
        parts = [line["split"] for line in csv.DictReader(file)]
    assert {part: parts.count(part) for part in set(parts)} == {"train": 18, "val": 6, "test": 6}


def test_a_class_that_val_lacks_has_no_figure_and_is_not_the_weakest(
    data: Path, tmp_path: Path
) -> None:
    job = make_job(data, tmp_path / "run", {"epoch_qty": 2})
    left = tuple(one for one in job.splits.val if one.label != 0)
    job = replace(job, splits=replace(job.splits, val=left))
    said: list[str] = []
    train(job, said.append)
    for row in read_metrics(job.out / run_folder.METRICS_NAME):
        found = {name.rsplit("/", 1)[1] for name in row if name.startswith("val/accuracy/")}
        assert found == {"metal", "paper"}
        each = [row[f"val/accuracy/{name}"] for name in found]
        assert row["val/accuracy"] == pytest.approx(sum(each) / 2, abs=1e-5)
    assert sum("val has no picture of glass" in line for line in said) == 1
    assert not any("weakest glass" in line for line in said)


def test_val_accuracy_is_that_of_the_saved_network(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run", {"learn_rate": 0.02, "epoch_qty": 4, "ema_decay": 0.5})
    train(job, silent)
    rows = read_metrics(job.out / run_folder.METRICS_NAME)
    loaded = run_folder.load_run(job.out)
    right = []
    for one in job.splits.val:
        image = cv2.imread(str(one.path))
        with torch.inference_mode():
            answer = loaded.model(torch.from_numpy(preprocess(image, loaded.spec))).argmax(1)
        right.append(int(answer) == one.label)
    assert rows[-1]["val/accuracy"] == pytest.approx(np.mean(right), abs=1e-5)


def test_a_report_can_end_a_run(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run", {"epoch_qty": 9})
    train(job, silent, lambda epoch, figures: epoch == 1)
    assert len(read_metrics(job.out / run_folder.METRICS_NAME)) == 2
    assert (job.out / run_folder.WEIGHTS_NAME).is_file()


@pytest.mark.parametrize("patience", [1, 2])
def test_early_stopping_waits_and_ends(data: Path, tmp_path: Path, patience: int) -> None:
    # Far too high a rate: val/loss is at its best after the first epochs.
    chosen = {"epoch_qty": 30, "early_stop": patience, "learn_rate": 1.0, "schedule": "constant"}
    job = make_job(data, tmp_path / "run", chosen)
    train(job, silent)
    losses = [row["val/loss"] for row in read_metrics(job.out / run_folder.METRICS_NAME)]
    assert len(losses) < 30
    assert len(losses) - 1 - losses.index(min(losses)) == patience


# Far too high a rate: the best epoch is none of the last.
STOPPED = {"epoch_qty": 30, "early_stop": 3, "learn_rate": 1.0, "schedule": "constant"}


def val_loss(folder: Path, job: Any) -> float:
    loaded = run_folder.load_run(folder)
    store = PictureStore.load(job.splits.val)
    (batch,) = ValidationBatches(store, len(CLASSES), loaded.spec)
    with torch.inference_mode():
        logits = loaded.model(batch.images)
    return float(nn.functional.cross_entropy(logits, batch.targets.argmax(1)))


@pytest.mark.parametrize("ema_decay", [0.0, 0.5])
def test_early_stopping_keeps_the_best_epochs_weights(
    data: Path, tmp_path: Path, ema_decay: float
) -> None:
    job = make_job(data, tmp_path / "run", {**STOPPED, "ema_decay": ema_decay})
    said: list[str] = []
    train(job, said.append)
    losses = [row["val/loss"] for row in read_metrics(job.out / run_folder.METRICS_NAME)]
    best = losses.index(min(losses))
    assert best == len(losses) - 4
    assert losses[-1] > losses[best] + 1e-3
    assert val_loss(job.out, job) == pytest.approx(losses[best], rel=1e-4)
    assert run_folder.read_config(job.out)["shipped_epoch"] == best
    assert f"kept the weights of epoch {best + 1}, " in "".join(said)


def test_without_early_stopping_the_last_epochs_weights_are_kept(
    data: Path, tmp_path: Path
) -> None:
    job = make_job(data, tmp_path / "run", {**STOPPED, "epoch_qty": 12, "early_stop": 0})
    train(job, silent)
    losses = [row["val/loss"] for row in read_metrics(job.out / run_folder.METRICS_NAME)]
    assert min(losses) < losses[-1]
    assert val_loss(job.out, job) == pytest.approx(losses[-1], rel=1e-4)
    assert run_folder.read_config(job.out)["shipped_epoch"] == 11


def test_a_sweeps_trial_is_worth_what_it_ships(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "sweep", STOPPED)
    trial = tracked.make_trial(job, "val/loss", silent, mode="disabled")

    class Told:
        folder = tmp_path / "sweep" / "trial0000"

        def __call__(self, epoch: int, value: float, *, is_last: bool) -> bool:
            ends.append((epoch, is_last))
            return False

    ends: list[tuple[int, bool]] = []
    for _ in range(2):  # the second finds it finished
        value = trial({}, Told())
        losses = [row["val/loss"] for row in read_metrics(Told.folder / run_folder.METRICS_NAME)]
        assert value == pytest.approx(min(losses), abs=1e-6)
        assert value < losses[-1]
    # Early stopping ends it before the last epoch of its settings.
    assert ends
    assert all(is_last == (epoch + 1 == job.settings.epoch_qty) for epoch, is_last in ends)


def test_two_runs_of_one_seed_are_one_run(data: Path, tmp_path: Path) -> None:
    chosen = {"dropout": 0.3, "transform_randaugment": 2, "mixup": 0.5}
    jobs = [make_job(data, tmp_path / name, chosen) for name in "ab"]
    other = make_job(data, tmp_path / "c", {**chosen, "seed": 1})
    for job in (*jobs, other):
        train(job, silent)
    one, two, three = (read_weights(j.out / run_folder.WEIGHTS_NAME) for j in (*jobs, other))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["fc.weight"], three["fc.weight"])


@pytest.mark.parametrize("probe", [False, True])
def test_norms_and_dropout_are_in_training_mode(
    data: Path, tmp_path: Path, probe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = []

    def watched(*args: Any) -> nn.Module:
        network = tiny_network(*args)
        network.fc.register_forward_pre_hook(
            lambda module, inputs: (
                dropped.append(float((inputs[0] == 0).float().mean())) if network.training else None
            )
        )
        return network  # type: ignore[no-any-return]

    monkeypatch.setattr(run, "build_model", watched)
    job = make_job(data, tmp_path / "run", {"probe": probe, "dropout": 0.5})
    train(job, silent)
    start, end = (read_weights(job.out / f"{n}.safetensors") for n in ("untrained", "model"))
    assert not torch.equal(start["bn1.running_mean"], end["bn1.running_mean"])
    assert int(end["bn1.num_batches_tracked"]) == 6
    assert len(dropped) == 6
    assert min(dropped) > 0.2


def test_frozen_norms_keep_their_statistics_in_a_run(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run", {"freeze_norms": True, "probe": True})
    train(job, silent)
    start, end = (read_weights(job.out / f"{n}.safetensors") for n in ("untrained", "model"))
    assert all(torch.equal(start[name], end[name]) for name in start if "bn1" in name)
    assert not torch.equal(start["conv1.weight"], end["conv1.weight"])


def test_a_probe_fits_the_head_and_nothing_else(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run", {"probe": True})
    said: list[str] = []
    spec = spec_of(job.settings)
    module = make_module(job, spec, said.append, is_fresh=True)
    torch.manual_seed(job.settings.seed)
    start = tiny_network("resnet18", 3).state_dict()
    for name, value in module.model.state_dict().items():
        assert torch.equal(value, start[name]) == (not name.startswith("fc."))
    assert said == ["linear probe: 100.0% of train right"]
    # What it says is what the network does.
    batches = make_batches(job, spec, silent)
    module.eval()
    with torch.inference_mode():
        right = [
            (module(images).argmax(1) == targets.argmax(1)).float().mean()
            for images, targets in ValidationBatches(batches.store, 3, spec, batch_size=18)
        ]
    assert right == [1.0]


def test_a_probe_is_a_probe_of_any_real_network(data: Path) -> None:
    torch.manual_seed(0)
    model = build_model("resnet50_thin", 3)
    store = make_batches(make_job(data, data), PreprocessingSpec(32, 32), silent).store
    share = fit_head(model, store, 3, PreprocessingSpec(32, 32))
    (batch,) = ValidationBatches(store, 3, PreprocessingSpec(32, 32))
    with torch.inference_mode():
        answers = stages(model)[-1][0](features(model, batch.images))
    right = (answers.argmax(1) == batch.targets.argmax(1)).float().mean()
    assert float(right) == pytest.approx(share)
    assert share > 0.8


def test_only_a_linear_head_can_be_probed(data: Path) -> None:
    model = build_model("resnet50_modnet", 3)
    store = make_batches(make_job(data, data), PreprocessingSpec(32, 32), silent).store
    with pytest.raises(InvalidInputError, match=r"probe: .*one linear layer"):
        fit_head(model, store, 3, PreprocessingSpec(32, 32))


def test_extra_pictures_are_trained_on_as_often_as_told(data: Path, tmp_path: Path) -> None:
    extra = write_folders(tmp_path / "extra", each=2, classes=CLASSES[:2])
    job = make_job(data, tmp_path / "run", extra=[extra], extra_repeats=3)
    store = make_batches(job, spec_of(job.settings), silent).store
    assert np.bincount(store.labels).tolist() == [12, 12, 6]
    assert class_counts(job) == [12, 12, 6]
    other = write_folders(tmp_path / "other", each=1, classes=("glass", "wood"))
    with pytest.raises(InvalidInputError, match="wood"):
        make_batches(make_job(data, tmp_path / "run", extra=[other]), spec_of(job.settings), silent)


def test_whole_pictures_are_stored_as_the_node_sees_them(data: Path, tmp_path: Path) -> None:
    spec = PreprocessingSpec(32, 32)
    plain = make_batches(make_job(data, tmp_path, {"transform_horz": True}), spec, silent).store
    assert {image.shape for image in plain.images} == {(32, 32, 3)}
    cut = make_batches(make_job(data, tmp_path, {"transform_crop": 0.5}), spec, silent).store
    assert {image.shape for image in cut.images} == {(30, 40, 3)}  # as they are on disk


def test_val_is_kept_at_the_networks_size_and_answers_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "large"
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(5):
            cv2.imwrite(str(root / name / f"{number}.png"), picture(label, number, 96, 128))
    stores: list[PictureStore] = []
    load = PictureStore.load

    def kept(*args: Any, **settings: Any) -> PictureStore:
        stores.append(load(*args, **settings))
        return stores[-1]

    monkeypatch.setattr(PictureStore, "load", kept)
    job = make_job(root, tmp_path / "run", {"epoch_qty": 1})
    train(job, silent)
    result = tracked.evaluate_run(job.out, job.splits.val, (), "large")
    assert len(stores) == 3, "train, val and the evaluation's val"
    assert {image.shape for store in stores for image in store.images} == {(32, 32, 3)}
    spec = spec_of(job.settings)
    loaded = run_folder.load_run(job.out)
    whole = predict(torch_network(loaded.model), load(job.splits.val), CLASSES, spec)
    small = predict(torch_network(loaded.model), stores[-1], CLASSES, spec)
    np.testing.assert_array_equal(small.logits, whole.logits)
    np.testing.assert_array_equal(result.predictions.logits, whole.logits)


@pytest.mark.parametrize(
    ("architecture", "rate", "warns"),
    [
        ("resnet50_thin", Hyperparameters().learn_rate, True), ("resnet50_thin", 1e-4, False),
        ("resnet18", Hyperparameters().learn_rate, False),
    ],
)  # fmt: skip
def test_a_rate_that_wrecks_the_network_without_norms_is_named(
    data: Path, tmp_path: Path, architecture: str, rate: float, warns: bool
) -> None:
    settings = {"architecture": architecture, "learn_rate": rate}
    told: list[str] = []
    train(make_job(data, tmp_path / "run", settings, stop_after_steps=1), told.append)
    assert any("wreck resnet50_thin" in line for line in told) is warns


def test_unlabelled_pictures_need_a_teacher(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"--unlabelled: .*expected a teacher"):
        make_job(data, tmp_path / "run", unlabelled=[data])


def test_unlabelled_pictures_are_shown_beside_the_labelled_ones(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run", {"teacher": "any"}, unlabelled=[data])
    labelled = len(training_pictures(job))
    batches = make_batches(job, spec_of(job.settings), silent)
    assert len(batches.store) == labelled + 30
    targets = torch.cat([batch.targets for batch in batches])
    assert int(targets.sum()) <= labelled < len(targets)
    assert class_counts(job) == [labelled // 3] * 3  # what is not labelled weighs nothing


def test_items_get_other_backgrounds(data: Path, tmp_path: Path) -> None:
    root = tmp_path / "boards"
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(5):
            image = np.full((90, 120, 3), 235, np.uint8)
            image[30:60, 30:90] = picture(label, number, 30, 60)
            cv2.imwrite(str(root / name / f"{number}.png"), image)
    job = make_job(root, tmp_path / "run", {"transform_background": 1.0}, backgrounds=[data])
    said: list[str] = []
    batches = make_batches(job, spec_of(job.settings), said.append)
    assert said == ["found the item on its board in 9 of 9 pictures"]
    assert len(batches.others) == 30
    # The white is gone from nearly all of them.
    white = [
        float((image > 1.8).all(0).float().mean()) for batch in batches for image in batch.images
    ]
    assert np.median(white) < 0.1


def spoil(folder: Path, count: int) -> None:
    for path in sorted(folder.iterdir())[:count]:
        path.write_bytes(b"no picture")


def test_unreadable_pictures_are_told_and_left_out(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set")
    spoil(root / "glass", 2)
    said: list[str] = []
    train(make_job(root, tmp_path / "run", {"epoch_qty": 1}), said.append)
    assert any("unreadable" in line and "glass/" in line for line in said)
    assert (tmp_path / "run" / run_folder.WEIGHTS_NAME).is_file()


def test_a_class_of_unreadable_pictures_is_an_error(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set")
    spoil(root / "metal", 99)
    with pytest.raises(InvalidInputError, match=r"data: metal: .*readable training picture"):
        train(make_job(root, tmp_path / "run"), silent)


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    root = write_folders(tmp_path / "set")
    for name in CLASSES:
        spoil(root / name, 99)
    with pytest.raises(InvalidInputError, match=r"data: .*at least one readable picture"):
        train(make_job(root, tmp_path / "run"), silent)


def test_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"run: .*a run folder with config.json"):
        run_folder.load_run(tmp_path)
    (tmp_path / "config.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="a JSON object"):
        run_folder.load_run(tmp_path)
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"a run folder with config.json"):
        run_folder.load_run(tmp_path)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"hyperparameters": None}, "hyperparameters"),
        ({"architecture": 18}, "architecture"),
        ({"classes": []}, "classes"),
        ({"classes": [1, 2]}, "classes"),
        ({"preprocessing": []}, "preprocessing"),
        ({"data": None}, "data"),
        ({"split": {"by": "moon", "seed": 0}}, "split"),
        ({"extra": "photos"}, "extra"),
        ({"extra": ["a" * 300]}, "extra"),
        ({"data": "a\0b"}, "data"),
        ({"data": "\ud800"}, "data"),
        ({"data": "/".join(["a" * 200] * 6)}, "data"),
        ({"teacher": "a" * 300}, "teacher"),
        ({"hyperparameters": {"weights": 3}}, "hyperparameters.weights"),
    ],
)
def test_a_config_that_lacks_a_field_is_refused_by_name(
    tmp_path: Path, changes: dict[str, Any], field: str
) -> None:
    good = {
        "hyperparameters": {}, "architecture": "resnet18", "classes": ["glass", "metal"],
        "preprocessing": {}, "data": "photos", "split": {"by": "picture", "seed": 0},
    }  # fmt: skip
    run_folder.write_config(tmp_path, good)
    assert run_folder.read_config(tmp_path) == good
    (tmp_path / "config.json").write_text(json.dumps({**good, **changes}), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=rf"config\.json: {field}: got .*Fix: train again"):
        run_folder.read_config(tmp_path)


def test_an_empty_or_endless_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"config\.json: hyperparameters: got None"):
        run_folder.load_run(tmp_path)
    (tmp_path / "config.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"a run folder with config.json"):
        run_folder.load_run(tmp_path)


def test_a_line_that_a_kill_cut_short_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"epoch": 0, "val/loss": 1.5}\n[1]\n{"epoch": "x"}\n{"epoch": 1, "val', encoding="utf-8"
    )
    assert read_metrics(path) == [{"epoch": 0, "val/loss": 1.5}]
    assert read_metrics(tmp_path / "missing.jsonl") == []


@pytest.mark.parametrize("name", ["file", "file/x"])
def test_a_run_folder_that_cannot_be_written_is_named(
    data: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=rf"--out: got '{tmp_path / name}'"):
        train(make_job(data, tmp_path / name), silent)


@pytest.mark.parametrize("how", ["cut off", "empty", "a bit flipped"])
def test_a_damaged_checkpoint_is_named(data: Path, tmp_path: Path, how: str) -> None:
    job = make_job(data, tmp_path / "run", stop_after_steps=3, checkpoint_every_sec=0.0)
    train(job, silent)
    path = job.out / run_folder.CHECKPOINT_NAME
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut off": whole[:middle],
            "empty": b"",
            "a bit flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
        }[how]
    )
    again = replace(job, stop_after_steps=-1)
    with pytest.raises(InvalidInputError, match=r"checkpoint: .*last\.ckpt.*delete it to begin"):
        train(again, silent)
    path.unlink()
    train(again, silent)
    assert (job.out / run_folder.WEIGHTS_NAME).is_file()


def test_batches_too_small_for_batch_norm_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of 32 px, a ResNet's last layers have one value a channel left.
    monkeypatch.setattr(run, "build_model", build_model)
    settings = {"batch_size": 1, "epoch_qty": 1, "weights": "none"}
    with pytest.raises(InvalidInputError, match=r"--batch_size: got 1, expected batches of two"):
        train(make_job(data, tmp_path / "run", settings), silent)
