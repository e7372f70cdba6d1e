# SPDX-License-Identifier: Apache-2.0
"""Where on the belt a pixel looks, and back: one plane-to-plane homography.

Picture points are ``(x_px, y_px)`` with 0 at the picture's left and top *edge*: the middle of the
first pixel is (0.5, 0.5), the right edge is ``width_px``. Belt points are ``(x_m, y_m)``: x along
the travel from where the belt's middle line enters the view, y to the left of the travel from that
line (REP-103).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import ArrayLike, NDArray

from recycle_sorter.config_files import load_yaml
from recycle_sorter.core.belt.layout import DIRECTIONS
from recycle_sorter.core.checks import is_finite
from recycle_sorter.core.errors import InvalidInputError, SorterError

_MAX_SIDE_PX: Final = 16384
_MAX_PX_PER_M: Final = 1e6
# Nearer to the horizon than this share of the depth at the picture's middle, metres mean nothing.
_MIN_DEPTH: Final = 0.05
_KEYS: Final = ("width_px", "height_px", "homography")
_EXTRA_KEYS: Final = ("version", "reprojection_error_mm", "made_from")
_VERSION: Final = 1

Matrix = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BeltCalibration:
    """Maps the picture's points to the belt's and back.

    Attributes:
        homography: Three rows of three numbers; takes ``(x_px, y_px, 1)`` to ``(x_m, y_m, 1)``
            times a factor.
        width_px: Width of the pictures it holds for, 1 to 16384.
        height_px: Their height, 1 to 16384.
        reprojection_error_mm: Root mean square error of the board's corners that it was fitted to,
            millimetres on the belt; None if it was given by hand.
        made_from: What it was made from, for people; may be empty.
    """

    homography: Matrix
    width_px: int
    height_px: int
    reprojection_error_mm: float | None = None
    made_from: str = ""
    _forward: Points = field(init=False, repr=False, compare=False)
    _backward: Points = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field: not finite, not invertible, mirrored, or with the
                horizon in or near the view.
        """
        _check_sides(self.width_px, self.height_px)
        error_mm = self.reprojection_error_mm
        if error_mm is not None and not (is_finite(error_mm) and error_mm >= 0):
            raise InvalidInputError("reprojection_error_mm", error_mm, "a number >= 0, or nothing")
        if not isinstance(self.made_from, str):
            raise InvalidInputError("made_from", self.made_from, "a text")
        forward = _matrix(self.homography)
        corners = np.array(self._corners_px())
        middle = np.array([self.width_px / 2, self.height_px / 2, 1.0])
        depth = float(forward[2] @ middle)
        if depth == 0 or np.min(_lift(corners) @ forward[2] / depth) < _MIN_DEPTH:
            raise InvalidInputError(
                "homography", self.homography, "no horizon in the view", "calibrate again"
            )
        forward = forward / depth
        with np.errstate(all="ignore"):
            determinant = float(np.linalg.det(forward))
        # A view from above turns y around: picture's y goes down, the belt's to the left.
        if not math.isfinite(determinant) or determinant >= 0 or _is_flat(forward):
            raise InvalidInputError(
                "homography",
                self.homography,
                "an invertible matrix of a view that is not mirrored",
                "calibrate again; flip the camera's picture if it shows text mirrored",
            )
        object.__setattr__(self, "_forward", forward)
        object.__setattr__(self, "_backward", np.linalg.inv(forward))

    @classmethod
    def from_px_per_m(
        cls, px_per_m: float, width_px: int, height_px: int, direction: str = "right"
    ) -> BeltCalibration:
        """A camera that looks straight down.

        Args:
            px_per_m: Pixels per metre of belt, above 0 to 1e6.
            width_px: Width of its pictures.
            height_px: Height of its pictures.
            direction: Where in the picture the belt travels to: right, left, down or up.

        Raises:
            InvalidInputError: Naming the argument.
        """
        if not is_finite(px_per_m) or not 0 < px_per_m <= _MAX_PX_PER_M:
            raise InvalidInputError("px_per_m", px_per_m, f"above 0 to {_MAX_PX_PER_M:g}")
        _check_sides(width_px, height_px)
        step_m = 1.0 / px_per_m
        across_m, down_m = width_px * step_m, height_px * step_m
        rows: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
            "right": ((step_m, 0.0, 0.0), (0.0, -step_m, down_m / 2)),
            "left": ((-step_m, 0.0, across_m), (0.0, step_m, -down_m / 2)),
            "down": ((0.0, step_m, 0.0), (step_m, 0.0, -across_m / 2)),
            "up": ((0.0, -step_m, down_m), (-step_m, 0.0, across_m / 2)),
        }
        if direction not in rows:
            raise InvalidInputError("direction", direction, f"one of {', '.join(DIRECTIONS)}")
        along, sideways = rows[direction]
        made_from = f"{px_per_m:g} px per m, belt travels {direction}"
        return cls((along, sideways, (0.0, 0.0, 1.0)), width_px, height_px, made_from=made_from)

    def to_belt_m(self, points_px: ArrayLike) -> Points:
        """Takes picture points to the belt.

        Args:
            points_px: ``(n, 2)`` numbers, pixels; see the module for where 0 is.

        Returns:
            ``(n, 2)`` float64, metres.
        """
        return _apply(self._forward, points_px)

    def to_image_px(self, points_m: ArrayLike) -> Points:
        """Takes belt points to the picture; the inverse of :meth:`to_belt_m`.

        Args:
            points_m: ``(n, 2)`` numbers, metres.

        Returns:
            ``(n, 2)`` float64, pixels; also outside of the picture.
        """
        return _apply(self._backward, points_m)

    def m2_per_px(self, point_px: tuple[float, float]) -> float:
        """Area of belt that one pixel at ``point_px`` shows, square metres."""
        lifted = self._forward @ np.array([*point_px, 1.0])
        return float(abs(np.linalg.det(self._forward)) / abs(lifted[2]) ** 3)

    @property
    def m_per_px(self) -> float:
        """Side of a pixel at the picture's middle, metres."""
        return math.sqrt(self.m2_per_px((self.width_px / 2, self.height_px / 2)))

    @property
    def entry_m(self) -> float:
        """Where the belt's middle line enters the view: ``x_m``, 0 unless made otherwise."""
        return _cut(self.outline_m(), 1)[0]

    @property
    def view_m(self) -> tuple[float, float]:
        """Length of the view on the belt's middle line, and its width at half of that, metres."""
        outline = self.outline_m()
        from_m, to_m = _cut(outline, 1)
        low_m, high_m = _cut(outline - [(from_m + to_m) / 2, 0.0], 0)
        return to_m - from_m, high_m - low_m

    def outline_m(self) -> Points:
        """The picture's four corners on the belt, ``(4, 2)`` metres, in order around the view."""
        return self.to_belt_m(self._corners_px())

    def scaled(self, width_px: int, height_px: int) -> BeltCalibration:
        """The same view in pictures of another size.

        Raises:
            InvalidInputError: If the sides' ratio is another one (by more than 1 %).
        """
        _check_sides(width_px, height_px)
        across, down = self.width_px / width_px, self.height_px / height_px
        if abs(across / down - 1) > 0.01:
            expected = f"the calibration's {self.width_px} x {self.height_px} or a scaled one"
            raise InvalidInputError("picture size", f"{width_px} x {height_px}", expected)
        matrix = as_matrix(self._forward @ np.diag([across, down, 1.0]))
        return replace(self, homography=matrix, width_px=width_px, height_px=height_px)

    @classmethod
    def load(cls, path: str | Path) -> BeltCalibration:
        """Reads a file; raises ``InvalidInputError``, naming the faulty key."""
        return cls.parse(load_yaml(path))

    @classmethod
    def parse(cls, data: object) -> BeltCalibration:
        """Checks what a file holds; raises as :meth:`load` does."""
        if not isinstance(data, Mapping):
            raise InvalidInputError("calibration", data, "a mapping (key: value)")
        known = _KEYS + _EXTRA_KEYS
        for key in data:
            if key not in known:
                raise InvalidInputError(str(key) or "''", data[key], f"one of {', '.join(known)}")
        for key in _KEYS:
            if key not in data:
                raise InvalidInputError(key, "nothing", "a value", f"add the key `{key}`")
        if data.get("version", _VERSION) != _VERSION:
            raise InvalidInputError("version", data["version"], f"{_VERSION}")
        matrix = as_matrix(_matrix(data["homography"]))
        return cls(
            matrix,
            data["width_px"],
            data["height_px"],
            data.get("reprojection_error_mm"),
            data.get("made_from", ""),
        )

    def save(self, path: str | Path) -> None:
        """Writes a YAML file, whole or not at all; raises ``SorterError`` if it cannot."""
        values: dict[str, Any] = {
            "version": _VERSION,
            "width_px": self.width_px,
            "height_px": self.height_px,
            "homography": [[float(value) for value in row] for row in self.homography],
        }
        if self.reprojection_error_mm is not None:
            values["reprojection_error_mm"] = round(float(self.reprojection_error_mm), 4)
        if self.made_from:
            values["made_from"] = self.made_from
        text = "# Picture (pixels) to belt (metres); made by `recycle-sorter calibrate`.\n"
        text += yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
        file = Path(path)
        part = file.with_name(f".{file.name}.part")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(text, encoding="utf-8")
            part.replace(file)
        except OSError as error:
            raise SorterError(f"cannot write the calibration {file}: {error}") from error

    def _corners_px(self) -> list[tuple[float, float]]:
        width, height = float(self.width_px), float(self.height_px)
        return [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]


def as_matrix(values: NDArray[np.float64]) -> Matrix:
    """``(3, 3)`` floats as the plain tuples that a calibration keeps."""
    first, second, third = ((float(a), float(b), float(c)) for a, b, c in values)
    return first, second, third


def _check_sides(width_px: object, height_px: object) -> None:
    for name, value in (("width_px", width_px), ("height_px", height_px)):
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MAX_SIDE_PX:
            raise InvalidInputError(name, value, f"a whole number, 1 to {_MAX_SIDE_PX} pixels")


def _matrix(values: object) -> Points:
    expected = "three rows of three finite numbers"
    if not isinstance(values, (list, tuple)) or len(values) != 3:
        raise InvalidInputError("homography", values, expected)
    for index, row in enumerate(values):
        good = isinstance(row, (list, tuple)) and len(row) == 3
        if not good or not all(is_finite(value) and abs(value) < 1e12 for value in row):
            raise InvalidInputError(f"homography[{index}]", row, expected)
    return np.array(values, np.float64)


def _is_flat(forward: Points) -> bool:
    singular = np.linalg.svd(forward, compute_uv=False)
    return bool(singular[-1] <= 1e-12 * singular[0])


def _lift(points: Points) -> Points:
    return np.concatenate([points, np.ones((len(points), 1))], axis=1)


def _apply(matrix: Points, points: ArrayLike) -> Points:
    lifted = _lift(np.asarray(points, np.float64).reshape(-1, 2)) @ matrix.T
    return np.asarray(lifted[:, :2] / lifted[:, 2:], np.float64)


def _cut(outline: Points, axis: int) -> tuple[float, float]:
    """Where a convex outline crosses the line on which coordinate ``axis`` is 0."""
    crossings: list[float] = []
    for start, end in zip(outline, np.roll(outline, -1, axis=0), strict=True):
        if (start[axis] < 0) != (end[axis] < 0):
            share = start[axis] / (start[axis] - end[axis])
            crossings.append(float(start[1 - axis] + share * (end[1 - axis] - start[1 - axis])))
    if not crossings:  # the line runs beside the view
        side = outline[:, 1 - axis]
        return float(side.min()), float(side.max())
    return min(crossings), max(crossings)
