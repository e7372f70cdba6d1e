# SPDX-License-Identifier: Apache-2.0
"""Whether an item is in view of a fixed camera over a sorting board.

Every frame is shrunk to a thumbnail of 80 x 60 cells. Two questions can be asked of it:

*Does it differ from the board as last seen?* Overall brightness and colour cast are compensated
within limits, and a cell differs only if it lies outside of what its neighbourhood on the board
spans, so that flicker, exposure and a shaking camera do not count as an item. Asked as soon as the
board is known: learnt from the first blank frames, on request, or from a picture.

*Is it blank?* After a smooth fit of the lighting no edges are left. Asked as long as no board is
known; a plain board answers yes, a patterned one no (then learn it, or give its picture).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core import checks
from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.vision.preprocessing import ChannelOrder

_CELLS: Final = (80, 60)  # width, height
_KERNEL: Final = np.ones((3, 3), np.uint8)
# Further off than this, it is another scene and not another light. An item that fills the view has
# another colour than the board, which the narrow limit on the cast tells from a change of exposure.
_GAIN_LIMITS: Final = (0.6, 1.6)
_CAST_LIMIT: Final = 0.12
# 4,800 cells of three channels: at six sigma none differs by chance.
_SIGMAS: Final = 6.0
_SIGMA_OF_MEAN_DEVIATION: Final = math.sqrt(math.pi / 2)  # for normally distributed noise
_OVEREXPOSED: Final = 248.0  # grey levels; noise keeps the mean of clipped cells below 255
_MAX_STEP_SEC: Final = 1.0
# The board itself, and what was taken for it meanwhile (an item that lay still for too long).
_MAX_BOARDS: Final = 2

Thumbnail = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BoardConfig:
    """How the board is watched.

    Attributes:
        contrast_levels: By how many grey levels of 255 a cell must leave what the board spans
            there, 1 to 128; more where the measured noise asks for it.
        edge_levels: Steps between neighbouring cells that a blank board has not, grey levels, 1 to
            128.
        min_fraction: Which share of all cells makes an item, 0.0001 to 0.5.
        adapt_sec: Time constant with which the known board follows empty frames, 0 to 86400;
            0 keeps it as learnt.
        relearn_sec: What has not moved for so long is the board, 0 to 86400; 0 for never.
    """

    contrast_levels: float = 7.0
    edge_levels: float = 6.0
    min_fraction: float = 0.004
    adapt_sec: float = 10.0
    relearn_sec: float = 30.0

    def __post_init__(self) -> None:
        """Checks every field.

        Raises:
            InvalidInputError: Naming the field, its value and its bounds.
        """
        bounds = {
            "contrast_levels": (1.0, 128.0),
            "edge_levels": (1.0, 128.0),
            "min_fraction": (1e-4, 0.5),
            "adapt_sec": (0.0, 86400.0),
            "relearn_sec": (0.0, 86400.0),
        }
        checks.within(self, bounds, "board.")


class BoardModel:
    """Watches one board through one camera. Reads no clock: time is the frames' stamps.

    Measured with the defaults on the 1,768 training photographs of TrashNet (items on a white
    posterboard), seen by a camera with noise of sigma 0, 3 and 6 grey levels, 4 % flicker and half
    a pixel of shake: all found with a learnt board (in the colour of other photographs' borders);
    all but one found without, a sheet of cardboard that fills the view. Of 6,000 frames of 300
    synthetic plain boards with the same camera, vignettes and gradients, none was taken for an
    item. One frame of 640 x 480 takes 0.4 ms on one core.
    """

    def __init__(self, config: BoardConfig | None = None) -> None:
        """Starts without knowing the board; the first blank frame teaches it."""
        self.config = config or BoardConfig()
        self._boards: list[_Board] = []  # newest first
        self._still: _Board | None = None
        self._still_since_ns = 0
        self._stamp_ns = 0

    @classmethod
    def from_image(cls, path: str | Path, config: BoardConfig | None = None) -> BoardModel:
        """Starts with a picture of the empty board, taken by the same camera at the same place.

        Raises:
            InvalidInputError: If there is no picture at ``path``.
        """
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR) if Path(path).is_file() else None
        if pixels is None:
            raise InvalidInputError(
                "board_image", str(path), "a picture of the empty board", "leave it empty to learn"
            )
        model = cls(config)
        model.learn(np.asarray(pixels, np.uint8), 0)
        return model

    @property
    def is_known(self) -> bool:
        """Whether the board has been learnt, so that frames are compared with it."""
        return bool(self._boards)

    @property
    def noise_levels(self) -> float:
        """Standard deviation of a cell of the board from frame to frame, grey levels."""
        return self._boards[0].noise_levels if self._boards else 0.0

    def observe(
        self, pixels: NDArray[np.uint8], stamp_ns: int, *, order: ChannelOrder = "bgr"
    ) -> bool:
        """Looks at the next frame, and learns from it if the board is empty.

        Args:
            pixels: ``(height, width, 3)`` or ``(height, width)`` uint8.
            stamp_ns: Capture time, nanoseconds. Time that runs backwards (a looping recording)
                starts what is measured over time anew.
            order: Channel order of ``pixels``.

        Returns:
            Whether an item is in view.
        """
        cells = _shrink(pixels, order)
        # After a pause, one frame does not count for all that were missed.
        elapsed_sec = min(max(0, stamp_ns - self._stamp_ns) / NS_PER_SEC, _MAX_STEP_SEC)
        if stamp_ns < self._stamp_ns:
            self._still = None
        self._stamp_ns = stamp_ns
        if not self._boards and _is_blank(cells, self.config):
            self._remember(cells)
        for index, board in enumerate(self._boards):
            if not board.differs(cells, self.config):
                self._boards.insert(0, self._boards.pop(index))
                board.follow(cells, elapsed_sec, self.config.adapt_sec)
                self._still = None
                return False
        if self._lies_still(cells, stamp_ns):
            self._remember(cells)
            return False
        return True

    def learn(
        self, pixels: NDArray[np.uint8], stamp_ns: int, *, order: ChannelOrder = "bgr"
    ) -> None:
        """Takes what is in view for the empty board; arguments as for :meth:`observe`."""
        self._stamp_ns = stamp_ns
        self._remember(_shrink(pixels, order))

    def _remember(self, cells: Thumbnail) -> None:
        self._boards = [_Board(cells), *self._boards][:_MAX_BOARDS]
        self._still = None

    def _lies_still(self, cells: Thumbnail, stamp_ns: int) -> bool:
        if self.config.relearn_sec == 0:
            return False
        if self._still is None or self._still.differs(cells, self.config):
            self._still = _Board(cells)
            self._still_since_ns = stamp_ns
        return stamp_ns - self._still_since_ns >= self.config.relearn_sec * NS_PER_SEC


class _Board:
    """A scene as it looked, with what its cells' neighbourhoods span."""

    def __init__(self, cells: Thumbnail) -> None:
        self._cells = cells
        self._frames = 1
        self.noise_levels = 0.0
        self._prepare()

    def _prepare(self) -> None:
        self._low = cv2.erode(self._cells, _KERNEL)
        self._high = cv2.dilate(self._cells, _KERNEL)
        # How bright an overexposed cell really is, nobody knows: a darker frame may show it the
        # same.
        self._high[self._high > _OVEREXPOSED] = np.inf
        self._inverse = 1.0 / (self._cells[::2, ::2] + 1.0)

    def _gains(self, cells: Thumbnail) -> Thumbnail:
        """Brightness and cast of a frame relative to the board, one factor a channel."""
        # The median, because an item is there or not; of every fourth cell, for speed.
        ratios = (cells[::2, ::2] + 1.0) * self._inverse
        gains = np.median(ratios.reshape(-1, 3), axis=0)
        overall = float(np.clip(gains.mean(), *_GAIN_LIMITS))
        limited = np.clip(gains, overall * (1 - _CAST_LIMIT), overall * (1 + _CAST_LIMIT))
        return np.asarray(limited, np.float32)

    def differs(self, cells: Thumbnail, config: BoardConfig) -> bool:
        """Whether enough cells leave what the board spans at their place."""
        gains = self._gains(cells)
        above = cells - self._high * gains
        below = np.minimum(self._low * gains, 255.0) - cells
        limit = max(config.contrast_levels, _SIGMAS * self.noise_levels)
        outside = (np.maximum(above, below) > limit).any(axis=-1)
        return bool(np.count_nonzero(outside) > config.min_fraction * outside.size)

    def follow(self, cells: Thumbnail, elapsed_sec: float, adapt_sec: float) -> None:
        """Moves towards an empty frame: a plain average at first, then exponentially in time."""
        if adapt_sec == 0:
            return
        self._frames += 1
        weight = max(1.0 / self._frames, 1.0 - math.exp(-elapsed_sec / adapt_sec))
        deviation = float(np.abs(cells - self._cells * self._gains(cells)).mean())
        noise_levels = deviation * _SIGMA_OF_MEAN_DEVIATION
        self.noise_levels += weight * (noise_levels - self.noise_levels)
        self._cells = self._cells + np.float32(weight) * (cells - self._cells)
        self._prepare()


def _lighting_fit() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Basis of a quadratic surface over the cells ``(cells, 6)``, and its pseudo-inverse."""
    across, down = np.meshgrid(np.linspace(-1, 1, _CELLS[0]), np.linspace(-1, 1, _CELLS[1]))
    terms = [np.ones_like(across), across, down, across**2, across * down, down**2]
    basis = np.stack([term.ravel() for term in terms], axis=1)
    return basis.astype(np.float32), np.linalg.pinv(basis).astype(np.float32)


_BASIS, _PROJECTION = _lighting_fit()


def _is_blank(cells: Thumbnail, config: BoardConfig) -> bool:
    """Whether nothing but smooth lighting is to be seen."""
    flat = cells.reshape(-1, 3)
    rest = (flat - _BASIS @ (_PROJECTION @ flat)).reshape(cells.shape)
    across = np.abs(rest[1:-1, 2:] - rest[1:-1, :-2])
    down = np.abs(rest[2:, 1:-1] - rest[:-2, 1:-1])
    edges = (np.maximum(across, down) > config.edge_levels).any(axis=-1)
    return bool(np.count_nonzero(edges) <= config.min_fraction * edges.size)


def _shrink(pixels: NDArray[np.uint8], order: ChannelOrder) -> Thumbnail:
    """A frame as ``(60, 80, 3)`` float32 BGR cells: averaged, then smoothed against jitter."""
    cells = cv2.resize(pixels, _CELLS, interpolation=cv2.INTER_AREA)
    if cells.ndim == 2:
        cells = cv2.cvtColor(cells, cv2.COLOR_GRAY2BGR)
    elif order == "rgb":
        cells = cv2.cvtColor(cells, cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.blur(cells.astype(np.float32), (3, 3)), np.float32)
