# SPDX-License-Identifier: Apache-2.0
"""The recipe behind the shipped bundle: which pictures go into which stage, and where runs lie.

A run folder holds ``broad.pt``, ``teacher.pt`` and ``material.pt``. Running the recipe again goes
on where it stopped; finished stages are only read.
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

Stage = Literal["all", "broad", "teacher", "material"]
STAGES: Final = ("all", "broad", "teacher", "material")
# Decoded a little larger than the network's input, so that crops still have detail.
_BROAD_SHORTER_PX: Final = 160
_MATERIAL_SHORTER_PX: Final = 256


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
    spec: PreprocessingSpec = field(default_factory=PreprocessingSpec)


def _describe_on(
    store: PictureStore, spec: PreprocessingSpec, *, bf16: bool
) -> Callable[[nn.Module], str]:
    def describe(model: nn.Module) -> str:
        figures = measure(predict(torch_network(model, bf16=bf16), store, spec), store.labels)
        weakest = min(figures.recall, key=lambda name: figures.recall[name])
        return f"val {figures.accuracy:.1%}, weakest {weakest} {figures.recall[weakest]:.0%}"

    return describe


def material_store(recipe: Recipe) -> PictureStore:
    """Decode the labelled training pictures: the ``train`` split and the renderings."""
    records = read_split(recipe.data, "train")
    for folder in recipe.renders:
        records += read_class_folders(folder)
    return PictureStore.load(records, _MATERIAL_SHORTER_PX)


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
    describe = _describe_on(val, recipe.spec, bf16=config.material.precision == "bf16")
    if stage in ("all", "teacher"):
        train_teacher(store, recipe.spec, config, out / "teacher.pt", describe)
    if stage == "teacher":
        return None
    return train_material(
        store,
        recipe.spec,
        config,
        out / "material.pt",
        broad=out / "broad.pt",
        teacher=load_teacher(out / "teacher.pt"),
        describe=describe,
    )
