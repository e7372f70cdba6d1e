# SPDX-License-Identifier: Apache-2.0
"""An engine without a network, for tests of what stands around an engine.

:func:`recycle_sorter.inference.factory.create_engine` never builds it: labels come from networks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import ModelError
from recycle_sorter.inference.batches import check_batch


class FakeEngine:
    """Answers with whatever ``score`` returns and keeps count."""

    name = "fake"
    precision = "fp32"

    def __init__(
        self,
        input_shape: tuple[int, int, int],
        score: Callable[[NDArray[np.float32]], NDArray[np.float32]],
    ) -> None:
        """Makes one.

        Args:
            input_shape: ``(3, height, width)`` that it insists on.
            score: From a batch ``(n, 3, height, width)`` to scores ``(n, materials)``.
        """
        self.calls = 0
        self._input_shape = input_shape
        self._score = score
        self._closed = False

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """See :class:`recycle_sorter.core.ports.Engine`."""
        check_batch(batch, self._input_shape)
        if self._closed:
            raise ModelError("engine fake: used after close")
        self.calls += 1
        return self._score(batch)

    def close(self) -> None:
        """Ends it."""
        self._closed = True
