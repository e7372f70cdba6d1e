# SPDX-License-Identifier: Apache-2.0
"""What one frame shows, and what becomes of a frame that cannot be answered."""

from __future__ import annotations

from contextlib import suppress
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from recycle_sorter.belt_run.perception import BeltPerception, PerceptionConfig, as_bgr
from recycle_sorter.core.belt.types import Detection
from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.types import Frame
from recycle_sorter.vision.item_finder import FoundItem

PIXELS = np.zeros((4, 6, 3), np.uint8)


class Shifts:
    """Measures what it is told to."""

    def __init__(self, *shifts_m: float | None) -> None:
        self.left = list(shifts_m)

    def measure(self, pixels: Any) -> float | None:
        return self.left.pop(0)


class Network:
    """A classifier that fails for some frames, counted from 0."""

    bundle = SimpleNamespace(labels=("glass",), model_id="m")

    def __init__(self, *failing: int) -> None:
        self.failing, self.calls = failing, -1

    def classify_batch(self, crops: list[Any]) -> list[Any]:
        self.calls += 1
        if self.calls in self.failing:
            raise ModelError("NaN")
        return []


def look(shifts: Shifts, network: Network, count: int) -> tuple[list[float | None], list[Any]]:
    """The shift that each answered frame told, and where the finder took the belt to be."""
    places: list[Any] = []

    def find(pixels: Any, stamp_ns: int, position_m: float | None) -> list[Any]:
        places.append(position_m)
        return []

    finder: Any = SimpleNamespace(find=find)
    seen: Any = BeltPerception(finder, network, shifts)  # type: ignore[arg-type]
    told = []
    for number in range(count):
        with suppress(ModelError):
            told.append(seen.observe(Frame(number + 1, PIXELS, "bgr8"), lambda: 0).shift_m)
    return told, places


def test_the_way_to_a_frame_that_failed_is_told_with_the_next() -> None:
    told, places = look(Shifts(None, 0.01, 0.02, 0.03, 0.04), Network(2, 3), 5)
    assert told == [None, 0.01, pytest.approx(0.09)]
    assert places == pytest.approx([0.0, 0.01, 0.03, 0.06, 0.1])


def test_a_way_that_nobody_measured_is_not_told() -> None:
    told, _ = look(Shifts(None, 0.01, None, 0.03, 0.04), Network(2), 5)
    assert told == [None, 0.01, None, 0.04]


def test_frames_are_seen_in_blue_green_red() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert (as_bgr(Frame(1, pixels, "rgb8")) == pixels[..., ::-1]).all()
    assert as_bgr(Frame(1, pixels, "bgr8")) is pixels
    grey = as_bgr(Frame(1, pixels[..., 0], "mono8"))
    assert (grey == pixels[..., :1]).all()


@pytest.mark.parametrize(
    ("pixels", "encoding", "named"),
    [
        (PIXELS, "yuv422", "encoding"),
        (PIXELS[..., 0], "bgr8", "pixels"),
        (PIXELS, "mono8", "pixels"),
        (PIXELS.astype(np.float32), "bgr8", "pixels"),
        (PIXELS[..., :2], "rgb8", "pixels shape"),
        (PIXELS[:0], "bgr8", "pixels"),
    ],
)
def test_pixels_that_do_not_fit_their_encoding_are_refused(
    pixels: Any, encoding: str, named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        as_bgr(Frame(1, pixels, encoding))


@pytest.mark.parametrize(("turns", "different"), [(1, 1), (3, 3), (8, 8)])
def test_items_are_shown_another_way_with_each_picture(turns: int, different: int) -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (4, 6, 3), np.uint8)
    detection = Detection((0, 0, 4, 4), (0.1, 0.0), (0.1, 0.1), 0.01)
    item = FoundItem(detection, np.full((4, 4), 255, np.uint8))
    shown: list[Any] = []

    def classify_batch(crops: list[Any]) -> list[Any]:
        shown.extend(crops)
        return [{"glass": 1.0} for _ in crops]

    finder: Any = SimpleNamespace(find=lambda *_: [item])
    network: Any = SimpleNamespace(bundle=Network.bundle, classify_batch=classify_batch)
    config = PerceptionConfig(margin=0.0, turns=turns)
    seen = BeltPerception(finder, network, config=config)
    for number in range(8):
        seen.observe(Frame(number + 1, pixels, "bgr8"), lambda: 0)
        assert np.array_equal(seen.crops[0], pixels[:4, :4]), "as it lies, for people"
    assert len({crop.tobytes() for crop in shown}) == different
    assert all(np.array_equal(np.sort(crop, None), np.sort(shown[0], None)) for crop in shown)
    assert np.array_equal(shown[0], pixels[:4, :4])


@pytest.mark.parametrize(
    ("name", "value"),
    [("background", "pink"), ("margin", float("nan")), ("turns", 0), ("turns", 9)],
)
def test_bad_settings_are_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=name):
        PerceptionConfig(**{name: value})
