# SPDX-License-Identifier: Apache-2.0
"""Teachers: a bundle or a run, asked in its own terms, answering in the student's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from support.bundles import COLOURS_RGB, SPEC, make_tiny_bundle, score
from support.learning import CLASSES, make_job, picture, tiny_network, write_folders

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ml.training import run, run_folder
from recycle_sorter.ml.training.callbacks import read_metrics
from recycle_sorter.ml.training.run import train
from recycle_sorter.ml.training.teacher import load_teacher, load_teachers
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess_batch

pytestmark = pytest.mark.ml

OURS = PreprocessingSpec(width_px=48, height_px=48)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)
    monkeypatch.setattr(run_folder, "build_model", tiny_network)


def sheets() -> list[np.ndarray]:
    """A sheet in the colour of each material."""
    return [np.full((60, 70, 3), COLOURS_RGB[name][::-1], np.uint8) for name in MATERIALS]


def asked(teacher: Any, images: list[np.ndarray], spec: PreprocessingSpec = OURS) -> torch.Tensor:
    answers: torch.Tensor = teacher(torch.from_numpy(preprocess_batch(images, spec)))
    return answers


def test_a_bundle_is_asked_in_its_own_terms(tmp_path: Path) -> None:
    # Its scale, its size and its mean are not the student's.
    teacher = load_teacher(make_tiny_bundle(tmp_path / "bundle"), MATERIALS, OURS)
    answers = asked(teacher, sheets())
    assert answers.dtype == torch.float32
    expected = score(preprocess_batch(sheets(), SPEC))
    np.testing.assert_allclose(answers.numpy(), expected, rtol=1e-3, atol=1e-2)
    assert answers.argmax(1).tolist() == list(range(6))


def test_channels_are_swapped_for_a_bundle_that_wants_them_swapped(tmp_path: Path) -> None:
    swapped = {**SPEC.to_dict(), "channel_order": "bgr"}
    teacher = load_teacher(
        make_tiny_bundle(tmp_path / "bundle", preprocessing=swapped), MATERIALS, OURS
    )
    answers = asked(teacher, sheets())
    expected = score(preprocess_batch(sheets(), replace(SPEC, channel_order="bgr")))
    np.testing.assert_allclose(answers.numpy(), expected, rtol=1e-3, atol=1e-2)


@pytest.mark.parametrize("kind", ["bundle", "run"])
def test_classes_in_another_order_are_mapped(kind: str, tmp_path: Path, tiny: None) -> None:
    if kind == "bundle":
        path, classes, spec = make_tiny_bundle(tmp_path / "bundle"), MATERIALS, OURS
    else:
        data = write_folders(tmp_path / "set", each=5)
        path = train(make_job(data, tmp_path / "run"), lambda line: None)
        classes, spec = CLASSES, PreprocessingSpec(width_px=32, height_px=32)
    images = [picture(label, label) for label in range(3)]
    plain = asked(load_teacher(path, classes, spec), images, spec)
    shuffled = tuple(reversed(classes))
    turned = asked(load_teacher(path, shuffled, spec), images, spec)
    for column, name in enumerate(shuffled):
        torch.testing.assert_close(turned[:, column], plain[:, classes.index(name)])


def test_several_teachers_answer_with_their_geometric_mean(tmp_path: Path, tiny: None) -> None:
    paths = [make_tiny_bundle(tmp_path / name, labels=CLASSES) for name in ("one", "other")]
    data = write_folders(tmp_path / "set", each=5)
    paths[1] = train(make_job(data, tmp_path / "run"), lambda line: None)
    images = [picture(label, label) for label in range(3)]
    chances = [asked(load_teacher(path, CLASSES, OURS), images).softmax(1) for path in paths]
    assert not torch.allclose(*chances, atol=0.01), "they agree: the test would show nothing"
    expected = (chances[0] * chances[1]).sqrt()
    both = load_teachers(",".join(map(str, paths)), CLASSES, OURS)
    told = asked(both, images).softmax(1)
    torch.testing.assert_close(told, expected / expected.sum(1, keepdim=True))


def test_one_teacher_answers_in_its_own_logits_and_none_not_at_all(tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path / "with,comma")
    alone = asked(load_teachers(str(path), MATERIALS, OURS), sheets())
    torch.testing.assert_close(alone, asked(load_teacher(path, MATERIALS, OURS), sheets()))
    assert load_teachers("", MATERIALS, OURS) is None


def test_a_run_answers_as_its_network(tmp_path: Path, tiny: None) -> None:
    data = write_folders(tmp_path / "set", each=5)
    path = train(make_job(data, tmp_path / "run"), lambda line: None)
    teacher = load_teacher(path, CLASSES, OURS)
    images = torch.from_numpy(preprocess_batch([picture(1, 0), picture(2, 1)], OURS))
    small = torch.nn.functional.interpolate(images, (32, 32), mode="bilinear", antialias=True)
    with torch.inference_mode():
        expected = run_folder.load_run(path).model(small)
        torch.testing.assert_close(teacher(images), expected)


@pytest.mark.parametrize("classes", [CLASSES, (*MATERIALS, "wood"), MATERIALS[1:]])
def test_a_teacher_of_other_classes_is_refused(classes: tuple[str, ...], tmp_path: Path) -> None:
    path = make_tiny_bundle(tmp_path / "bundle")
    with pytest.raises(InvalidInputError, match=r"teacher classes: .*the same as the data's"):
        load_teacher(path, classes, OURS)


def test_a_folder_that_teaches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"teacher: .*a model bundle or a run folder"):
        load_teacher(tmp_path, MATERIALS, OURS)


def test_an_unfinished_run_is_no_teacher(tmp_path: Path, tiny: None) -> None:
    data = write_folders(tmp_path / "set", each=5)
    job = make_job(data, tmp_path / "run", stop_after_steps=1)
    train(job, lambda line: None)
    with pytest.raises(InvalidInputError, match=r"a finished run with model.safetensors"):
        load_teacher(job.out, CLASSES, OURS)


def test_a_student_learns_from_its_teacher_alone(tmp_path: Path, tiny: None) -> None:
    # Each folder holds the next one's material: the truth can come from the teacher only.
    rng = np.random.default_rng(0)
    data = tmp_path / "set"
    for name, other in zip(MATERIALS[:3], (*MATERIALS[1:3], MATERIALS[0]), strict=True):
        (data / name).mkdir(parents=True)
        for number in range(10):
            noisy = np.array(COLOURS_RGB[other][::-1]) + rng.normal(0, 12, (30, 40, 3))
            image = noisy.clip(0, 255).astype(np.uint8)
            cv2.imwrite(str(data / name / f"{number}.png"), image)
    teacher = make_tiny_bundle(tmp_path / "bundle", labels=MATERIALS[:3])
    chosen = {
        "teacher": str(teacher), "distill_weight": 1.0, "epoch_qty": 12, "learn_rate": 0.02,
        "distill_softness": 4.0,
    }  # fmt: skip
    out = train(make_job(data, tmp_path / "run", chosen), lambda line: None)
    losses = [row["train/loss"] for row in read_metrics(out / run_folder.METRICS_NAME)]
    assert losses[-1] < 0.5 * losses[0]
    ours = run_folder.load_run(out)
    images = [np.full((40, 40, 3), COLOURS_RGB[name][::-1], np.uint8) for name in MATERIALS[:3]]
    theirs = asked(load_teacher(teacher, MATERIALS[:3], ours.spec), images, ours.spec)
    with torch.inference_mode():
        answers = ours.model(torch.from_numpy(preprocess_batch(images, ours.spec)))
    assert answers.argmax(1).tolist() == theirs.argmax(1).tolist()
    assert run_folder.read_config(out)["teacher"] == str(teacher)
