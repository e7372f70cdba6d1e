# SPDX-License-Identifier: Apache-2.0
"""What a sweep may choose for one hyperparameter, as W&B's sweep files write it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist
from typing import Any

from recycle_sorter.core.checks import is_finite
from recycle_sorter.core.errors import InvalidInputError

Scalar = str | int | float | bool | None
_LIMITS = frozenset({"min", "max"})
# The keys of each distribution: those it needs, and those it may have.
_KEYS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "constant": (frozenset({"value"}), frozenset()),
    "categorical": (frozenset({"values"}), frozenset()),
    "categorical_w_probabilities": (frozenset({"values", "probabilities"}), frozenset()),
    "int_uniform": (_LIMITS, frozenset()),
    "uniform": (_LIMITS, frozenset()),
    "q_uniform": (_LIMITS, frozenset({"q"})),
    "log_uniform": (_LIMITS, frozenset()),
    "log_uniform_values": (_LIMITS, frozenset()),
    "q_log_uniform": (_LIMITS, frozenset({"q"})),
    "q_log_uniform_values": (_LIMITS, frozenset({"q"})),
    "normal": (frozenset(), frozenset({"mu", "sigma"})),
    "log_normal": (frozenset(), frozenset({"mu", "sigma"})),
    "q_normal": (frozenset(), frozenset({"mu", "sigma", "q"})),
    "q_log_normal": (frozenset(), frozenset({"mu", "sigma", "q"})),
}
# W&B knows these too.
_AGENT_ONLY = frozenset({"inv_log_uniform", "inv_log_uniform_values", "beta", "q_beta"})
DISTRIBUTIONS = tuple(_KEYS)
# e to it, and to six times it (the end of a normal distribution), is a float.
_MAX_EXPONENT = 100
_MAX_STEPS = 10**15
_MAX_GRID = 10_000


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values, all alike."""

    options: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """A number from low to high, both included."""

    low: float
    high: float
    is_log: bool = False
    is_int: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    """One hyperparameter of a sweep.

    What is drawn for it (see `drawn_from`) is not always what it becomes (see `value_of`): a
    normal distribution, for one, is drawn as a quantile.

    Attributes:
        name: The hyperparameter.
        distribution: One of `DISTRIBUTIONS`.
        spec: The keys that describe the distribution, defaults filled in.
    """

    name: str
    distribution: str
    spec: Mapping[str, Any]

    @property
    def is_constant(self) -> bool:
        """Whether there is nothing to choose."""
        return self.distribution == "constant"

    def drawn_from(self) -> Choice | Range:
        """Returns what a sampler draws from."""
        spec, kind = self.spec, self.distribution
        if kind == "constant":
            return Choice((spec["value"],))
        if kind == "categorical":
            return Choice(tuple(spec["values"]))
        if kind == "int_uniform":
            return Range(spec["min"], spec["max"], is_int=True)
        if kind in ("uniform", "q_uniform"):
            return Range(spec["min"], spec["max"])
        if kind in ("log_uniform", "q_log_uniform"):  # these limits are exponents
            return Range(math.exp(spec["min"]), math.exp(spec["max"]), is_log=True)
        if kind in ("log_uniform_values", "q_log_uniform_values"):
            return Range(spec["min"], spec["max"], is_log=True)
        return Range(0.0, 1.0)  # a quantile

    def value_of(self, drawn: Any) -> Scalar:
        """Returns the hyperparameter's value for what was drawn."""
        spec, kind = self.spec, self.distribution
        value: Any = drawn
        if kind == "categorical_w_probabilities":
            total = sum(spec["probabilities"])
            at = sum(drawn * total >= part for part in accumulate(spec["probabilities"]))
            value = spec["values"][min(at, len(spec["values"]) - 1)]
        elif "mu" in spec:
            # Its ends lie at infinity.
            quantile = min(max(float(drawn), 1e-9), 1 - 1e-9)
            value = NormalDist().inv_cdf(quantile) * spec["sigma"] + spec["mu"]
            value = math.exp(value) if "log" in kind else value
        result: Scalar = self._rounded(value) if "q" in spec else value
        return result

    def grid(self) -> tuple[Scalar, ...]:
        """Returns every value, for a grid.

        Raises:
            InvalidInputError: If there are too many to name.
        """
        spec, kind = self.spec, self.distribution
        if kind == "constant":
            return (spec["value"],)
        if kind == "categorical":
            return tuple(spec["values"])
        if kind == "int_uniform":
            self._check_count(spec["max"] - spec["min"] + 1)
            return tuple(range(spec["min"], spec["max"] + 1))
        if kind == "q_uniform":
            # As W&B counts: from min in steps of q, max left out.
            steps = max(math.ceil((spec["max"] - spec["min"]) / spec["q"] - 1e-9), 1)
            self._check_count(steps)
            return tuple(spec["min"] + step * spec["q"] for step in range(steps))
        raise InvalidInputError(
            f"parameters.{self.name}",
            kind,
            "categorical, constant, int_uniform or q_uniform in a grid",
            "list values, or choose method: random or bayes",
        )

    def _check_count(self, count: int) -> None:
        if count > _MAX_GRID:
            expected = f"at most {_MAX_GRID} values in a grid"
            raise InvalidInputError(f"parameters.{self.name}", count, expected, "list values")

    def _rounded(self, value: float) -> Scalar:
        """Returns the multiple of q nearest to a value, within the limits where one is."""
        step = self.spec["q"]
        steps = round(value / step)
        if "min" in self.spec:
            limits = self.drawn_from()
            assert isinstance(limits, Range)
            least, most = math.ceil(limits.low / step - 1e-9), math.floor(limits.high / step + 1e-9)
            steps = min(max(steps, least), most) if least <= most else steps
        # Three times 0.1 is 0.3 to a person.
        rounded: float = steps * step
        return rounded if isinstance(step, int) else round(rounded, 12)


def read_parameter(name: str, raw: Any) -> Parameter:
    """Reads one entry of ``parameters``.

    Raises:
        InvalidInputError: Naming the faulty key.
    """
    where = f"parameters.{name}"
    if not isinstance(raw, Mapping):
        fix = f"{name}: {{value: {raw!r}}}" if isinstance(raw, str) or is_finite(raw) else ""
        raise InvalidInputError(where, raw, "keys such as values, or min and max", fix)
    if "parameters" in raw:
        raise InvalidInputError(f"{where}.parameters", "nested", "a hyperparameter of ours, flat")
    kind = raw.get("distribution", _inferred(raw))
    if kind in _AGENT_ONLY:
        fix = "wandb sweep and wandb agent run it"
        raise InvalidInputError(f"{where}.distribution", kind, "one that can run here", fix)
    if kind not in _KEYS:
        expected = f"one of {', '.join(DISTRIBUTIONS)}"
        raise InvalidInputError(f"{where}.distribution", kind, expected)
    needed, allowed = _KEYS[kind]
    for key in raw:
        if key not in needed | allowed | {"distribution"}:
            keys = ", ".join(sorted(needed | allowed))
            raise InvalidInputError(f"{where}.{key}", raw[key], f"of {kind} only {keys}")
    missing = sorted(needed - raw.keys())
    if missing:
        raise InvalidInputError(f"{where}.{missing[0]}", "nothing", f"what {kind} needs")
    spec = {key: raw[key] for key in raw if key != "distribution"}
    if "q" in allowed:
        spec.setdefault("q", 1)
    if "mu" in allowed:
        spec = {"mu": 0.0, "sigma": 1.0, **spec}
    _check_spec(where, kind, spec)
    return Parameter(name, kind, spec)


def _inferred(raw: Mapping[str, Any]) -> str:
    """Returns the distribution that W&B takes where none is named."""
    if "value" in raw:
        return "constant"
    if "values" in raw:
        return "categorical_w_probabilities" if "probabilities" in raw else "categorical"
    whole = all(_is_int(raw.get(key)) for key in _LIMITS)
    return "int_uniform" if whole else "uniform"


def _check_spec(where: str, kind: str, spec: Mapping[str, Any]) -> None:
    for key in ("min", "max", "mu", "sigma", "q"):
        if key in spec:
            _check_number(f"{where}.{key}", spec[key], is_int=kind == "int_uniform")
    if "q" in spec and spec["q"] <= 0:
        raise InvalidInputError(f"{where}.q", spec["q"], "a step above 0")
    if "sigma" in spec and spec["sigma"] < 0:
        raise InvalidInputError(f"{where}.sigma", spec["sigma"], "0 or more")
    if "min" in spec:
        if spec["max"] < spec["min"]:
            raise InvalidInputError(f"{where}.max", spec["max"], f"at least min, {spec['min']}")
        if kind.endswith("log_uniform_values") and spec["min"] <= 0:
            raise InvalidInputError(f"{where}.min", spec["min"], "above 0 for a logarithm")
        if kind.endswith("log_uniform"):
            _check_exponents(where, spec, ("min", "max"))
    if kind.endswith("log_normal"):
        _check_exponents(where, spec, ("mu", "sigma"))
    if "q" in spec:
        _check_steps(where, spec)
    if "value" in spec:
        _check_scalar(f"{where}.value", spec["value"])
    if "values" in spec:
        values = spec["values"]
        if not isinstance(values, list) or not values:
            raise InvalidInputError(f"{where}.values", values, "a list of values")
        for number, value in enumerate(values):
            _check_scalar(f"{where}.values[{number}]", value)
        # 1 and True are equal to Python, and are not the same choice.
        if len({(type(value), value) for value in values}) != len(values):
            raise InvalidInputError(f"{where}.values", values, "each value once")
    if "probabilities" in spec:
        weights = spec["probabilities"]
        fine = isinstance(weights, list) and len(weights) == len(spec["values"])
        fine = fine and all(is_finite(weight) and weight >= 0 for weight in weights)
        if not fine or not is_finite(sum(weights)) or not sum(weights):
            expected = f"{len(spec['values'])} numbers, one for each value"
            raise InvalidInputError(f"{where}.probabilities", weights, expected)


def _check_exponents(where: str, spec: Mapping[str, Any], keys: tuple[str, str]) -> None:
    for key in keys:
        if abs(spec[key]) > _MAX_EXPONENT:
            expected = f"an exponent of e, from {-_MAX_EXPONENT} to {_MAX_EXPONENT}"
            fix = "limits that are values themselves are those of log_uniform_values"
            raise InvalidInputError(f"{where}.{key}", spec[key], expected, fix)


def _check_steps(where: str, spec: Mapping[str, Any]) -> None:
    far = max(abs(spec[key]) for key in ("min", "max", "mu", "sigma") if key in spec)
    if far > _MAX_STEPS * spec["q"]:
        raise InvalidInputError(f"{where}.q", spec["q"], f"at least {far / _MAX_STEPS:g}")


def _check_scalar(where: str, value: Any) -> None:
    if value is not None and not isinstance(value, (str, int, float)):
        raise InvalidInputError(where, value, "a word, a number, True or False")
    if isinstance(value, int) and not isinstance(value, bool) and not is_finite(value):
        raise InvalidInputError(where, value, "a number that a float holds")
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return
        # YAML reads 1e-3 as a word, and so would the training.
        raise InvalidInputError(where, value, "a number without quotes", f"write {number}")


def _check_number(where: str, value: Any, is_int: bool) -> None:
    if isinstance(value, str):
        _check_scalar(where, value)
    if not is_finite(value) or (is_int and not _is_int(value)):
        raise InvalidInputError(where, value, "a whole number" if is_int else "a finite number")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
