# SPDX-License-Identifier: Apache-2.0
"""The size of pictures: the first counts, odd ones are refused, lasting ones are taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.belt_run.picture_size import PictureSize
from recycle_sorter.core.errors import InvalidInputError


def settled(patience: int = 3) -> PictureSize:
    size = PictureSize(patience)
    assert size.is_new(640, 480)
    size.settle(640, 480)
    return size


def test_an_odd_picture_is_refused_and_changes_nothing() -> None:
    size = settled()
    with pytest.raises(InvalidInputError, match=r"320 x 240.*640 x 480"):
        size.is_new(320, 240)
    assert not size.is_new(640, 480)
    assert size.size_px == (640, 480)


def test_a_size_that_lasts_is_taken() -> None:
    size = settled(patience=3)
    for _ in range(2):
        with pytest.raises(InvalidInputError, match="picture size"):
            size.is_new(320, 240)
    assert size.is_new(320, 240)
    size.settle(320, 240)
    assert not size.is_new(320, 240)


def test_a_size_that_cannot_be_used_is_asked_about_again() -> None:
    size = settled(patience=1)
    assert size.is_new(1, 1)
    assert size.is_new(1, 1), "nobody settled on it"
    assert not size.is_new(640, 480)


@given(st.lists(st.sampled_from([(640, 480), (320, 240), (64, 48)]), max_size=40))
def test_only_a_run_of_one_size_changes_it(sizes: list[tuple[int, int]]) -> None:
    size = settled(patience=4)
    known, row, last = (640, 480), 0, (0, 0)
    for each in sizes:
        row = row + 1 if each == last and each != known else 1
        last = each
        try:
            if size.is_new(*each):
                assert each != known
                assert row >= 4
                size.settle(*each)
                known = each
        except InvalidInputError:
            assert each != known
            assert row < 4
