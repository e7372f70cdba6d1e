# SPDX-License-Identifier: Apache-2.0
"""What every engine does alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError


def check_batch(batch: NDArray[np.float32], input_shape: tuple[int, int, int]) -> None:
    """Checks what an engine is handed, before native code sees it.

    Args:
        batch: Must be ``(n, *input_shape)`` float32, C-contiguous, n at least 1.
        input_shape: ``(channels, height, width)`` of the network.

    Raises:
        InvalidInputError: If it is anything else.
    """
    if not isinstance(batch, np.ndarray) or batch.dtype != np.float32:
        found = getattr(batch, "dtype", type(batch).__name__)
        raise InvalidInputError("batch dtype", str(found), "a numpy array of float32")
    if batch.ndim != 4 or batch.shape[1:] != input_shape or batch.shape[0] < 1:
        raise InvalidInputError(
            "batch shape",
            batch.shape,
            f"(n, {', '.join(map(str, input_shape))}) with n at least 1",
            "preprocess with the bundle's own spec",
        )
    if not batch.flags.c_contiguous:
        raise InvalidInputError("batch strides", batch.strides, "a C-contiguous array")


def one_line(error: BaseException) -> str:
    """The text of a native library's error on one line, for messages and logs."""
    return " ".join(str(error).split())
