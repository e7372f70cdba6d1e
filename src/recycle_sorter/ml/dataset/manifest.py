# SPDX-License-Identifier: Apache-2.0
"""Proves that a data set is the same as before: sha256 of every picture and of each split.

The digest of a split is the sha256 of what ``sha256sum`` prints for its pictures in the order of
their names, run in the folder they are in; so ``LC_ALL=C`` and standard tools can repeat it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.inference.manifest import sha256_of
from recycle_sorter.ml.dataset.reading import Progress, look_at
from recycle_sorter.ml.dataset.records import Dataset, check_name
from recycle_sorter.ml.dataset.splits import Splits

FORMAT: Final = 1
WHOLE: Final = "all"
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_MAX_BYTES: Final = 1 << 28
_AGAIN: Final = "copy the data set again, or write the manifest again if the change is meant"


@dataclass(frozen=True, slots=True)
class DataManifest:
    """Hashes of pictures.

    Attributes:
        parts: By name of the split (``"all"`` if there is none): hex sha256 by picture name.
    """

    parts: Mapping[str, Mapping[str, str]]

    @property
    def digests(self) -> dict[str, str]:
        """Hex sha256 of each part."""
        return {name: digest_of(pictures) for name, pictures in self.parts.items()}

    @property
    def digest(self) -> str:
        """Hex sha256 of everything, whatever the split."""
        return digest_of({name: d for part in self.parts.values() for name, d in part.items()})

    def to_dict(self) -> dict[str, Any]:
        """For JSON; :func:`read_manifest` reads it."""
        digests = self.digests
        return {
            "format": FORMAT,
            "digest": self.digest,
            "splits": {
                name: {"digest": digests[name], "pictures": dict(sorted(pictures.items()))}
                for name, pictures in self.parts.items()
            },
        }

    def write(self, path: Path) -> None:
        """Writes it as JSON, one line a picture."""
        path.write_text(json.dumps(self.to_dict(), indent=1) + "\n", encoding="utf-8")


def digest_of(pictures: Mapping[str, str]) -> str:
    """Hex sha256 over names and hashes, sorted by name."""
    lines = (f"{digest}  {name}\n" for name, digest in sorted(pictures.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def make_manifest(source: Dataset | Splits, progress: Progress | None = None) -> DataManifest:
    """Hashes every picture.

    Args:
        source: A data set, or its splits.
        progress: Called with how many pictures were read, and of how many.

    Raises:
        InvalidInputError: If a picture cannot be read.
    """
    parts = {WHOLE: source.pictures} if isinstance(source, Dataset) else source.parts()
    found = hash_files({one.name: one.path for part in parts.values() for one in part}, progress)
    return DataManifest(
        {name: {one.name: found[one.name] for one in part} for name, part in parts.items()}
    )


def hash_files(files: Mapping[str, Path], progress: Progress | None = None) -> dict[str, str]:
    """Returns the hex sha256 of files by their names.

    Args:
        files: Where each lies, by name.
        progress: Called with how many were read, and of how many.

    Raises:
        InvalidInputError: If one cannot be read.
    """
    found = dict(zip(files, look_at(list(files.values()), _hash, progress), strict=True))
    for name, digest in found.items():
        if not _HEX.fullmatch(digest):
            raise InvalidInputError(name, digest, "a readable file", "check its permissions")
    return found


def read_manifest(path: Path) -> DataManifest:
    """Reads a manifest without looking at the pictures.

    Raises:
        InvalidInputError: If it is no manifest, or its own digests do not fit its lines.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InvalidInputError(str(path), "a huge file", "a manifest of at most 256 MiB")
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            "manifest", str(path), f"a manifest in JSON ({error})", _AGAIN
        ) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise InvalidInputError("manifest", str(path), f"a manifest of format {FORMAT}", _AGAIN)
    splits = content.get("splits")
    if not isinstance(splits, dict):
        raise InvalidInputError(f"{path.name}, splits", splits, "an object", _AGAIN)
    parts: dict[str, dict[str, str]] = {}
    seen: set[str] = set()
    for name, part in splits.items():
        pictures = part.get("pictures") if isinstance(part, dict) else None
        if not isinstance(pictures, dict):
            raise InvalidInputError(f"{path.name}, {name}", part, "digest and pictures", _AGAIN)
        for picture, digest in pictures.items():
            check_name(f"{path.name}, {name}", picture)
            if not isinstance(digest, str) or not _HEX.fullmatch(digest):
                raise InvalidInputError(f"{path.name}, {picture}", digest, "64 hex digits", _AGAIN)
            if picture in seen:
                raise InvalidInputError(f"{path.name}, {picture}", "twice", "one split", _AGAIN)
            seen.add(picture)
        parts[name] = pictures
        if part.get("digest") != digest_of(pictures):
            raise InvalidInputError(
                f"{path.name}, {name}, digest", part.get("digest"), digest_of(pictures), _AGAIN
            )
    return DataManifest(parts)


def differences(
    manifest: DataManifest, root: Path, progress: Progress | None = None
) -> dict[str, str]:
    """What became of pictures that are not as the manifest says, by name.

    Args:
        manifest: What they were.
        root: Folder that the names are relative to.
        progress: Called with how many pictures were read, and of how many.
    """
    expected = {name: d for part in manifest.parts.values() for name, d in part.items()}
    paths = [root / name for name in expected]
    found = zip(expected.items(), look_at(paths, _hash, progress), strict=True)
    return {
        name: f"sha256 {now}, was {before}" if _HEX.fullmatch(now) else now
        for (name, before), now in found
        if now != before
    }


def verify_manifest(manifest: DataManifest, root: Path, progress: Progress | None = None) -> None:
    """Checks every picture that a manifest names; others may lie beside them.

    Raises:
        InvalidInputError: Naming a picture that is missing or changed, and how many there are.
    """
    changed = differences(manifest, root, progress)
    if changed:
        name = min(changed)
        raise InvalidInputError(
            str(root / name),
            changed[name],
            f"the picture of the manifest (one of {len(changed)} that differ)",
            _AGAIN,
        )


def _hash(path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        return f"cannot be read: {error.strerror}"
