# SPDX-License-Identifier: Apache-2.0
"""What the trials of a sweep have in common, so that only like is compared with like."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from recycle_sorter.ml.dataset.manifest import make_manifest
from recycle_sorter.ml.dataset.splits import Splits


def data_fingerprint(splits: Splits, classes: Sequence[str], seed: int) -> dict[str, str]:
    """Returns digests of what each trial is trained and measured on.

    Args:
        splits: The pictures; each counts by its name, content and class.
        classes: Names of the outputs, in their order.
        seed: Of the split, of what is tried and of each training.

    Returns:
        By name: ``train``, ``val`` and ``test`` (hex sha256), ``classes`` and ``seed``.

    Raises:
        InvalidInputError: If a picture cannot be read.
    """
    hashes = make_manifest(splits).parts
    digests = {
        part: _digest([f"{hashes[part][p.name]}  {p.name}  {classes[p.label]}" for p in pictures])
        for part, pictures in splits.parts().items()
    }
    return {**digests, "classes": ", ".join(classes), "seed": str(seed)}


def _digest(lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()
