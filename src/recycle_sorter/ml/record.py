# SPDX-License-Identifier: Apache-2.0
"""The local record of a job: everything that W&B would be told, in plain files.

``record/events.jsonl`` holds one JSON object a line and is only ever appended to; a line that a
kill cut off is dropped when the record is opened again. Beside it lie what people like to open:
config and summary (JSON), tables (CSV and JSON), copies of images, a manifest for each artifact.
"""

from __future__ import annotations

import csv
import json
import math
import os
import secrets
import shutil
import string
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.inference.manifest import sha256_of
from recycle_sorter.ml.artifacts import (
    ArtifactRef,
    Manifest,
    replace_text,
    write_manifest,
)

FOLDER = "record"
EVENTS = "events.jsonl"
ARTIFACTS = "artifacts"
_ID_LETTERS = string.ascii_lowercase + string.digits
_PART_LETTERS = frozenset(string.ascii_letters + string.digits + "._- ")


class Record:
    """Writes the record of one job.

    Args:
        folder: The job's folder; the record goes to ``record`` in it.
        job_name: Such as ``resnet18_v1_train``.
        job_type: Such as ``train``, ``test``, ``export``.
        config: What the job was told to do.
        project: W&B's project.
        group: W&B's group of runs.
        run_id: Name of the run; by default a new one, or the one that is resumed.

    Attributes:
        folder: Where the record lies.
        run_id: Eight letters and digits, the same in W&B.
        is_resumed: Whether the job goes on with a record that was there.

    Raises:
        InvalidInputError: If another job's record is there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        job_name: str,
        job_type: str,
        config: Mapping[str, Any],
        project: str = "recycle_sorter",
        group: str | None = None,
        run_id: str | None = None,
    ) -> None:
        self.folder = folder / FOLDER
        self._events = self.folder / EVENTS
        self.folder.mkdir(parents=True, exist_ok=True)
        _drop_torn_line(self._events)
        former = _former_start(self._events)
        if former is not None and former.get("job_name") != job_name:
            raise InvalidInputError(
                str(self.folder),
                former.get("job_name"),
                f"the record of {job_name}",
                "choose another output folder",
            )
        self.is_resumed = former is not None
        self.run_id = run_id or str((former or {}).get("run_id") or new_run_id())
        self._summary: dict[str, Any] = {}
        if former is not None:
            for event in read_events(self._events):
                if event["kind"] == "summary":
                    values = event.get("values")
                    if not isinstance(values, dict):
                        raise InvalidInputError(
                            f"{self._events}: summary", values, "an object of figures",
                            "choose another output folder",
                        )  # fmt: skip
                    self._summary.update(values)
        told = plain(config)
        self._write(
            "start",
            run_id=self.run_id,
            job_name=job_name,
            job_type=job_type,
            project=project,
            group=group,
            config=told,
        )
        replace_text(self.folder / "config.json", json.dumps(told, indent=1) + "\n")

    def metrics(self, values: Mapping[str, Any], step: int) -> None:
        """Adds the figures of a step, such as an epoch."""
        self._write("metrics", step=int(step), values=plain(values))

    def summary(self, values: Mapping[str, Any]) -> None:
        """Sets figures of the whole job; the last word counts."""
        told = plain(values)
        self._write("summary", values=told)
        self._summary.update(told)
        replace_text(self.folder / "summary.json", json.dumps(self._summary, indent=1) + "\n")

    def image(self, name: str, path: Path) -> Path:
        """Copies an image into the record and returns the copy; an equal name replaces it."""
        copy = self._place("images", name, path.suffix)
        try:
            part = copy.with_name(f".{copy.name}.part")
            shutil.copyfile(path, part)
            part.replace(copy)
        except OSError as error:
            reason = error.strerror or str(error)
            raise InvalidInputError(f"image {name}", str(path), f"readable ({reason})") from error
        self._write("image", name=name, file=self._relative(copy), sha256=sha256_of(copy))
        return copy

    def table(self, name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
        """Writes a table as CSV and JSON; an equal name replaces it."""
        told = [[plain(cell) for cell in row] for row in rows]
        wrong = next((row for row in told if len(row) != len(columns)), None)
        if wrong is not None:
            expected = f"{len(columns)} cells a row ({', '.join(columns)})"
            raise InvalidInputError(f"table {name}", wrong, expected)
        whole = json.dumps({"columns": list(columns), "rows": told}) + "\n"
        path = self._place("tables", name, ".json")
        replace_text(path, whole)
        with path.with_suffix(".csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(columns)
            writer.writerows(told)
        self._write("table", name=name, file=self._relative(path), rows=len(told))

    def confusion(
        self, name: str, matrix: Sequence[Sequence[int]], classes: Sequence[str]
    ) -> list[list[int]]:
        """Writes a confusion matrix, rows predicted and columns actual, and returns its counts."""
        counts = [[int(count) for count in row] for row in matrix]
        if len(counts) != len(classes) or any(len(row) != len(classes) for row in counts):
            shape = [len(row) for row in counts]
            raise InvalidInputError(f"confusion {name}", shape, f"{len(classes)} x {len(classes)}")
        rows = [[label, *row] for label, row in zip(classes, counts, strict=True)]
        self.table(name, ["predicted", *classes], rows)
        self._write("confusion", name=name, classes=list(classes), matrix=counts)
        return counts

    def use(self, ref: ArtifactRef) -> None:
        """Notes that the job works with an artifact."""
        self._artifact("use", ref)

    def log(self, manifest: Manifest) -> ArtifactRef:
        """Notes that the job made an artifact."""
        ref = self.describe(manifest)
        self._artifact("log", ref)
        return ref

    def describe(self, manifest: Manifest) -> ArtifactRef:
        """Keeps an artifact's manifest without saying that the job made it, or used it."""
        return write_manifest(manifest, self.folder / ARTIFACTS)

    def note(self, text: str) -> None:
        """Adds a remark."""
        self._write("note", text=text)

    def finish(self, state: str = "finished") -> None:
        """Notes how the job ended."""
        self._write("finish", state=state)

    def _artifact(self, kind: str, ref: ArtifactRef) -> None:
        manifest = None if ref.manifest is None else self._relative(ref.manifest)
        told = {"name": ref.name, "type": ref.type, "digest": ref.digest}
        self._write(kind, **told, manifest=manifest)

    def _relative(self, path: Path) -> str:
        return Path(os.path.relpath(path.absolute(), self.folder.absolute())).as_posix()

    def _place(self, room: str, name: str, suffix: str) -> Path:
        parts = PurePath(name).parts
        fine = all(set(part) <= _PART_LETTERS and part.strip(". ") for part in parts)
        if not parts or not fine:
            expected = "letters, digits, dots, dashes, underscores; / between parts"
            raise InvalidInputError(f"{room}: name", name, expected)
        path = self.folder.joinpath(room, *parts)
        path = path.with_name(path.name + suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write(self, kind: str, **values: Any) -> None:
        event = {"kind": kind, "time": round(time.time(), 3), **values}
        line = json.dumps(event, allow_nan=False, ensure_ascii=False) + "\n"
        # One write a line: after a kill at most the last one is cut off.
        descriptor = os.open(self._events, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)


def read_events(path: Path) -> list[dict[str, Any]]:
    """Returns the events of ``events.jsonl``; a last line that was cut off is left out.

    Raises:
        InvalidInputError: If the file cannot be read, or a line in its middle is not an event.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InvalidInputError(str(path), reason, "a job's events.jsonl") from error
    events = []
    # What follows the last newline is a line that was never finished.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            event = json.loads(line)
            known = isinstance(event, dict) and isinstance(event.get("kind"), str)
        except (ValueError, RecursionError):
            known = False
        if not known:
            found = line[:40].decode("utf-8", "replace")
            raise InvalidInputError(f"{path}: line {number}", found, "a JSON object with a kind")
        events.append(event)
    return events


def new_run_id() -> str:
    """Returns a new name for a run, of the kind that W&B gives."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(8))


def plain(value: Any) -> Any:
    """Returns a value as JSON knows it; numbers that JSON lacks become words."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return plain(item())  # a scalar of numpy or torch
    as_list = getattr(value, "tolist", None)
    return plain(as_list()) if callable(as_list) else str(value)


def _former_start(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    starts = [event for event in read_events(path) if event["kind"] == "start"]
    return starts[-1] if starts else None


def _drop_torn_line(path: Path) -> None:
    """Cuts off what follows the last newline: a kill left it, and appending would bury it."""
    if not path.is_file():
        return
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole != len(data):
        os.truncate(path, whole)
