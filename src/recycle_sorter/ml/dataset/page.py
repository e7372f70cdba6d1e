# SPDX-License-Identifier: Apache-2.0
"""One HTML page to look at what a check found: the pictures themselves are in it."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Final

import cv2

from recycle_sorter.core.errors import SourceError
from recycle_sorter.ml.dataset.checks import KINDS, CheckResult
from recycle_sorter.ml.dataset.duplicates import ObjectGroups
from recycle_sorter.ml.dataset.reading import look_at
from recycle_sorter.ml.dataset.records import Dataset
from recycle_sorter.sources.pictures import load_picture

# Keeps the page under about 20 MB.
_MAX_PICTURES: Final = 4000
_HEIGHT_PX: Final = 96
_STYLE: Final = (
    "body{font:14px/1.4 system-ui,sans-serif;margin:2rem;color:#222}"
    ".row{display:flex;flex-wrap:wrap;gap:6px;margin:10px 0;padding-top:8px;"
    "border-top:1px solid #ddd}"
    "figure{margin:0;font-size:11px}figcaption{max-width:150px;overflow-wrap:anywhere}"
    f"img{{height:{_HEIGHT_PX}px;display:block}}p{{margin:0;flex-basis:100%}}"
)


def write_page(
    path: Path, dataset: Dataset, result: CheckResult, groups: ObjectGroups | None
) -> None:
    """Writes the page; it needs nothing beside it and opens offline.

    Args:
        path: The HTML file.
        dataset: Whose pictures to show.
        result: What was found wrong.
        groups: Pictures of one object, the largest group first; None to leave them out.
    """
    path.write_text("".join(_parts(dataset, result, groups)), encoding="utf-8")


def _parts(dataset: Dataset, result: CheckResult, groups: ObjectGroups | None) -> Iterator[str]:
    paths = {picture.name: picture.path for picture in dataset.pictures}
    title = escape(f"Check of {result.source}")
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>{title}</h1><p>"
    counts = (f"{name} {count}" for name, count in result.counts.items())
    yield f"{len(dataset.pictures)} pictures: {escape(', '.join(counts))}</p>"
    left = _MAX_PICTURES
    for kind, advice in KINDS.items():
        found = result.of_kind(kind)
        yield f"<h2>{kind.replace('_', ' ')}: {len(found)}</h2>"
        if found:
            yield f"<p>To do: {escape(advice)}.</p>"
        for finding in found:
            if len(finding.names) > 1:
                yield _row(finding.detail, finding.names[: max(0, left)], paths)
                left -= len(finding.names)
        # What concerns one picture alone stands side by side.
        details = {one.names[0]: one.detail for one in found if len(one.names) == 1}
        yield _row("", list(details)[: max(0, left)], paths, details)
        left -= len(details)
    if groups is not None:
        members = groups.members()
        yield f"<h2>Pictures of one object: {len(members)} groups</h2>"
        yield f"<p>{100 * groups.shared:.0f} % of the pictures are in one.</p>"
        for group in members:
            names = [groups.names[index] for index in group][: max(0, left)]
            yield _row(f"{len(group)} pictures", names, paths)
            left -= len(group)
    if left < 0:
        yield f"<p>Only the first {_MAX_PICTURES} pictures are shown.</p>"
    yield "</body></html>\n"


def _row(
    text: str,
    names: Sequence[str],
    paths: Mapping[str, Path],
    details: Mapping[str, str] | None = None,
) -> str:
    if not names:
        return ""
    # A format that is not looked at has a name, but is no picture of the data set.
    thumbnails = look_at([paths.get(name, Path()) for name in names], _thumbnail)
    figures = "".join(
        f"<figure>{image}<figcaption>{escape(name)}<br>{escape((details or {}).get(name, ''))}"
        "</figcaption></figure>"
        for name, image in zip(names, thumbnails, strict=True)
    )
    return f'<div class="row"><p>{escape(text)}</p>{figures}</div>'


def _thumbnail(path: Path) -> str:
    try:
        image = load_picture(path)
    except SourceError:
        return ""
    width = max(1, round(image.shape[1] * _HEIGHT_PX / image.shape[0]))
    small = cv2.resize(
        image, (min(width, 4 * _HEIGHT_PX), _HEIGHT_PX), interpolation=cv2.INTER_AREA
    )
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 70])
    return f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(data.tobytes()).decode()}">'
