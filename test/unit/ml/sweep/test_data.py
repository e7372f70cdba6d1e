# SPDX-License-Identifier: Apache-2.0
"""What tells one sweep's data from another's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recycle_sorter.ml.dataset.records import Picture, read_dataset
from recycle_sorter.ml.dataset.splits import Splits, split_dataset
from recycle_sorter.ml.sweep.data import data_fingerprint

CLASSES = ("glass", "paper")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for material in CLASSES:
        (root / material).mkdir(parents=True)
        for number in range(5):
            (root / material / f"{number}.jpg").write_bytes(f"{material} {number}".encode())
    return root


def splits_of(root: Path, seed: int = 0) -> Splits:
    return split_dataset(read_dataset(root), seed=seed)


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


def test_the_same_data_elsewhere_is_the_same(root: Path, tmp_path: Path) -> None:
    before = data_fingerprint(splits_of(root), CLASSES, 0)
    root.rename(tmp_path / "moved")
    assert data_fingerprint(splits_of(tmp_path / "moved"), CLASSES, 0) == before
    assert before.keys() == {"train", "val", "test", "classes", "seed"}


def test_each_difference_shows_where_it_is(root: Path) -> None:
    splits = splits_of(root)
    before = data_fingerprint(splits, CLASSES, 0)
    assert differing(data_fingerprint(splits, CLASSES, 1), before) == {"seed"}
    assert differing(data_fingerprint(splits_of(root, 1), CLASSES, 0), before) >= {"train"}

    def turned(picture: Picture) -> Picture:
        return replace(picture, label=1 - picture.label)

    other = replace(splits, val=(turned(splits.val[0]), *splits.val[1:]))
    assert differing(data_fingerprint(other, CLASSES, 0), before) == {"val"}, "another class"
    splits.test[0].path.write_bytes(b"another picture")
    assert differing(data_fingerprint(splits, CLASSES, 0), before) == {"test"}, "other content"
    told = data_fingerprint(splits, ("glass", "carton"), 0)
    assert differing(told, before) == {"train", "val", "test", "classes"}
