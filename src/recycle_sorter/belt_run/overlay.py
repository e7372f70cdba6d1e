# SPDX-License-Identifier: Apache-2.0
"""Draws on a frame what the line made of it, and writes a film of that."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from recycle_sorter.belt_run.perception import as_bgr
from recycle_sorter.belt_run.runner import BeltRunner
from recycle_sorter.core.belt.types import LineEvents, Observation
from recycle_sorter.core.errors import InvalidInputError, SourceError
from recycle_sorter.core.types import DiverterStatus, Frame, Reason, SortDecision
from recycle_sorter.vision.belt_calibration import BeltCalibration

Picture = NDArray[np.uint8]
_PANEL_PX: Final = 56
_FONT: Final = cv2.FONT_HERSHEY_SIMPLEX
_BOX_BGR: Final = (200, 190, 60)
_TOUCHING_BGR: Final = (60, 160, 255)
_TAKEN_BGR: Final = (90, 210, 90)
_REJECTED_BGR: Final = (170, 170, 170)
_INK_BGR: Final = (235, 235, 235)
_STATUS_BGR: Final[Mapping[DiverterStatus, tuple[int, int, int]]] = {
    DiverterStatus.NEUTRAL: (110, 110, 110),
    DiverterStatus.MOVING: (60, 200, 255),
    DiverterStatus.DIVERTING: (90, 220, 90),
    DiverterStatus.DISABLED: (60, 60, 160),
    DiverterStatus.STALE: (60, 60, 160),
    DiverterStatus.FAULT: (40, 40, 230),
}
_SUFFIXES: Final = (".mp4", ".avi", ".mkv")


class Overlay:
    """Draws boxes, numbers, what was decided, and the diverters below the picture."""

    def __init__(self, calibration: BeltCalibration, decision_line_m: float) -> None:
        """Makes one.

        Args:
            calibration: Of the frames.
            decision_line_m: Where items are decided, drawn as a line.
        """
        self._calibration = calibration
        self._line_m = decision_line_m
        self._decisions: dict[int, SortDecision] = {}

    def note(self, events: LineEvents) -> None:
        """Takes what was decided, to be shown from then on."""
        for decision in events.decisions:
            self._decisions[decision.item_id] = decision
        while len(self._decisions) > 500:  # long out of view
            del self._decisions[next(iter(self._decisions))]

    def draw(self, frame: Frame, observation: Observation, runner: BeltRunner) -> Picture:
        """The frame with all that drawn on it.

        Returns:
            ``(height + 56, width, 3)`` uint8 BGR.
        """
        picture = cv2.copyMakeBorder(
            as_bgr(frame), 0, _PANEL_PX, 0, 0, cv2.BORDER_CONSTANT, value=(28, 24, 22)
        )
        self._draw_line(picture)
        for detection in observation.detections:
            left, top, width, height = detection.box_px
            colour = _TOUCHING_BGR if detection.is_touching else _BOX_BGR
            cv2.rectangle(picture, (left, top), (left + width, top + height), colour, 1)
        position_m = runner.motion.position_m(frame.stamp_ns)
        if position_m is not None:
            self._draw_items(picture, runner, position_m, frame.pixels.shape)
        self._draw_panel(picture, runner, frame)
        return np.asarray(picture, np.uint8)

    def _draw_line(self, picture: Any) -> None:
        across_m = self._calibration.view_m[1] / 2
        ends = self._calibration.to_image_px([[self._line_m, -across_m], [self._line_m, across_m]])
        start, end = (tuple(int(value) for value in point) for point in ends.round())
        cv2.line(picture, start, end, _STATUS_BGR[DiverterStatus.MOVING], 1, cv2.LINE_AA)

    def _draw_items(
        self, picture: Any, runner: BeltRunner, position_m: float, shape: tuple[int, ...]
    ) -> None:
        for item in runner.line.tracker.items:
            x, y = self._calibration.to_image_px([[item.s_m + position_m, item.y_m]])[0]
            if not (item.item_id and 0 <= x < shape[1] and 0 <= y < shape[0]):
                continue
            decision = self._decisions.get(item.item_id)
            text, colour = str(item.item_id), _INK_BGR
            if decision is not None:
                is_taken = decision.reason is Reason.ACCEPTED
                colour = _TAKEN_BGR if is_taken else _REJECTED_BGR
                what = decision.bin if is_taken else decision.reason.name.lower().replace("_", " ")
                text += f" {decision.material} {100 * decision.confidence:.0f}% > {what}"
            elif item.evidence:
                mean = np.mean([one.probabilities for one in item.evidence], axis=0)
                text += f" {item.materials[int(mean.argmax())]}"
            _write(picture, text, (int(x) - 20, int(y)), colour)

    def _draw_panel(self, picture: Any, runner: BeltRunner, frame: Frame) -> None:
        top = picture.shape[0] - _PANEL_PX
        states = runner.line.states(frame.stamp_ns)
        step = picture.shape[1] // max(1, len(states))
        for number, state in enumerate(states):
            left = 8 + number * step
            cv2.circle(picture, (left + 6, top + 16), 6, _STATUS_BGR[state.status], -1, cv2.LINE_AA)
            text = f"{state.diverter} {state.status.name.lower()}"
            _write(picture, f"{text} {state.item_id or ''}", (left + 18, top + 20), _INK_BGR)
        prediction = runner.motion.predict(frame.stamp_ns)
        speed = f"{prediction.speed_m_per_sec:.2f} m/s" if prediction else "no motion"
        text = f"belt {speed}, {len(runner.decided)} decided, {runner.line.in_flight} on their way"
        _write(picture, text, (8, top + 44), _INK_BGR)


def _write(picture: Any, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    cv2.putText(picture, text, at, _FONT, 0.42, (0, 0, 0), 3, cv2.LINE_AA)
    cv2.putText(picture, text, at, _FONT, 0.42, colour, 1, cv2.LINE_AA)


class FilmWriter:
    """Writes pictures as a film; a context manager."""

    def __init__(self, path: Path, fps_hz: float) -> None:
        """Checks the name; the file is made with the first picture.

        Args:
            path: Ends in ``.mp4``, ``.avi`` or ``.mkv``.
            fps_hz: Pictures a second, above 0.

        Raises:
            InvalidInputError: If the name says no such format.
        """
        if path.suffix.lower() not in _SUFFIXES:
            raise InvalidInputError("video", str(path), f"a name ending in {', '.join(_SUFFIXES)}")
        self._path = path
        self._fps_hz = fps_hz
        self._writer: cv2.VideoWriter | None = None

    def __enter__(self) -> FilmWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._writer is not None:
            self._writer.release()

    def write(self, picture: Picture) -> None:
        """Appends a picture; all must have one size.

        Raises:
            SourceError: If the file cannot be written, or this OpenCV cannot encode films.
        """
        if self._writer is None:
            height, width = picture.shape[:2]
            with suppress(OSError):  # OpenCV then cannot open it
                self._path.parent.mkdir(parents=True, exist_ok=True)
            code = "MJPG" if self._path.suffix.lower() == ".avi" else "mp4v"
            fourcc = cv2.VideoWriter.fourcc(*code)
            self._writer = cv2.VideoWriter(str(self._path), fourcc, self._fps_hz, (width, height))
            if not self._writer.isOpened():
                raise SourceError(
                    f"film {self._path} cannot be written. Fix: check the folder, or name an .avi"
                )
        self._writer.write(picture)
