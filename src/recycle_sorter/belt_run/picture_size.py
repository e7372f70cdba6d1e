# SPDX-License-Identifier: Apache-2.0
"""Which size a camera's pictures are of: one odd picture must not cost what was learnt."""

from __future__ import annotations

from typing import Final

from recycle_sorter.core.errors import InvalidInputError

PATIENCE: Final = 30
"""Pictures of one other size in a row that are a camera's new setting: a second of them."""


class PictureSize:
    """Follows the size of pictures.

    Attributes:
        size_px: Width and height of the pictures that are taken; None until ``settle``.
    """

    def __init__(self, patience: int = PATIENCE) -> None:
        """Starts without a size.

        Args:
            patience: Pictures of one other size in a row until it is taken for the new one.
        """
        self.size_px: tuple[int, int] | None = None
        self._patience = patience
        self._other_px = (0, 0)
        self._others = 0

    def is_new(self, width_px: int, height_px: int) -> bool:
        """Looks at the next picture's size.

        Returns:
            False if it is as ever; True if everything has to be made for it, which ``settle``
            then confirms: at the first picture, or once another size has lasted.

        Raises:
            InvalidInputError: If it is another size that has not lasted.
        """
        size_px = (width_px, height_px)
        if self.size_px is None:
            return True
        if size_px == self.size_px:
            self._others = 0
            return False
        self._others = self._others + 1 if size_px == self._other_px else 1
        self._other_px = size_px
        if self._others >= self._patience:
            return True
        known = "{} x {}".format(*self.size_px)
        raise InvalidInputError(
            "picture size", f"{width_px} x {height_px}", f"{known}, as until now",
            f"set the camera back; {self._patience} of them in a row are taken for its new size",
        )  # fmt: skip

    def settle(self, width_px: int, height_px: int) -> None:
        """Takes this size from now on."""
        self.size_px = (width_px, height_px)
        self._others = 0
