# SPDX-License-Identifier: Apache-2.0
"""Losses, learning rates, frozen norms and averages: what a step does, and to what."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from support.learning import CLASSES, make_job, make_store, tiny_network, write_folders
from torch import nn
from torch.nn import functional

from recycle_sorter.ml.models.zoo import build_model, stages
from recycle_sorter.ml.training import run, run_folder
from recycle_sorter.ml.training.callbacks import Average, warmed_decay
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.loader import Batch, TrainingBatches, ValidationBatches
from recycle_sorter.ml.training.module import Classifier, Teacher, distillation_loss
from recycle_sorter.ml.training.run import spec_of, train
from recycle_sorter.ml.training.trainer import precision_of, quiet_lightning

pytestmark = pytest.mark.ml


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "build_model", tiny_network)


class Watch(pl.Callback):
    """Writes down every step's learning rates."""

    def __init__(self) -> None:
        self.rates: list[list[float]] = []

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        self.rates.append([group["lr"] for group in trainer.optimizers[0].param_groups])


def fitted(
    chosen: dict[str, Any], *, each: int = 4, build: Callable[..., nn.Module] = tiny_network
) -> tuple[Classifier, list[list[float]]]:
    """Train a network in memory; the module, and every step's learning rates."""
    settings = Hyperparameters(
        **{"size_px": 32, "batch_size": 6, "epoch_qty": 2, "precision": "fp32", **chosen}
    )
    torch.manual_seed(0)
    module = Classifier(build(settings.architecture, 3), settings, CLASSES, [1] * 3).train()
    store, spec, watch = make_store(each), spec_of(settings), Watch()
    batches = TrainingBatches(store, [], [], 3, spec, settings)
    averages = [Average(decay=settings.ema_decay)] if settings.ema_decay else []
    with quiet_lightning():
        pl.Trainer(
            accelerator="cpu", max_epochs=settings.epoch_qty, logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
            use_distributed_sampler=False, callbacks=[watch, *averages],
        ).fit(module, batches, ValidationBatches(store, 3, spec))  # fmt: skip
    return module, watch.rates


def loss_of(
    chosen: dict[str, Any], logits: torch.Tensor, targets: torch.Tensor, **more: Any
) -> Any:
    """The loss of one step of a network that answers what it is told."""

    class Answer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.fc = nn.Conv2d(3, 1, 1), nn.Linear(1, 1)
            self.layer1 = self.layer2 = self.layer3 = self.layer4 = nn.Identity()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return logits

    counts = more.pop("counts", [1] * logits.shape[1])
    names = [str(n) for n in range(logits.shape[1])]
    module = Classifier(Answer(), Hyperparameters(**chosen), names, counts, **more)
    module.log = lambda *args, **kwargs: None  # type: ignore[method-assign, assignment]
    return module.training_step(Batch(torch.zeros(len(logits), 3, 8, 8), targets), 0)


LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.3, 0.1, -2.0], [1.0, 1.0, 1.0], [-1.0, 4.0, 0.0]])
ONE_HOT = functional.one_hot(torch.tensor([0, 1, 2, 1]), 3).float()


def test_the_loss_is_cross_entropy() -> None:
    expected = functional.cross_entropy(LOGITS, torch.tensor([0, 1, 2, 1]))
    torch.testing.assert_close(loss_of({}, LOGITS, ONE_HOT), expected)


def test_smoothing_spreads_a_share_of_the_target() -> None:
    expected = functional.cross_entropy(LOGITS, torch.tensor([0, 1, 2, 1]), label_smoothing=0.2)
    torch.testing.assert_close(loss_of({"label_smoothing": 0.2}, LOGITS, ONE_HOT), expected)


def test_rare_classes_weigh_the_inverse_root() -> None:
    counts = [40, 10, 10]
    loss = loss_of({"class_weights": True}, LOGITS, ONE_HOT, counts=counts)
    weights = [math.sqrt(20 / count) for count in counts]
    each = functional.cross_entropy(LOGITS, torch.tensor([0, 1, 2, 1]), reduction="none")
    expected = sum(weights[k] * float(each[n]) for n, k in enumerate([0, 1, 2, 1])) / 4
    assert float(loss) == pytest.approx(expected)
    plain = loss_of({}, LOGITS, ONE_HOT, counts=counts)
    torch.testing.assert_close(plain, loss_of({}, LOGITS, ONE_HOT))


def test_unlabelled_pictures_pull_nowhere_but_to_the_teacher() -> None:
    targets = ONE_HOT.clone()
    targets[1:] = 0
    for smoothing in (0.0, 0.3):
        loss = loss_of({"label_smoothing": smoothing}, LOGITS, targets)
        alone = functional.cross_entropy(LOGITS[:1], ONE_HOT[:1], label_smoothing=smoothing)
        torch.testing.assert_close(loss, alone / 4)


def test_the_teacher_has_its_share_of_the_loss() -> None:
    answers = LOGITS.flip(0)
    asked: list[torch.Tensor] = []

    def teacher(images: torch.Tensor) -> torch.Tensor:
        assert not torch.is_grad_enabled()
        asked.append(images)
        return answers

    ask: Teacher = teacher
    plain = loss_of({}, LOGITS, ONE_HOT)
    for share in (0.0, 0.3, 1.0):
        chosen = {"distill_weight": share, "distill_softness": 3.0}
        loss = loss_of(chosen, LOGITS, ONE_HOT, teacher=ask)
        soft = distillation_loss(LOGITS, answers, 3.0)
        torch.testing.assert_close(loss, (1 - share) * plain + share * soft)
    assert asked[0].shape == (4, 3, 8, 8)


@pytest.mark.parametrize("softness", [1.0, 2.0, 5.0])
def test_distillation_is_least_where_student_and_teacher_agree(softness: float) -> None:
    assert float(distillation_loss(LOGITS, LOGITS + 3, softness)) == pytest.approx(0, abs=1e-6)
    student = LOGITS.flip(0).requires_grad_()
    loss = distillation_loss(student, LOGITS, softness)
    assert float(loss.detach()) > 0.1
    # Softness squared keeps the gradient's size (Hinton et al. 2015).
    loss.backward()
    ours, theirs = (functional.softmax(v / softness, 1) for v in (student, LOGITS))
    torch.testing.assert_close(student.grad, softness * (ours - theirs).detach() / 4)


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_stages_learn_at_rates_of_their_own(decay: float) -> None:
    module, rates = fitted({"layer_decay": decay, "schedule": "constant", "learn_rate": 0.01})
    found = {}
    for group, rate in zip(module.optimizers().param_groups, rates[0], strict=True):  # type: ignore[union-attr]
        found.update({id(value): (rate, group["weight_decay"]) for value in group["params"]})
    layers = stages(module.model)
    seen = 0
    for depth, stage in enumerate(reversed(layers)):
        for value in (p for part in stage for p in part.parameters()):
            rate, weight_decay = found[id(value)]
            assert rate == pytest.approx(0.01 * decay**depth)
            # Only matrices are decayed, not norms and biases.
            assert weight_decay == (0.02 if value.ndim > 1 else 0)
            seen += 1
    assert seen == len(list(module.model.parameters()))


def test_a_constant_rate_is_constant() -> None:
    _, rates = fitted({"schedule": "constant", "learn_rate": 0.003})
    assert rates == [[0.003] * len(rates[0])] * 4


def test_cosine_falls_from_the_peak_to_nothing() -> None:
    _, rates = fitted(
        {"schedule": "cosine", "learn_rate": 0.01, "epoch_qty": 5, "layer_decay": 0.5}
    )
    heads = [step[-1] for step in rates]
    expected = [0.005 * (1 + math.cos(math.pi * step / 10)) for step in range(10)]
    assert heads == pytest.approx(expected)
    assert [step[0] for step in rates] == pytest.approx([rate * 0.5**5 for rate in heads])


@pytest.mark.parametrize("warmup", [0.0, 0.25, 0.5])
def test_one_cycle_rises_to_its_peak_and_falls(warmup: float) -> None:
    _, rates = fitted({"learn_rate": 0.01, "epoch_qty": 10, "warmup": warmup})
    heads = [step[-1] for step in rates]
    assert len(heads) == 20
    top = heads.index(max(heads))
    assert max(heads) == pytest.approx(0.01, rel=0.02)
    assert top == pytest.approx(max(0, warmup * 20 - 1), abs=1)
    assert heads[: top + 1] == sorted(heads[: top + 1])
    assert heads[top:] == sorted(heads[top:], reverse=True)
    assert heads[-1] < 1e-5


@pytest.mark.parametrize(("epochs", "warmup"), [(2, 0.25), (1, 0.5), (5, 0.1), (1, 0.25)])
def test_one_cycle_fits_any_number_of_steps(epochs: int, warmup: float) -> None:
    # A rise of exactly one step makes torch divide by zero.
    module, rates = fitted({"epoch_qty": epochs, "warmup": warmup, "learn_rate": 0.01})
    assert len(rates) == 2 * epochs
    assert all(0 < rate <= 0.01 for step in rates for rate in step)
    assert all(value.isfinite().all() for value in module.model.state_dict().values())


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: v.clone() for name, v in model.state_dict().items() if "bn1" in name}


@pytest.mark.parametrize(
    ("chosen", "kept"),
    [({}, False), ({"freeze_norms": True}, True), ({"freeze": "early"}, True)],
    ids=["free", "norms", "stage"],
)
def test_frozen_norms_keep_statistics_and_weights(chosen: dict[str, Any], kept: bool) -> None:
    torch.manual_seed(0)
    before = statistics(tiny_network("resnet18", 3))
    module, _ = fitted({"learn_rate": 0.01, **chosen})
    after = statistics(module.model)
    assert all(torch.equal(before[name], after[name]) for name in before) == kept
    if not kept:
        assert int(after["bn1.num_batches_tracked"]) == 4


def test_frozen_norms_stay_frozen_when_modes_are_switched() -> None:
    settings = Hyperparameters(freeze_norms=True)
    module = Classifier(tiny_network("resnet18", 3), settings, CLASSES, [1] * 3)
    for mode in (True, False, True):
        module.train(mode)
        norms = [part for part in module.modules() if isinstance(part, nn.BatchNorm2d)]
        assert not any(norm.training for norm in norms)
        assert module.model.training is mode


def averaged(monkeypatch: pytest.MonkeyPatch, decay: float, epochs: int) -> list[torch.Tensor]:
    """The head at the start, after each step, and what is left of it."""
    seen: list[torch.Tensor] = []

    def keep(self: Watch, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        seen.append(module.model.fc.weight.detach().clone())

    monkeypatch.setattr(Watch, "on_train_batch_end", keep, raising=False)
    chosen = {"ema_decay": decay, "learn_rate": 0.05, "schedule": "constant"}
    module, _ = fitted({**chosen, "epoch_qty": epochs})
    torch.manual_seed(0)
    start = tiny_network("resnet18", 3).fc.weight.detach()
    return [start, *seen, module.model.fc.weight.detach()]


def test_the_average_is_what_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    _, *steps, left = averaged(monkeypatch, 0.3, 4)
    assert len(steps) == 8
    expected = steps[0]
    for updates, now in enumerate(steps[1:], 1):
        decay = min(0.3, (1 + updates) / (10 + updates))
        expected = decay * expected + (1 - decay) * now
    torch.testing.assert_close(left, expected)
    assert not torch.allclose(left, steps[-1])


@pytest.mark.parametrize("decay", [0.99, 0.9999])
def test_a_short_training_is_not_averaged_with_its_start(
    monkeypatch: pytest.MonkeyPatch, decay: float
) -> None:
    start, *steps, left = averaged(monkeypatch, decay, 8)
    assert float((left - steps[-1]).norm()) < 0.5 * float((left - start).norm())


def test_the_decay_warms_up() -> None:
    assert [warmed_decay(0.999, n) for n in (0, 8, 80)] == pytest.approx([0.1, 0.5, 0.9])
    assert warmed_decay(0.999, 8980) < 0.999
    assert warmed_decay(0.999, 8991) == warmed_decay(0.999, 10**6) == 0.999
    assert warmed_decay(0.05, 0) == 0.05


def test_overfits_one_batch_with_a_real_network() -> None:
    chosen = {"batch_size": 9, "epoch_qty": 12, "learn_rate": 3e-4, "schedule": "cosine"}
    module, _ = fitted({**chosen, "architecture": "resnet50_thin"}, each=3, build=build_model)
    images, targets = next(iter(ValidationBatches(make_store(3), 3, spec_of(module.settings))))
    module.eval()
    with torch.inference_mode():
        assert torch.equal(module(images).argmax(1), targets.argmax(1))


def test_bf16_is_taken_where_the_hardware_computes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert precision_of("fp32") == "32-true"
    assert precision_of("bf16") == "bf16-mixed"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
    for answer, precision in ((bool, "32-true"), (lambda: True, "bf16-mixed")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", answer, raising=False)
        assert precision_of("auto") == precision


def test_bf16_trains_too(tmp_path: Path) -> None:
    data = write_folders(tmp_path / "set", each=5)
    folder = train(make_job(data, tmp_path / "run", {"precision": "bf16"}), lambda line: None)
    model = tiny_network("resnet18", 3, folder / run_folder.WEIGHTS_NAME)
    assert all(v.dtype == torch.float32 for v in model.parameters())
    assert all(v.isfinite().all() for v in model.parameters())
