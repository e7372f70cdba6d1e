# SPDX-License-Identifier: Apache-2.0
"""``MANIFEST.sha256``: which files a model bundle has, and their hashes.

The format is that of ``sha256sum``, so ``sha256sum -c MANIFEST.sha256`` checks a bundle as well.
A bundle is flat: no file lies in a folder below it.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Final

from recycle_sorter.core.errors import ModelError

MANIFEST_NAME: Final = "MANIFEST.sha256"
_LINE: Final = re.compile(r"(?P<digest>[0-9a-f]{64}) [ *](?P<name>.+)")
_MAX_MANIFEST_BYTES: Final = 1 << 20
_BLOCK_BYTES: Final = 1 << 20
_AGAIN: Final = "copy the bundle again, or export it again"


def is_plain_name(name: object) -> bool:
    """Whether ``name`` names a file right inside a bundle: no folder, no drive, no ``..``."""
    return (
        isinstance(name, str)
        and re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*", name) is not None
        and len(name) <= 255
    )


def sha256_of(path: Path) -> str:
    """Hex sha256 of a file's content.

    Raises:
        OSError: If it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def read_manifest(folder: Path) -> dict[str, str]:
    """Reads a bundle's manifest without checking the files.

    Returns:
        Hex sha256 by file name.

    Raises:
        ModelError: If there is none, or a line is malformed, names a file outside, or is doubled.
    """
    path = folder / MANIFEST_NAME
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise ModelError(f"{path}: larger than 1 MiB, expected a manifest. Fix: {_AGAIN}")
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise ModelError(
            f"{path}: missing, expected the sha256 of every file of the bundle. Fix: {_AGAIN}"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read ({error}). Fix: {_AGAIN}") from error
    digests: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        match = _LINE.fullmatch(line)
        if match is None:
            raise ModelError(
                f"{path}:{number}: got {line[:100]!r}, expected '<64 hex digits>  <file name>'. "
                f"Fix: {_AGAIN}"
            )
        name = match["name"]
        if not is_plain_name(name) or name == MANIFEST_NAME:
            raise ModelError(
                f"{path}:{number}: got file name {name[:100]!r}, expected the name of a file right "
                f"inside the bundle. Fix: {_AGAIN}"
            )
        if name in digests:
            raise ModelError(f"{path}:{number}: {name} is listed twice. Fix: {_AGAIN}")
        digests[name] = match["digest"]
    return digests


def verify_manifest(folder: Path) -> dict[str, str]:
    """Checks every file of a bundle against its manifest.

    Returns:
        Hex sha256 by file name, all of them verified.

    Raises:
        ModelError: If a file is missing, not listed or changed; the text names it, both hashes and
            the fix.
    """
    digests = read_manifest(folder)
    present = {path.name for path in folder.iterdir()} - {MANIFEST_NAME}
    for name in sorted(present - digests.keys()):
        raise ModelError(
            f"{folder / name}: not listed in {MANIFEST_NAME}. "
            f"Fix: remove it if it does not belong to the bundle, otherwise export the bundle again"
        )
    for name, expected in digests.items():
        path = folder / name
        if not path.is_file():
            raise ModelError(f"{path}: missing, {MANIFEST_NAME} lists it. Fix: {_AGAIN}")
        try:
            found = sha256_of(path)
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error}). Fix: {_AGAIN}") from error
        if found != expected:
            raise ModelError(
                f"{path}: got sha256 {found}, expected {expected} as {MANIFEST_NAME} says; "
                f"the file was changed or damaged. Fix: {_AGAIN}"
            )
    return digests


def write_manifest(folder: Path) -> Path:
    """Writes the manifest of the files that are in ``folder`` now; the last step of an export.

    Raises:
        ModelError: If the folder holds something that a bundle cannot hold.
    """
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name == MANIFEST_NAME:
            continue
        if not path.is_file() or not is_plain_name(path.name):
            raise ModelError(f"{path}: expected only plain files in a bundle. Fix: remove it")
        lines.append(f"{sha256_of(path)}  {path.name}\n")
    manifest = folder / MANIFEST_NAME
    manifest.write_text("".join(lines), encoding="utf-8")
    return manifest
