# SPDX-License-Identifier: Apache-2.0
"""The ports: what a frame source, an engine, a diverter driver and a belt's motion must do.

Each has one contract test suite in ``test/contract`` that every implementation passes.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from recycle_sorter.core.belt.history import Prediction
from recycle_sorter.core.types import Frame


@runtime_checkable
class FrameSource(Protocol):
    """Delivers frames. Opening happens in the constructor or in the first ``read``."""

    @property
    def name(self) -> str:
        """What people call it: device path, file or folder."""
        ...

    @property
    def is_live(self) -> bool:
        """True for a camera, whose frames come when they come and which has no end."""
        ...

    def read(self) -> Frame | None:
        """Waits for the next frame.

        A live source returns when the camera has a frame. A recorded one returns at once, in
        order, with strictly growing stamps: whoever calls paces it by those stamps.

        Returns:
            The frame, or None when the source has ended (and on every later call).

        Raises:
            SourceError: If the device is lost or the data is damaged beyond skipping. A live
                source may be asked to ``reopen``.
        """
        ...

    def reopen(self) -> None:
        """Opens the source again from its start, after a loss or for a loop.

        Raises:
            SourceError: If it still cannot be opened.
        """
        ...

    def close(self) -> None:
        """Frees the device or file. Safe to call twice; ``read`` then returns None."""
        ...


@runtime_checkable
class Engine(Protocol):
    """Runs one network."""

    @property
    def name(self) -> str:
        """``"openvino"``, ``"onnxruntime"``, ``"torch"`` or ``"fake"``."""
        ...

    @property
    def precision(self) -> str:
        """Numeric type of the computation: ``"fp32"``, ``"bf16"`` or ``"int8"``."""
        ...

    def infer(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """Runs the network.

        Args:
            batch: ``(n, 3, height, width)`` float32, C-contiguous, preprocessed.

        Returns:
            Scores (logits), ``(n, materials)`` float32.

        Raises:
            InvalidInputError: If the batch's shape or dtype is not the network's.
        """
        ...

    def close(self) -> None:
        """Frees the network. Safe to call twice."""
        ...


@runtime_checkable
class DiverterDriver(Protocol):
    """Moves diverters. Never blocks: ``move`` starts a movement, ``position`` follows it.

    Time is handed in, so that a simulated line runs at any speed.
    """

    @property
    def diverters(self) -> tuple[str, ...]:
        """Names of the diverters that it moves."""
        ...

    def move(self, diverter: str, position_rad: float, now_ns: int) -> int:
        """Starts moving.

        Args:
            diverter: One of ``diverters``.
            position_rad: Angle to take, radians.
            now_ns: Time of the call.

        Returns:
            When it will have arrived, in nanoseconds; ``now_ns`` if it is there.

        Raises:
            InvalidInputError: If there is no such diverter or the angle is out of its reach.
            DriverError: If the hardware does not answer.
        """
        ...

    def home(self, now_ns: int) -> int:
        """Starts moving every diverter home; returns when the last will have arrived."""
        ...

    def position_rad(self, diverter: str, now_ns: int) -> float:
        """Angle at ``now_ns``, radians; NaN where the hardware does not report it."""
        ...

    def close(self) -> None:
        """Moves home where it can and frees the hardware. Safe to call twice."""
        ...


@runtime_checkable
class BeltMotion(Protocol):
    """Knows where the belt is. Never reads a clock: times are of the steady one, handed in.

    How it is fed (ticks, speeds, shifts) is each implementation's own.
    """

    @property
    def name(self) -> str:
        """``"encoder"``, ``"speed"`` or ``"picture"``."""
        ...

    @property
    def newest_ns(self) -> int | None:
        """When the belt was measured last; None if never, or if its speed is simply known."""
        ...

    def position_m(self, steady_ns: int) -> float | None:
        """How far the belt has travelled by a time, metres, signed.

        Returns:
            Between measurements interpolated, after the newest predicted; None before the first
            measurement and for times that are no longer remembered.
        """
        ...

    def predict(self, now_ns: int) -> Prediction | None:
        """The belt's state at ``now_ns`` and what follows from it.

        It uses what was measured up to ``now_ns`` only, so that a replay that hands measurements
        in ahead of time predicts what the live machine did.

        Returns:
            None if nothing was measured by then.
        """
        ...

    def is_stale(self, now_ns: int) -> bool:
        """Whether nothing recent was measured by ``now_ns``: predictions cannot be trusted."""
        ...
