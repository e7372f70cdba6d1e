# SPDX-License-Identifier: Apache-2.0
"""Whether what a finished run is measured on is what it set aside, by the pictures' content.

Names and folders prove nothing: a copy under another name is the same picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.manifest import DataManifest, hash_files, make_manifest
from recycle_sorter.ml.dataset.records import Picture, read_dataset, read_unlabelled
from recycle_sorter.ml.dataset.splits import Splits
from recycle_sorter.ml.training.material import changes, learned_digests
from recycle_sorter.ml.training.run_folder import MANIFEST_NAME, SPLIT_NAME, TrainedRun

_SHOWN: Final = 3


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
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        known = f"{', '.join(found[:_SHOWN])}{more} {'were' if len(found) > 1 else 'was'}"
        raise InvalidInputError(
            option, str(folder), f"pictures that were not trained on ({known})",
            "measure on others",
        )  # fmt: skip


def _learned(folder: Path, config: Mapping[str, Any], data: DataManifest) -> set[str]:
    """Digests of all that a run learned from; of what lies beside its data set, as it is told.

    The manifest knows folders that are gone by now; a mean of runs, and old versions, only named
    theirs.
    """
    learned = set(data.parts["train"].values()) | learned_digests(folder / MANIFEST_NAME)
    for name, read in (
        ("extra", lambda path: read_dataset(path, config["classes"]).pictures),
        ("unlabelled", read_unlabelled),
    ):
        for path in map(Path, config.get(name) or ()):
            if path.exists():
                learned |= set(hash_files({one.name: one.path for one in read(path)}).values())
    return learned
