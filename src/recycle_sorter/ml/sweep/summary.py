# SPDX-License-Identifier: Apache-2.0
"""What a sweep found: its trials, the best of them, and which hyperparameters mattered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from recycle_sorter.ml.sweep import claims
from recycle_sorter.ml.sweep.parameters import Scalar
from recycle_sorter.ml.sweep.study import Sweep

# Fewer say nothing about importance.
_MIN_TRIALS_RANKED = 4


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One set of hyperparameters and what came of it.

    Attributes:
        slot: Its number in the sweep, from 0.
        state: ``complete``, ``stopped`` (early), ``failed``, ``running`` or ``interrupted``.
        value: The metric at the end; of a stopped one the last that it reported.
        hyperparameters: Names and values.
        epochs: The metric after each epoch, counted from 0, all attempts together.
        attempts: How often it was started.
        minutes: How long its last attempt took; None while it runs.
        process: Machine and process id of the last attempt.
        error: Why it failed.
    """

    slot: int
    state: str
    value: float | None
    hyperparameters: dict[str, Scalar]
    epochs: dict[int, float]
    attempts: int
    minutes: float | None
    process: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """All that a sweep's database says.

    Attributes:
        name: Of the sweep.
        method: ``bayes``, ``grid`` or ``random``.
        metric: The metric that counts.
        goal: ``minimize`` or ``maximize``.
        planned: How many sets of hyperparameters there are to try.
        counts: How many trials are in each state.
        best: The complete trial with the best metric.
        importance: Each hyperparameter's share in what made the metric differ, most first; empty
            with too few complete trials. The shares add up to 1.
        trials: One row a set of hyperparameters.
    """

    name: str
    method: str
    metric: str
    goal: str
    planned: int
    counts: dict[str, int]
    best: TrialRow | None
    importance: dict[str, float]
    trials: tuple[TrialRow, ...] = field(repr=False)

    def ranked(self) -> list[TrialRow]:
        """Returns the complete trials, best first."""
        done = [(row.value, row) for row in self.trials if row.state == "complete"]
        sign = -1 if self.goal == "maximize" else 1
        return [row for value, row in sorted(done, key=lambda pair: sign * (pair[0] or 0.0))]

    def to_dict(self) -> dict[str, Any]:
        """Returns it for JSON."""
        return asdict(self)


def summarise(sweep: Sweep) -> SweepSummary:
    """Reads a sweep's database."""
    slots = claims.attempts_by_slot(sweep.study)
    rows = tuple(_row(sweep, slot, attempts) for slot, attempts in slots.items())
    spec = sweep.spec
    summary = SweepSummary(
        name=spec.name,
        method=spec.method,
        metric=spec.metric,
        goal=spec.goal,
        planned=sweep.limit,
        counts=dict(Counter(row.state for row in rows)),
        best=None,
        importance=rank_hyperparameters(sweep.study),
        trials=rows,
    )
    return replace(summary, best=next(iter(summary.ranked()), None))


def rank_hyperparameters(study: optuna.Study) -> dict[str, float]:
    """Returns each hyperparameter's importance (PED-ANOVA), the greatest first.

    Only complete trials count; with fewer than four, or all of one value, it is empty.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < _MIN_TRIALS_RANKED or len({trial.value for trial in done}) == 1:
        return {}
    return dict(optuna.importance.get_param_importances(study))


def _row(sweep: Sweep, slot: int, attempts: Sequence[FrozenTrial]) -> TrialRow:
    last = attempts[-1]
    epochs: dict[int, float] = {}
    for trial in attempts:
        epochs.update({step - 1: value for step, value in trial.intermediate_values.items()})
    owner = last.user_attrs.get(claims.OWNER)
    is_whole = last.params.keys() >= {p.name for p in sweep.spec.parameters if not p.is_constant}
    return TrialRow(
        slot=slot,
        state=_state(attempts),
        value=last.value if last.state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        hyperparameters=sweep.hyperparameters(last.params) if is_whole else {},
        epochs=dict(sorted(epochs.items())),
        attempts=len(attempts),
        minutes=None if last.duration is None else round(last.duration.total_seconds() / 60, 3),
        process="" if owner is None else f"{owner['machine'].split()[0]} {owner['pid']}",
        error=last.user_attrs.get(claims.ERROR, ""),
    )


def _state(attempts: Sequence[FrozenTrial]) -> str:
    last = attempts[-1].state
    if last == TrialState.FAIL:
        return "interrupted" if claims.is_lost(attempts) else "failed"
    words = {
        TrialState.COMPLETE: "complete",
        TrialState.PRUNED: "stopped",
        TrialState.RUNNING: "running",
        TrialState.WAITING: "interrupted",
    }
    return words[last]
