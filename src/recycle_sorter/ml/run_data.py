# SPDX-License-Identifier: Apache-2.0
"""The pictures of a finished run: those it learned from, and those it may be measured on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.credit_file import Credit
from recycle_sorter.ml.dataset.manifest import DataManifest
from recycle_sorter.ml.dataset.records import (
    Picture,
    read_dataset,
    read_unlabelled,
)
from recycle_sorter.ml.dataset.splits import Splits
from recycle_sorter.ml.held_out import check_not_learned
from recycle_sorter.ml.provenance import data_credit
from recycle_sorter.ml.training.run_folder import TrainedRun

_SPLITS: Final = ("train", "val", "test")
# Folder names that say nothing without the folder above.
_VAGUE: Final = (*_SPLITS, "images")


@dataclass(frozen=True, slots=True)
class Source:
    """Some pictures and what became of them.

    Attributes:
        use: Such as ``train``, ``added to train``, ``backgrounds``, ``measured``.
        name: The folder's name.
        credit: Whose they are.
        count: How many; None if the folder is no longer there.
        counts: By class, for labelled ones.
    """

    use: str
    name: str
    credit: Credit
    count: int | None
    counts: Mapping[str, int]


def splits_of(run: TrainedRun, data: Path | None) -> Splits:
    """Returns the pictures that a run was trained, validated and tested on.

    Args:
        run: The run.
        data: The data set, if it has moved since.

    Raises:
        InvalidInputError: If they are not there, or not those that the run's split names.
    """
    recorded = Path(run.config["data"])
    if data is None and not recorded.exists():
        raise InvalidInputError(
            "data", str(recorded), "the pictures that the run was trained on",
            "tell where they are now by --data DIR",
        )  # fmt: skip
    return run.splits(data)


def measured_sets(
    run: TrainedRun, splits: Splits, folders: Sequence[Path], data: DataManifest
) -> dict[str, Sequence[Picture]]:
    """Returns what to measure, by name: ``val``, ``test`` if there is one, and class folders.

    Args:
        run: The run.
        splits: Its pictures.
        folders: More to measure.
        data: The hashes of the splits.

    Raises:
        InvalidInputError: If a folder has other classes, or pictures that were trained on.
    """
    sets: dict[str, Sequence[Picture]] = {"val": splits.val}
    if splits.test:
        sets["test"] = splits.test
    for folder in folders:
        pictures = read_dataset(folder, run.classes).pictures
        check_not_learned(run, data, "--measure", folder, pictures)
        name = short_name(folder)
        if name in sets:
            raise InvalidInputError("--measure", str(folder), "each folder once", "rename one")
        sets[name] = pictures
    return sets


def sources_of(run: TrainedRun, splits: Splits, measured: Sequence[Path]) -> list[Source]:
    """Returns all pictures that a run has to do with, for its card."""
    data = Path(run.config["data"])
    found = [
        _labelled(use, data, part, run.classes) for use, part in splits.parts().items() if part
    ]
    repeats = run.config.get("extra_repeats", 1)
    shown = f"added to train, each {repeats} times an epoch" if repeats > 1 else "added to train"
    for uses, names in ((shown, run.config.get("extra", ())), ("measured", measured)):
        for folder in map(Path, names):
            here = read_dataset(folder, run.classes).pictures if folder.exists() else None
            found.append(_labelled(uses, folder, here, run.classes))
    for use, key in (("backgrounds", "backgrounds"), ("teacher's answers only", "unlabelled")):
        for folder in map(Path, run.config.get(key, ())):
            count = len(read_unlabelled(folder)) if folder.exists() else None
            found.append(Source(use, short_name(folder), data_credit(folder), count, {}))
    return found


def short_name(folder: Path) -> str:
    """Returns a folder's name, with the folder above it where it says nothing alone."""
    parts = folder.resolve().with_suffix("").parts
    return "/".join(parts[-2:]) if parts[-1] in _VAGUE else parts[-1]


def _labelled(
    use: str, folder: Path, pictures: Sequence[Picture] | None, classes: Sequence[str]
) -> Source:
    credit, name = data_credit(folder), short_name(folder)
    if pictures is None:
        return Source(use, name, credit, None, {})
    by_label = Counter(picture.label for picture in pictures)
    counts = {material: by_label[label] for label, material in enumerate(classes)}
    return Source(use, name, credit, len(pictures), counts)
