# SPDX-License-Identifier: Apache-2.0
"""A folder of pictures, played as items on the sorting board."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.types import Frame
from recycle_sorter.sources.pictures import arrange, find_pictures, load_picture
from recycle_sorter.sources.slideshow import Slideshow, SlideshowSpec


def read_board(board: str) -> NDArray[np.uint8] | None:
    """Reads the picture of an empty board.

    Args:
        board: Its path, or ``auto``.

    Returns:
        ``(height, width, 3)`` uint8, BGR; None for ``auto``.

    Raises:
        SourceError: If it cannot be read.
    """
    if board in ("", "auto"):
        return None
    path = Path(board).expanduser()
    try:
        return load_picture(path)
    except SourceError as error:
        raise SourceError(f"board picture {path} {error}") from error


class ImagesSource:
    """Frames of a slideshow over a folder (see ``Slideshow``)."""

    def __init__(
        self, folder: Path, spec: SlideshowSpec, *, order: str = "shuffle", board: str = "auto"
    ) -> None:
        """Finds the pictures and reads the first.

        Args:
            folder: Pictures, or one folder of pictures a material.
            spec: Timing and looks; its seed also sets the order.
            order: ``shuffle``, ``round_robin`` or ``given``.
            board: Picture of the empty board, or ``auto`` to estimate it.

        Raises:
            InvalidInputError: If there is no such order.
            SourceError: If no picture, or not the board's, can be read.
        """
        self._folder = Path(folder)
        pictures = arrange(find_pictures(self._folder), order, spec.seed)
        self._show = Slideshow(pictures, spec, read_board(board))
        self._frames: Iterator[Frame] | None = None
        self._first: Frame | None = None
        self.reopen()

    @property
    def name(self) -> str:
        """The folder's path."""
        return str(self._folder)

    @property
    def is_live(self) -> bool:
        """Always false."""
        return False

    @property
    def skipped(self) -> list[tuple[Path, str]]:
        """Pictures that could not be shown so far, and why."""
        return list(self._show.skipped)

    @property
    def notices(self) -> tuple[str, ...]:
        """The same as texts."""
        return tuple(f"{path} skipped: it {why}" for path, why in self._show.skipped)

    def read(self) -> Frame | None:
        """Returns the next frame (see ``FrameSource``)."""
        if self._frames is None:
            return None
        frame, self._first = self._first, None
        if frame is None:
            frame = next(self._frames, None)
        if frame is None:
            self.close()
        return frame

    def reopen(self) -> None:
        """Starts over (see ``FrameSource``)."""
        self._frames = self._show.frames()
        self._first = next(self._frames)

    def close(self) -> None:
        """Ends the show."""
        self._frames = self._first = None
