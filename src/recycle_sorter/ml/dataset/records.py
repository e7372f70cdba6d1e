# SPDX-License-Identifier: Apache-2.0
"""Which pictures a data set holds and what each shows; nothing is decoded here.

Folders and tables come from other people: names that leave the folder, doubled rows, unknown
classes and missing files are errors that name the line and the fix.
"""

from __future__ import annotations

import csv
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.sources.pictures import SUFFIXES

UNLABELLED: Final = -1
_MAX_TABLE_BYTES: Final = 1 << 28
_COLUMNS: Final = ("path", "material")
_MIN_CLASSES: Final = 2


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture on disk.

    Attributes:
        name: Its path below the data set's root with forward slashes: the unique key that split
            files, manifests and reports use.
        path: The file.
        label: Index into the data set's classes, or ``UNLABELLED``.
    """

    name: str
    path: Path
    label: int


@dataclass(frozen=True, slots=True)
class Dataset:
    """Pictures and what they may show.

    Attributes:
        root: Folder that the pictures' names are relative to.
        classes: Names of the classes; sorted, unless the caller gave an order.
        pictures: Sorted by name.
    """

    root: Path
    classes: tuple[str, ...]
    pictures: tuple[Picture, ...]

    def counts(self) -> dict[str, int]:
        """How many pictures each class has, in the order of the classes."""
        found = Counter(picture.label for picture in self.pictures)
        return {name: found[label] for label, name in enumerate(self.classes)}


def read_dataset(source: Path, classes: Sequence[str] | None = None) -> Dataset:
    """Lists the pictures of a folder or a table.

    Args:
        source: A folder with one folder a class; a folder that has these below ``images/``; or a
            CSV with the columns ``path``, ``material`` and perhaps more (``split``), whose paths
            start at the ``images`` folder beside it or at its own folder.
        classes: The only classes allowed, in this order (a model's labels); then one class, or
            some without pictures, will do. None takes the names that are found, sorted.

    Returns:
        The pictures, sorted by name. Symbolic links are followed, as whoever places a link could
        have placed the picture.

    Raises:
        InvalidInputError: Naming the path or the line, what was expected and the fix.
    """
    if classes is not None and len(set(classes)) < max(1, len(classes)):
        raise InvalidInputError("classes", tuple(classes), "at least one name, none of them twice")
    if is_folder(source):
        root = find_root(source)
        found = _read_folders(root, allow_empty=classes is not None)
    elif _is_file(source) and source.suffix.lower() == ".csv":
        root, found = _read_table(source)
    else:
        raise InvalidInputError(
            "data", str(source), "a folder with one folder a class, or a .csv", "check the path"
        )
    if not found:
        raise InvalidInputError(
            "data",
            str(source),
            f"at least one picture ({', '.join(SUFFIXES)})",
            "put the pictures of each class into a folder of its name",
        )
    if classes is None:
        classes = sorted({material for _, _, material, _ in found})
        if len(classes) < _MIN_CLASSES:
            raise InvalidInputError(
                "classes",
                classes[0],
                f"at least {_MIN_CLASSES} classes in {source}",
                "add a folder of pictures of something else; one class leaves nothing to learn",
            )
    labels = {name: label for label, name in enumerate(classes)}
    for _, _, material, where in found:
        if material not in labels:
            raise InvalidInputError(
                where, material, f"one of {', '.join(classes)}", "rename it or take it out"
            )
    pictures = (Picture(name, path, labels[material]) for name, path, material, _ in found)
    return Dataset(root, tuple(classes), tuple(sorted(pictures, key=lambda one: one.name)))


def find_root(folder: Path) -> Path:
    """The folder that has the classes' folders: ``images`` in the given one, or itself.

    Raises:
        InvalidInputError: If it is no folder.
    """
    if not is_folder(folder):
        raise InvalidInputError("data", str(folder), "a folder", "check the path")
    images = folder / "images"
    return images if any(_class_folders(images)) else folder


def read_unlabelled(root: Path) -> list[Picture]:
    """Lists every picture below a folder, sorted by name, without labels.

    Raises:
        InvalidInputError: If the folder is missing or holds no picture.
    """
    if not is_folder(root):
        raise InvalidInputError("data", str(root), "a folder of pictures", "check the path")
    found = [Picture(_name(path, root), path, UNLABELLED) for path in _pictures_below(root)]
    if not found:
        raise InvalidInputError(
            "data", str(root), f"at least one picture ({', '.join(SUFFIXES)})", "check the path"
        )
    return sorted(found, key=lambda picture: picture.name)


def read_rows(table: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Reads a CSV strictly.

    Args:
        table: The file.
        columns: Those it must have; others are left out.

    Yields:
        Where the row stands (``"split.csv line 7"``), and its cells by column.

    Raises:
        InvalidInputError: If it cannot be read, lacks a column, or a row lacks a cell.
    """
    try:
        if table.stat().st_size > _MAX_TABLE_BYTES:
            raise InvalidInputError(str(table), "a huge file", "a CSV of at most 256 MiB")
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            if not set(columns) <= set(reader.fieldnames or ()):
                raise InvalidInputError(
                    f"{table.name} columns",
                    reader.fieldnames,
                    ", ".join(columns),
                    "name them in the first line",
                )
            for row in reader:
                where = f"{table.name} line {reader.line_num}"
                for column in columns:
                    if not row[column]:
                        raise InvalidInputError(
                            f"{where}, {column}", row[column], "a value", "complete or remove it"
                        )
                yield where, {column: row[column] for column in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(
            "table", str(table), f"a CSV in UTF-8 ({error})", "check the path and the file"
        ) from error


def check_name(where: str, name: str) -> str:
    """Returns a picture's name if it stays below its root on every system.

    Raises:
        InvalidInputError: If it is absolute, has ``..``, backslashes or control characters, or is
            not written plainly (``a//b``, ``./a``).
    """
    if (
        name in ("", ".")
        or name != str(PurePosixPath(name))
        or name.startswith("/")
        or ".." in name.split("/")
        or "\\" in name
        or PureWindowsPath(name).drive
        # Names end up in tables and reports, which are UTF-8 and have one line a picture.
        or any(unicodedata.category(letter) in ("Cc", "Cs") for letter in name)
    ):
        raise InvalidInputError(
            where,
            name,
            "a path below the folder of pictures: UTF-8, forward slashes, no control characters",
            "write it as class/picture.jpg, or rename the file",
        )
    return name


def _read_folders(root: Path, *, allow_empty: bool) -> list[tuple[str, Path, str, str]]:
    """Name, path, material and where it was found, of every picture in a class's folder."""
    loose = [path.name for path in root.iterdir() if _is_file(path) and _is_picture(path)]
    if loose:
        raise InvalidInputError(
            "data",
            str(root / min(loose)),
            "every picture in the folder of its class",
            f"move {len(loose)} pictures into folders",
        )
    found = []
    for folder in _class_folders(root):
        pictures = list(_pictures_below(folder))
        if not pictures and not allow_empty:
            raise InvalidInputError(
                "data",
                f"{folder}: empty",
                f"at least one picture ({', '.join(SUFFIXES)})",
                "put pictures of the class into it, or remove the folder",
            )
        found += [(_name(path, root), path, folder.name, str(path)) for path in pictures]
    return found


def _read_table(table: Path) -> tuple[Path, list[tuple[str, Path, str, str]]]:
    """The root and what :func:`_read_folders` returns, of a CSV's rows."""
    rows = [
        (where, check_name(where, cells["path"]), cells["material"])
        for where, cells in read_rows(table, _COLUMNS)
    ]
    root = table.parent
    if rows and _is_file(root / "images" / rows[0][1]):
        root = root / "images"
    seen: dict[str, str] = {}
    found = []
    for where, name, material in rows:
        if name in seen:
            raise InvalidInputError(
                where, name, f"every picture once; {seen[name]} has it", "remove one of the rows"
            )
        seen[name] = where
        path = root / name
        if not _is_picture(path) or not _is_file(path):
            raise InvalidInputError(
                where, name, f"a picture below {root}", "correct the path or remove the row"
            )
        found.append((name, path, material, where))
    return root, found


def _class_folders(root: Path) -> Iterator[Path]:
    if is_folder(root):
        yield from sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _pictures_below(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if not hidden and _is_picture(path) and _is_file(path):
            yield path


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; a name that the system refuses (too long) is none."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False


def _name(path: Path, root: Path) -> str:
    return check_name("data", path.relative_to(root).as_posix())
