# SPDX-License-Identifier: Apache-2.0
"""Reads the local records of jobs back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recycle_sorter.core.checks import is_finite
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.artifacts import ArtifactRef
from recycle_sorter.ml.record import EVENTS, FOLDER, read_events

_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


@dataclass(slots=True)
class JobRecord:
    """All that the record of one job holds.

    Attributes:
        folder: Where the record lies.
        run_id: Name of the run.
        job_name: Such as ``resnet18_v1_train``.
        job_type: Such as ``train``.
        project: W&B's project.
        group: W&B's group.
        config: What the job was told to do, as of its last start.
        history: The figures of each step, in order, each with its ``step``. Where a resumed job
            repeated steps, the later figures stand.
        summary: Figures of the whole job.
        used: Artifacts that it worked with, in order.
        logged: Artifacts that it made, in order.
        tables: File of each table (JSON; the CSV lies beside it).
        images: File of each image.
        confusion: Classes and counts (rows predicted, columns actual) of each matrix.
        notes: Remarks.
        state: ``finished``, ``failed``, or ``running``, which a killed job stays.
        starts: How often it was started.
        started_unix_sec: When it was first started.
    """

    folder: Path
    run_id: str = ""
    job_name: str = ""
    job_type: str = ""
    project: str = ""
    group: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    used: list[ArtifactRef] = field(default_factory=list)
    logged: list[ArtifactRef] = field(default_factory=list)
    tables: dict[str, Path] = field(default_factory=dict)
    images: dict[str, Path] = field(default_factory=dict)
    confusion: dict[str, tuple[list[str], list[list[int]]]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    state: str = "running"
    starts: int = 0
    started_unix_sec: float = 0.0

    def read_table(self, name: str) -> tuple[list[str], list[list[Any]]]:
        """Returns the columns and rows of a table.

        Raises:
            InvalidInputError: If there is no such table, or it is damaged.
        """
        if name not in self.tables:
            raise InvalidInputError("table", name, f"one of {', '.join(self.tables) or 'none'}")
        path = self.tables[name]
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            return content["columns"], content["rows"]
        except (OSError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise InvalidInputError(str(path), str(error), "columns and rows in JSON") from error


def read_record(folder: Path) -> JobRecord:
    """Reads the record of a job.

    Args:
        folder: The job's folder, or the ``record`` in it.

    Raises:
        InvalidInputError: If there is none, or it is damaged.
    """
    place = folder if folder.name == FOLDER else folder / FOLDER
    record = JobRecord(place)
    steps: dict[int, dict[str, Any]] = {}
    is_fresh = False
    for number, event in enumerate(read_events(place / EVENTS), start=1):
        try:
            if event["kind"] == "metrics":
                _add_metrics(steps, event, is_fresh)
            else:
                _add(record, event)
        except (KeyError, OverflowError, TypeError, ValueError) as error:
            name = f"{place / EVENTS}: event {number}"
            raise InvalidInputError(name, str(error), f"a whole {event['kind']} event") from error
        is_fresh = event["kind"] == "start" or (is_fresh and event["kind"] != "metrics")
    if not record.starts:
        raise InvalidInputError(str(place), "no start", "the record of a job")
    record.history = [steps[step] for step in sorted(steps)]
    return record


def find_records(folders: Iterable[Path]) -> list[Path]:
    """Returns every record in or below the folders, each once, sorted.

    Raises:
        InvalidInputError: If a folder holds none.
    """
    found: dict[Path, Path] = {}
    for folder in folders:
        events = sorted(folder.rglob(f"{FOLDER}/{EVENTS}")) if folder.is_dir() else []
        if folder.name == FOLDER and (folder / EVENTS).is_file():
            events.append(folder / EVENTS)
        if not events:
            fix = "name the folder that a training wrote"
            raise InvalidInputError(str(folder), "no record", f"{FOLDER}/{EVENTS} below it", fix)
        found.update({event.resolve(): event.parent for event in events})
    return [found[key] for key in sorted(found)]


def logged_artifacts(
    folder: Path,
    type: str | None = None,  # noqa: A002 - what W&B calls it
) -> list[ArtifactRef]:
    """Returns the artifacts that the job of a folder made, the last one last."""
    logged = read_record(folder).logged
    return [ref for ref in logged if type is None or ref.type == type]


def _add_metrics(steps: dict[int, dict[str, Any]], event: dict[str, Any], is_fresh: bool) -> None:
    step = int(event["step"])
    if is_fresh:
        # Resumed here: what a former start told of this step and later was never kept.
        for stale in [known for known in steps if known >= step]:
            del steps[stale]
    row = steps.setdefault(step, {"step": step})
    row.update({name: _number(value) for name, value in _need(event, "values", dict).items()})


def _add(record: JobRecord, event: dict[str, Any]) -> None:
    kind = event["kind"]
    if kind == "start":
        record.run_id, record.job_name = _text(event, "run_id"), _text(event, "job_name")
        record.job_type, record.project = _text(event, "job_type"), _text(event, "project")
        record.group = None if event["group"] is None else _text(event, "group")
        record.config = _need(event, "config", dict)
        record.state = "running"
        if not record.starts:
            record.started_unix_sec = float(event["time"])
        record.starts += 1
    elif kind == "summary":
        values = _need(event, "values", dict)
        record.summary.update({name: _number(value) for name, value in values.items()})
    elif kind in ("use", "log"):
        manifest = event["manifest"]
        path = None if manifest is None else Path(os.path.normpath(record.folder / manifest))
        name, kind_of, digest = (_text(event, key) for key in ("name", "type", "digest"))
        ref = ArtifactRef(name, kind_of, digest, path)
        refs = record.used if kind == "use" else record.logged
        if ref in refs:
            refs.remove(ref)
        refs.append(ref)
    elif kind == "table":
        record.tables[_text(event, "name")] = record.folder / _text(event, "file")
    elif kind == "image":
        record.images[_text(event, "name")] = record.folder / _text(event, "file")
    elif kind == "confusion":
        told = (_need(event, "classes", list), _need(event, "matrix", list))
        record.confusion[_text(event, "name")] = told
    elif kind == "note":
        record.notes.append(_text(event, "text"))
    elif kind == "finish":
        record.state = _text(event, "state")


def _text(event: dict[str, Any], key: str) -> str:
    return str(_need(event, key, str))


def _need(event: dict[str, Any], key: str, kind: type) -> Any:
    """What stands under a key; the errors become ``InvalidInputError`` in `read_record`."""
    if not isinstance(event[key], kind):
        raise TypeError(f"{key} is a {type(event[key]).__name__}, no {kind.__name__}")
    return event[key]


def _number(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and not is_finite(value):
        raise ValueError("a number that no float holds")
    return _WORDS.get(value, value) if isinstance(value, str) else value
