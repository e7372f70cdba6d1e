# SPDX-License-Identifier: Apache-2.0
"""The shipped model in the real graph: the sample bag, and photographs where they stand."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from support.processes import recycle_sorter

ROOT = Path(__file__).resolve().parents[2]
TRASHNET = Path(os.environ.get("RECYCLE_SORTER_TRASHNET", ROOT.parent / "shared" / "trashnet"))

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("domain")]


def sort(folder: Path, *arguments: str) -> dict[str, Any]:
    """Runs `recycle-sorter run --lossless` and returns its summary."""
    summary = folder / "summary.json"
    recycle_sorter("run", "--lossless", "--quiet", "--summary", str(summary), *arguments)
    found: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    assert found["frames_classified"] == found["frames_in"] > 0
    assert (found["frames_dropped"], found["missed"], found["doubled"]) == (0, 0, 0)
    assert found["decisions"] == found["items"]
    return found


def test_the_sample_is_sorted_right(tmp_path: Path) -> None:
    found = sort(tmp_path)
    assert found["items"] >= 36
    # The goal is 0.9; the shipped model reaches 0.83 (docs/results.md).
    assert found["correct"] >= 0.8 * found["items"]


@pytest.mark.skipif(
    not (TRASHNET / "split.csv").is_file(),
    reason=f"no TrashNet with split.csv at {TRASHNET}; set RECYCLE_SORTER_TRASHNET",
)
def test_300_photographs_are_sorted_once_each_and_mostly_right(tmp_path: Path) -> None:
    bag = tmp_path / "photographs"
    recycle_sorter(
        "make-bag",
        *("--images", str(TRASHNET / "images"), "--out", str(bag), "--count", "300"),
        *("--split-file", str(TRASHNET / "split.csv"), "--split", "val"),
        *("--fps-hz", "15", "--show-sec", "0.4", "--gap-sec", "0.2"),
    )
    found = sort(tmp_path, "--uri", str(bag))
    assert found["items"] == 300
    # Sorted right means trusted, too: rejects count against it.
    assert found["correct"] >= 0.75 * 300
