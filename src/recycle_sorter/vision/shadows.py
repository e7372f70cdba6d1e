# SPDX-License-Identifier: Apache-2.0
"""What of an outline is the item, and what its shadow on the belt."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.vision.blob_groups import components
from recycle_sorter.vision.masks import Mask, disc

_LEAST_KEPT: Final = 0.6  # of an outline; less, and it is the item that is dark
_LEAST_PIECE: Final = 0.1  # of what is left
_RIM_PX: Final = 3


def without_shadow(outline: NDArray[np.uint8], shade: NDArray[np.uint8]) -> Mask:
    """Takes off an outline what reaches in from outside and looks like a shadow.

    Args:
        outline: ``(height, width)`` uint8, 1 inside.
        shade: Of that shape, 1 where the picture looks like the belt in a shadow.

    Returns:
        Of that shape, 1 where the item is; the outline as it is where hardly an item would be
        left, as of a black one on a grey belt.
    """
    bright = np.asarray(outline & (1 - shade), np.uint8)
    opened = np.asarray(cv2.morphologyEx(bright, cv2.MORPH_OPEN, disc(_RIM_PX)), np.uint8)
    # What is dark amid an item is the item's.
    least = _LEAST_PIECE * np.count_nonzero(opened)
    kept = np.zeros_like(outline)
    for piece in components(opened):
        if np.count_nonzero(piece.mask) >= least:
            kept[piece.window] |= piece.mask
    # Opening rounds corners off.
    kept |= np.asarray(cv2.dilate(kept, disc(_RIM_PX)), np.uint8) & bright
    kept &= outline
    if np.count_nonzero(kept) < _LEAST_KEPT * np.count_nonzero(outline):
        return outline
    return kept
