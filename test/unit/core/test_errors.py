# SPDX-License-Identifier: Apache-2.0
"""Errors name the field, the value, what was expected, and the fix."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from recycle_sorter.core.errors import (
    DriverError,
    InvalidInputError,
    ModelError,
    SorterError,
    SourceError,
)


def test_the_text_names_field_value_expectation_and_fix() -> None:
    error = InvalidInputError("step", 7, "1920 (width times 3)", "send whole rows")
    assert str(error) == "step: got 7, expected 1920 (width times 3). Fix: send whole rows"
    assert (error.field, error.value, error.expected, error.fix) == (
        "step", 7, "1920 (width times 3)", "send whole rows",
    )  # fmt: skip


def test_without_a_fix_the_text_ends_with_the_expectation() -> None:
    assert str(InvalidInputError("width_px", -1, "1 or more")) == (
        "width_px: got -1, expected 1 or more"
    )


@pytest.mark.parametrize("kind", [DriverError, InvalidInputError, ModelError, SourceError])
def test_every_error_can_be_caught_as_one(kind: type[Exception]) -> None:
    assert issubclass(kind, SorterError)


def test_an_invalid_input_is_a_value_error() -> None:
    assert issubclass(InvalidInputError, ValueError)


def test_long_values_are_cut() -> None:
    text = str(InvalidInputError("name", "x" * 10_000, "a short one"))
    assert len(text) < 200
    assert text.endswith("expected a short one")


def test_values_that_expand_without_end_are_cut_before_they_are_written_out() -> None:
    # What YAML's aliases of aliases give: 10**30 leaves, or a list within itself.
    value: Any = ["lol"] * 10
    for _ in range(30):
        value = [value] * 10
    assert len(str(InvalidInputError("bins", value, "a bin"))) < 200
    endless: list[Any] = []
    endless.append(endless)
    assert len(str(InvalidInputError("bins", endless, "a bin"))) < 200


def test_whole_numbers_that_python_does_not_write_out_are_told_by_their_size() -> None:
    text = str(InvalidInputError("count", [1 << 40_000], "up to 3"))
    assert text == "count: got [a whole number of 40001 bits], expected up to 3"
    assert str(InvalidInputError("count", 10**400, "up to 3")).startswith("count: got 1000")


def test_errors_survive_pickling_and_copying() -> None:
    error = InvalidInputError("labels", ["a"], "six labels", "train again")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert str(twin) == str(error)
        assert twin.field == "labels"
        assert twin.value == ["a"]
