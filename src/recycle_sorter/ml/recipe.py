# SPDX-License-Identifier: Apache-2.0
"""The recipe behind the shipped bundle: which pictures go into which stage, and where runs lie.

A run folder holds ``broad.pt``, ``teacher.pt``, ``material.pt`` and ``finish.pt``. Running the
recipe again goes on where it stopped; finished stages are only read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

import torchvision
from torch import nn

from recycle_sorter.ml.data import (
    PictureStore,
    read_class_folders,
    read_split,
    read_unlabelled,
    repeat_rare,
)
from recycle_sorter.ml.distill import (
    DistillConfig,
    load_teacher,
    train_broad,
    train_material,
    train_teacher,
)
from recycle_sorter.ml.evaluate import measure, predict, torch_network
from recycle_sorter.vision.preprocessing import PreprocessingSpec

Stage = Literal["all", "broad", "teacher", "material", "finish"]
STAGES: Final = ("all", "broad", "teacher", "material", "finish")
# The size of the last epochs: larger inputs would show objects larger than they were learned.
SPEC: Final = PreprocessingSpec(width_px=192, height_px=192)
# Decoded a little larger than the network's input, so that crops still have detail.
_BROAD_SHORTER_PX: Final = 160
_MATERIAL_SHORTER_PX: Final = 256
# Renderings are few beside photographs: without weight they would hardly be learned.
_RENDER_REPEATS: Final = 3


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train on and how.

    Attributes:
        data: Data set with ``split.csv``; ``train`` teaches, ``val`` is only measured.
        broad: Folders of unlabelled pictures for the first stage.
        renders: Class folders of renderings, added to ``train``.
        out: The run folder.
        config: The stages.
        spec: Preprocessing of the exported network.
    """

    data: Path
    broad: Sequence[Path]
    renders: Sequence[Path]
    out: Path
    config: DistillConfig = field(default_factory=DistillConfig)
    spec: PreprocessingSpec = SPEC


def _describe_on(
    store: PictureStore, spec: PreprocessingSpec, *, bf16: bool
) -> Callable[[nn.Module], str]:
    def describe(model: nn.Module) -> str:
        figures = measure(predict(torch_network(model, bf16=bf16), store, spec), store.labels)
        weakest = min(figures.recall, key=lambda name: figures.recall[name])
        return f"val {figures.accuracy:.1%}, weakest {weakest} {figures.recall[weakest]:.0%}"

    return describe


def material_store(recipe: Recipe) -> PictureStore:
    """Decode the labelled training pictures: ``train`` and the renderings, rare ones twice."""
    records = read_split(recipe.data, "train")
    for folder in recipe.renders:
        records += read_class_folders(folder) * _RENDER_REPEATS
    return PictureStore.load(repeat_rare(records), _MATERIAL_SHORTER_PX)


def run_recipe(recipe: Recipe, stage: Stage = "all") -> torchvision.models.ResNet | None:
    """Run one stage, or all; return the trained student if its stage was run.

    Raises:
        InvalidInputError: If data is missing or a run folder belongs to another configuration.
        FileNotFoundError: If ``material`` is asked for before the other two stages were run.
    """
    config, out = recipe.config, recipe.out
    if stage in ("all", "broad"):
        records = [record for folder in recipe.broad for record in read_unlabelled(folder)]
        records += read_split(recipe.data, "train")
        store = PictureStore.load(records, _BROAD_SHORTER_PX)
        train_broad(store, recipe.spec, config, out / "broad.pt")
    if stage == "broad":
        return None
    store = material_store(recipe)
    val = PictureStore.load(read_split(recipe.data, "val"))
    describe = _describe_on(val, recipe.spec, bf16=config.teacher.precision == "bf16")
    if stage in ("all", "teacher"):
        train_teacher(store, recipe.spec, config, out / "teacher.pt", describe)
    if stage == "teacher":
        return None
    teacher = load_teacher(out / "teacher.pt")
    steps = (("material", config.material, "broad"), ("finish", config.finish, "material"))
    student = None
    for name, step, before in steps:
        if stage in ("all", name):
            student = train_material(
                store,
                recipe.spec,
                step,
                out / f"{name}.pt",
                start=out / f"{before}.pt",
                teacher=teacher,
                describe=describe,
            )
    return student
