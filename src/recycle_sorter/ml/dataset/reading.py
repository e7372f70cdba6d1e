# SPDX-License-Identifier: Apache-2.0
"""Looks at many files at once: reading, decoding and hashing leave the interpreter free."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

Result = TypeVar("Result")
# Told how many are done, and of how many.
Progress = Callable[[int, int], None]

_MAX_THREADS: Final = 8


def look_at(
    paths: Sequence[Path], look: Callable[[Path], Result], progress: Progress | None = None
) -> Iterator[Result]:
    """Yields ``look(path)`` of each path in the given order, working ahead on several threads."""
    pool = ThreadPoolExecutor(max_workers=min(_MAX_THREADS, os.cpu_count() or 1))
    try:
        for done, result in enumerate(pool.map(look, paths), start=1):
            yield result
            if progress is not None:
                progress(done, len(paths))
    finally:
        # An interrupted look does not finish the rest first.
        pool.shutdown(cancel_futures=True)
