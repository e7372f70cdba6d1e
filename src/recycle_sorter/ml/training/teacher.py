# SPDX-License-Identifier: Apache-2.0
"""A teacher for distillation: a shipped bundle or a finished run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.training.module import Teacher


def load_teacher(path: Path, classes: Sequence[str]) -> Teacher:
    """Return a function from the student's input to the teacher's logits.

    A bundle runs in OpenVINO, which on a CPU is several times faster than torch.

    Args:
        path: Bundle (``bundle.json``) or run folder (``config.json``).
        classes: The student's classes; the teacher must know the same, in any order.

    Raises:
        InvalidInputError: If it is neither, or knows other classes.
    """
    if (path / "bundle.json").is_file():
        return _bundle_teacher(path, classes)
    if (path / "config.json").is_file():
        from recycle_sorter.ml.training.run_folder import load_run

        run = load_run(path)
        order = _order(run.classes, classes)
        model = run.model.eval().requires_grad_(False)
        side = (run.spec.height_px, run.spec.width_px)

        def ask(images: Tensor) -> Tensor:
            logits: Tensor = model(_resized(images, side))
            return logits[:, order]

        return ask
    raise InvalidInputError(
        "teacher", str(path), "a model bundle or a run folder", "check the path"
    )


def _bundle_teacher(path: Path, classes: Sequence[str]) -> Teacher:
    from recycle_sorter.inference.bundle import ModelBundle
    from recycle_sorter.inference.factory import create_engine

    bundle = ModelBundle.load(path)
    order = _order(bundle.labels, classes)
    engine = create_engine("openvino", bundle, "fp32")
    side = (bundle.preprocessing.height_px, bundle.preprocessing.width_px)

    def ask(images: Tensor) -> Tensor:
        batch = np.ascontiguousarray(_resized(images, side).cpu().float().numpy())
        return torch.from_numpy(np.array(engine.infer(batch)))[:, order].to(images.device)

    return ask


def _order(theirs: Sequence[str], ours: Sequence[str]) -> list[int]:
    if sorted(theirs) != sorted(ours):
        raise InvalidInputError(
            "teacher classes", list(theirs), f"the same as the data's: {list(ours)}",
            "train the teacher on the same classes",
        )  # fmt: skip
    return [list(theirs).index(name) for name in ours]


def _resized(images: Tensor, side: tuple[int, int]) -> Tensor:
    if images.shape[2:] == side:
        return images
    return functional.interpolate(images, side, mode="bilinear", antialias=True)
