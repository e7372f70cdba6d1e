# SPDX-License-Identifier: Apache-2.0
"""Splits: every picture once, classes in their ratios, objects whole, and all that repeatably."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from support.datasets import made_up, write_things

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.records import Dataset, read_dataset
from recycle_sorter.ml.dataset.splits import (
    SPLITS,
    Splits,
    read_split_file,
    split_dataset,
    write_split_file,
)

COUNTS = st.dictionaries(
    st.sampled_from(["glass", "metal", "paper", "wood"]), st.integers(3, 60), min_size=1
)
SEEDS = st.integers(0, 2**32)


@st.composite
def ratios(draw: st.DrawFn) -> dict[str, float]:
    weights = [draw(st.integers(1, 20)) for _ in SPLITS]
    return {
        f"{name}_ratio": weight / sum(weights) for name, weight in zip(SPLITS, weights, strict=True)
    }


def count(splits: Splits) -> dict[str, Counter[int]]:
    return {name: Counter(one.label for one in part) for name, part in splits.parts().items()}


def assert_partition(splits: Splits, dataset: Dataset) -> None:
    everything = [one for part in splits.parts().values() for one in part]
    assert sorted(everything, key=lambda one: one.name) == list(dataset.pictures)
    for part in splits.parts().values():
        assert list(part) == sorted(part, key=lambda one: one.name)


@given(COUNTS, ratios(), SEEDS)
def test_by_picture_each_class_meets_the_ratios(
    counts: dict[str, int], asked: dict[str, float], seed: int
) -> None:
    dataset = made_up(counts)
    splits = split_dataset(dataset, seed=seed, **asked)
    assert_partition(splits, dataset)
    assert (splits.by, splits.seed) == ("picture", seed)
    found = count(splits)
    for label, name in enumerate(dataset.classes):
        exact = {part: counts[name] * asked[f"{part}_ratio"] for part in SPLITS}
        assert all(found[part][label] >= 1 for part in SPLITS)
        if min(exact.values()) >= 1:
            assert all(abs(found[part][label] - exact[part]) < 1 for part in SPLITS)


@given(COUNTS, SEEDS)
def test_the_same_seed_gives_the_same_split(counts: dict[str, int], seed: int) -> None:
    dataset = made_up(counts)
    assert split_dataset(dataset, seed=seed) == split_dataset(dataset, seed=seed)


def test_another_seed_gives_another_split() -> None:
    dataset = made_up({"glass": 40, "paper": 40})
    groups = [number // 2 for number in range(80)]
    for by in ("picture", "object"):
        trains = {split_dataset(dataset, seed=s, by=by, groups=groups).train for s in range(5)}
        assert len(trains) == 5


@given(COUNTS, ratios(), SEEDS, st.data())
def test_by_object_no_group_is_cut(
    counts: dict[str, int], asked: dict[str, float], seed: int, data: st.DataObject
) -> None:
    dataset = made_up(counts)
    # Three classes of group numbers, so that there are always objects enough of a class.
    groups = [
        one.label * 1000 + (i if i < 3 else data.draw(st.integers(0, 20)))
        for label in range(len(dataset.classes))
        for i, one in enumerate(p for p in dataset.pictures if p.label == label)
    ]
    splits = split_dataset(dataset, seed=seed, by="object", groups=groups, **asked)
    assert_partition(splits, dataset)
    group = dict(zip(dataset.pictures, groups, strict=True))
    found = [{group[one] for one in part} for part in splits.parts().values()]
    assert found[0].isdisjoint(found[1])
    assert (found[0] | found[1]).isdisjoint(found[2])
    assert all(counted[label] for counted in count(splits).values() for label in range(len(counts)))
    assert splits == split_dataset(dataset, seed=seed, by="object", groups=groups, **asked)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20), SEEDS)
def test_single_pictures_even_the_groups_out(sizes: list[int], seed: int) -> None:
    """As many single pictures as grouped ones: then the ratios are met within one picture."""
    total = 2 * sum(sizes)
    assume(total >= 30)
    groups = [number for number, size in enumerate(sizes) for _ in range(size)]
    groups += range(len(sizes), len(sizes) + total - len(groups))
    found = count(split_dataset(made_up({"glass": total}), seed=seed, by="object", groups=groups))
    for name, ratio in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        assert abs(found[name][0] - ratio * total) < 1


def test_large_groups_spread_over_the_splits() -> None:
    """Not all to train: then val and test would measure single pictures only."""
    groups = [number // 4 for number in range(80)] + list(range(100, 120))
    dataset = made_up({"glass": 100})
    splits = split_dataset(dataset, by="object", groups=groups)
    group = dict(zip(dataset.pictures, groups, strict=True))
    in_groups = {n: sum(group[one] < 100 for one in p) for n, p in splits.parts().items()}
    assert in_groups == {"train": 48, "val": 16, "test": 16}


def test_an_object_under_two_labels_stays_together() -> None:
    dataset = made_up({"glass": 10, "metal": 10})
    groups = [*range(10), 3, *range(11, 20)]
    for seed in range(20):
        splits = split_dataset(dataset, seed=seed, by="object", groups=groups)
        twins = {dataset.pictures[3], dataset.pictures[10]}
        assert [len(twins & set(part)) for part in splits.parts().values()].count(2) == 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"train_ratio": 0.7}, r"train_ratio \+ val_ratio \+ test_ratio: got 1.1"),
        ({"val_ratio": 0.0, "train_ratio": 0.8}, "val_ratio: got 0.0"),
        ({"test_ratio": -0.2, "train_ratio": 1.0}, "train_ratio: got 1.0"),
        ({"test_ratio": math.nan}, "test_ratio: got nan"),
        ({"test_ratio": "0.2"}, "test_ratio: got '0.2'"),
        ({"seed": -1}, "seed"),
        ({"seed": 0.5}, "seed"),
        ({"by": "chance"}, "split_by"),
        ({"by": "object", "groups": [1, 2]}, "groups: got 2, expected 12"),
    ],
)
def test_what_makes_no_split_is_named(asked: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        split_dataset(made_up({"glass": 6, "paper": 6}), **asked)  # type: ignore[arg-type]


def test_classes_too_small_to_split_are_named() -> None:
    with pytest.raises(InvalidInputError, match="class wood: got '2 pictures'"):
        split_dataset(made_up({"glass": 6, "wood": 2}))
    with pytest.raises(InvalidInputError, match="class glass: got '2 objects'"):
        split_dataset(made_up({"glass": 6}), by="object", groups=[0, 0, 0, 1, 1, 1])


def test_objects_are_found_if_nobody_gives_them(tmp_path: Path) -> None:
    write_things(tmp_path, {"glass": range(4), "paper": range(10, 14)}, views=2)
    dataset = read_dataset(tmp_path)
    splits = split_dataset(dataset, by="object")
    assert_partition(splits, dataset)
    things = [{one.name.split("_")[0] for one in part} for part in splits.parts().values()]
    assert sum(map(len, things)) == 8


class TestFile:
    @given(COUNTS, SEEDS)
    def test_what_is_written_is_read(
        self, tmp_path_factory: pytest.TempPathFactory, counts: dict[str, int], seed: int
    ) -> None:
        dataset = made_up(counts)
        path = tmp_path_factory.getbasetemp() / "split.csv"
        splits = split_dataset(dataset, seed=seed)
        write_split_file(splits, dataset.classes, path)
        found = read_split_file(dataset, path)
        assert found.parts() == splits.parts()
        assert (found.by, found.seed) == ("file", 0)

    def write(self, folder: Path, *rows: str) -> Path:
        path = folder / "split.csv"
        path.write_text("path,material,split\n" + "\n".join(rows), encoding="utf-8")
        return path

    def test_names_with_commas_and_quotes_survive(self, tmp_path: Path) -> None:
        names = ('a,"b".png', " c.png", "ü.png", "#.png")
        for material in ("glass", "paper"):
            (tmp_path / material).mkdir()
            for name in names:
                (tmp_path / material / name).write_bytes(b"x")
        dataset = read_dataset(tmp_path)
        splits = split_dataset(dataset)
        write_split_file(splits, dataset.classes, tmp_path / "split.csv")
        assert read_split_file(dataset, tmp_path / "split.csv").parts() == splits.parts()

    def test_it_may_leave_pictures_and_the_test_out(self, tmp_path: Path) -> None:
        rows = ("glass/00000.png,glass,train", "glass/00001.png,glass,val")
        splits = read_split_file(made_up({"glass": 3}), self.write(tmp_path, *rows))
        assert [len(part) for part in splits.parts().values()] == [1, 1, 0]

    @pytest.mark.parametrize(
        ("row", "words"),
        [
            ("glass/9.png,glass,train", "line 4.*a picture below"),
            ("glass/00002.png,paper,train", "line 4, glass/00002.png: got 'paper', expected glass"),
            ("glass/00002.png,glass,holdout", "line 4: got 'holdout'.*train, val, test"),
            ("glass/00001.png,glass,train", "line 4.*every picture once"),
            ("glass/00002.png,glass,", "line 4, split.*a value"),
        ],
    )
    def test_a_bad_row_is_named(self, tmp_path: Path, row: str, words: str) -> None:
        rows = ("glass/00000.png,glass,train", "glass/00001.png,glass,val", row)
        with pytest.raises(InvalidInputError, match=words):
            read_split_file(made_up({"glass": 3}), self.write(tmp_path, *rows))

    @pytest.mark.parametrize("missing", ["train", "val"])
    def test_training_and_choosing_need_pictures(self, tmp_path: Path, missing: str) -> None:
        other = {"train": "val", "val": "train"}[missing]
        path = self.write(tmp_path, f"glass/00000.png,glass,{other}")
        with pytest.raises(InvalidInputError, match=rf"split\.csv, {missing}"):
            read_split_file(made_up({"glass": 3}), path)

    def test_a_file_that_is_not_there_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInputError, match=r"absent\.csv"):
            read_split_file(made_up({"glass": 3}), tmp_path / "absent.csv")
