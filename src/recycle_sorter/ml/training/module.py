# SPDX-License-Identifier: Apache-2.0
"""The Lightning module: losses, optimiser, schedule and the figures of every epoch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy, MulticlassStatScores

from recycle_sorter.ml.models.zoo import stages
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.loader import Batch

Teacher = Callable[[Tensor], Tensor]


def distillation_loss(logits: Tensor, teacher: Tensor, softness: float) -> Tensor:
    """Return the divergence from softened answers (Hinton et al. 2015), scaled by softness squared.

    Args:
        logits: ``[N, classes]`` of the student.
        teacher: ``[N, classes]`` logits of the teacher.
        softness: Temperature of both.
    """
    ours = functional.log_softmax(logits.float() / softness, 1)
    theirs = functional.log_softmax(teacher.float() / softness, 1)
    loss = functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
    return loss * softness**2


class Classifier(pl.LightningModule):
    """A network in training.

    Attributes:
        model: The network; what is exported.
        settings: The hyperparameters.
        class_names: Names of the classes, in the order of the outputs.
    """

    def __init__(
        self,
        model: nn.Module,
        settings: Hyperparameters,
        class_names: Sequence[str],
        class_counts: Sequence[int],
        teacher: Teacher | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.settings = settings
        self.class_names = tuple(class_names)
        self._teacher = teacher
        counts = torch.tensor([max(1, count) for count in class_counts], dtype=torch.float32)
        weights = (counts.mean() / counts).sqrt() if settings.class_weights else counts * 0 + 1
        self.register_buffer("loss_weights", weights, persistent=False)
        classes = len(self.class_names)
        self.train_loss, self.val_loss = MeanMetric(), MeanMetric()
        self.val_accuracy = MulticlassAccuracy(classes, average="micro")
        self.val_counts = MulticlassStatScores(classes, average="none")
        _freeze(model, settings)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits ``[N, classes]`` for ``[N, 3, H, W]``."""
        return self.model(images)  # type: ignore[no-any-return]

    def train(self, mode: bool = True) -> Classifier:
        """Switch modes; frozen norms and frozen stages stay as they are."""
        super().train(mode)
        if mode:
            for module in self.model.modules():
                if isinstance(module, nn.BatchNorm2d) and (
                    self.settings.freeze_norms or not module.weight.requires_grad
                ):
                    module.eval()
        return self

    def on_train_epoch_start(self) -> None:
        """Begin the epoch's loss; not called where a run goes on amid an epoch."""
        self.train_loss.reset()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the loss of the epoch so far."""
        loss = self.train_loss
        checkpoint["train_loss"] = [loss.mean_value, loss.weight]

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the loss of the epoch so far."""
        if "train_loss" in checkpoint:
            value, weight = checkpoint["train_loss"]
            self.train_loss.mean_value.copy_(value)
            self.train_loss.weight.copy_(weight)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """Return the loss of one batch: labels, and the teacher's answers if there is one."""
        logits = self(batch.images)
        smoothing = self.settings.label_smoothing
        labelled = batch.targets.sum(1, keepdim=True)  # nothing is spread where nothing is known
        targets = (1 - smoothing) * batch.targets + smoothing * labelled / logits.shape[1]
        loss = functional.cross_entropy(logits, targets, weight=self.loss_weights)  # type: ignore[arg-type]
        if self._teacher is not None:
            with torch.no_grad():
                theirs = self._teacher(batch.images)
            share = self.settings.distill_weight
            soft = distillation_loss(logits, theirs, self.settings.distill_softness)
            loss = (1 - share) * loss + share * soft
        self.train_loss.update(loss.detach(), weight=len(batch.images))
        self.log("train/loss", self.train_loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Count what is right, overall and by class."""
        logits = self(batch.images)
        labels = batch.targets.argmax(1)
        self.val_loss.update(functional.cross_entropy(logits, labels), weight=len(labels))
        self.val_accuracy.update(logits, labels)
        self.val_counts.update(logits, labels)

    def on_validation_epoch_end(self) -> None:
        """Log loss, accuracy and the accuracy of each class that ``val`` has."""
        self.log("val/loss", self.val_loss)
        self.log("val/accuracy", self.val_accuracy)
        # Counted over all processes, so all log the same names.
        for name, counts in zip(self.class_names, self.val_counts.compute(), strict=True):
            right, pictures = counts[0], counts[4]  # true positives, support
            if pictures > 0:  # of none, no share is right or wrong
                self.log(f"val/accuracy/{name}", right / pictures, sync_dist=True)
        self.val_counts.reset()

    def configure_optimizers(self) -> Any:
        """AdamW with a learning rate a stage, and the schedule by step."""
        settings = self.settings
        # One pass over the weights instead of a dozen: a tenth of a step on a CPU.
        optimizer = torch.optim.AdamW(_groups(self.model, settings), fused=True)
        if settings.schedule == "constant":
            return optimizer
        steps = max(2, int(self.trainer.estimated_stepping_batches))
        peaks = [group["lr"] for group in optimizer.param_groups]
        scheduler: torch.optim.lr_scheduler.LRScheduler
        if settings.schedule == "one_cycle":
            rise = settings.warmup or 1e-6
            if rise * steps == 1:  # torch would divide by zero
                rise += 1e-6
            scheduler = torch.optim.lr_scheduler.OneCycleLR(
                optimizer, peaks, total_steps=steps, pct_start=rise
            )
        else:
            scheduler = torch.optim.lr_scheduler.LambdaLR(
                optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, step / steps)))
            )
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": scheduler, "interval": "step"},
        }


def _freeze(model: nn.Module, settings: Hyperparameters) -> None:
    groups = stages(model)
    frozen = {"none": 0, "early": 1, "backbone": len(groups) - 1}[settings.freeze]
    if settings.architecture == "resnet50_modnet":
        frozen = len(groups) - 1  # the study's head sits on a frozen network
    for group in groups[:frozen]:
        for module in group:
            module.requires_grad_(False)
    if settings.freeze_norms:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)


def _groups(model: nn.Module, settings: Hyperparameters) -> list[dict[str, Any]]:
    """Split the weights by stage (its learning rate) and kind (matrices decay, vectors do not)."""
    groups = []
    layers = stages(model)
    for index, modules in enumerate(layers):
        weights = [p for module in modules for p in module.parameters() if p.requires_grad]
        own = settings.learn_rate * settings.layer_decay ** (len(layers) - 1 - index)
        for matrices, decay in ((True, settings.weight_decay), (False, 0.0)):
            chosen = [p for p in weights if (p.ndim > 1) == matrices]
            if chosen:
                groups.append({"params": chosen, "lr": own, "weight_decay": decay})
    return groups
