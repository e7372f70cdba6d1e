# SPDX-License-Identifier: Apache-2.0
"""``CREDIT.txt``: whose pictures a folder holds, and under which licence.

What makes pictures out of others' (cut-outs, crops of simulated belts) writes it beside them, and a
model card reads it::

    what: cut-outs of TrashNet
    licence: MIT
    credit: (c) 2017 Gary Thung; github.com/garythung/trashnet

A blank line stands between the works of several; lines that begin with ``#`` are remarks. Other
text is a credit too, in somebody's own words.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from recycle_sorter.core.errors import SorterError
from recycle_sorter.output_files import write_text

CREDIT_NAME: Final = "CREDIT.txt"
_HEAD: Final = "# Whose pictures these are; `recycle-sorter export` writes it into model cards.\n"
_LICENCE: Final = re.compile(r"(licen[cs]e|copying|copyright|notice)([-_.].*)?", re.IGNORECASE)
_NO_TEXT: Final = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_KEYS: Final = ("what", "licence", "credit")
_MAX_BYTES: Final = 1 << 20
_MAX_LETTERS: Final = 2000
NOT_STATED: Final = "not stated"


@dataclass(frozen=True, slots=True)
class Credit:
    """One work of others.

    Attributes:
        what: What it is.
        licence: SPDX name, or words where there is none.
        whose: Authors and place.
        notice: What its licence wants repeated in every copy; empty for what is not copied.
    """

    what: str
    licence: str
    whose: str
    notice: str = ""


def read_credits(folder: Path) -> tuple[Credit, ...]:
    """Returns what a folder's credit file tells; nothing if there is none, or it is no text.

    Its values are made one line that fits a table's cell; all that is in other words comes last.
    """
    text = _read(folder / CREDIT_NAME)
    found, words = [], []
    for block in re.split(r"\n\s*\n", "\n".join(_told(text or "")).strip()):
        pairs = [line.partition(":")[::2] for line in block.splitlines()]
        values = {key.strip(): _cell(value) for key, value in pairs}
        if len(pairs) == len(_KEYS) and all(values.get(key) for key in _KEYS):
            found.append(Credit(*(values[key] for key in _KEYS)))
        elif block.strip():
            words.append(block)
    if words:
        name = folder.resolve().name
        found.append(Credit(name, f"as in {CREDIT_NAME}", _cell(" ".join(words))))
    return tuple(found)


def check_credits(folder: Path) -> None:
    """Refuses a folder whose credit file could not be added to.

    Raises:
        SorterError: Naming the file.
    """
    path = folder / CREDIT_NAME
    if path.exists() and _read(path) is None:
        raise SorterError(f"{path} cannot be added to. Fix: move it away")


def write_credits(folder: Path, credits: Sequence[Credit]) -> None:  # noqa: A002
    """Adds credits to a folder's credit file; what stands there already stays.

    Raises:
        SorterError: If it cannot be written.
    """
    check_credits(folder)
    path, known = folder / CREDIT_NAME, read_credits(folder)
    told = (
        Credit(*(_cell(text) or NOT_STATED for text in (one.what, one.licence, one.whose)))
        for one in credits
    )
    fresh = [credit for credit in dict.fromkeys(told) if credit not in known]
    if not fresh:
        return
    before = _read(path)
    blocks = [f"what: {one.what}\nlicence: {one.licence}\ncredit: {one.whose}\n" for one in fresh]
    start = f"{before.rstrip()}\n\n" if before and before.strip() else _HEAD
    write_text(path, start + "\n".join(blocks))


def places_of(source: Path) -> list[Path]:
    """Returns the folders that may say whose pictures these are: that above ``images``, too."""
    resolved = source.resolve()
    return [resolved, resolved.parent] if resolved.name == "images" else [resolved]


def licence_files(source: Path) -> list[Path]:
    """Returns the files that state the licence of a folder's pictures, sorted.

    They lie right in it, or beside it if it is a data set's ``images``. What lies beside a table or
    a recording is of who knows what, a whole project's perhaps.
    """
    for folder in places_of(source):
        try:
            found = sorted(path for path in folder.iterdir() if _states_licence(path))
        except OSError:  # no folder
            continue
        if found:
            return found
    return []


def copy_licences(source: Path, folder: Path) -> None:
    """Carries the licence files of pictures over to a folder, which keeps what it has.

    Raises:
        SorterError: If one cannot be copied.
    """
    for path in licence_files(source):
        target = folder / path.name
        try:
            if target.exists() and target.read_bytes() != path.read_bytes():
                target = folder / f"{path.stem}-{path.parent.name}{path.suffix}"
            if not target.exists():
                shutil.copyfile(path, target)
        except OSError as error:
            raise SorterError(f"{path} cannot be copied to {folder}: {error}") from error


def _states_licence(path: Path) -> bool:
    is_named = _LICENCE.fullmatch(path.name) and path.suffix.lower() not in _NO_TEXT
    return bool(is_named) and path.is_file() and path.stat().st_size <= _MAX_BYTES


def _told(text: str) -> list[str]:
    return [line for line in text.strip().splitlines() if not line.startswith("#")]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:_MAX_LETTERS]


def _read(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
