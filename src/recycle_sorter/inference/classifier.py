# SPDX-License-Identifier: Apache-2.0
"""From a frame to calibrated probabilities of materials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.ports import Engine
from recycle_sorter.core.types import NS_PER_SEC, Classification, Frame
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.vision.board import BoardModel
from recycle_sorter.vision.preprocessing import ChannelOrder, preprocess, preprocess_batch

_ORDERS: Final[dict[str, ChannelOrder]] = {"bgr8": "bgr", "rgb8": "rgb", "mono8": "bgr"}


class MaterialClassifier:
    """Joins board, preprocessing, network and temperature. Not thread-safe."""

    def __init__(
        self, bundle: ModelBundle, engine: Engine, board: BoardModel | None = None
    ) -> None:
        """Joins them.

        Args:
            bundle: What ``engine`` runs.
            engine: Built for ``bundle``; stays the caller's to close.
            board: Tells whether an item is in view; None if every frame shows one.
        """
        self.bundle = bundle
        self.engine = engine
        self.board = board

    def classify(self, frame: Frame, clock_ns: Callable[[], int]) -> Classification:
        """Classifies one frame.

        Args:
            frame: Encoding ``bgr8``, ``rgb8`` or ``mono8``.
            clock_ns: Any monotonic clock in nanoseconds, e.g. ``time.perf_counter_ns``; only its
                differences count.

        Returns:
            All probabilities; none and ``item_present=False`` if the board is empty.

        Raises:
            InvalidInputError: If the frame is not as :class:`Frame` says.
            ModelError: If the network fails or answers NaN.
        """
        pixels, order = _colours(frame)
        if self.board is not None and not self.board.observe(pixels, frame.stamp_ns, order=order):
            return Classification(
                stamp_ns=frame.stamp_ns,
                item_present=False,
                materials=self.bundle.labels,
                model_id=self.bundle.model_id,
            )
        start_ns = clock_ns()
        batch = preprocess(pixels, self.bundle.preprocessing, order=order)
        probabilities = self._probabilities(batch)[0]
        return Classification(
            stamp_ns=frame.stamp_ns,
            item_present=True,
            materials=self.bundle.labels,
            probabilities=tuple(probabilities.tolist()),
            model_id=self.bundle.model_id,
            inference_time_sec=(clock_ns() - start_ns) / NS_PER_SEC,
        )

    def learn_board(self, frame: Frame) -> None:
        """Takes what a frame shows for the empty board.

        Raises:
            InvalidInputError: If the frame is not as :class:`Frame` says, or no board is watched.
        """
        if self.board is None:
            raise InvalidInputError("board", None, "a board that is watched", "detect the board")
        pixels, order = _colours(frame)
        self.board.learn(pixels, frame.stamp_ns, order=order)

    def classify_image(self, image_bgr: NDArray[np.uint8]) -> dict[str, float]:
        """Probability by material of one picture ``(height, width, 3)`` uint8 BGR; no board.

        Raises:
            InvalidInputError: If the array is not such a picture.
            ModelError: If the network fails or answers NaN.
        """
        return self.classify_batch([image_bgr])[0]

    def classify_batch(self, images_bgr: Sequence[NDArray[np.uint8]]) -> list[dict[str, float]]:
        """The same for pictures of any sizes, in their order."""
        if not images_bgr:
            return []
        rows = self._probabilities(preprocess_batch(images_bgr, self.bundle.preprocessing))
        return [dict(zip(self.bundle.labels, row.tolist(), strict=True)) for row in rows]

    def _probabilities(self, batch: NDArray[np.float32]) -> NDArray[np.float64]:
        scores = self.engine.infer(batch)
        if scores.shape != (len(batch), len(self.bundle.labels)):
            raise ModelError(
                f"{self.bundle.model_id}: got scores of shape {scores.shape}, expected "
                f"{(len(batch), len(self.bundle.labels))}"
            )
        if not np.isfinite(scores).all():
            raise ModelError(
                f"{self.bundle.model_id}: got scores {scores.tolist()}, expected finite numbers; "
                f"nothing can be said about this picture"
            )
        return softmax(scores, self.bundle.temperature)


def softmax(scores: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """Probabilities from scores, stable for scores of any size.

    Args:
        scores: ``(..., n)``, finite.
        temperature: Divides the scores, > 0 (Guo et al., On Calibration of Modern Neural Networks,
            ICML 2017).

    Returns:
        ``(..., n)`` float64, each 0 to 1, sum 1 along the last axis.
    """
    scaled = scores.astype(np.float64) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = exponentials / exponentials.sum(axis=-1, keepdims=True)
    return result


def _colours(frame: Frame) -> tuple[NDArray[np.uint8], ChannelOrder]:
    order = _ORDERS.get(frame.encoding)
    if order is None:
        raise InvalidInputError("encoding", frame.encoding, f"one of {', '.join(_ORDERS)}")
    pixels = frame.pixels
    if pixels.dtype != np.uint8:
        raise InvalidInputError("pixels dtype", str(pixels.dtype), "uint8")
    if frame.encoding == "mono8" and pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if pixels.ndim != (2 if frame.encoding == "mono8" else 3) or 0 in pixels.shape:
        raise InvalidInputError(
            "pixels shape", pixels.shape, f"height and width of {frame.encoding}, none of them 0"
        )
    if frame.encoding == "mono8":
        return cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR), order  # type: ignore[return-value]
    if pixels.shape[2] != 3:
        raise InvalidInputError("pixels shape", pixels.shape, "(height, width, 3)")
    return pixels, order
