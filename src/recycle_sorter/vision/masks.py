# SPDX-License-Identifier: Apache-2.0
"""What several parts do with masks."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.uint8]


def disc(side_px: int) -> Mask:
    """A round kernel of an odd side, 1 or more."""
    side = max(1, side_px) | 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def filled(mask: NDArray[Any]) -> Mask:
    """A mask without holes.

    Args:
        mask: ``(height, width)`` uint8, 0 or 1.

    Returns:
        Of that shape; the mask itself is left alone.
    """
    outlines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(mask.copy(), outlines, -1, 1, cv2.FILLED), np.uint8)
