# SPDX-License-Identifier: Apache-2.0
"""Reads the file that an offline run of W&B leaves, record by record.

The package has no reader in Python (its own is part of its Go binary). The file is a log as
LevelDB writes it: blocks of 32 KiB, each chunk with a checksum, a length and whether the record is
whole or goes on; the records are W&B's protocol buffers.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_BLOCK = 32768
_FILE_HEADER, _CHUNK_HEADER = struct.Struct("<4sHB"), struct.Struct("<IHB")
_FULL, _FIRST, _LAST = 1, 2, 4


def records_of(run_folder: Path) -> Iterator[Any]:
    """Every record of the only run below a folder that W&B keeps offline runs in."""
    from wandb.proto import wandb_internal_pb2

    (path,) = (p for p in run_folder.rglob("*.wandb") if "latest-run" not in p.parts)
    data = path.read_bytes()
    assert _FILE_HEADER.unpack_from(data) == (b":W&B", 0xBEE1, 0)
    at, whole = _FILE_HEADER.size, b""
    while at + _CHUNK_HEADER.size <= len(data):
        left = _BLOCK - at % _BLOCK
        if left < _CHUNK_HEADER.size:
            at += left
            continue
        _, length, kind = _CHUNK_HEADER.unpack_from(data, at)
        at += _CHUNK_HEADER.size
        chunk = data[at : at + length]
        at += length
        whole = chunk if kind in (_FULL, _FIRST) else whole + chunk
        if kind in (_FULL, _LAST):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record


def history_of(records: list[Any]) -> list[dict[str, Any]]:
    """The rows of history, as dictionaries."""
    rows = [r.history.item for r in records if r.WhichOneof("record_type") == "history"]
    return [_gathered(items) for items in rows]


def updates_of(records: list[Any], kind: str) -> dict[str, Any]:
    """What all ``config`` or ``summary`` records (those of the run included) set."""
    items = []
    for record in records:
        which = record.WhichOneof("record_type")
        if which == kind:
            items += getattr(record, kind).update
        elif which == "run":
            items += getattr(record.run, kind).update
    return _gathered(items)


def _gathered(items: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        *path, last = item.nested_key or [item.key]
        place = found
        for part in path:
            place = place.setdefault(part, {})
        place[last] = json.loads(item.value_json)
    return found
