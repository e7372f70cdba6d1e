# SPDX-License-Identifier: Apache-2.0
"""What is wrong with the pictures of a data set, by name, before anything learns from it."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.ml.dataset.reading import Progress, look_at
from recycle_sorter.ml.dataset.records import Dataset
from recycle_sorter.sources.pictures import decode_picture

if TYPE_CHECKING:
    from rich.table import Table

# Kind of finding: what to do about it.
KINDS: Final[dict[str, str]] = {
    "unreadable": "replace or remove the file; training leaves it out",
    "unsupported": "convert it to JPEG or PNG; it is not looked at",
    "tiny": "take a larger picture",
    "uniform": "remove it: it shows nothing",
    "overexposed": "expose for the item, so that the board stays below white",
    "same_file": "keep one of them",
    "same_pixels": "keep one of them",
    "two_labels": "decide what it shows and remove the other",
}
_OTHER_PICTURES: Final = {".avif", ".dng", ".gif", ".heic", ".heif", ".jp2", ".jxl"}
# A channel of 250 is as good as burnt out after JPEG compression.
_BURNT_LEVEL: Final = 250
_CELLS: Final = (64, 48)


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on a picture is named.

    Attributes:
        min_side_px: Shorter sides below it are tiny.
        max_burnt: Share of burnt-out pixels (all channels at 250 of 255 or more), 0 to 1, from
            which on a picture is overexposed.
        min_deviation: Standard deviation, grey levels of 255, of the shrunk picture, below which
            it is uniform.
    """

    min_side_px: int = 64
    max_burnt: float = 0.25
    min_deviation: float = 4.0

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field, its value and its bounds.
        """
        if not 1 <= self.min_side_px <= 16384:
            raise InvalidInputError("min_side_px", self.min_side_px, "1 to 16384 px")
        if not 0.0 < self.max_burnt <= 1.0:
            raise InvalidInputError("max_burnt", self.max_burnt, "above 0 and up to 1")
        if not 0.0 <= self.min_deviation <= 128.0:
            raise InvalidInputError("min_deviation", self.min_deviation, "0 to 128 levels")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: A key of ``KINDS``.
        names: The picture, or the pictures that are the same.
        detail: What exactly, for people.
    """

    kind: str
    names: tuple[str, ...]
    detail: str


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found.

    Attributes:
        source: What was looked at.
        counts: Pictures of each class.
        findings: In the order of ``KINDS``, then by name.
    """

    source: str
    counts: dict[str, int]
    findings: tuple[Finding, ...]

    def of_kind(self, kind: str) -> tuple[Finding, ...]:
        """The findings of one kind."""
        return tuple(finding for finding in self.findings if finding.kind == kind)

    def to_dict(self) -> dict[str, Any]:
        """For JSON: counts, and the findings of every kind, also of those without any."""
        return {
            "source": self.source,
            "pictures": sum(self.counts.values()),
            "classes": self.counts,
            "findings": {
                kind: [
                    {"names": list(finding.names), "detail": finding.detail}
                    for finding in self.of_kind(kind)
                ]
                for kind in KINDS
            },
        }

    def lines(self) -> Iterator[str]:
        """The findings, one a line: kind, names, detail."""
        for finding in self.findings:
            yield f"{finding.kind}: {' = '.join(finding.names)}: {finding.detail}"

    def table(self, limit: int = 10) -> Table:
        """The findings for a terminal, at most ``limit`` of each kind."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=f"{self.source}: {len(self.findings)} findings", title_justify="left")
        for column in ("finding", "picture", "detail"):
            table.add_column(column, overflow="fold")
        for kind, advice in KINDS.items():
            found = self.of_kind(kind)
            for finding in found[:limit]:
                # Text, because a file name may contain what looks like markup.
                table.add_row(kind, Text("\n".join(finding.names)), Text(finding.detail))
            if len(found) > limit:
                table.add_row(kind, f"and {len(found) - limit} more", "")
            if found:
                table.add_row("", "", f"[dim]{advice}[/dim]", end_section=True)
        return table


@dataclass(frozen=True, slots=True)
class _Look:
    """What one file is; ``problem`` if it is no readable picture."""

    problem: str = ""
    digest: str = ""
    pixels_digest: str = ""
    width_px: int = 0
    height_px: int = 0
    burnt: float = 0.0
    deviation: float = 0.0


def check_dataset(
    dataset: Dataset, *, limits: Limits | None = None, progress: Progress | None = None
) -> CheckResult:
    """Reads every picture once and names what is wrong.

    Args:
        dataset: What to look at.
        limits: From where on a picture is named.
        progress: Called with how many pictures were read, and of how many.
    """
    limits = limits or Limits()
    looks = list(look_at([one.path for one in dataset.pictures], _look, progress))
    findings = [
        Finding("unsupported", (path.relative_to(dataset.root).as_posix(),), path.suffix)
        for path in dataset.root.rglob("*")
        if path.suffix.lower() in _OTHER_PICTURES and not path.name.startswith(".")
    ]
    for picture, look in zip(dataset.pictures, looks, strict=True):
        findings += [Finding(kind, (picture.name,), text) for kind, text in _faults(look, limits)]
    findings += _same(dataset, looks)
    order = {kind: rank for rank, kind in enumerate(KINDS)}
    findings.sort(key=lambda finding: (order[finding.kind], finding.names))
    return CheckResult(str(dataset.root), dataset.counts(), tuple(findings))


def _faults(look: _Look, limits: Limits) -> Iterator[tuple[str, str]]:
    if look.problem:
        yield "unreadable", look.problem
        return
    if min(look.width_px, look.height_px) < limits.min_side_px:
        yield "tiny", f"{look.width_px} x {look.height_px} px, under {limits.min_side_px} px"
    if look.deviation < limits.min_deviation:
        yield "uniform", f"varies by {look.deviation:.1f} of 255 levels"
    elif look.burnt >= limits.max_burnt:
        yield "overexposed", f"{100 * look.burnt:.0f} % of it is burnt out"


def _same(dataset: Dataset, looks: Sequence[_Look]) -> Iterator[Finding]:
    groups: dict[str, list[int]] = defaultdict(list)
    for index, look in enumerate(looks):
        if not look.problem:
            groups[look.pixels_digest].append(index)
    for group in groups.values():
        if len(group) < 2:
            continue
        names = tuple(dataset.pictures[index].name for index in group)
        is_file = len({looks[index].digest for index in group}) == 1
        what = "the same file" if is_file else "the same pixels in different files"
        yield Finding("same_file" if is_file else "same_pixels", names, what)
        labels = Counter(dataset.classes[dataset.pictures[index].label] for index in group)
        if len(labels) > 1:
            yield Finding("two_labels", names, f"{what} as {' and as '.join(sorted(labels))}")


def _look(path: Path) -> _Look:
    try:
        data = path.read_bytes()
    except OSError as error:
        return _Look(problem=f"cannot be read: {error.strerror}")
    try:
        # What training reads, so that both leave out the same.
        pixels = decode_picture(data, cv2.IMREAD_COLOR)
    except SourceError as error:
        return _Look(problem=str(error))
    return _measure(data, pixels)


def _measure(data: bytes, pixels: NDArray[np.uint8]) -> _Look:
    height, width = pixels.shape[:2]
    shape = f"{height}x{width}:".encode()
    cells = cv2.resize(pixels, _CELLS, interpolation=cv2.INTER_AREA)
    return _Look(
        digest=hashlib.sha256(data).hexdigest(),
        pixels_digest=hashlib.sha256(shape + pixels.tobytes()).hexdigest(),
        width_px=width,
        height_px=height,
        burnt=float(np.mean(pixels.min(axis=2) >= _BURNT_LEVEL)),
        deviation=float(cells.reshape(-1, 3).std(axis=0).max()),
    )
