# SPDX-License-Identifier: Apache-2.0
"""What a training learns from beside its data set: named, hashed, linked, and never measured on."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import pytest
from support.bundles import make_tiny_bundle
from support.learning import CLASSES, make_job, picture, tiny_network, write_folders

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.manifest import make_manifest, read_manifest
from recycle_sorter.ml.dataset.records import read_dataset
from recycle_sorter.ml.dataset.splits import split_dataset
from recycle_sorter.ml.lineage import read_lineage
from recycle_sorter.ml.record_reader import read_record
from recycle_sorter.ml.training import run, run_folder, tracked
from recycle_sorter.ml.training.job import open_folder
from recycle_sorter.ml.training.run import train
from recycle_sorter.ml.training.tracked import run_jobs

pytestmark = pytest.mark.ml


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_folders(tmp_path / "set", each=5)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)
    monkeypatch.setattr(run_folder, "build_model", tiny_network)


def silent(line: str) -> None:
    """Nobody listens."""


def write_extra(root: Path, count: int = 2, first: int = 900) -> Path:
    """Pictures that no other data set has, in one folder a class."""
    for label, name in enumerate(CLASSES):
        (root / name).mkdir(parents=True)
        for number in range(count):
            image = picture(label, first + 10 * label + number)
            cv2.imwrite(str(root / name / f"{number}.png"), image)
    return root


def write_loose(root: Path, first: int) -> Path:
    root.mkdir()
    for number in range(3):
        cv2.imwrite(str(root / f"{number}.png"), picture(number, first + number))
    return root


@pytest.fixture
def whole(data: Path, tmp_path: Path) -> Any:
    """A job that depends on everything there can be."""
    start = train(make_job(data, tmp_path / "start", {"epoch_qty": 1}), silent)
    teacher = make_tiny_bundle(tmp_path / "teacher", labels=CLASSES)
    settings = {
        "epoch_qty": 1, "transform_background": 0.5, "teacher": str(teacher),
        "weights": str(start / run_folder.WEIGHTS_NAME),
    }  # fmt: skip
    return make_job(
        data, tmp_path / "run", settings,
        extra=[write_extra(tmp_path / "extra")],
        unlabelled=[write_loose(tmp_path / "loose", 700)],
        backgrounds=[write_loose(tmp_path / "rubber", 800)],
    )  # fmt: skip


@pytest.mark.parametrize("part", ["val", "test"])
@pytest.mark.parametrize("how", ["copy", "link", "itself"])
def test_extra_pictures_that_are_measured_on_are_refused(
    data: Path, tmp_path: Path, part: str, how: str
) -> None:
    extra = data if how == "itself" else write_extra(tmp_path / "extra")
    held = make_job(data, tmp_path / "run").splits.parts()[part][0]
    if how == "copy":
        shutil.copy(held.path, extra / "glass" / "other_name.png")
    elif how == "link":
        (extra / "glass" / "other_name.png").symlink_to(held.path)
    name = held.name if how == "itself" else "glass/other_name.png"
    told = rf"--extra: .*{extra}.*no picture that the network is measured on.*Fix: take them out"
    job = make_job(data, tmp_path / "run", extra=[extra])
    with pytest.raises(InvalidInputError, match=told) as raised:
        train(job, silent)
    if how != "itself":
        assert f"{name} is {part}'s {held.name}" in str(raised.value)
    else:
        assert " and 3 more" in str(raised.value), "two of three parts of 15 pictures"
    assert not (tmp_path / "run").exists()


def test_unlabelled_pictures_that_are_measured_on_are_refused(data: Path, tmp_path: Path) -> None:
    loose = write_loose(tmp_path / "loose", 700)
    job = make_job(data, tmp_path / "run")
    shutil.copy(job.splits.test[0].path, loose / "x.png")
    teacher = make_tiny_bundle(tmp_path / "teacher", labels=CLASSES)
    job = make_job(data, tmp_path / "run", {"teacher": str(teacher)}, unlabelled=[loose])
    with pytest.raises(InvalidInputError, match=rf"--unlabelled: .*{job.splits.test[0].name}"):
        open_folder(job)


def test_pictures_of_train_may_be_shown_again(data: Path, tmp_path: Path) -> None:
    extra = write_extra(tmp_path / "extra")
    job = make_job(data, tmp_path / "run", extra=[extra])
    shutil.copy(job.splits.train[0].path, extra / "glass" / "again.png")
    open_folder(job)
    assert (job.out / run_folder.CONFIG_NAME).is_file()


def test_a_split_that_trains_on_them_is_the_fix(data: Path, tmp_path: Path) -> None:
    extra = write_extra(tmp_path / "extra")
    splits = split_dataset(read_dataset(data))
    shutil.copy(splits.test[0].path, extra / "glass" / "again.png")
    others = (split_dataset(read_dataset(data), seed=seed) for seed in range(1, 99))
    other = next(one for one in others if splits.test[0] in one.train)
    job = make_job(data, tmp_path / "run", extra=[extra])
    with pytest.raises(InvalidInputError, match=r"--extra.*--split"):
        open_folder(job)
    open_folder(replace(job, splits=other))


def test_the_manifest_holds_everything_and_is_still_one(whole: Any) -> None:
    open_folder(whole)
    path = whole.out / run_folder.MANIFEST_NAME
    assert read_manifest(path) == make_manifest(whole.splits)
    told = json.loads(path.read_text(encoding="utf-8"))["material"]
    titles = [title.split()[0] for title in told]
    assert titles == ["--extra", "--unlabelled", "--backgrounds", "--weights", "--teacher"]
    counts = [len(part["files"]) for part in told.values()]
    assert counts[:4] == [6, 3, 3, 1]
    digests = run_folder.read_config(whole.out)["material"]
    assert digests == {title: part["digest"] for title, part in told.items()}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ("set/glass/2.png", r"--data: glass/2\.png has changed"),
        ("extra/metal/1.png", r"--extra \S+: metal/1\.png has changed"),
        ("loose/0.png", r"--unlabelled \S+: 0\.png has changed"),
        ("rubber/0.png", r"--backgrounds \S+: 0\.png has changed"),
        ("start/model.safetensors", r"--weights \S+: model\.safetensors has changed"),
        ("teacher/bundle.json", r"--teacher \S+: bundle\.json has changed"),
    ],
)
def test_a_run_does_not_go_on_with_other_files(
    whole: Any, tmp_path: Path, changed: str, told: str
) -> None:
    open_folder(whole)
    open_folder(whole)  # nothing has changed
    path = tmp_path / changed
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InvalidInputError, match=rf"--out: .*began with \({told}\)\. Fix: put"):
        open_folder(whole)


def test_files_that_came_or_went_are_named(data: Path, tmp_path: Path) -> None:
    extra = write_extra(tmp_path / "extra")
    job = make_job(data, tmp_path / "run", extra=[extra])
    open_folder(job)
    (extra / "glass" / "0.png").rename(extra / "glass" / "new.png")
    with pytest.raises(InvalidInputError, match=r"glass/0\.png is missing, glass/new\.png is new"):
        open_folder(job)


def test_a_folder_of_an_older_version_goes_on(data: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run", extra=[write_extra(tmp_path / "extra")])
    open_folder(job)
    make_manifest(job.splits).write(job.out / run_folder.MANIFEST_NAME)
    open_folder(job)
    (job.out / run_folder.MANIFEST_NAME).unlink()
    open_folder(job)


@pytest.mark.parametrize(
    ("material", "told"),
    [
        ([], "material: got "),
        (7, "material: got 7, expected an object"),
        ({"--extra x": []}, "material, --extra x: got "),
        ({"--extra x": {"digest": "0"}}, "material, --extra x: got "),
        ({"--extra x": {"files": ["a.png"]}}, "material, --extra x: got "),
        ({"--extra x": {"files": {"a.png": 5}}}, "material, --extra x: got "),
    ],
)
def test_a_damaged_manifest_is_named(data: Path, tmp_path: Path, material: Any, told: str) -> None:
    job = make_job(data, tmp_path / "run")
    open_folder(job)
    path = job.out / run_folder.MANIFEST_NAME
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**content, "material": material}), encoding="utf-8")
    with pytest.raises(InvalidInputError, match=rf"{path}: {told}.*Fix: restore the file"):
        open_folder(job)


@pytest.mark.parametrize("gone", ["teacher", "extra", "loose", "rubber", "start"])
def test_what_was_learned_from_may_be_gone_when_only_the_test_is_left(
    whole: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(tracked, "evaluate_run", killed)
        with pytest.raises(KeyboardInterrupt):
            run_jobs(whole, silent, mode="disabled")
    used = read_record(whole.out).used
    shutil.rmtree(tmp_path / gone)
    said: list[str] = []
    run_jobs(whole, said.append, mode="disabled")
    assert f"{whole.out} is finished already" in said
    assert read_record(whole.out / tracked.TEST_JOB_NAME).state == "finished"
    again = read_record(whole.out).used
    assert {(ref.name, ref.digest) for ref in again} == {(ref.name, ref.digest) for ref in used}
    path = tmp_path / "set" / "glass" / "2.png"
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(InvalidInputError, match=r"--data: glass/2\.png has changed"):
        run_jobs(whole, silent, mode="disabled")


def killed(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"weights": "gone.pth"}, "weights: got 'gone.pth'"),
        ({"teacher": "gone"}, "teacher: got 'gone'"),
        ({"teacher": "gone,lost"}, "teacher: got 'gone'"),
        ({"teacher": "gone,,lost"}, "teacher: got 'gone,,lost'"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_written(
    data: Path, tmp_path: Path, settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInputError, match=told):
        open_folder(make_job(data, tmp_path / "run", settings))
    assert not (tmp_path / "run").exists()


def test_each_of_several_teachers_is_in_the_manifest(data: Path, tmp_path: Path) -> None:
    both = [make_tiny_bundle(tmp_path / name, labels=CLASSES) for name in ("one", "other")]
    job = make_job(data, tmp_path / "run", {"teacher": f"{both[0]},{both[1]}"})
    open_folder(job)
    told = json.loads((job.out / run_folder.MANIFEST_NAME).read_text(encoding="utf-8"))["material"]
    assert list(told) == [f"--teacher {folder}" for folder in both]
    (both[1] / "labels.txt").write_text("others\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=rf"--teacher {both[1]}: labels\.txt is new"):
        open_folder(job)


def test_the_lineage_links_everything(whole: Any, tmp_path: Path) -> None:
    start = make_job(whole.data, tmp_path / "start", {"epoch_qty": 1})
    run_jobs(start, silent, mode="disabled")
    run_jobs(whole, silent, mode="disabled")
    used = [(ref.name, ref.type) for ref in read_record(whole.out).used]
    assert used == [
        ("set", "raw_data"), ("extra", "raw_data"), ("loose", "raw_data"), ("rubber", "raw_data"),
        ("start_trained", "model"), ("teacher_bundle", "model"), ("run_untrained", "model"),
    ]  # fmt: skip
    # From the first training to the second one, through the weights.
    lineage = read_lineage([tmp_path])
    (weights,) = (node.key for node in lineage.nodes if node.title == "start_trained")
    jobs = {node.key: node.title for node in lineage.nodes}
    assert {jobs[e.source] for e in lineage.edges if e.target == weights} == {"start_train"}
    targets = {jobs[e.target] for e in lineage.edges if e.source == weights}
    assert targets == {"start_test", "run_train"}


def test_what_the_start_was_trained_on_is_told_before_the_test(data: Path, tmp_path: Path) -> None:
    first = make_job(data, tmp_path / "first", {"epoch_qty": 1})
    other = split_dataset(read_dataset(data), seed=5)
    train(replace(first, splits=other), silent)
    weights = str(first.out / run_folder.WEIGHTS_NAME)
    job = make_job(data, tmp_path / "second", {"epoch_qty": 1, "weights": weights})
    held = {one.name for one in (*job.splits.val, *job.splits.test)}
    known = len(held & {one.name for one in other.train})
    assert known
    said: list[str] = []
    run_jobs(job, said.append, mode="disabled")
    told = f"first, which this run builds on, was trained on {known} of the {len(held)} pictures"
    (at,) = (n for n, line in enumerate(said) if line.startswith(told))
    (figure,) = (n for n, line in enumerate(said) if line.startswith("second on set (test): "))
    assert at < figure
