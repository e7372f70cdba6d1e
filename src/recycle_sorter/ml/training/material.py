# SPDX-License-Identifier: Apache-2.0
"""What a training depends on beside its data set: which files, and that they are as they were.

Pictures that are measured on must not be among them, under whatever name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import MODEL, RAW_DATA, replace_text
from recycle_sorter.ml.dataset.manifest import (
    DataManifest,
    digest_of,
    hash_files,
    read_manifest,
)
from recycle_sorter.ml.dataset.records import Picture, read_dataset, read_unlabelled
from recycle_sorter.ml.dataset.splits import Splits
from recycle_sorter.ml.training import run_folder
from recycle_sorter.ml.training.hyperparameters import NO_FILE, teacher_folders

if TYPE_CHECKING:
    from recycle_sorter.ml.training.job import TrainingJob

_KEY: Final = "material"
_LEARNED: Final = ("--extra", "--unlabelled")
_SHOWN: Final = 3
_RESTORE: Final = "restore the file, or choose another run folder"


@dataclass(frozen=True, slots=True)
class Material:
    """The files that one option names.

    Attributes:
        option: The option, such as ``--extra``.
        path: What it named.
        files: Those that the training depends on, by name.
        artifact: What the lineage calls them.
        type: The artifact's type, ``raw_data`` or ``model``.
        members: The artifact's files; of a start in a run or a bundle, all that was logged there.
    """

    option: str
    path: Path
    files: Mapping[str, Path]
    artifact: str
    type: str
    members: Sequence[Path]

    @property
    def title(self) -> str:
        """How people named it: ``--extra crops/1``."""
        return f"{self.option} {self.path}"


Hashes = Mapping[str, Mapping[str, str]]


def list_material(job: TrainingJob) -> list[Material]:
    """Returns what a training depends on beside its data set, each once.

    Backgrounds count only where something is put in front of them.

    Raises:
        InvalidInputError: If something is missing.
    """
    found = [_pictures("--extra", p, read_dataset(p, job.classes).pictures) for p in job.extra]
    found += [_pictures("--unlabelled", path, read_unlabelled(path)) for path in job.unlabelled]
    if job.settings.transform_background > 0:
        found += [_pictures("--backgrounds", p, read_unlabelled(p)) for p in job.backgrounds]
    if job.settings.weights not in NO_FILE:
        found.append(_start(Path(job.settings.weights)))
    found += map(_teacher, teacher_folders(job.settings.teacher))
    return list({one.title: one for one in found}.values())


def hash_material(materials: Sequence[Material]) -> dict[str, dict[str, str]]:
    """Returns the hex sha256 of every file, by title and name.

    Raises:
        InvalidInputError: If a file cannot be read.
    """
    return {one.title: hash_files(one.files) for one in materials}


def check_held_out(
    splits: Splits, data: DataManifest, materials: Sequence[Material], hashes: Hashes
) -> None:
    """Checks that nothing is learned from pictures of ``val`` or ``test``, copies included.

    Args:
        splits: Who is measured on.
        data: The hashes of the splits.
        materials: What there is beside them; backgrounds may hold anything.
        hashes: Theirs, by title and name.

    Raises:
        InvalidInputError: Naming the first few.
    """
    by_path: dict[Path, str] = {}
    by_hash: dict[str, str] = {}
    for part, pictures in (("val", splits.val), ("test", splits.test)):
        for one in pictures:
            by_path[one.path.resolve()] = f"{part}'s {one.name}"
            by_hash[data.parts[part][one.name]] = f"{part}'s {one.name}"
    for material in materials:
        if material.option not in _LEARNED:
            continue
        digests = hashes[material.title]
        found = [
            f"{name} is {held}"
            for name, path in material.files.items()
            if (held := by_path.get(path.resolve()) or by_hash.get(digests[name]))
        ]
        if found:
            raise InvalidInputError(
                material.option, str(material.path),
                f"no picture that the network is measured on, but {few(found)}",
                "take them out of that folder, or give a --split that has them in train",
            )  # fmt: skip


def write_manifest(path: Path, data: DataManifest, hashes: Hashes) -> None:
    """Writes a data set's manifest, which `read_manifest` reads, with a training's material."""
    content: dict[str, Any] = {
        **data.to_dict(),
        _KEY: {
            title: {"digest": digest_of(files), "files": dict(sorted(files.items()))}
            for title, files in hashes.items()
        },
    }
    replace_text(path, json.dumps(content, indent=1) + "\n")


def changes(
    path: Path, data: DataManifest, hashes: Hashes | None, *, with_parts: bool = False
) -> list[str]:
    """Returns what has changed since a manifest was written, in words.

    Manifests of older versions know the data set only: the rest is taken for the same.

    Args:
        path: The manifest; a run folder of an old version has none.
        data: The hashes of the splits now.
        hashes: Those of the material now; None where nothing is learned from it any more.
        with_parts: Tell pictures that have moved between train, val and test, too.

    Raises:
        InvalidInputError: If the manifest is damaged.
    """
    if not path.is_file():
        return []
    former = read_manifest(path)
    told = _changed("--data", _flat(former.parts), _flat(data.parts))
    if with_parts:
        before, now = _owners(former.parts), _owners(data.parts)
        both = sorted(before.keys() & now.keys())
        moved = [f"{n} is in {now[n]}, was in {before[n]}" for n in both if now[n] != before[n]]
        told += [f"split: {few(moved)}"] if moved else []
    if hashes is None:
        return told
    material = _read_material(path)
    if material is not None:
        for title in {**material, **hashes}:
            told += _changed(title, material.get(title, {}), hashes.get(title, {}))
    return told


def learned_digests(path: Path) -> dict[str, set[str]]:
    """Returns the digests of what a manifest's run learned from beside the data set, by title.

    Raises:
        InvalidInputError: If the manifest is damaged.
    """
    material = (_read_material(path) if path.is_file() else None) or {}
    titles = tuple(f"{option} " for option in _LEARNED)
    return {
        title: set(files.values()) for title, files in material.items() if title.startswith(titles)
    }


def _read_material(path: Path) -> dict[str, dict[str, str]] | None:
    """The files of the material by title, as `write_manifest` wrote them; None if it did not."""
    material = json.loads(path.read_text(encoding="utf-8")).get(_KEY)
    if material is None:
        return None
    if not isinstance(material, dict):
        raise InvalidInputError(f"{path}: {_KEY}", material, "an object", _RESTORE)
    found: dict[str, dict[str, str]] = {}
    for title, part in material.items():
        files = part.get("files") if isinstance(part, dict) else None
        if not isinstance(files, dict) or not all(isinstance(one, str) for one in files.values()):
            expected = "digest and files, each with its hash"
            raise InvalidInputError(f"{path}: {_KEY}, {title}", part, expected, _RESTORE)
        found[title] = files
    return found


def _pictures(option: str, path: Path, pictures: Sequence[Picture]) -> Material:
    files = {one.name: one.path for one in pictures}
    return Material(option, path, files, path.resolve().stem, RAW_DATA, sorted(files.values()))


def _start(path: Path) -> Material:
    """The weights, and the bundle or run that they lie in, for the lineage."""
    if not path.is_file():
        raise InvalidInputError("weights", str(path), "none, imagenet, packaged or a file")
    name, members = path.resolve().stem, [path]
    if path.name == run_folder.WEIGHTS_NAME or (path.parent / "bundle.json").is_file():
        name, members = _model(path.parent) or (name, members)
    return Material("--weights", path, {path.name: path}, name, MODEL, members)


def _teacher(path: Path) -> Material:
    found = _model(path)
    if found is None:
        raise InvalidInputError(
            "teacher", str(path), "a model bundle, or the folder of a finished run",
            "check the path, or let its training end",
        )  # fmt: skip
    name, members = found
    return Material("--teacher", path, {one.name: one for one in members}, name, MODEL, members)


def _model(folder: Path) -> tuple[str, list[Path]] | None:
    """Name and files of a model, as the export or the training that made it logs them."""
    name = folder.resolve().name
    if (folder / "bundle.json").is_file():
        return f"{name}_bundle", sorted(path for path in folder.iterdir() if path.is_file())
    run = [folder / run_folder.WEIGHTS_NAME, folder / run_folder.CONFIG_NAME]
    return (f"{name}_trained", run) if all(path.is_file() for path in run) else None


def _flat(parts: Hashes) -> dict[str, str]:
    return {name: digest for files in parts.values() for name, digest in files.items()}


def _owners(parts: Hashes) -> dict[str, str]:
    return {name: part for part, files in parts.items() for name in files}


def _changed(title: str, before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    def words() -> Iterator[str]:
        for name in sorted({**before, **now}):
            if name not in now:
                yield f"{name} is missing"
            elif name not in before:
                yield f"{name} is new"
            elif before[name] != now[name]:
                yield f"{name} has changed"

    found = list(words())
    return [f"{title}: {few(found)}"] if found else []


def few(words: Sequence[str]) -> str:
    """Returns the first of some words, and how many more there are."""
    more = len(words) - _SHOWN
    return ", ".join(words[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
