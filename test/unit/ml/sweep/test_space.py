# SPDX-License-Identifier: Apache-2.0
"""Sweep files in W&B's format, the shipped one included."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from recycle_sorter.cli.sweep_cmd import read_setting
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.sweep.space import Hyperband, load_sweep, parse_sweep
from recycle_sorter.ml.training.hyperparameters import Hyperparameters

SHIPPED = Path(__file__).parents[4] / "config" / "sweep" / "sweep.yaml"


def raw(**changes: Any) -> dict[str, Any]:
    """A small sweep; a key given as None is left out."""
    whole: dict[str, Any] = {
        "program": "recycle-sorter",
        "method": "random",
        "metric": {"name": "val/accuracy", "goal": "maximize"},
        "parameters": {"learn_rate": {"min": 0.001, "max": 0.1}, "seed": {"value": 1}},
        **changes,
    }
    return {key: value for key, value in whole.items() if value is not None}


def test_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    told = raw(run_cap=5, early_terminate={"type": "hyperband", "min_iter": 2}, command=["${args}"])
    path.write_text(yaml.safe_dump(told), encoding="utf-8")
    spec = load_sweep(path)
    assert (spec.name, spec.method, spec.trial_count) == ("mine", "random", 5)
    assert (spec.metric, spec.is_maximized, spec.target) == ("val/accuracy", True, None)
    assert spec.hyperband == Hyperband(first_epoch=2, eta=3)
    assert [p.name for p in spec.parameters] == ["learn_rate", "seed"]
    held = load_sweep(path, {"learn_rate": 0.5, "dropout": 0.1})
    assert {p.name: p.grid() for p in held.parameters} == {
        "learn_rate": (0.5,),
        "seed": (1,),
        "dropout": (0.1,),
    }


def test_the_goal_is_to_minimize_as_with_wandb() -> None:
    assert parse_sweep(raw(metric={"name": "val/loss"})).goal == "minimize"


@pytest.mark.parametrize(
    ("told", "hyperband"),
    [
        ({"min_iter": 3}, Hyperband(3, 3)),
        ({"min_iter": 1, "eta": 2}, Hyperband(1, 2)),
        # As W&B counts: 27 / 3 / 3 = 3, then 9.
        ({"max_iter": 27, "s": 2, "eta": 3}, Hyperband(3, 3)),
        ({"max_iter": 4, "s": 5}, Hyperband(1, 3)),
    ],
)
def test_hyperband_starts_where_wandbs_does(told: dict[str, Any], hyperband: Hyperband) -> None:
    assert parse_sweep(raw(early_terminate={"type": "hyperband", **told})).hyperband == hyperband


def test_a_grid_is_every_combination() -> None:
    parameters = {"a": {"values": [1, 2]}, "b": {"values": ["x", "y", "z"]}, "c": {"value": 0}}
    points = parse_sweep(raw(method="grid", parameters=parameters)).grid()
    assert len(points) == 6
    assert points[0] == {"a": 1, "b": "x", "c": 0}
    assert points[-1] == {"a": 2, "b": "z", "c": 0}
    assert len({tuple(point.values()) for point in points}) == 6


def test_the_fingerprint_knows_what_is_searched_and_not_how_long() -> None:
    one = parse_sweep(raw())
    assert (
        parse_sweep(raw(run_cap=9, name="x", command=["${args}"])).fingerprint()
        == one.fingerprint()
    )
    for other in (
        raw(method="bayes"),
        raw(metric={"name": "val/loss"}),
        raw(parameters={"learn_rate": {"min": 0.001, "max": 0.2}, "seed": {"value": 1}}),
    ):
        assert parse_sweep(other).fingerprint() != one.fingerprint()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"methd": "bayes"}, r"methd: got 'bayes'.*did you mean method"),
        ({"method": "annealing"}, r"method: got 'annealing', expected one of bayes, grid, random"),
        ({"method": None}, r"method: got None"),
        ({"metric": None}, r"metric: got None"),
        ({"metric": {"goal": "minimize"}}, r"metric.name: got None"),
        ({"metric": {"name": "x", "goal": "up"}}, r"metric.goal: got 'up'"),
        ({"metric": {"name": "x", "gaol": "minimize"}}, r"metric.gaol.*did you mean goal"),
        ({"metric": {"name": "x", "target": "0.9"}}, r"metric.target: got '0.9'"),
        ({"metric": {"name": "x", "target": 10**400}}, r"metric.target: got 1000"),
        (
            {"early_terminate": {"type": "hyperband", "max_iter": 9, "s": 10**9}},
            r"early_terminate.s: got 1000000000",
        ),
        ({"parameters": {}}, r"parameters: got \{\}"),
        ({"parameters": {"a": {"valeus": [1]}}}, r"parameters.a.valeus"),
        ({"run_cap": 0}, r"run_cap: got 0"),
        ({"run_cap": True}, r"run_cap: got True"),
        ({"name": "a/b"}, r"name: got 'a/b'"),
        ({"early_terminate": {"type": "median"}}, r"early_terminate.type: got 'median'"),
        ({"early_terminate": {"type": "hyperband"}}, r"early_terminate.*min_iter, or max_iter"),
        (
            {"early_terminate": {"type": "hyperband", "min_itr": 3}},
            r"early_terminate.min_itr: got 3.*did you mean min_iter",
        ),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 3, "eta": 1}},
            r"early_terminate.eta: got 1",
        ),
        (
            {"early_terminate": {"type": "hyperband", "min_iter": 3, "strict": True}},
            r"early_terminate.strict: got True.*wandb agent",
        ),
        ({"command": "recycle-sorter train ${args}"}, r"command: got 'recycle-sorter train"),
        ({"command": ["train"]}, r"command: got \['train'\].*where the hyperparameters go"),
        ({"command": ["train", "${arg}"]}, r"command: got '\$\{arg\}'"),
        ({"method": "grid"}, r"parameters.learn_rate: got 'uniform'"),
    ],
)
def test_the_faulty_key_is_named(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        parse_sweep(raw(**changes))


def test_the_file_is_named_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("method: bayes\nmethod: grid\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="twice"):
        load_sweep(path)
    path.write_text("method: anneal\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"mine\.yaml: method: got 'anneal'"):
        load_sweep(path)
    path.write_text("- method\n", encoding="utf-8")
    with pytest.raises(InvalidInputError, match=r"mine\.yaml: got \['method'\]"):
        load_sweep(path)


def names() -> set[str]:
    return {item.name for item in fields(Hyperparameters)}


def test_an_unknown_hyperparameter_is_named() -> None:
    spec = parse_sweep(raw(parameters={"learning_rate": {"min": 0.1, "max": 1.0}}))
    with pytest.raises(
        InvalidInputError, match=r"parameters.learning_rate.*did you mean learn_rate"
    ):
        spec.check_names(names())


def test_the_shipped_sweeps_keys_are_hyperparameters() -> None:
    spec = load_sweep(SHIPPED)
    assert {p.name for p in spec.parameters} <= names()
    spec.check_names(names())


def test_the_shipped_sweep_is_the_study() -> None:
    spec = load_sweep(SHIPPED)
    transforms = {"horz", "vert", "rot30", "noise", "blur"}
    assert {p.name for p in spec.parameters} == {
        "architecture",
        "learn_rate",
        "batch_size",
        "epoch_qty",
        *(f"transform_{name}" for name in transforms),
    }
    assert spec.command == (
        "recycle-sorter",
        "train",
        "--data",
        "../shared/trashnet",
        "${args}",
    )


def test_each_value_of_the_shipped_sweep_is_allowed() -> None:
    for parameter in load_sweep(SHIPPED).parameters:
        spec_of = parameter.spec
        values = spec_of.get("values", [spec_of.get("min"), spec_of.get("max")])
        for value in values:
            made = Hyperparameters.from_mapping({parameter.name: value})
            assert getattr(made, parameter.name) == value
            # As W&B's agent writes it on the command line.
            made = Hyperparameters.from_mapping({parameter.name: f"{value}"})
            assert getattr(made, parameter.name) == value


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("epoch_qty=8", ("epoch_qty", 8)),
        ("learn-rate=1e-3", ("learn_rate", 0.001)),
        ("transform_horz=True", ("transform_horz", True)),
        ("weights=a=b", ("weights", "a=b")),
    ],
)
def test_a_setting_is_what_it_looks_like(text: str, setting: tuple[str, Any]) -> None:
    found = read_setting(text)
    assert found == setting
    assert type(found[1]) is type(setting[1])


@pytest.mark.parametrize("text", ["epoch_qty", "=3"])
def test_a_setting_needs_a_name_and_a_value(text: str) -> None:
    with pytest.raises(InvalidInputError, match="name=value"):
        read_setting(text)
