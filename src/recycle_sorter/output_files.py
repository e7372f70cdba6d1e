# SPDX-License-Identifier: Apache-2.0
"""Writes the files that people ask for: whole or not at all."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from recycle_sorter.core.errors import InvalidInputError


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all, with its folder.

    Raises:
        InvalidInputError: If that cannot be done.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="")
        part.replace(path)
    except OSError as error:
        raise InvalidInputError(
            "output file",
            str(path),
            f"a file that can be written ({os.strerror(error.errno or 0)})",
            "give another path",
        ) from error


def require_writable(option: str, path: Path) -> None:
    """Finds out before a run, not after it, that its account could not be written.

    Raises:
        InvalidInputError: Naming the option.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        path.touch()
    except OSError as error:
        raise InvalidInputError(option, str(path), f"a file to write ({error})") from error


def require_folder(option: str, path: Path, shown: Path | None = None) -> None:
    """Makes a folder that files can be written into, or finds it so.

    Args:
        option: What named it.
        path: The folder.
        shown: What to call it; itself by default.

    Raises:
        InvalidInputError: Naming the option.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        # Permissions alone do not tell: a file system may be full, read-only, or none for files.
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise InvalidInputError(
            option,
            str(shown or path),
            f"a folder that can be written ({os.strerror(error.errno or 0)})",
            "give another path",
        ) from error
