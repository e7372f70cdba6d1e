# SPDX-License-Identifier: Apache-2.0
"""The printed board that a belt's camera is calibrated with: drawn, and found in pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError

BoardKind = Literal["charuco", "checker"]
BOARD_KINDS: Final[tuple[BoardKind, ...]] = ("charuco", "checker")
_DICTIONARY: Final = cv2.aruco.DICT_5X5_250
_MARKER_SHARE: Final = 0.72
_MAX_PRINT_PX: Final = 20000
_MIN_CORNERS: Final = 8
_MM_PER_INCH: Final = 25.4
_REFINE: Final = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 40, 0.001)

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BoardPattern:
    """A board of squares.

    Attributes:
        kind: ``charuco`` (squares with markers: may be partly hidden, tells its own direction) or
            ``checker`` (plain squares: must be in view as a whole).
        squares_x: Squares across, 3 to 20.
        squares_y: Squares down, 3 to 20.
        square_mm: Side of a square as printed, millimetres, 1 to 1000: measure it.
    """

    kind: str = "charuco"
    squares_x: int = 8
    squares_y: int = 6
    square_mm: float = 30.0

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field.
        """
        if self.kind not in BOARD_KINDS:
            raise InvalidInputError("board", self.kind, f"one of {', '.join(BOARD_KINDS)}")
        for name in ("squares_x", "squares_y"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 3 <= value <= 20:
                raise InvalidInputError(name, value, "a whole number from 3 to 20")
        number = isinstance(self.square_mm, (int, float)) and not isinstance(self.square_mm, bool)
        if not number or not 1.0 <= self.square_mm <= 1000.0:
            raise InvalidInputError("square_mm", self.square_mm, "a number from 1 to 1000")
        if self.kind == "checker" and (self.squares_x + self.squares_y) % 2 == 0:
            raise InvalidInputError(
                "squares_y",
                self.squares_y,
                "an odd number of squares one way and an even one the other",
                "a board that looks the same upside down has no start",
            )

    def draw(self, dpi: float = 300.0) -> NDArray[np.uint8]:
        """Draws it for a printer, with a white margin of one square.

        Args:
            dpi: Dots an inch, 20 to 2400.

        Returns:
            ``(height, width)`` uint8, 0 or 255.

        Raises:
            InvalidInputError: If ``dpi`` is out of range or the picture would be huge.
        """
        if isinstance(dpi, bool) or not isinstance(dpi, (int, float)) or not 20 <= dpi <= 2400:
            raise InvalidInputError("dpi", dpi, "a number from 20 to 2400")
        side = round(self.square_mm / _MM_PER_INCH * dpi)
        across, down = self.squares_x * side, self.squares_y * side
        if side < 8 or max(across, down) + 2 * side > _MAX_PRINT_PX:
            expected = f"squares of 8 dots or more, a board of {_MAX_PRINT_PX} or fewer"
            raise InvalidInputError("dpi", dpi, expected, f"a square is {side} dots here")
        if self.kind == "charuco":
            size = (across + 2 * side, down + 2 * side)
            return np.asarray(self._charuco().generateImage(size, marginSize=side), np.uint8)
        rows, columns = np.indices((self.squares_y, self.squares_x))
        squares = np.where((rows + columns) % 2 == 0, 0, 255).astype(np.uint8)
        board = np.kron(squares, np.ones((side, side), np.uint8))
        return np.pad(board, side, constant_values=255)

    def find(self, pixels: NDArray[np.uint8]) -> tuple[Points, Points]:
        """Finds the board's inner corners.

        Args:
            pixels: ``(height, width, 3)`` BGR or ``(height, width)`` grey, uint8.

        Returns:
            Corners in the picture, ``(n, 2)`` pixels from its left and top edge, and on the board,
            ``(n, 2)`` metres, x along its rows, y down. At least 8.

        Raises:
            InvalidInputError: If the board is not found.
        """
        grey = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
        found = self._find_charuco(grey) if self.kind == "charuco" else self._find_checker(grey)
        if found is None:
            size = f"{self.squares_x} x {self.squares_y} squares"
            raise InvalidInputError(
                "board",
                f"no {self.kind} board of {size}",
                "the printed board flat on the belt, sharp, evenly lit",
                "check --board, --squares-x and --squares-y; move it fully into view",
            )
        corners_px, board_m = found
        # OpenCV's 0 is the middle of the first pixel; the calibration's is the picture's edge.
        return corners_px + 0.5, board_m

    def _charuco(self) -> cv2.aruco.CharucoBoard:
        dictionary = cv2.aruco.getPredefinedDictionary(_DICTIONARY)
        marker_mm = self.square_mm * _MARKER_SHARE
        size = (self.squares_x, self.squares_y)
        return cv2.aruco.CharucoBoard(size, self.square_mm, marker_mm, dictionary)

    def _find_charuco(self, grey: Any) -> tuple[Points, Points] | None:
        board = self._charuco()
        corners, ids, _, _ = cv2.aruco.CharucoDetector(board).detectBoard(grey)
        if corners is None or ids is None or len(ids) < _MIN_CORNERS:
            return None
        places = np.asarray(board.getChessboardCorners())[np.asarray(ids).ravel()]
        return (
            np.asarray(corners, np.float64).reshape(-1, 2),
            np.asarray(places[:, :2], np.float64) / 1000.0,
        )

    def _find_checker(self, grey: Any) -> tuple[Points, Points] | None:
        inner = (self.squares_x - 1, self.squares_y - 1)
        flags = cv2.CALIB_CB_ADAPTIVE_THRESH + cv2.CALIB_CB_NORMALIZE_IMAGE
        is_found, corners = cv2.findChessboardCorners(grey, inner, flags=flags)
        if not is_found or len(corners) < _MIN_CORNERS - 4:
            return None
        corners = cv2.cornerSubPix(grey, np.asarray(corners, np.float32), (4, 4), (-1, -1), _REFINE)
        columns, rows = np.meshgrid(np.arange(1, inner[0] + 1), np.arange(1, inner[1] + 1))
        board = np.stack([columns.ravel(), rows.ravel()], axis=1) * self.square_mm / 1000.0
        return np.asarray(corners, np.float64).reshape(-1, 2), np.asarray(board, np.float64)
