# SPDX-License-Identifier: Apache-2.0
"""From nothing to a ResNet-18 that knows materials, with EfficientNet-Lite0 as its teacher.

Three stages, each resumable: the student learns the teacher's ImageNet answers and features on
broad pictures; the teacher is fine-tuned on materials; the student learns the fine-tuned
teacher's answers and features on materials. Teacher and student always see the same augmented
pictures (Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional

from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ml.augment import AugmentConfig
from recycle_sorter.ml.data import PictureStore
from recycle_sorter.ml.models import (
    IMAGENET_CLASSES,
    Hints,
    Teacher,
    build_resnet18,
    run_resnet,
)
from recycle_sorter.ml.training import Batch, StageConfig, fit, load_checkpoint
from recycle_sorter.vision.preprocessing import PreprocessingSpec

Describe = Callable[[nn.Module], str]


def _broad_stage() -> StageConfig:
    return StageConfig(
        epochs=8,
        batch_size=48,
        learning_rate=1.5e-3,
        size_px=96,
        final_size_px=128,
        augment=AugmentConfig(area_min=0.25, light=0.2, noise_max=0.0, blur_probability=0.05),
    )


def _teacher_stage() -> StageConfig:
    return StageConfig(
        epochs=10,
        batch_size=32,
        learning_rate=6e-4,
        size_px=160,
        final_size_px=192,
        mixup_probability=0.25,
    )


@dataclass(frozen=True, slots=True)
class MaterialConfig:
    """How the student learns materials from the fine-tuned teacher.

    Attributes:
        stage: The schedule.
        hint_weight: Weight of the feature maps against the answers.
        label_weight: Share of the true labels against the teacher's answers, 0 to 1.
        softness: Temperature of the answers.
    """

    stage: StageConfig
    hint_weight: float
    label_weight: float
    softness: float = 2.0


def _material() -> MaterialConfig:
    stage = StageConfig(
        epochs=36, batch_size=32, learning_rate=1e-3, size_px=128, final_size_px=192
    )
    return MaterialConfig(stage, hint_weight=1.0, label_weight=0.5)


def _finish() -> MaterialConfig:
    stage = StageConfig(
        epochs=11,
        batch_size=32,
        learning_rate=2.5e-4,
        size_px=192,
        final_size_px=192,
        mixup_probability=0.2,
        seed=1,
    )
    return MaterialConfig(stage, hint_weight=0.2, label_weight=0.7)


@dataclass(frozen=True, slots=True)
class DistillConfig:
    """The whole recipe.

    Attributes:
        broad: Student on the teacher's ImageNet answers and, with the same weight, features.
        teacher: Teacher on materials.
        material: Student on the fine-tuned teacher's answers and features.
        finish: The same with milder augmentation and more trust in the labels.
        label_smoothing: Of the teacher's fine-tuning.
    """

    broad: StageConfig = field(default_factory=_broad_stage)
    teacher: StageConfig = field(default_factory=_teacher_stage)
    material: MaterialConfig = field(default_factory=_material)
    finish: MaterialConfig = field(default_factory=_finish)
    label_smoothing: float = 0.1


def soft_cross_entropy(logits: Tensor, teacher: Tensor, softness: float = 1.0) -> Tensor:
    """Return the KL divergence from the teacher's softened answers, scaled by softness squared."""
    ours = functional.log_softmax(logits.float() / softness, 1)
    theirs = functional.log_softmax(teacher.float() / softness, 1)
    loss = functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
    return loss * softness**2


def _student(classes: int) -> nn.ModuleDict:
    student = build_resnet18(classes).to(memory_format=torch.channels_last)
    return nn.ModuleDict({"student": student, "hints": Hints()})


def _frozen(teacher: Teacher) -> Teacher:
    teacher.eval().requires_grad_(False)
    return teacher.to(memory_format=torch.channels_last)


def train_broad(
    store: PictureStore, spec: PreprocessingSpec, config: DistillConfig, checkpoint: Path
) -> nn.ModuleDict:
    """Teach a fresh student the teacher's ImageNet answers and features; labels are unused."""
    torch.manual_seed(config.broad.seed)
    trained, teacher = _student(IMAGENET_CLASSES), _frozen(Teacher())

    def loss_of(batch: Batch) -> Tensor:
        with torch.no_grad():
            theirs = teacher.run(batch.images)
        ours = run_resnet(cast(torchvision.models.ResNet, trained["student"]), batch.images)
        hints = cast(Tensor, trained["hints"](ours.maps, theirs.maps))
        return soft_cross_entropy(ours.logits, theirs.logits) + hints

    fit(trained, loss_of, store, len(MATERIALS), spec, config.broad, checkpoint)
    return trained


def train_teacher(
    store: PictureStore,
    spec: PreprocessingSpec,
    config: DistillConfig,
    checkpoint: Path,
    describe: Describe | None = None,
) -> Teacher:
    """Fine-tune the teacher's later blocks on labelled materials."""
    torch.manual_seed(config.teacher.seed)
    teacher = Teacher(len(MATERIALS)).to(memory_format=torch.channels_last)
    teacher.freeze_early_blocks()

    def loss_of(batch: Batch) -> Tensor:
        logits = teacher(batch.images).float()
        return functional.cross_entropy(
            logits, batch.targets, label_smoothing=config.label_smoothing
        )

    fit(
        teacher,
        loss_of,
        store,
        len(MATERIALS),
        spec,
        config.teacher,
        checkpoint,
        describe=None if describe is None else lambda: describe(teacher),
    )
    return teacher


def train_material(
    store: PictureStore,
    spec: PreprocessingSpec,
    config: MaterialConfig,
    checkpoint: Path,
    *,
    start: Path,
    teacher: Teacher,
    describe: Describe | None = None,
    stop_after: int | None = None,
) -> torchvision.models.ResNet:
    """Teach a started student the fine-tuned teacher's answers and features on materials.

    Args:
        store: Labelled pictures.
        spec: Preprocessing.
        config: Schedule and weights.
        checkpoint: Where this stage keeps its state.
        start: Checkpoint of an earlier stage, where the student starts; a head for other
            classes than materials is replaced by a fresh one.
        teacher: Fine-tuned; it is frozen here.
        describe: Measures the student after an epoch, for people only.
        stop_after: Return after this many epochs as if interrupted.
    """
    torch.manual_seed(config.stage.seed)
    trained = _student(len(MATERIALS))
    fresh = trained.state_dict()
    started = load_checkpoint(start)["trained"]
    fits = {name: value for name, value in started.items() if value.shape == fresh[name].shape}
    trained.load_state_dict(fits, strict=False)
    student = cast(torchvision.models.ResNet, trained["student"])
    teacher = _frozen(teacher)

    def loss_of(batch: Batch) -> Tensor:
        with torch.no_grad():
            theirs = teacher.run(batch.images)
        ours = run_resnet(student, batch.images)
        answers = soft_cross_entropy(ours.logits, theirs.logits, config.softness)
        labels = functional.cross_entropy(ours.logits.float(), batch.targets)
        hints = cast(Tensor, trained["hints"](ours.maps, theirs.maps))
        mixed = (1 - config.label_weight) * answers + config.label_weight * labels
        return mixed + config.hint_weight * hints

    fit(
        trained,
        loss_of,
        store,
        len(MATERIALS),
        spec,
        config.stage,
        checkpoint,
        describe=None if describe is None else lambda: describe(student),
        stop_after=stop_after,
    )
    return student


def load_student(checkpoint: Path) -> torchvision.models.ResNet:
    """Read the student out of a material-stage checkpoint."""
    state = load_checkpoint(checkpoint)["trained"]
    prefix = "student."
    student = build_resnet18()
    student.load_state_dict(
        {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    )
    return student.eval()


def load_teacher(checkpoint: Path) -> Teacher:
    """Read a fine-tuned teacher out of its stage's checkpoint."""
    teacher = Teacher(len(MATERIALS), pretrained=False)
    teacher.load_state_dict(load_checkpoint(checkpoint)["trained"])
    return teacher.eval()
