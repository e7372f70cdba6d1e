# SPDX-License-Identifier: Apache-2.0
"""Reads a sweep file in W&B's own format, strictly: a key that nobody reads is an error."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.checks import is_finite, whole
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.sweep.parameters import Parameter, Scalar, read_parameter

METHODS = ("bayes", "grid", "random")
GOALS = ("minimize", "maximize")
# For W&B only; here they are accepted and change nothing.
_AGENT_KEYS = frozenset(
    {"program", "entity", "project", "description", "controller", "job", "image_uri"}
)
_KEYS = _AGENT_KEYS | {
    "name",
    "method",
    "metric",
    "parameters",
    "early_terminate",
    "command",
    "run_cap",
}
_HYPERBAND_KEYS = frozenset({"type", "min_iter", "max_iter", "s", "eta", "strict"})
# Eta to the power of s stays a number of ordinary size.
_MAX_EPOCHS, _MAX_BRACKETS = 1_000_000, 50
_MACRO = re.compile(r"\$\{(\w+)\}")
_MACROS = frozenset(
    {
        "env",
        "interpreter",
        "program",
        "args",
        "args_no_equals",
        "args_no_hyphens",
        "args_no_boolean_flags",
        "args_json",
        "args_json_file",
    }
)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


@dataclass(frozen=True, slots=True)
class Hyperband:
    """When a trial is stopped early: it lies behind the better ones at an epoch of a few.

    Attributes:
        first_epoch: The first epoch after which trials are compared, from 1.
        eta: At each such epoch one of `eta` trials goes on; the next is `eta` times as late.
    """

    first_epoch: int
    eta: int


@dataclass(frozen=True, slots=True)
class SweepSpec:
    """A sweep.

    Attributes:
        name: Of the sweep; its folder and its study in a database are called so.
        method: ``bayes``, ``grid`` or ``random``.
        metric: The metric that counts, such as ``val/accuracy``.
        goal: ``minimize`` or ``maximize``.
        target: A value that ends the sweep when a trial reaches it.
        parameters: What it chooses.
        hyperband: When trials are stopped early; None for never.
        trial_count: ``run_cap``; None for no limit, or every point of a grid.
        command: How W&B's agent starts a training.
    """

    name: str
    method: str
    metric: str
    goal: str
    target: float | None
    parameters: tuple[Parameter, ...]
    hyperband: Hyperband | None
    trial_count: int | None
    command: tuple[str, ...]

    @property
    def is_maximized(self) -> bool:
        """Whether more is better."""
        return self.goal == "maximize"

    def grid(self) -> list[dict[str, Scalar]]:
        """Returns every combination of a grid, the last parameter changing fastest."""
        axes = [[(p.name, value) for value in p.grid()] for p in self.parameters]
        return [dict(point) for point in itertools.product(*axes)]

    def fingerprint(self) -> str:
        """Returns a digest of what is searched, and by which measure; see `Sweep.check_data`."""
        space = {p.name: [p.distribution, dict(p.spec)] for p in self.parameters}
        told = [self.method, self.metric, self.goal, space]
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def check_names(self, known: Collection[str]) -> None:
        """Checks that every parameter is a hyperparameter.

        Raises:
            InvalidInputError: Naming the first that is none.
        """
        for parameter in self.parameters:
            if parameter.name not in known:
                near = get_close_matches(parameter.name, known, 1)
                hint = f"did you mean {near[0]}?" if near else "see recycle-sorter train --help"
                name = f"parameters.{parameter.name}"
                raise InvalidInputError(name, "an unknown name", "a hyperparameter", hint)


def load_sweep(path: Path, changes: Mapping[str, Any] | None = None) -> SweepSpec:
    """Reads a sweep file.

    Args:
        path: The file.
        changes: Parameters to hold at one value, whatever the file says of them.

    Raises:
        InvalidInputError: Naming the file and the faulty key.
    """
    raw = load_yaml(path)
    if not isinstance(raw, Mapping):
        raise InvalidInputError(str(path), raw, "the keys of a W&B sweep")
    if changes:
        parameters = raw.get("parameters")
        kept = dict(parameters) if isinstance(parameters, Mapping) else {}
        kept.update({name: {"value": value} for name, value in changes.items()})
        raw = {**raw, "parameters": kept}
    try:
        return parse_sweep(raw, path.stem)
    except InvalidInputError as error:
        field = f"{path}: {error.field}"
        raise InvalidInputError(field, error.value, error.expected, error.fix) from None


def parse_sweep(raw: Mapping[str, Any], default_name: str = "sweep") -> SweepSpec:
    """Checks the content of a sweep file.

    Raises:
        InvalidInputError: Naming the faulty key.
    """
    _check_keys("", raw, _KEYS)
    name = str(raw.get("name", default_name))
    if not _NAME.fullmatch(name):
        raise InvalidInputError("name", name, "letters, digits, dots, dashes, underscores")
    method = raw.get("method")
    if method not in METHODS:
        raise InvalidInputError("method", method, f"one of {', '.join(METHODS)}")
    metric = _read_metric(raw.get("metric"))
    parameters = raw.get("parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        raise InvalidInputError("parameters", parameters, "hyperparameters and what to try")
    found = tuple(read_parameter(str(key), value) for key, value in parameters.items())
    if method == "grid":
        for parameter in found:
            parameter.grid()
    cap = raw.get("run_cap")
    if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
        raise InvalidInputError("run_cap", cap, "a whole number from 1")
    return SweepSpec(
        name=name,
        method=method,
        metric=metric["name"],
        goal=metric["goal"],
        target=metric["target"],
        parameters=found,
        hyperband=_read_hyperband(raw.get("early_terminate")),
        trial_count=cap,
        command=_read_command(raw.get("command", [])),
    )


def _check_keys(where: str, raw: Mapping[str, Any], known: Collection[str]) -> None:
    for key in raw:
        if key not in known:
            near = get_close_matches(str(key), known, 1)
            fix = f"did you mean {near[0]}?" if near else "remove it"
            expected = f"one of {', '.join(sorted(known))}"
            raise InvalidInputError(f"{where}{key}", raw[key], expected, fix)


def _read_metric(raw: Any) -> dict[str, Any]:
    if not isinstance(raw, Mapping):
        raise InvalidInputError("metric", raw, "name and goal of the metric that counts")
    _check_keys("metric.", raw, {"name", "goal", "target"})
    if not isinstance(raw.get("name"), str) or not raw["name"]:
        raise InvalidInputError("metric.name", raw.get("name"), "a metric, such as val/accuracy")
    goal = raw.get("goal", "minimize")
    if goal not in GOALS:
        raise InvalidInputError("metric.goal", goal, f"one of {', '.join(GOALS)}")
    target = raw.get("target")
    if target is not None and not is_finite(target):
        raise InvalidInputError("metric.target", target, "a finite number")
    return {"name": raw["name"], "goal": goal, "target": target}


def _read_hyperband(raw: Any) -> Hyperband | None:
    if raw is None:
        return None
    if not isinstance(raw, Mapping):
        raise InvalidInputError("early_terminate", raw, "type: hyperband and its keys")
    _check_keys("early_terminate.", raw, _HYPERBAND_KEYS)
    if raw.get("type") != "hyperband":
        raise InvalidInputError("early_terminate.type", raw.get("type"), "hyperband")
    for key in ("min_iter", "max_iter", "s", "eta"):
        value = raw.get(key, 1)
        most = _MAX_BRACKETS if key == "s" else _MAX_EPOCHS
        whole(f"early_terminate.{key}", value, 1, most)
    eta = raw.get("eta", 3)
    if eta < 2:
        raise InvalidInputError("early_terminate.eta", eta, "2 or more")
    if raw.get("strict", False) is not False:
        fix = "wandb sweep and wandb agent run it"
        raise InvalidInputError("early_terminate.strict", raw["strict"], "False here", fix)
    if "min_iter" in raw:
        return Hyperband(raw["min_iter"], eta)
    if "max_iter" not in raw or "s" not in raw:
        expected = "min_iter, or max_iter and s"
        raise InvalidInputError("early_terminate", dict(raw), expected)
    return Hyperband(max(raw["max_iter"] // eta ** raw["s"], 1), eta)


def _read_command(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not all(isinstance(part, str) for part in raw):
        raise InvalidInputError("command", raw, "a list of words")
    for part in raw:
        for macro in _MACRO.findall(part):
            if macro not in _MACROS:
                expected = f"one of {', '.join(sorted(_MACROS))}"
                raise InvalidInputError("command", "${" + macro + "}", expected)
    if raw and not any(part.startswith("${args") for part in raw):
        raise InvalidInputError("command", raw, "${args}, where the hyperparameters go")
    return tuple(raw)
