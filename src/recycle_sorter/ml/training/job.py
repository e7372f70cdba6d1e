# SPDX-License-Identifier: Apache-2.0
"""What is to be trained, and the run folder that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.manifest import digest_of, make_manifest
from recycle_sorter.ml.dataset.records import Picture, read_dataset
from recycle_sorter.ml.dataset.splits import Splits, write_split_file
from recycle_sorter.ml.models.zoo import STARTED_FROM
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.hyperparameters import Hyperparameters
from recycle_sorter.ml.training.material import (
    changes,
    check_held_out,
    hash_material,
    list_material,
    write_manifest,
)
from recycle_sorter.output_files import require_folder
from recycle_sorter.vision.preprocessing import PreprocessingSpec

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What to train, on what, and where to leave it.

    Attributes:
        data: The data set (see ``read_dataset``).
        splits: Who is trained on, validated and tested.
        classes: Names of the outputs.
        out: The run folder.
        settings: The hyperparameters.
        extra: Class folders of more training pictures, such as renderings.
        extra_repeats: How often each of those is shown in an epoch.
        backgrounds: Folders of any pictures to put items in front of.
        unlabelled: Folders of any pictures, on which only the teacher's answers are learned.
        command: The command line, for the record.
        devices: Lightning's ``devices``.
        num_nodes: Lightning's ``num_nodes``.
        checkpoint_every_sec: Time between checkpoints amid an epoch; 0: after every step.
        stop_after_steps: End as if killed in this step, for tests; -1 never.
    """

    data: Path
    splits: Splits
    classes: tuple[str, ...]
    out: Path
    settings: Hyperparameters
    extra: Sequence[Path] = ()
    extra_repeats: int = 1
    backgrounds: Sequence[Path] = ()
    unlabelled: Sequence[Path] = ()
    command: str = ""
    devices: str = "auto"
    num_nodes: int = 1
    checkpoint_every_sec: float = 120.0
    stop_after_steps: int = -1
    details: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.unlabelled and not self.settings.teacher:
            raise InvalidInputError(
                "--unlabelled", [str(folder) for folder in self.unlabelled],
                "a teacher, whose answers are all there is to learn from them", "add --teacher",
            )  # fmt: skip


def spec_of(settings: Hyperparameters) -> PreprocessingSpec:
    """Return the preprocessing that the network is trained for and shipped with."""
    return PreprocessingSpec(width_px=settings.size_px, height_px=settings.size_px)


def training_pictures(job: TrainingJob) -> list[Picture]:
    """Return what is trained on: the split's part, then the extra folders."""
    pictures = list(job.splits.train)
    for folder in job.extra:
        found = read_dataset(folder, job.classes).pictures
        pictures += list(found) * job.extra_repeats
    return pictures


def class_counts(job: TrainingJob) -> list[int]:
    """Return how many training pictures each class has."""
    labels = [picture.label for picture in training_pictures(job)]
    return [labels.count(label) for label in range(len(job.classes))]


def is_trained(job: TrainingJob) -> bool:
    """Return whether its weights are there, so that at most its test is left to do."""
    return (job.out / run_folder.WEIGHTS_NAME).is_file()


def open_folder(job: TrainingJob, *, writes: bool = True) -> None:
    """Write ``config.json``, ``split.csv`` and the manifest; an older folder must be of this job.

    The manifest holds the hashes of all that the training depends on: an older folder's files must
    be as they were. Folders of older versions know those of the data set only, and where only the
    test is left, nothing but the data set is needed: a teacher may be gone by then.

    Args:
        job: The training.
        writes: Whether this process is the one that writes, and that looks into the files.

    Raises:
        InvalidInputError: Naming what differs in the older folder, or which pictures of ``val`` or
            ``test`` would be learned from; or if the folder cannot be written.
    """
    goes_on = (job.out / run_folder.CONFIG_NAME).is_file()
    if goes_on:
        if writes:
            require_folder("--out", job.out)
        _check_same(job)
    if not writes:
        return
    manifest = make_manifest(job.splits)
    hashes = None
    if not (goes_on and is_trained(job)):
        materials = list_material(job)
        hashes = hash_material(materials)
        check_held_out(job.splits, manifest, materials, hashes)
    path = job.out / run_folder.MANIFEST_NAME
    if goes_on:
        changed = changes(path, manifest, hashes)
        if changed:
            raise InvalidInputError(
                "--out", str(job.out), f"the files that it began with ({'; '.join(changed)})",
                "put them back as they were, or choose another folder",
            )  # fmt: skip
    if goes_on or hashes is None:
        return
    require_folder("--out", job.out)
    write_split_file(job.splits, job.classes, job.out / run_folder.SPLIT_NAME)
    write_manifest(path, manifest, hashes)
    digests = {title: digest_of(files) for title, files in hashes.items()}
    run_folder.write_config(job.out, {**_config(job), "material": digests})


def _check_same(job: TrainingJob) -> None:
    former = run_folder.read_config(job.out)
    theirs = former["hyperparameters"]
    ours = asdict(job.settings)
    other = sorted(name for name in ours if theirs.get(name) != ours[name])
    if not other:
        other = [name for name, value in _material(job).items() if former.get(name, []) != value]
    if not other:
        written = (job.out / run_folder.SPLIT_NAME).read_bytes()
        fresh = job.out / (run_folder.SPLIT_NAME + ".partial")
        write_split_file(job.splits, job.classes, fresh)
        if fresh.read_bytes() != written:
            other = ["pictures or split"]
        fresh.unlink()
    if other:
        raise InvalidInputError(
            "--out", str(job.out), f"a folder of the same settings ({', '.join(other)} differ)",
            "choose another folder, or delete this one",
        )  # fmt: skip


def _material(job: TrainingJob) -> dict[str, Any]:
    return {
        "classes": list(job.classes),
        "extra": [str(folder) for folder in job.extra],
        "extra_repeats": job.extra_repeats,
        "backgrounds": [str(folder) for folder in job.backgrounds],
        "unlabelled": [str(folder) for folder in job.unlabelled],
    }


def _config(job: TrainingJob) -> dict[str, Any]:
    start = job.settings.weights
    known = STARTED_FROM.get(job.settings.architecture) if start in ("packaged", "imagenet") else ""
    return {
        "hyperparameters": asdict(job.settings),
        "architecture": job.settings.architecture,
        "preprocessing": spec_of(job.settings).to_dict(),
        "started_from": known or {"none": "random weights"}.get(start, start),
        "teacher": job.settings.teacher,
        "data": str(job.data),
        **_material(job),
        "split": {
            "by": job.splits.by,
            "seed": job.splits.seed,
            "train": len(job.splits.train),
            "val": len(job.splits.val),
            "test": len(job.splits.test),
        },
        "command": job.command,
        "commit": run_folder.commit(),
        "versions": run_folder.versions(),
        "hardware": run_folder.hardware(),
        "minutes": None,
        **job.details,
    }
