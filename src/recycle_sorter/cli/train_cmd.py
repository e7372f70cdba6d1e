# SPDX-License-Identifier: Apache-2.0
"""``recycle-sorter train``: from folders of pictures to a trained ResNet-18."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recycle_sorter.core.errors import InvalidInputError

_STAGES = ("all", "broad", "teacher", "material", "finish")


_EXAMPLES = """
[bold]Examples[/bold]

recycle-sorter train --data ../shared/trashnet --broad ../shared/caltech101

recycle-sorter train --data my_set --broad photos --renders out/renders/train --seed 1

recycle-sorter train --data my_set --broad photos --stage broad --broad-epochs 30
"""


def train(
    data: Annotated[
        Path,
        typer.Option(help="Data set with split.csv and images/<material>/; val is only measured."),
    ],
    broad: Annotated[
        list[Path], typer.Option(help="Folder of any pictures for the first stage; repeatable.")
    ],
    out: Annotated[Path, typer.Option(help="Run folder for checkpoints.")] = Path("runs/resnet18"),
    renders: Annotated[
        list[Path] | None,
        typer.Option(help="Folder of <material>/ folders added to train; repeatable."),
    ] = None,
    stage: Annotated[str, typer.Option(help="all, broad, teacher, material or finish.")] = "all",
    broad_epochs: Annotated[int | None, typer.Option(min=1, help="Instead of 8.")] = None,
    teacher_epochs: Annotated[int | None, typer.Option(min=1, help="Instead of 10.")] = None,
    material_epochs: Annotated[int | None, typer.Option(min=1, help="Instead of 36.")] = None,
    finish_epochs: Annotated[int | None, typer.Option(min=1, help="Instead of 11.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every random choice.")] = 0,
    threads: Annotated[int, typer.Option(min=0, help="CPU threads; 0 for all cores.")] = 0,
) -> None:
    """Train a ResNet-18 from nothing, taught by EfficientNet-Lite0.

    Four stages: answers and features of the teacher on broad pictures; fine-tuning of the teacher
    on materials; answers and features of that teacher on materials; a finish that trusts the
    labels more. A checkpoint follows every epoch; the same command goes on where an interrupted
    one stopped.
    """
    if stage not in _STAGES:
        raise InvalidInputError("--stage", stage, f"one of {', '.join(_STAGES)}")
    from dataclasses import replace
    from typing import cast

    import cv2
    import torch

    from recycle_sorter.ml.distill import DistillConfig
    from recycle_sorter.ml.recipe import Recipe, Stage, run_recipe
    from recycle_sorter.ml.training import StageConfig

    # OpenCV's own threads would only fight torch's.
    cv2.setNumThreads(1)
    if threads:
        torch.set_num_threads(threads)
    base = DistillConfig()

    def staged(stage: StageConfig, epochs: int | None) -> StageConfig:
        return replace(stage, seed=stage.seed + seed, epochs=epochs or stage.epochs)

    material = replace(base.material, stage=staged(base.material.stage, material_epochs))
    config = replace(
        base,
        broad=staged(base.broad, broad_epochs),
        teacher=staged(base.teacher, teacher_epochs),
        material=material,
        finish=replace(base.finish, stage=staged(base.finish.stage, finish_epochs)),
    )
    run_recipe(Recipe(data, broad, renders or [], out, config), cast(Stage, stage))
    typer.echo(f"checkpoints in {out}; next: recycle-sorter export --run {out} --data {data}")


train.__doc__ = f"{train.__doc__}\n\n{_EXAMPLES}"
