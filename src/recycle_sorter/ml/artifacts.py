# SPDX-License-Identifier: Apache-2.0
"""Artifacts: named sets of files with their checksums, known by one digest.

The digest is the sha256 of the text that ``sha256sum`` prints for the files, sorted by name, so
anyone can check it without this project.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.inference.manifest import sha256_of

RAW_DATA = "raw_data"
SPLIT_DATA = "split_data"
MODEL = "model"
# W&B takes no other names.
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """What a job used or made.

    Attributes:
        name: Letters, digits, dots, dashes and underscores.
        type: ``raw_data``, ``split_data``, ``model`` or a word of one's own.
        digest: sha256 over its files' checksums; equal content, equal digest.
        manifest: The file that lists its files, if it is known where.
        is_foreign: Whether no job here made it: only its checksums are passed on.
    """

    name: str
    type: str
    digest: str
    manifest: Path | None = field(default=None, compare=False)
    is_foreign: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artifact.

    Attributes:
        name: Its name within the artifact, with forward slashes.
        sha256: Checksum of its content, hexadecimal.
        size: Bytes.
        path: Where it lay when it was read.
    """

    name: str
    sha256: str
    size: int
    path: Path


@dataclass(frozen=True, slots=True)
class Manifest:
    """An artifact with all that is known of it."""

    name: str
    type: str
    digest: str
    files: tuple[FileEntry, ...]
    metadata: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)


def checksums(files: Sequence[FileEntry]) -> str:
    """Returns the files' checksums as ``sha256sum`` prints them, sorted by name."""
    lines = (f"{entry.sha256}  {entry.name}\n" for entry in sorted(files, key=lambda e: e.name))
    return "".join(lines)


def digest_of(files: Sequence[FileEntry]) -> str:
    """Returns the digest of an artifact with these files."""
    return hashlib.sha256(checksums(files).encode()).hexdigest()


def check_name(field_name: str, name: str) -> str:
    """Returns the name of an artifact or of its type if it can be one.

    Raises:
        InvalidInputError: If it cannot.
    """
    if not _NAME.fullmatch(name):
        expected = "1 to 128 letters, digits, dots, dashes or underscores"
        raise InvalidInputError(field_name, name, expected)
    return name


def describe(
    name: str,
    type: str,  # noqa: A002 - what W&B calls it
    files: Sequence[Path],
    metadata: Mapping[str, Any] | None = None,
    root: Path | None = None,
) -> Manifest:
    """Reads files and returns the artifact that they make.

    Args:
        name: The artifact's name.
        type: The artifact's type.
        files: Its files; each must exist.
        metadata: What else is worth knowing; must fit into JSON.
        root: Files are named relative to it; by default to the folder that all of them share.

    Raises:
        InvalidInputError: If a name is not allowed or a file cannot be read.
    """
    check_name("artifact.name", name)
    check_name("artifact.type", type)
    if not files:
        raise InvalidInputError(f"artifact {name}", "no files", "at least one file")
    base = root or Path(os.path.commonpath([path.absolute().parent for path in files]))
    entries = tuple(_entry(name, path, base) for path in files)
    doubled = len(entries) - len({entry.name for entry in entries})
    if doubled:
        raise InvalidInputError(f"artifact {name}", f"{doubled} names twice", "each file once")
    return Manifest(name, type, digest_of(entries), entries, dict(metadata or {}))


def write_manifest(manifest: Manifest, folder: Path) -> ArtifactRef:
    """Writes a manifest, and its checksums beside it, and returns the reference to it.

    Both are named by content, so what is there already stays as it is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"{manifest.name}-{manifest.digest[:12]}"
    path = folder / f"{stem}.json"
    entries = [
        {
            "name": entry.name,
            "sha256": entry.sha256,
            "size": entry.size,
            # Relative, so that a folder of runs can be moved with its data.
            "path": Path(os.path.relpath(entry.path.absolute(), folder.absolute())).as_posix(),
        }
        for entry in sorted(manifest.files, key=lambda entry: entry.name)
    ]
    told = {"name": manifest.name, "type": manifest.type, "digest": manifest.digest}
    content = {**told, "metadata": manifest.metadata, "files": entries}
    replace_text(folder / f"{stem}.sha256", checksums(manifest.files))
    replace_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return ArtifactRef(manifest.name, manifest.type, manifest.digest, path)


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest.

    Raises:
        InvalidInputError: If it is none, or does not agree with its own digest.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = tuple(
            FileEntry(
                str(entry["name"]),
                str(entry["sha256"]),
                int(entry["size"]),
                Path(os.path.normpath(path.parent / entry["path"])),
            )
            for entry in content["files"]
        )
        manifest = Manifest(
            check_name("name", content["name"]),
            check_name("type", content["type"]),
            content["digest"],
            entries,
            dict(content["metadata"]),
        )
    except (OSError, OverflowError, RecursionError, ValueError, KeyError, TypeError) as error:
        raise InvalidInputError(str(path), str(error), "an artifact's manifest") from error
    if not _DIGEST.fullmatch(str(manifest.digest)) or manifest.digest != digest_of(entries):
        expected = f"the digest of its files, {digest_of(entries)}"
        raise InvalidInputError(f"{path}: digest", manifest.digest, expected, "restore the file")
    return manifest


def changed_files(manifest: Manifest) -> list[str]:
    """Returns the names of files that are missing or no longer what the manifest says."""
    return [
        entry.name
        for entry in manifest.files
        if not entry.path.is_file()
        or entry.path.stat().st_size != entry.size
        or sha256_of(entry.path) != entry.sha256
    ]


def replace_text(path: Path, text: str) -> None:
    """Writes a file so that a reader, or a kill, finds the old or the new one and no half."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def _entry(artifact: str, path: Path, base: Path) -> FileEntry:
    try:
        name = Path(os.path.relpath(path.absolute(), base.absolute())).as_posix()
        if name.startswith("../"):
            raise InvalidInputError(f"artifact {artifact}: file", str(path), f"below {base}")
        return FileEntry(name, sha256_of(path), path.stat().st_size, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(
            f"artifact {artifact}: {path}", reason, "a readable file"
        ) from error
