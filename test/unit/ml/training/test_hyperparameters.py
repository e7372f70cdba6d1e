# SPDX-License-Identifier: Apache-2.0
"""Hyperparameters: what a command line or a sweep gives is checked, and a mistake is named."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.sweep.space import load_sweep
from recycle_sorter.ml.training.hyperparameters import (
    ARCHITECTURES,
    Hyperparameters,
    teacher_folders,
)

FIELDS = {item.name: item for item in fields(Hyperparameters)}
KINDS = {name: type(item.default) for name, item in FIELDS.items()}
NUMBERS = [name for name, kind in KINDS.items() if kind in (int, float)]
BOOLS = [name for name, kind in KINDS.items() if kind is bool]
CHOICES = [name for name, item in FIELDS.items() if item.metadata["choices"]]
FREE_TEXTS = {"weights", "teacher"}
SWEEP = Path(__file__).parents[4] / "config" / "sweep" / "sweep.yaml"
# Not every number between its bounds makes sense: 0 is off, and below 32 px no network works.
GAPS = {"first_size_px": (1, 31)}


@st.composite
def one_setting(draw: st.DrawFn) -> tuple[str, Any]:
    """Any hyperparameter with any value that it may have."""
    name = draw(st.sampled_from(sorted(set(KINDS) - FREE_TEXTS)))
    meta = FIELDS[name].metadata
    if meta["choices"]:
        return name, draw(st.sampled_from(meta["choices"]))
    if KINDS[name] is bool:
        return name, draw(st.booleans())
    if KINDS[name] is float:
        return name, draw(st.floats(meta["low"], meta["high"]))
    numbers = st.integers(meta["low"], meta["high"])
    low, high = GAPS.get(name, (0, -1))
    return name, draw(numbers.filter(lambda number: not low <= number <= high))


def read(name: str, value: Any) -> Any:
    return getattr(Hyperparameters.from_mapping({name: value}), name)


@pytest.mark.parametrize("name", FIELDS)
def test_every_hyperparameter_says_what_it_is_and_what_it_may_be(name: str) -> None:
    meta = FIELDS[name].metadata
    assert meta["help"].endswith(".")
    if KINDS[name] in (int, float):
        assert meta["low"] is not None
        # Patience may be as long as one likes.
        assert meta["high"] is not None or name == "early_stop"
    elif KINDS[name] is str:
        assert meta["choices"] or name in FREE_TEXTS


def test_the_names_of_the_study_work() -> None:
    found = Hyperparameters.from_mapping(
        {
            "epoch_qty": "8",
            "transform_horz": "True",
            "architecture": "resnet34",
            "learn_rate": "0.001",
            "batch-size": "8",
        }
    )
    assert (found.epoch_qty, found.batch_size, found.learn_rate) == (8, 8, 0.001)
    assert found.transform_horz is True
    assert found.architecture == "resnet34"


@given(one_setting(), st.booleans(), st.booleans())
def test_texts_and_values_are_read_alike(
    setting: tuple[str, Any], as_text: bool, with_dashes: bool
) -> None:
    name, value = setting
    spelt = name.replace("_", "-") if with_dashes else name
    found = Hyperparameters.from_mapping({spelt: str(value) if as_text else value})
    assert getattr(found, name) == value
    assert type(getattr(found, name)) is KINDS[name]
    changed = {key for key, kept in asdict(found).items() if kept != FIELDS[key].default}
    assert changed <= {name}


@given(st.sampled_from(sorted(KINDS)), st.text() | st.floats() | st.integers() | st.none())
def test_anything_else_is_an_error_that_names_the_field(name: str, value: Any) -> None:
    try:
        kept = read(name, value)
    except InvalidInputError as error:
        assert error.field == name  # noqa: PT017 - accepted values are asserted below
    else:
        assert type(kept) is KINDS[name]
        if KINDS[name] is not str:
            assert not isinstance(kept, float) or math.isfinite(kept)


@pytest.mark.parametrize("name", NUMBERS)
def test_bounds_belong_to_the_range_and_what_lies_beyond_does_not(name: str) -> None:
    meta, kind = FIELDS[name].metadata, KINDS[name]
    for bound, outwards in ((meta["low"], -math.inf), (meta["high"], math.inf)):
        if bound is None:
            continue
        beyond = (
            bound + int(math.copysign(1, outwards))
            if kind is int
            else math.nextafter(bound, outwards)
        )
        assert read(name, kind(bound)) == bound
        with pytest.raises(InvalidInputError, match=f"^{name}: .*expected a number from"):
            read(name, beyond)


@pytest.mark.parametrize("name", NUMBERS)
def test_words_are_no_numbers(name: str) -> None:
    for word in ("nan", "inf", "-inf", "1e999", "", "many", "1,5", None):
        with pytest.raises(InvalidInputError, match=f"^{name}: "):
            read(name, word)


@pytest.mark.parametrize("name", [name for name in NUMBERS if KINDS[name] is int])
def test_whole_numbers_stay_whole(name: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{name}: .*expected a whole number"):
        read(name, "3.5")
    value = 64 if name == "size_px" else 5 if name != "first_size_px" else 64
    assert read(name, f"{value}.0") == value


@pytest.mark.parametrize("name", BOOLS)
def test_switches_take_the_usual_words(name: str) -> None:
    for word in ("True", "true", "1", "yes", "on", 1, True):
        assert read(name, word) is True
    for word in ("False", "false", "0", "no", "off", 0, False):
        assert read(name, word) is False
    for word in ("maybe", "", "2", None, 0.5):
        with pytest.raises(InvalidInputError, match=f"^{name}: .*expected True or False"):
            read(name, word)


@pytest.mark.parametrize("name", CHOICES)
def test_choices_are_named_when_another_is_given(name: str) -> None:
    for choice in FIELDS[name].metadata["choices"]:
        assert read(name, choice) == choice
    with pytest.raises(
        InvalidInputError, match=f"^{name}: .*{FIELDS[name].metadata['choices'][0]}"
    ):
        read(name, "another")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("lern_rate", "learn_rate"),
        ("epochs-qty", "epoch_qty"),
        ("transform_hors", "transform_horz"),
    ],
)
def test_an_unknown_name_is_told_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{typed}: .*did you mean {meant}"):
        Hyperparameters.from_mapping({typed: 1})


def test_a_strange_name_is_sent_to_the_help() -> None:
    with pytest.raises(InvalidInputError, match=r"^xyz: .*recycle-sorter train --help"):
        Hyperparameters.from_mapping({"xyz": 1})


def test_a_name_spelt_in_two_ways_is_given_twice() -> None:
    with pytest.raises(InvalidInputError, match=r"^learn-rate: .*once"):
        Hyperparameters.from_mapping({"learn_rate": 0.1, "learn-rate": 0.2})


@pytest.mark.parametrize("size_px", [1, 31])
def test_early_epochs_need_a_size_that_a_network_can_take(size_px: int) -> None:
    with pytest.raises(InvalidInputError, match=r"^first_size_px: .*0 or a number from 32"):
        Hyperparameters(first_size_px=size_px)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InvalidInputError, match=r"^mixup \+ cutmix: .*at most 1"):
        Hyperparameters(mixup=0.6, cutmix=0.5)
    with pytest.raises(InvalidInputError, match=r"^dropout: .*has its own"):
        Hyperparameters(dropout=0.1, architecture="efficientnet_lite0")
    Hyperparameters(mixup=0.5, cutmix=0.5)
    Hyperparameters(dropout=0.1, architecture="resnet50_thin")


def test_the_first_two_thirds_of_the_epochs_may_be_smaller() -> None:
    two = Hyperparameters(epoch_qty=9, size_px=192, first_size_px=128)
    assert [two.size_at(epoch) for epoch in range(9)] == [128] * 6 + [192] * 3
    one = Hyperparameters(epoch_qty=9, size_px=192)
    assert {one.size_at(epoch) for epoch in range(9)} == {192}


def test_teachers_are_parted_by_commas_unless_one_has_a_comma_in_its_name(tmp_path: Path) -> None:
    assert teacher_folders("") == []
    assert teacher_folders("runs/a") == [Path("runs/a")]
    assert teacher_folders("runs/a, runs/b,runs/a") == [Path("runs/a"), Path("runs/b")]
    odd = tmp_path / "a,b"
    odd.mkdir()
    assert teacher_folders(str(odd)) == [odd]
    for text in (",", "a,,b", "a,"):
        with pytest.raises(InvalidInputError, match=r"^teacher: .*folders parted by commas"):
            teacher_folders(text)


def test_what_a_run_writes_down_is_read_back_alike() -> None:
    settings = Hyperparameters(learn_rate=3e-4, weights="packaged", transform_vert=True)
    assert Hyperparameters.from_mapping(asdict(settings)) == settings
    texts = {name: str(value) for name, value in asdict(settings).items()}
    assert Hyperparameters.from_mapping(texts) == settings


def test_every_value_of_the_sweep_is_one_that_the_training_takes() -> None:
    sweep = load_sweep(SWEEP)
    sweep.check_names(FIELDS)
    for parameter in sweep.parameters:
        drawn = parameter.drawn_from()
        ends = drawn.options if hasattr(drawn, "options") else (drawn.low, drawn.high)
        for value in ends:
            assert read(parameter.name, parameter.value_of(value)) == parameter.value_of(value)


def test_every_architecture_of_the_issue_can_be_named() -> None:
    assert set(ARCHITECTURES) == {
        "resnet18", "resnet34", "resnet50", "resnet50_modnet", "resnet50_thin",
        "efficientnet_lite0", "efficientnet_lite2",
    }  # fmt: skip
