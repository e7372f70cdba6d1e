# SPDX-License-Identifier: Apache-2.0
"""Every network: built, split into stages, frozen, saved, loaded, and refused where it must be."""

from __future__ import annotations

import pickle
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.ml.models.zoo import (
    ARCHITECTURES,
    build_model,
    features,
    gradcam_layer,
    read_weights,
    set_dropout,
    stages,
)
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.module import Classifier

pytestmark = pytest.mark.ml

FEATURES = {
    "resnet18": 512, "resnet34": 512, "resnet50": 2048, "resnet50_modnet": 2048,
    "resnet50_thin": 1024, "efficientnet_lite0": 1280, "efficientnet_lite2": 1280,
}  # fmt: skip


@cache
def built(architecture: str) -> nn.Module:
    """A network that tests only look at."""
    torch.manual_seed(0)
    # With random weights, Lite2's many blocks leave nothing of a picture.
    start = "packaged" if architecture == "efficientnet_lite2" else "none"
    return build_model(architecture, 3, start).eval()


def pictures(count: int = 2, side: int = 64) -> torch.Tensor:
    return torch.randn((count, 3, side, side), generator=torch.Generator().manual_seed(1))


def equal(one: nn.Module, other: nn.Module) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


def test_every_name_is_built_here() -> None:
    assert set(FEATURES) == set(ARCHITECTURES)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_network_answers_for_every_picture_and_class(architecture: str) -> None:
    model = built(architecture)
    with torch.inference_mode():
        logits = model(pictures())
        pooled = features(model, pictures())
    assert logits.shape == (2, 3)
    assert logits.isfinite().all()
    assert pooled.shape == (2, FEATURES[architecture])
    assert not torch.equal(logits[0], logits[1])
    # The head sees these features and nothing else.
    head = stages(model)[-1][0]
    with torch.inference_mode():
        torch.testing.assert_close(head(pooled), logits)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_stages_cover_every_weight_exactly_once(architecture: str) -> None:
    model = built(architecture)
    in_stages = [id(p) for stage in stages(model) for module in stage for p in module.parameters()]
    assert len(in_stages) == len(set(in_stages))
    assert set(in_stages) == {id(p) for p in model.parameters()}
    assert len(stages(model)) >= 4


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_gradcam_looks_at_the_last_maps(architecture: str) -> None:
    model = built(architecture)
    seen: list[torch.Tensor] = []
    handle = gradcam_layer(model).register_forward_hook(lambda *args: seen.append(args[2]))
    with torch.inference_mode():
        model(pictures(1))
    handle.remove()
    assert seen[0].shape == (1, FEATURES[architecture], 2, 2)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50_thin", "efficientnet_lite0"])
@pytest.mark.parametrize("freeze", ["none", "early", "backbone"])
def test_what_is_frozen_neither_learns_nor_counts(architecture: str, freeze: str) -> None:
    model = build_model(architecture, 3)
    settings = Hyperparameters(architecture=architecture, freeze=freeze)
    module = Classifier(model, settings, "abc", [1, 1, 1]).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=0.1)
    loss = torch.nn.functional.cross_entropy(module(pictures(4)), torch.tensor([0, 1, 2, 0]))
    loss.backward()
    optimizer.step()
    layers = stages(model)
    frozen = {"none": 0, "early": 1, "backbone": len(layers) - 1}[freeze]
    names = {id(value): name for name, value in model.named_parameters()}
    names.update({id(value): name for name, value in model.named_buffers()})
    after = model.state_dict()
    for index, stage in enumerate(layers):
        values = chain.from_iterable((*m.parameters(), *m.buffers()) for m in stage)
        changed = [
            not torch.equal(before[name], after[name])
            for name in (names[id(value)] for value in values)
            if name in before
        ]
        assert any(changed) == (index >= frozen), f"stage {index}"


def test_the_studys_network_trains_its_head_only() -> None:
    model = build_model("resnet50_modnet", 4)
    Classifier(model, Hyperparameters(architecture="resnet50_modnet"), "abcd", [1] * 4)
    learning = {name for name, value in model.named_parameters() if value.requires_grad}
    assert learning == {"fc.0.weight", "fc.0.bias", "fc.3.weight", "fc.3.bias"}
    kinds = [type(module).__name__ for module in model.fc]  # type: ignore[union-attr]
    assert kinds == ["Linear", "ReLU", "Dropout", "Linear"]


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("architecture", ["resnet18", "resnet50_thin", "efficientnet_lite0"])
def test_weights_survive_a_file(architecture: str, suffix: str, tmp_path: Path) -> None:
    model = built(architecture)
    path = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save(model.state_dict(), path)
    else:
        save_file(model.state_dict(), path)
    assert equal(build_model(architecture, 3, path), model)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50_modnet", "efficientnet_lite0"])
def test_a_head_of_other_classes_is_replaced_and_the_rest_kept(
    architecture: str, tmp_path: Path
) -> None:
    model = built(architecture)
    path = tmp_path / "weights.safetensors"
    save_file(model.state_dict(), path)
    torch.manual_seed(5)
    other = build_model(architecture, 5, path).eval()
    with torch.inference_mode():
        torch.testing.assert_close(features(other, pictures()), features(model, pictures()))
        assert other(pictures()).shape == (2, 5)
    torch.manual_seed(5)
    fresh = build_model(architecture, 5).state_dict()
    (last,) = {name for name in fresh if fresh[name].shape == (5,)}
    assert torch.equal(other.state_dict()[last], fresh[last])


def test_torchvisions_own_head_gives_way_to_the_studys(tmp_path: Path) -> None:
    save_file(built("resnet50").state_dict(), tmp_path / "resnet50.safetensors")
    model = build_model("resnet50_modnet", 3, tmp_path / "resnet50.safetensors").eval()
    with torch.inference_mode():
        theirs = features(built("resnet50"), pictures())
        torch.testing.assert_close(features(model, pictures()), theirs)


def test_files_without_counters_are_weights_too(tmp_path: Path) -> None:
    state = built("resnet18").state_dict()
    kept = {name: value for name, value in state.items() if "num_batches_tracked" not in name}
    save_file(kept, tmp_path / "old.safetensors")
    assert equal(build_model("resnet18", 3, tmp_path / "old.safetensors"), built("resnet18"))


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    path = tmp_path / "resnet34.safetensors"
    save_file(built("resnet34").state_dict(), path)
    for architecture in ("resnet18", "resnet50", "efficientnet_lite0"):
        with pytest.raises(ModelError, match=f"not weights of {architecture}: .*Fix: "):
            build_model(architecture, 3, path)


class Bomb:
    """What a pickle may do when it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("kind", ["torch", "pickle", "inside"])
def test_code_in_a_file_is_never_run(kind: str, tmp_path: Path) -> None:
    trap, path = tmp_path / "trap", tmp_path / "weights.pth"
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb(trap)))
    elif kind == "torch":
        torch.save(Bomb(trap), path)
    else:
        torch.save({**built("resnet18").state_dict(), "fc.bias": Bomb(trap)}, path)
    trap.unlink(missing_ok=True)
    with pytest.raises(ModelError, match="no readable weights") as caught:
        build_model("resnet18", 3, path)
    assert "weights_only" not in str(caught.value)  # torch would advise to run it
    assert not trap.exists()
    if kind != "inside":
        # The trap works: whoever does unpickle, springs it.
        torch.load(path, weights_only=False) if kind == "torch" else pickle.loads(path.read_bytes())
        assert trap.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("cut.safetensors", b"\x10\0\0\0\0\0\0\0{}"),
        ("empty.pth", b""),
        ("text.pth", b"no weights"),
        ("text.safetensors", b"no weights"),
    ],
)
def test_files_that_are_no_weights_are_named(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{name}: no readable weights: .*Fix: "):
        read_weights(path)


def test_a_file_of_something_else_is_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pth"
    torch.save({"state_dict": {"fc.bias": torch.zeros(3)}, "epoch": 3}, path)
    with pytest.raises(ModelError, match="expected a state dict of tensors"):
        read_weights(path)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50_modnet"])
@pytest.mark.parametrize(
    "failure",
    [
        URLError("no route to host"),
        HTTPError("https://x", 404, "gone", None, None),  # type: ignore[arg-type]
        ConnectionResetError("reset"),
        TimeoutError("slow"),
        RuntimeError("invalid hash value"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_without_a_network_imagenet_says_what_to_do(
    architecture: str, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise failure

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    base = architecture.removesuffix("_modnet")
    with pytest.raises(ModelError, match=rf"https://\S*/{base}-") as caught:
        build_model(architecture, 3, "imagenet")
    text = str(caught.value)
    assert "--weights FILE" in text
    assert "--weights packaged" in text
    assert str(failure) in text


def test_imagenet_weights_come_without_their_head(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    torch.manual_seed(3)
    theirs = torchvision.models.resnet18(weights=None)
    monkeypatch.setattr(
        "torchvision.models._api.load_state_dict_from_url", lambda *a, **k: theirs.state_dict()
    )
    model = build_model("resnet18", 3, "imagenet").eval()
    with torch.inference_mode():
        torch.testing.assert_close(features(model, pictures()), features(theirs.eval(), pictures()))
    assert model.fc.out_features == 3  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("architecture", "weights", "expected"),
    [
        ("resnet18", "packaged", "packaged weights exist for"),
        ("resnet50_thin", "imagenet", "none, packaged or a file"),
        ("resnet18", "nowhere.pth", "none, imagenet, packaged or a file"),
        ("vgg16", "none", "one of resnet18"),
    ],
)
def test_weights_and_names_that_are_not_there_are_refused(
    architecture: str, weights: str, expected: str
) -> None:
    with pytest.raises(InvalidInputError, match=expected):
        build_model(architecture, 3, weights)


def test_one_class_leaves_nothing_to_tell_apart() -> None:
    with pytest.raises(InvalidInputError, match="classes: got 1, expected at least 2"):
        build_model("resnet18", 1)


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50_thin"])
def test_dropout_drops_in_training_only_and_renames_nothing(architecture: str) -> None:
    model = build_model(architecture, 3)
    names = list(model.state_dict())
    set_dropout(model, 0.5)
    assert list(model.state_dict()) == names
    seen: list[torch.Tensor] = []
    stages(model)[-1][0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    model.train()
    model(pictures())
    assert float((seen[-1] == 0).float().mean()) > 0.3
    model.eval()
    with torch.inference_mode():
        assert torch.equal(model(pictures()), model(pictures()))


def test_lite_drops_by_itself_in_training_only() -> None:
    model = build_model("efficientnet_lite0", 3)
    with torch.inference_mode():
        assert torch.equal(model.eval()(pictures()), model(pictures()))
        assert not torch.equal(model.train()(pictures()), model(pictures()))
