# SPDX-License-Identifier: Apache-2.0
"""How Optuna draws the trials of a sweep, and when it stops one early."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.pruners import BasePruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.sweep.claims import SLOT
from recycle_sorter.ml.sweep.parameters import Choice, Parameter
from recycle_sorter.ml.sweep.space import Hyperband

PRUNERS = ("file", "hyperband", "median", "none")


class SamplerBySlot(BaseSampler):
    """Draws each slot from a seed of its own.

    So a resumed sweep draws what an uninterrupted one would have, and two processes that share a
    sweep do not draw the same.

    Args:
        method: ``bayes`` is TPE; others draw at random.
        seed: Of the whole sweep.
    """

    def __init__(self, method: str, seed: int) -> None:
        self._method = method
        self._seed = seed
        self._sampler: BaseSampler = RandomSampler(seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Takes the slot's seed."""
        seed = (self._seed * 1_000_003 + int(trial.user_attrs[SLOT])) % 2**32
        is_tpe = self._method == "bayes"
        self._sampler = TPESampler(seed=seed) if is_tpe else RandomSampler(seed)
        self._sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Passed on to the slot's sampler."""
        return self._sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Passed on to the slot's sampler."""
        return self._sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Passed on to the slot's sampler."""
        return self._sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Passed on to the slot's sampler."""
        self._sampler.after_trial(study, trial, state, values)


def make_pruner(hyperband: Hyperband | None, wanted: str) -> BasePruner:
    """Returns what stops trials early.

    Args:
        hyperband: What the sweep file says.
        wanted: One of `PRUNERS`; ``file`` is what it says.

    Raises:
        InvalidInputError: If it is none of them.
    """
    if wanted not in PRUNERS:
        raise InvalidInputError("--pruner", wanted, f"one of {', '.join(PRUNERS)}")
    if wanted == "median":
        return MedianPruner(n_startup_trials=4, n_warmup_steps=3)
    if wanted == "none" or (wanted == "file" and hyperband is None):
        return NopPruner()
    # W&B's hyperband compares at min_iter, min_iter * eta, ...: successive halving, asynchronous.
    first, eta = (3, 3) if hyperband is None else (hyperband.first_epoch, hyperband.eta)
    return SuccessiveHalvingPruner(min_resource=first, reduction_factor=eta)


def distribution_of(parameter: Parameter, *, is_grid: bool) -> BaseDistribution:
    """Returns what Optuna draws a parameter from."""
    source = Choice(parameter.grid()) if is_grid else parameter.drawn_from()
    if isinstance(source, Choice):
        return CategoricalDistribution(source.options)
    if source.is_int:
        return IntDistribution(int(source.low), int(source.high))
    return FloatDistribution(source.low, source.high, log=source.is_log)
