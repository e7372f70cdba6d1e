# SPDX-License-Identifier: Apache-2.0
"""Which pictures train, which choose, and which test; by chance, by object, or from a file."""

from __future__ import annotations

import csv
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.records import Dataset, Picture, read_rows

SPLITS: Final = ("train", "val", "test")
COLUMNS: Final = ("path", "material", "split")
By = Literal["picture", "object", "file"]
_MIN_EACH: Final = len(SPLITS)


@dataclass(frozen=True, slots=True)
class Splits:
    """Every picture of a data set in one of three parts, each sorted by name.

    Attributes:
        train: What weights are fitted to.
        val: What settings and the temperature are chosen by.
        test: What is reported; empty only if a split file says so.
        by: ``"picture"`` (pictures drawn by chance), ``"object"`` (whole groups of pictures of one
            object) or ``"file"`` (given).
        seed: Of the draw; 0 if given.
    """

    train: tuple[Picture, ...]
    val: tuple[Picture, ...]
    test: tuple[Picture, ...]
    by: By
    seed: int

    def parts(self) -> dict[str, tuple[Picture, ...]]:
        """The three parts by name."""
        return {"train": self.train, "val": self.val, "test": self.test}


def split_dataset(
    dataset: Dataset,
    *,
    train_ratio: float = 0.6,
    val_ratio: float = 0.2,
    test_ratio: float = 0.2,
    seed: int = 0,
    by: str = "picture",
    groups: Sequence[int] | None = None,
) -> Splits:
    """Splits by chance, each class in the same ratios; the same seed gives the same split.

    Args:
        dataset: What to split.
        train_ratio: Share of the pictures of each class that trains, between 0 and 1.
        val_ratio: Share that chooses.
        test_ratio: Share that tests; the three sum to 1.
        seed: Of the draw.
        by: ``"picture"``: each class meets the ratios within one picture (more only where a ratio
            asks for less than one picture, since every class gets one in every split).
            ``"object"``: pictures of one group stay together, and the classes meet the ratios as
            nearly as the groups' sizes allow.
        groups: Group of each picture, in the order of ``dataset.pictures``; needed by
            ``"object"`` and found with ``duplicates.find_groups`` if None.

    Raises:
        InvalidInputError: For ratios that are no shares of 1, a class of fewer than three pictures
            (or objects), or groups that do not fit.
    """
    ratios = check_ratios(train_ratio, val_ratio, test_ratio)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise InvalidInputError("seed", seed, "a whole number from 0")
    if by == "picture":
        owners = _draw_pictures(dataset, ratios, seed)
        return _to_splits(dataset, owners, "picture", seed)
    if by != "object":
        raise InvalidInputError("split_by", by, "picture or object")
    if groups is None:
        from recycle_sorter.ml.dataset.duplicates import find_groups

        groups = find_groups(dataset.pictures).ids
    if len(groups) != len(dataset.pictures):
        raise InvalidInputError("groups", len(groups), f"{len(dataset.pictures)}, one a picture")
    owners = _draw_groups(dataset, groups, ratios, seed)
    return _to_splits(dataset, owners, "object", seed)


def read_split_file(dataset: Dataset, path: Path) -> Splits:
    """Reads which picture belongs to which split.

    Args:
        dataset: Whose pictures the file names; pictures that it does not name are left out.
        path: CSV with the columns ``path`` (as ``Picture.name``), ``material`` and ``split``
            (``train``, ``val`` or ``test``).

    Raises:
        InvalidInputError: Naming the line: an unknown picture or split, another material than the
            data set says, a doubled row; or if ``train`` or ``val`` stays empty.
    """
    pictures = {picture.name: (index, picture) for index, picture in enumerate(dataset.pictures)}
    owners: list[int | None] = [None] * len(pictures)
    for where, row in read_rows(path, COLUMNS):
        if row["path"] not in pictures:
            raise InvalidInputError(
                where,
                row["path"],
                f"a picture below {dataset.root}",
                "use the split file of this data set, or remove the row",
            )
        index, picture = pictures[row["path"]]
        if row["material"] != dataset.classes[picture.label]:
            raise InvalidInputError(
                f"{where}, {row['path']}",
                row["material"],
                dataset.classes[picture.label],
                "correct the row, or move the picture",
            )
        if row["split"] not in SPLITS:
            raise InvalidInputError(where, row["split"], f"one of {', '.join(SPLITS)}")
        if owners[index] is not None:
            raise InvalidInputError(where, row["path"], "every picture once", "remove one row")
        owners[index] = SPLITS.index(row["split"])
    splits = _to_splits(dataset, owners, "file", 0)
    for name in ("train", "val"):
        if not splits.parts()[name]:
            raise InvalidInputError(
                f"{path.name}, {name}", "no picture", "at least one", f"give rows the split {name}"
            )
    return splits


def write_split_file(splits: Splits, classes: Sequence[str], path: Path) -> None:
    """Writes what :func:`read_split_file` reads, sorted by path."""
    rows = sorted(
        (picture.name, classes[picture.label], name)
        for name, part in splits.parts().items()
        for picture in part
    )
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


def check_ratios(*ratios: float) -> tuple[float, ...]:
    """Returns the ratios of ``train``, ``val`` and ``test`` if they are shares of 1.

    Raises:
        InvalidInputError: Naming the ratio, or their sum.
    """
    for name, ratio in zip(SPLITS, ratios, strict=True):
        is_number = isinstance(ratio, (int, float)) and not isinstance(ratio, bool)
        if not is_number or not 0.0 < ratio < 1.0:  # also catches NaN
            raise InvalidInputError(
                f"{name}_ratio", ratio, "a number above 0 and below 1", "e.g. 0.6, 0.2, 0.2"
            )
    if not math.isclose(sum(ratios), 1.0, abs_tol=1e-6):
        raise InvalidInputError(
            "train_ratio + val_ratio + test_ratio", round(sum(ratios), 6), "1", "change one of them"
        )
    return ratios


def _targets(count: int, ratios: Sequence[float]) -> list[int]:
    """Whole numbers in these ratios that sum to ``count``, none of them 0 (largest remainder)."""
    exact = [count * ratio for ratio in ratios]
    # A hair more, so that 0.6 x 5 does not become 2.
    parts = [math.floor(share + 1e-9) for share in exact]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for index in by_remainder[: count - sum(parts)]:
        parts[index] += 1
    while 0 in parts:
        parts[parts.index(max(parts))] -= 1
        parts[parts.index(0)] += 1
    return parts


def _by_label(dataset: Dataset) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for index, picture in enumerate(dataset.pictures):
        found[picture.label].append(index)
    for label, members in sorted(found.items()):
        if len(members) < _MIN_EACH:
            raise InvalidInputError(
                f"class {dataset.classes[label]}",
                f"{len(members)} pictures",
                f"at least {_MIN_EACH}, one for each split",
                "add pictures, or leave the class out",
            )
    return dict(sorted(found.items()))


def _draw_pictures(dataset: Dataset, ratios: Sequence[float], seed: int) -> list[int | None]:
    rng = np.random.default_rng(seed)
    owners: list[int | None] = [None] * len(dataset.pictures)
    for members in _by_label(dataset).values():
        shuffled = rng.permutation(members).tolist()
        for split, count in enumerate(_targets(len(members), ratios)):
            for index in shuffled[:count]:
                owners[index] = split
            del shuffled[:count]
    return owners


def _draw_groups(
    dataset: Dataset, groups: Sequence[int], ratios: Sequence[float], seed: int
) -> list[int | None]:
    """Large groups first, each to the split that lacks most, so that single pictures even it out.

    What a split lacks is counted relative to what it should have: so large groups spread over all
    splits as single pictures do, instead of all ending in ``train``. The largest of a class
    trains, whatever the seed: as a test it would measure one object.
    """
    wanted = {label: _targets(len(m), ratios) for label, m in _by_label(dataset).items()}
    has = {label: [0] * len(ratios) for label in wanted}
    labels: dict[int, Counter[int]] = defaultdict(Counter)
    for group, picture in zip(groups, dataset.pictures, strict=True):
        labels[group][picture.label] += 1
    order = np.random.default_rng(seed).permutation(list(labels)).tolist()
    order.sort(key=lambda group: -labels[group].total())  # stable: by chance within a size
    placed: dict[int, int] = {}

    def lack(split: int, group: int) -> tuple[bool, float, int]:
        counts = labels[group]
        fits = all(has[label][split] + n <= wanted[label][split] for label, n in counts.items())
        missing = sum(
            n * (wanted[label][split] - has[label][split]) / wanted[label][split]
            for label, n in counts.items()
        )
        return fits, missing, wanted[min(counts)][split]

    for group in order:
        split = max(range(len(ratios)), key=lambda split: lack(split, group))
        placed[group] = split
        for label, count in labels[group].items():
            has[label][split] += count
    _fill_empty(dataset, labels, placed, has)
    return [placed[group] for group in groups]


def _fill_empty(
    dataset: Dataset,
    labels: dict[int, Counter[int]],
    placed: dict[int, int],
    has: dict[int, list[int]],
) -> None:
    """Gives a class's smallest spare group to a split that has none of the class."""
    for label, counts_by_split in has.items():
        while 0 in counts_by_split:
            empty = counts_by_split.index(0)
            spare = [
                group
                for group, counts in labels.items()
                if counts[label]
                and all(has[other][placed[group]] > n for other, n in counts.items())
            ]
            if not spare:
                objects = sum(1 for counts in labels.values() if counts[label])
                raise InvalidInputError(
                    f"class {dataset.classes[label]}",
                    f"{objects} objects",
                    "enough different objects for each split to have one",
                    "add pictures of other objects, or split by picture",
                )
            group = min(spare, key=lambda group: (labels[group].total(), group))
            for other, count in labels[group].items():
                has[other][placed[group]] -= count
                has[other][empty] += count
            placed[group] = empty


def _to_splits(dataset: Dataset, owners: Sequence[int | None], by: By, seed: int) -> Splits:
    parts: list[list[Picture]] = [[] for _ in SPLITS]
    for picture, owner in zip(dataset.pictures, owners, strict=True):
        if owner is not None:
            parts[owner].append(picture)
    return Splits(tuple(parts[0]), tuple(parts[1]), tuple(parts[2]), by, seed)
