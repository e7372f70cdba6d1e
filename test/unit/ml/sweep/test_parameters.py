# SPDX-License-Identifier: Apache-2.0
"""W&B's distributions: what is drawn, what it becomes, and what is wrong with a bad one."""

from __future__ import annotations

import math
from typing import Any

import pytest

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.sweep.parameters import Choice, Range, read_parameter


@pytest.mark.parametrize(
    ("raw", "kind", "source"),
    [
        ({"value": 3}, "constant", Choice((3,))),
        ({"values": [8, 16]}, "categorical", Choice((8, 16))),
        ({"values": [True, False]}, "categorical", Choice((True, False))),
        ({"min": 1, "max": 4}, "int_uniform", Range(1, 4, is_int=True)),
        ({"min": 0.0, "max": 1}, "uniform", Range(0.0, 1)),
        ({"distribution": "uniform", "min": 0, "max": 1}, "uniform", Range(0, 1)),
        (
            {"distribution": "log_uniform_values", "min": 1e-5, "max": 0.1},
            "log_uniform_values",
            Range(1e-5, 0.1, is_log=True),
        ),
        # These limits are exponents of e.
        (
            {"distribution": "log_uniform", "min": -2, "max": 0},
            "log_uniform",
            Range(math.exp(-2), 1.0, is_log=True),
        ),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.25}, "q_uniform", Range(0, 1)),
        ({"distribution": "normal"}, "normal", Range(0.0, 1.0)),
        (
            {"values": [1, 2], "probabilities": [0.9, 0.1]},
            "categorical_w_probabilities",
            Range(0.0, 1.0),
        ),
    ],
)
def test_the_distribution_is_what_wandb_takes(
    raw: dict[str, Any], kind: str, source: Choice | Range
) -> None:
    parameter = read_parameter("x", raw)
    assert (parameter.distribution, parameter.drawn_from()) == (kind, source)
    assert parameter.is_constant == (kind == "constant")


@pytest.mark.parametrize(
    ("raw", "drawn", "value"),
    [
        ({"values": ["a", "b"]}, "b", "b"),
        ({"min": 1, "max": 4}, 2, 2),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.1}, 0.317, 0.3),
        ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 3}, 4.6, 6),
        # The nearest multiple, 12, lies outside.
        ({"distribution": "q_uniform", "min": 0, "max": 11, "q": 4}, 10.9, 8),
        ({"distribution": "q_log_uniform_values", "min": 8, "max": 64, "q": 8}, 11.9, 8),
        ({"distribution": "normal", "mu": 5, "sigma": 2}, 0.5, 5.0),
        ({"distribution": "normal", "mu": 0, "sigma": 1}, 0.975, 1.959964),
        ({"distribution": "log_normal", "mu": 1, "sigma": 1}, 0.5, math.e),
        ({"distribution": "q_normal", "mu": 7, "sigma": 1, "q": 5}, 0.5, 5),
        ({"values": [1, 2, 3], "probabilities": [0.5, 0.3, 0.2]}, 0.49, 1),
        ({"values": [1, 2, 3], "probabilities": [0.5, 0.3, 0.2]}, 0.51, 2),
        ({"values": [1, 2, 3], "probabilities": [0.5, 0.3, 0.2]}, 1.0, 3),
        ({"values": [1, 2, 3], "probabilities": [5, 0, 5]}, 0.5, 3),
    ],
)
def test_what_was_drawn_becomes_a_value(raw: dict[str, Any], drawn: Any, value: Any) -> None:
    found = read_parameter("x", raw).value_of(drawn)
    assert found == pytest.approx(value) if isinstance(value, float) else found == value
    assert type(found) is type(value)


def test_the_ends_of_a_normal_distribution_are_finite() -> None:
    parameter = read_parameter("x", {"distribution": "normal"})
    assert [abs(round(float(parameter.value_of(end) or 0))) for end in (0.0, 1.0)] == [6, 6]


@pytest.mark.parametrize(
    ("raw", "values"),
    [
        ({"value": "resnet18"}, ("resnet18",)),
        ({"values": [1, 2.5]}, (1, 2.5)),
        ({"min": 2, "max": 5}, (2, 3, 4, 5)),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0.25}, (0, 0.25, 0.5, 0.75)),
    ],
)
def test_a_grid_names_every_value(raw: dict[str, Any], values: tuple[Any, ...]) -> None:
    assert read_parameter("x", raw).grid() == values


@pytest.mark.parametrize("more", [{}, {"distribution": "q_uniform", "q": 1}])
def test_a_grid_without_end_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=r"parameters\.x: got 1000.*at most 10000 values"):
        read_parameter("x", {"min": 0, "max": 10**12, **more}).grid()


def test_a_range_is_no_grid() -> None:
    with pytest.raises(InvalidInputError, match=r"parameters\.learn_rate: got 'uniform'"):
        read_parameter("learn_rate", {"min": 0.1, "max": 1.0}).grid()


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (0.1, r"parameters.x: got 0.1.*Fix: x: \{value: 0.1\}"),
        ({"min": 1}, r"parameters.x.max: got 'nothing'"),
        ({"min": 3, "max": 1}, r"parameters.x.max: got 1, expected at least min, 3"),
        ({"value": 1, "values": [1]}, r"parameters.x.values.*of constant only value"),
        ({"values": []}, r"parameters.x.values: got \[\]"),
        ({"values": 3}, r"parameters.x.values: got 3"),
        ({"values": [1, 1]}, r"parameters.x.values.*each value once"),
        ({"values": [[1]]}, r"parameters.x.values\[0\]: got \[1\]"),
        ({"values": ["1e-3"]}, r"values\[0\]: got '1e-3'.*Fix: write 0.001"),
        ({"min": "1e-3", "max": 1}, r"x.min: got '1e-3'.*Fix: write 0.001"),
        ({"min": float("nan"), "max": 1.0}, r"parameters.x.min: got nan"),
        ({"min": 1, "max": 2, "step": 1}, r"parameters.x.step: got 1.*only max, min"),
        ({"distribution": "int_uniform", "min": 0.5, "max": 2}, r"x.min: got 0.5.*whole number"),
        ({"distribution": "log_uniform_values", "min": 0, "max": 1}, r"x.min: got 0.*above 0"),
        ({"distribution": "q_uniform", "min": 0, "max": 1, "q": 0}, r"x.q: got 0"),
        ({"distribution": "normal", "sigma": -1}, r"x.sigma: got -1"),
        ({"distribution": "beta"}, r"x.distribution: got 'beta'.*wandb agent run it"),
        ({"distribution": "triangle"}, r"x.distribution: got 'triangle', expected one of constant"),
        ({"values": [1, 2], "probabilities": [1]}, r"x.probabilities: got \[1\], expected 2 num"),
        ({"values": [1, 2], "probabilities": [0, 0]}, r"x.probabilities: got \[0, 0\]"),
        ({"parameters": {"y": {"value": 1}}}, r"parameters.x.parameters: got 'nested'"),
        ({"min": 0, "max": 10**400}, r"parameters.x.max: got 1000"),
        ({"value": 10**400}, r"parameters.x.value: got 1000.*a float holds"),
        pytest.param(1 << 40_000, r"parameters.x: got a whole number of", id="bits"),
        ({"values": [1, 2], "probabilities": [1e308, 1e308]}, r"x.probabilities: got \[1e"),
        ({"distribution": "log_uniform", "min": -2, "max": 800}, r"x.max: got 800.*exponent"),
        ({"distribution": "log_normal", "mu": 800}, r"x.mu: got 800.*exponent"),
        ({"distribution": "q_uniform", "min": 0, "max": 1e300, "q": 1e-300}, r"x.q: got 1e-300"),
        ({"value": {"a": 1}}, r"parameters.x.value: got \{'a': 1\}"),
    ],
)
def test_the_faulty_key_is_named(raw: Any, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        read_parameter("x", raw)


def test_one_and_true_are_two_choices() -> None:
    assert read_parameter("x", {"values": [1, True]}).grid() == (1, True)
