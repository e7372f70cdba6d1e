# SPDX-License-Identifier: Apache-2.0
"""The suggested limits keep their promise on what they were found on, and accept all they can."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recycle_sorter.ml.evaluation.predictions import Predictions
from recycle_sorter.ml.thresholds import FEWEST, TARGET, suggest_thresholds


def predictions(confidences: list[float], rights: list[bool]) -> Predictions:
    """Answers of two classes with these probabilities of the one that was answered."""
    best = np.array(confidences)
    logits = np.stack([np.log(best), np.log1p(-best)], axis=1).astype(np.float32)
    labels = np.where(rights, 0, 1).astype(np.int64)
    names = tuple(str(index) for index in range(len(rights)))
    return Predictions(names, labels, logits, ("glass", "metal"))


def test_the_lowest_limit_is_taken_that_keeps_the_promise() -> None:
    found = suggest_thresholds(predictions([0.6] * 50 + [0.9] * 50, [False] * 50 + [True] * 50))
    assert found is not None
    assert found.accuracy == 1.0
    assert found.coverage == 0.5
    assert found.n == 100
    # In steps of a hundredth, the first that leaves the wrong ones out.
    assert found.min_confidence == 0.61
    assert found.min_margin == 0.0


def test_nothing_is_refused_where_nothing_is_wrong() -> None:
    found = suggest_thresholds(predictions([0.7] * 40, [True] * 40))
    assert found is not None
    assert (found.min_confidence, found.min_margin, found.coverage) == (0.0, 0.0, 1.0)


def test_the_margin_helps_where_confidence_alone_refuses_more() -> None:
    # Right answers at 0.5 with a far runner-up, wrong ones at 0.55 with a close one.
    rows = [[0.5, 0.25, 0.25]] * 60 + [[0.55, 0.44, 0.01]] * 60
    labels = np.array([0] * 60 + [1] * 60)
    logits = np.log(np.array(rows)).astype(np.float32)
    names = tuple(map(str, range(120)))
    found = suggest_thresholds(Predictions(names, labels, logits, ("a", "b", "c")))
    assert found is not None
    assert found.min_margin == pytest.approx(0.15)
    assert found.coverage == 0.5


def test_too_few_answers_promise_nothing() -> None:
    assert suggest_thresholds(predictions([0.9] * (FEWEST - 1), [True] * (FEWEST - 1))) is None
    assert suggest_thresholds(predictions([0.9] * 100, [True] * 50 + [False] * 50)) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.floats(0.51, 0.99), st.booleans()), min_size=1, max_size=80))
def test_the_promise_holds(answers: list[tuple[float, bool]]) -> None:
    told = predictions([one for one, _ in answers], [right for _, right in answers])
    found = suggest_thresholds(told)
    confidence = told.probabilities.max(axis=1)
    margin = 2 * confidence - 1
    if found is None:
        for limit in np.arange(0, 100) / 100:
            accepted = confidence >= limit
            assert accepted.sum() < FEWEST or told.right[accepted].mean() < TARGET
    else:
        accepted = (confidence >= found.min_confidence) & (margin >= found.min_margin)
        assert accepted.sum() >= FEWEST
        assert told.right[accepted].mean() >= TARGET
        assert found.accuracy == pytest.approx(told.right[accepted].mean(), abs=1e-4)
        assert found.coverage == pytest.approx(accepted.mean(), abs=1e-4)
