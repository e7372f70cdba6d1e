# SPDX-License-Identifier: Apache-2.0
"""NAME=VALUE on the command line."""

from __future__ import annotations

import pytest

from recycle_sorter.cli.pairs import parse_pairs
from recycle_sorter.core.errors import InvalidInputError


def test_values_are_read_as_yaml() -> None:
    pairs = ["a=1", "b.c=0.5", "d=[1, 2]", "e=", "f=x=y", "a=2"]
    found = parse_pairs("--set", pairs)
    assert found == {"a": 2, "b.c": 0.5, "d": [1, 2], "e": None, "f": "x=y"}


@pytest.mark.parametrize(
    "pair",
    [
        "a", "=1", "", "a=[1",
        pytest.param("light.gain=2026-99-99", id="no date"),
        pytest.param(f"a={'[' * 5000}", id="nested"),
        pytest.param(f"a={'9' * 5000}", id="digits"),
        pytest.param(f"a={'1:' * 300}1.5", id="sexagesimal"),
        pytest.param("a={b: 1, b: 2}", id="twice"),
    ],
)  # fmt: skip
def test_what_is_no_pair_is_refused(pair: str) -> None:
    with pytest.raises(InvalidInputError, match="--set"):
        parse_pairs("--set", [pair])
