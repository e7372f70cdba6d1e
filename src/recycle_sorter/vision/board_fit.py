# SPDX-License-Identifier: Apache-2.0
"""From pictures of the printed board to the belt's calibration."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.belt.layout import DIRECTIONS
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.vision.belt_calibration import BeltCalibration, as_matrix
from recycle_sorter.vision.board_pattern import BoardPattern

Align = Literal["board", "picture", "travel"]
ALIGNS: Final[tuple[Align, ...]] = ("board", "picture", "travel")
_MIN_VIEW_SHARE: Final = 0.02
_ROUNDS: Final = 8
_MIN_TRAVEL_M: Final = 0.05
_TRAVEL_PX: Final = {
    "right": (1.0, 0.0),
    "left": (-1.0, 0.0),
    "down": (0.0, 1.0),
    "up": (0.0, -1.0),
}

Points = NDArray[np.float64]


def calibrate(
    pictures: Sequence[NDArray[np.uint8]],
    pattern: BoardPattern,
    direction: str = "right",
    align: str = "board",
    max_error_mm: float = 1.0,
) -> BeltCalibration:
    """Fits one homography to one or several pictures of the board on the belt.

    Args:
        pictures: One size, uint8, BGR or grey; the board flat on the belt, anywhere.
        pattern: The board that was printed.
        direction: Where in the picture the belt travels to: right, left, down or up.
        align: What lies exactly along the travel: an edge of the ``board`` (of the first picture),
            the ``picture``'s own edge, or the way that the belt carried the board from the first
            picture to the last (``travel``).
        max_error_mm: A fit worse than this is refused, above 0.

    Returns:
        The calibration with its error.

    Raises:
        InvalidInputError: Naming the picture: no board, too small in view, sizes that differ, a
            bad fit, or a board that did not travel.
    """
    if direction not in DIRECTIONS:
        raise InvalidInputError("direction", direction, f"one of {', '.join(DIRECTIONS)}")
    if align not in ALIGNS:
        raise InvalidInputError("align", align, f"one of {', '.join(ALIGNS)}")
    if not pictures:
        raise InvalidInputError("pictures", 0, "one or more")
    height, width = pictures[0].shape[:2]
    seen: list[tuple[Points, Points]] = []
    for index, picture in enumerate(pictures):
        where = f"pictures[{index}]"
        if picture.shape[:2] != (height, width):
            shown = f"{picture.shape[1]} x {picture.shape[0]}"
            raise InvalidInputError(where, shown, f"{width} x {height}, as the first")
        seen.append(_seen(picture, pattern, where))
    forward, poses, error_m = _fit(seen)
    error_mm = error_m * 1000.0
    if not error_mm <= max_error_mm:
        raise InvalidInputError(
            "reprojection_error_mm",
            round(error_mm, 2),
            f"at most {max_error_mm:g}",
            "is the board flat, the size right, the lens free of distortion?",
        )
    forward = _turned(forward, poses, (width, height), direction, align)
    count = f"{len(pictures)} picture{'s' if len(pictures) > 1 else ''}"
    made_from = (
        f"{pattern.kind} {pattern.squares_x} x {pattern.squares_y} of {pattern.square_mm:g} mm, "
        f"{count}, belt travels {direction}"
    )
    return BeltCalibration(as_matrix(forward), width, height, round(error_mm, 4), made_from)


def _seen(picture: NDArray[np.uint8], pattern: BoardPattern, where: str) -> tuple[Points, Points]:
    try:
        corners_px, board_m = pattern.find(picture)
    except InvalidInputError as error:
        raise InvalidInputError(where, error.value, error.expected, error.fix) from error
    hull = cv2.convexHull(corners_px.astype(np.float32))
    share = cv2.contourArea(hull) / (picture.shape[0] * picture.shape[1])
    if share < _MIN_VIEW_SHARE:
        raise InvalidInputError(
            where,
            f"a board that fills {share:.1%} of the view",
            f"{_MIN_VIEW_SHARE:.0%} or more",
            "print a larger board or use larger squares",
        )
    return corners_px, board_m


def _homography(picture_px: Points, belt_m: Points) -> Points:
    # Millimetres, so that both sides are numbers of about one size.
    matrix: Any = cv2.findHomography(picture_px, belt_m * 1000.0, method=0)[0]
    if matrix is None or not np.isfinite(matrix).all():
        raise InvalidInputError("pictures", "corners in a line", "a board that spans an area")
    return np.asarray(np.diag([1e-3, 1e-3, 1.0]) @ matrix, np.float64)


def _apply(matrix: Points, points: Points) -> Points:
    lifted = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return np.asarray(lifted[:, :2] / lifted[:, 2:], np.float64)


def _fit(seen: Sequence[tuple[Points, Points]]) -> tuple[Points, list[Points], float]:
    """One plane for all pictures: fit it, move each board onto it, fit again."""
    forward = _homography(*seen[0])
    poses: list[Points] = []
    for _ in range(_ROUNDS if len(seen) > 1 else 1):
        poses = [np.eye(3)]
        poses += [_rigid(board_m, _apply(forward, px)) for px, board_m in seen[1:]]
        placed = [_apply(pose, board_m) for pose, (_, board_m) in zip(poses, seen, strict=True)]
        forward = _homography(np.concatenate([px for px, _ in seen]), np.concatenate(placed))
    errors = np.concatenate(
        [_apply(forward, px) - place for (px, _), place in zip(seen, placed, strict=True)]
    )
    return forward, poses, float(np.sqrt(np.mean(np.sum(errors**2, axis=1))))


def _rigid(start: Points, end: Points) -> Points:
    """The turn and shift that takes ``start`` to ``end`` best (Procrustes), ``(3, 3)``."""
    from_middle, to_middle = start.mean(axis=0), end.mean(axis=0)
    left, _, right = np.linalg.svd((end - to_middle).T @ (start - from_middle))
    turn = left @ np.diag([1.0, float(np.linalg.det(left @ right))]) @ right
    pose = np.eye(3)
    pose[:2, :2] = turn
    pose[:2, 2] = to_middle - turn @ from_middle
    return pose


def _turned(
    forward: Points, poses: list[Points], size: tuple[int, int], direction: str, align: str
) -> Points:
    """Turns the plane so that x is the travel and puts 0 at the view's upstream edge."""
    middle_px = np.array([size[0] / 2.0, size[1] / 2.0])
    ends_m = _apply(forward, np.array([middle_px, middle_px + _TRAVEL_PX[direction]]))
    travel = ends_m[1] - ends_m[0]
    if align == "board":
        quarter = math.pi / 2
        angle = round(math.atan2(travel[1], travel[0]) / quarter) * quarter
        travel = np.array([math.cos(angle), math.sin(angle)])
    elif align == "travel":
        moved = poses[-1][:2, 2] - poses[0][:2, 2]
        if np.linalg.norm(moved) < _MIN_TRAVEL_M:
            raise InvalidInputError(
                "align",
                f"a board that moved {np.linalg.norm(moved) * 1000:.0f} mm",
                f"{_MIN_TRAVEL_M * 1000:.0f} mm or more between first and last picture",
            )
        travel = moved if moved @ travel >= 0 else -moved
    along = travel / np.linalg.norm(travel)
    # The board's y goes down as the picture's does; the belt's goes to the left of the travel.
    turn = np.eye(3)
    turn[0, :2] = along
    turn[1, :2] = [along[1], -along[0]]
    turned = turn @ forward
    middle_m = _apply(turned, middle_px[None])[0]
    centred = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, -middle_m[1]], [0.0, 0.0, 1.0]]) @ turned
    plain = BeltCalibration(as_matrix(centred), size[0], size[1])
    start = np.array([[1.0, 0.0, -plain.entry_m], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(start @ centred, np.float64)
