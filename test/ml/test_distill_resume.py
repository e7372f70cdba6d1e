# SPDX-License-Identifier: Apache-2.0
"""A killed training goes on exactly where it stopped, and the loop can learn at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from support.pictures import make_store
from torch import Tensor
from torch.nn import functional

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ml.augment import AugmentConfig
from recycle_sorter.ml.distill import (
    MaterialConfig,
    load_student,
    load_teacher,
    soft_cross_entropy,
    train_material,
)
from recycle_sorter.ml.evaluate import measure, predict, torch_network
from recycle_sorter.ml.models import Hints, Teacher, build_resnet18
from recycle_sorter.ml.training import (
    Batch,
    StageConfig,
    fit,
    learning_rate_at,
    load_checkpoint,
    save_checkpoint,
)
from recycle_sorter.vision.preprocessing import PreprocessingSpec

pytestmark = pytest.mark.ml

SPEC = PreprocessingSpec(width_px=32, height_px=32)
STAGE = StageConfig(
    epochs=2,
    batch_size=6,
    learning_rate=1e-3,
    size_px=32,
    final_size_px=32,
    precision="fp32",
)


def _broad_checkpoint(folder: Path) -> Path:
    """What the first stage leaves behind, untrained."""
    torch.manual_seed(1)
    parts = torch.nn.ModuleDict({"student": build_resnet18(1000), "hints": Hints()})
    save_checkpoint(folder / "broad.pt", {"trained": parts.state_dict()})
    return folder / "broad.pt"


def _teacher() -> Teacher:
    torch.manual_seed(2)
    return Teacher(len(MATERIALS), pretrained=False)


def test_resumed_equals_uninterrupted(tmp_path: Path) -> None:
    config = MaterialConfig(STAGE, hint_weight=1.0, label_weight=0.5)
    store, broad = make_store(), _broad_checkpoint(tmp_path)

    def train(name: str, stop_after: int | None = None) -> dict[str, Tensor]:
        return train_material(
            store,
            SPEC,
            config,
            tmp_path / name,
            start=broad,
            teacher=_teacher(),
            stop_after=stop_after,
        ).state_dict()

    whole = train("whole.pt")
    halfway = train("halves.pt", stop_after=1)
    resumed = train("halves.pt")
    assert not halfway["fc.weight"].equal(resumed["fc.weight"])
    assert all(value.equal(resumed[name]) for name, value in whole.items())
    optimizers = [load_checkpoint(tmp_path / n)["optimizer"] for n in ("whole.pt", "halves.pt")]
    for one, two in zip(*(state["state"].values() for state in optimizers), strict=True):
        assert one["exp_avg"].equal(two["exp_avg"])
    finished = train("whole.pt")  # nothing is left to do
    assert all(value.equal(finished[name]) for name, value in whole.items())
    stored = load_student(tmp_path / "whole.pt").state_dict()
    assert all(value.equal(stored[name]) for name, value in whole.items())


def test_a_checkpoint_of_another_configuration_is_refused(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 6))

    def run(config: StageConfig) -> None:
        loss = lambda batch: model(batch.images).square().mean()  # noqa: E731
        fit(model, loss, make_store(1), 6, SPEC, config, tmp_path / "stage.pt")

    run(replace(STAGE, epochs=1))
    with pytest.raises(InvalidInputError, match="choose another output folder"):
        run(replace(STAGE, epochs=1, learning_rate=2e-3))


def test_overfits_one_batch(tmp_path: Path) -> None:
    torch.manual_seed(0)
    store, model = make_store(), build_resnet18()
    still = AugmentConfig(1.0, 1.0, 0.0, flip=False, light=0.0, blur_probability=0, noise_max=0)
    config = replace(STAGE, epochs=25, batch_size=len(store), mixup_probability=0.0, augment=still)

    def loss_of(batch: Batch) -> Tensor:
        return functional.cross_entropy(model(batch.images), batch.targets)

    fit(model, loss_of, store, len(MATERIALS), SPEC, config, tmp_path / "overfit.pt")
    assert measure(predict(torch_network(model), store, SPEC), store.labels).accuracy == 1.0


def test_early_blocks_and_batch_norms_of_the_teacher_stay() -> None:
    teacher = _teacher()
    teacher.freeze_early_blocks()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in teacher.parameters() if p.requires_grad], lr=0.1)
    teacher.train()
    teacher(torch.randn(4, 3, 32, 32)).square().mean().backward()
    optimizer.step()
    after = teacher.state_dict()
    changed = {name for name, value in before.items() if not value.equal(after[name])}
    assert "network._fc.weight" in changed
    assert not any("running_" in name for name in changed)
    frozen = tuple(f"network._blocks.{block}." for block in range(6))
    assert not any(name.startswith((*frozen, "network._conv_stem")) for name in changed)


def test_a_teacher_is_read_back(tmp_path: Path) -> None:
    teacher = _teacher().eval()
    save_checkpoint(tmp_path / "teacher.pt", {"trained": teacher.state_dict()})
    images = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert load_teacher(tmp_path / "teacher.pt")(images).equal(teacher(images))


def test_equal_answers_cost_nothing() -> None:
    logits = torch.randn(4, 6)
    assert soft_cross_entropy(logits, logits, 2.0).item() == pytest.approx(0.0, abs=1e-6)
    assert soft_cross_entropy(logits, -logits, 2.0).item() > 0


def test_the_schedule_warms_up_and_ends_at_zero() -> None:
    assert learning_rate_at(STAGE, 0.0) == 0.0
    assert learning_rate_at(STAGE, STAGE.warmup) == pytest.approx(STAGE.learning_rate)
    assert learning_rate_at(STAGE, 1.0) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("change", [{"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}])
def test_a_bad_stage_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(change))):
        replace(STAGE, **change)  # type: ignore[arg-type]


def test_a_later_stage_starts_where_the_former_ended(tmp_path: Path) -> None:
    config = MaterialConfig(replace(STAGE, epochs=1), hint_weight=1.0, label_weight=0.5)
    store, broad = make_store(1), _broad_checkpoint(tmp_path)
    first = tmp_path / "first.pt"
    train_material(store, SPEC, config, first, start=broad, teacher=_teacher())
    again = train_material(
        store, SPEC, config, tmp_path / "no.pt", start=first, teacher=_teacher(), stop_after=0
    )
    ended = load_student(first).state_dict()
    assert all(value.equal(ended[name]) for name, value in again.state_dict().items())
