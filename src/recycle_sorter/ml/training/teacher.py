# SPDX-License-Identifier: Apache-2.0
"""Teachers for distillation: shipped bundles and finished runs, alone or together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.training.hyperparameters import teacher_folders
from recycle_sorter.ml.training.module import Teacher
from recycle_sorter.vision.preprocessing import PreprocessingSpec


def load_teachers(named: str, classes: Sequence[str], spec: PreprocessingSpec) -> Teacher | None:
    """Return what the teachers of a training answer together; None if it has none.

    Several are averaged as logarithms of probabilities, the geometric mean that Hinton, Vinyals
    and Dean name for ensembles ("Distilling the Knowledge in a Neural Network", 2015).

    Args:
        named: The setting ``teacher``.
        classes: The student's classes.
        spec: The student's preprocessing.

    Raises:
        InvalidInputError: As for ``load_teacher``.
    """
    teachers = [load_teacher(path, classes, spec) for path in teacher_folders(named)]
    if len(teachers) < 2:
        return teachers[0] if teachers else None

    def ask(images: Tensor) -> Tensor:
        answers = [functional.log_softmax(one(images).float(), 1) for one in teachers]
        return torch.stack(answers).mean(0)

    return ask


def load_teacher(path: Path, classes: Sequence[str], spec: PreprocessingSpec) -> Teacher:
    """Return a function from the student's input to the teacher's logits.

    A bundle runs in OpenVINO, which on a CPU is several times faster than torch.

    Args:
        path: Bundle (``bundle.json``) or run folder (``config.json``).
        classes: The student's classes; the teacher must know the same, in any order.
        spec: The student's preprocessing; size, scale and channels are turned into the teacher's.

    Raises:
        InvalidInputError: If it is neither, or knows other classes.
    """
    if (path / "bundle.json").is_file():
        return _bundle_teacher(path, classes, spec)
    if (path / "config.json").is_file():
        from recycle_sorter.ml.training.run_folder import load_run

        run = load_run(path)
        order = _order(run.classes, classes)
        model = run.model.eval().requires_grad_(False)

        def ask(images: Tensor) -> Tensor:
            logits: Tensor = model.to(images.device)(_seen_by(images, spec, run.spec))
            return logits[:, order]

        return ask
    raise InvalidInputError(
        "teacher", str(path), "a model bundle or a run folder", "check the path"
    )


def _bundle_teacher(path: Path, classes: Sequence[str], spec: PreprocessingSpec) -> Teacher:
    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.inference.factory import create_engine

    bundle = ModelBundle.load(path)
    order = _order(bundle.labels, classes)
    engine = create_engine("openvino", bundle, "fp32")

    def ask(images: Tensor) -> Tensor:
        seen = _seen_by(images, spec, bundle.preprocessing)
        batch = np.ascontiguousarray(seen.cpu().float().numpy())
        return torch.from_numpy(np.array(engine.infer(batch)))[:, order].to(images.device)

    return ask


def _order(theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    if sorted(theirs) != sorted(ours):
        raise InvalidInputError(
            "teacher classes", list(theirs), f"the same as the data's: {list(ours)}",
            "train the teacher on the same classes",
        )  # fmt: skip
    return [list(theirs).index(name) for name in ours]


def _seen_by(images: Tensor, ours: PreprocessingSpec, theirs: PreprocessingSpec) -> Tensor:
    """Turn the student's input into the teacher's: its size, scale and channel order."""
    side = (theirs.height_px, theirs.width_px)
    if images.shape[2:] != side:
        images = functional.interpolate(images, side, mode="bilinear", antialias=True)
    if _numbers(ours) == _numbers(theirs):
        return images

    def planes(values: tuple[float, float, float]) -> Tensor:
        return torch.tensor(values, device=images.device).view(3, 1, 1)

    pixels = (images * planes(ours.std) + planes(ours.mean)) / ours.scale
    if ours.channel_order != theirs.channel_order:
        pixels = pixels.flip(1)
    return (pixels * theirs.scale - planes(theirs.mean)) / planes(theirs.std)


def _numbers(spec: PreprocessingSpec) -> tuple[object, ...]:
    return spec.channel_order, spec.scale, spec.mean, spec.std
