# SPDX-License-Identifier: Apache-2.0
"""``CREDIT.txt``: whose pictures a folder holds, and under which licence.

What makes pictures out of others' (cut-outs, crops of simulated belts) writes it beside them, and a
model card reads it::

    what: cut-outs of TrashNet
    licence: MIT
    credit: (c) 2017 Gary Thung; github.com/garythung/trashnet

A blank line stands between the works of several; lines that begin with ``#`` are remarks.
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
_KEYS: Final = ("what", "licence", "credit")
_MAX_BYTES: Final = 1 << 20
_MAX_LETTERS: Final = 500


@dataclass(frozen=True, slots=True)
class PictureCredit:
    """Whose some pictures are.

    Attributes:
        what: What they are.
        licence: SPDX name, or words where there is none.
        whose: Authors and place.
    """

    what: str
    licence: str
    whose: str


def read_credits(folder: Path) -> tuple[PictureCredit, ...]:
    """Returns what a folder's credit file tells; nothing if there is none, or it is no such file.

    Its values are made one line that fits a table's cell.
    """
    path = folder / CREDIT_NAME
    text = _read(path)
    if text is None:
        return ()
    found = []
    for block in re.split(r"\n\s*\n", "\n".join(_told(text))):
        pairs = [line.partition(":")[::2] for line in block.splitlines()]
        values = {key.strip(): _cell(value) for key, value in pairs}
        if len(pairs) != len(_KEYS) or any(not values.get(key) for key in _KEYS):
            return ()
        found.append(PictureCredit(*(values[key] for key in _KEYS)))
    return tuple(found)


def write_credits(folder: Path, credits: Sequence[PictureCredit]) -> None:  # noqa: A002
    """Adds credits to a folder's credit file; what stands there already stays.

    Raises:
        SorterError: If it cannot be written.
    """
    path, known = folder / CREDIT_NAME, read_credits(folder)
    fresh = [credit for credit in dict.fromkeys(credits) if credit not in known]
    if not fresh:
        return
    before = _read(path)
    if before is None and path.exists():
        raise SorterError(f"{path} cannot be added to. Fix: move it away")
    blocks = [
        f"what: {_cell(one.what)}\nlicence: {_cell(one.licence)}\ncredit: {_cell(one.whose)}\n"
        for one in fresh
    ]
    start = f"{before.rstrip()}\n\n" if before and before.strip() else _HEAD
    write_text(path, start + "\n".join(blocks))


def licence_files(folder: Path) -> list[Path]:
    """Returns the files right in a folder that state a licence, sorted."""
    try:
        return sorted(
            path
            for path in folder.iterdir()
            if _LICENCE.fullmatch(path.name)
            and path.is_file()
            and path.stat().st_size <= _MAX_BYTES
        )
    except OSError:
        return []


def copy_licences(source: Path, folder: Path) -> None:
    """Carries the licence files of a folder over to another one, which keeps what it has.

    Raises:
        SorterError: If one cannot be copied.
    """
    for path in licence_files(source):
        target = folder / path.name
        if target.exists():
            continue
        try:
            shutil.copyfile(path, target)
        except OSError as error:
            raise SorterError(f"{path} cannot be copied to {folder}: {error}") from error


def _told(text: str) -> list[str]:
    return [line for line in text.strip().splitlines() if not line.startswith("#")]


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())[:_MAX_LETTERS]


def _read(path: Path) -> str | None:
    try:
        if not path.is_file() or path.stat().st_size > _MAX_BYTES:
            return None
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
