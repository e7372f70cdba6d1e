# SPDX-License-Identifier: Apache-2.0
"""Whether what a finished run is measured on is what it set aside, by the pictures' content.

Names and folders prove nothing: a copy under another name is the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.manifest import (
    DataManifest,
    hash_files,
    make_manifest,
    read_manifest,
)
from recycle_sorter.ml.dataset.records import Picture, read_dataset, read_rows, read_unlabelled
from recycle_sorter.ml.dataset.splits import COLUMNS, Splits
from recycle_sorter.ml.provenance import forerunners_of
from recycle_sorter.ml.training.material import changes, few, learned_digests
from recycle_sorter.ml.training.run_folder import (
    MANIFEST_NAME,
    SPLIT_NAME,
    TrainedRun,
    read_config,
)

_MEASURED: Final = ("val", "test")


def check_data(run: TrainedRun, splits: Splits) -> DataManifest:
    """Checks that the data set is as it was when the run began with it.

    Run folders of old versions have no manifest to compare with: their pictures are taken as they
    are.

    Args:
        run: The run.
        splits: Its pictures now.

    Returns:
        The hashes of its pictures.

    Raises:
        InvalidInputError: Naming the first few pictures that have changed, or are in another part.
    """
    now = make_manifest(splits)
    path = run.folder / MANIFEST_NAME
    changed = changes(path, now, None, with_parts=True)
    if changed:
        raise InvalidInputError(
            "--data", run.config["data"],
            f"the pictures and {SPLIT_NAME} that {path} lists ({'; '.join(changed)})",
            "put them back as they were, or train again",
        )  # fmt: skip
    return now


def check_not_learned(
    run: TrainedRun, data: DataManifest, option: str, folder: Path, pictures: Sequence[Picture]
) -> None:
    """Checks that a run learned from none of some pictures, copies included.

    Args:
        run: The run.
        data: The hashes of its data set.
        option: What named the folder.
        folder: Where the pictures are.
        pictures: What is to be measured.

    Raises:
        InvalidInputError: Naming the first few that it learned from.
    """
    learned = _learned(run.folder, run.config, data)
    digests = hash_files({one.name: one.path for one in pictures})
    found = [name for name, digest in digests.items() if digest in learned]
    if found:
        known = f"{few(found)} {'were' if len(found) > 1 else 'was'}"
        raise InvalidInputError(
            option, str(folder), f"pictures that were not trained on ({known})",
            "measure on others",
        )  # fmt: skip


def leaks_of(folder: Path, config: Mapping[str, Any], data: DataManifest) -> list[str]:
    """Returns a sentence for each forerunner that was or may be trained on what is measured.

    What a run started from, or its teacher, may have split the same pictures another way, and so
    may what those started from. One that carries no split (a bundle, a file of weights) tells
    nothing.

    Args:
        folder: The run folder.
        config: Its ``config.json``.
        data: The hashes of its pictures.
    """
    measured = {name: d for part in _MEASURED for name, d in data.parts.get(part, {}).items()}
    found = []
    # Each once: two runs may start from a third, and a hand-made config may go in a circle.
    seen = {folder.resolve()}
    waiting = forerunners_of(config)
    while waiting:
        one = waiting.pop(0)
        if one.resolve() in seen:
            continue
        seen.add(one.resolve())
        try:
            theirs = read_config(one)
            waiting += forerunners_of(theirs)
            known = _known(one, theirs, config, measured)
        except InvalidInputError:
            known = None
        about = f"{one.resolve().name}, which this run builds on,"
        if known is None:
            found.append(
                f"{about} carries no split of pictures that can be compared: whether it was "
                "trained on pictures of val and test is not known; if so, their figures flatter."
            )
        elif known:
            found.append(
                f"{about} was trained on {known} of the {len(measured)} pictures of val and test: "
                "their figures flatter."
            )
    return found


def _known(
    folder: Path,
    config: Mapping[str, Any],
    ours: Mapping[str, Any],
    measured: Mapping[str, str],
) -> int | None:
    """How many of some pictures a run learned from; None if it does not tell.

    Old versions wrote no hashes: there the names must do, which only mean the same in one data set.

    Raises:
        InvalidInputError: If the run cannot be read.
    """
    if (folder / MANIFEST_NAME).is_file():
        learned = _learned(folder, config, read_manifest(folder / MANIFEST_NAME))
        return sum(digest in learned for digest in measured.values())
    if not (folder / SPLIT_NAME).is_file() or config["data"] != ours["data"]:
        return None
    rows = (row for _, row in read_rows(folder / SPLIT_NAME, COLUMNS))
    return sum(row["split"] == "train" and row["path"] in measured for row in rows)


def _learned(folder: Path, config: Mapping[str, Any], data: DataManifest) -> set[str]:
    """Digests of all that a run learned from, its data set's among them.

    The manifest knows what lay beside the data set, even if it is gone by now; of a mean of runs,
    and of old versions, only the folders' names are known.
    """
    told = learned_digests(folder / MANIFEST_NAME)
    learned = {*data.parts.get("train", {}).values(), *(d for part in told.values() for d in part)}
    for name, read in (
        ("extra", lambda path: read_dataset(path, config["classes"]).pictures),
        ("unlabelled", read_unlabelled),
    ):
        for path in map(Path, config.get(name) or ()):
            if f"--{name} {path}" not in told and path.exists():
                learned |= set(hash_files({one.name: one.path for one in read(path)}).values())
    return learned
