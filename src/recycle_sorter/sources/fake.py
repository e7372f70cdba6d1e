# SPDX-License-Identifier: Apache-2.0
"""A source that tests script."""

from __future__ import annotations

from collections.abc import Sequence

from recycle_sorter.core.errors import SourceError
from recycle_sorter.core.types import Frame


class FakeSource:
    """Hands out given frames; fails where told to."""

    def __init__(
        self,
        frames: Sequence[Frame],
        *,
        is_live: bool = False,
        lost_after: int | None = None,
        failing_reopens: int = 0,
    ) -> None:
        """Scripts the source.

        Args:
            frames: What ``read`` returns, in order; stamps must grow strictly.
            is_live: Whether it poses as a camera.
            lost_after: After so many frames ``read`` raises ``SourceError``, until reopened; once.
            failing_reopens: How often ``reopen`` fails before it works.
        """
        self._frames = tuple(frames)
        self._is_live = is_live
        self._lost_after = lost_after
        self._failing_reopens = failing_reopens
        self._next = 0
        self._is_closed = False
        self._is_lost = False
        self.reopens = 0

    @property
    def name(self) -> str:
        """``"fake"``."""
        return "fake"

    @property
    def is_live(self) -> bool:
        """As scripted."""
        return self._is_live

    @property
    def notices(self) -> tuple[str, ...]:
        """Nothing."""
        return ()

    def read(self) -> Frame | None:
        """Returns the next scripted frame (see ``FrameSource``)."""
        if self._is_closed:
            return None
        if self._next == self._lost_after:
            self._is_lost = True
            self._lost_after = None
        if self._is_lost:
            raise SourceError("fake: lost, as scripted")
        if self._next >= len(self._frames):
            return None
        self._next += 1
        return self._frames[self._next - 1]

    def reopen(self) -> None:
        """Starts over, unless scripted to fail (see ``FrameSource``)."""
        self.reopens += 1
        if self._failing_reopens > 0:
            self._failing_reopens -= 1
            raise SourceError("fake: cannot be opened, as scripted")
        self._next = 0
        self._is_closed = self._is_lost = False

    def close(self) -> None:
        """Closes it."""
        self._is_closed = True
