# SPDX-License-Identifier: Apache-2.0
"""Whether an item is in view: plain and patterned boards, light, noise, shake and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.types import NS_PER_SEC
from recycle_sorter.vision.board import BoardConfig, BoardModel

Scene = NDArray[np.float32]
ACROSS, DOWN = np.meshgrid(np.linspace(-1, 1, 320), np.linspace(-1, 1, 240))
PERIOD_NS = NS_PER_SEC // 30


def plain_board(
    colour: tuple[float, float, float] = (190, 192, 195),
    vignette: float = 0.1,
    slope: tuple[float, float] = (0.0, 0.0),
) -> Scene:
    shade = 1 - vignette * (ACROSS**2 + DOWN**2) / 2 + slope[0] * ACROSS + slope[1] * DOWN
    return (shade[..., None] * np.array(colour)).astype(np.float32)


def patterned_board() -> Scene:
    """Coarse blotches of strong contrast, as on a worn belt."""
    rng = np.random.default_rng(3)
    blotches = cv2.resize(rng.uniform(40, 160, (12, 16)).astype(np.float32), (320, 240))
    return np.repeat(blotches[..., None], 3, axis=2)


def with_item(
    scene: Scene,
    colour: tuple[int, int, int] = (40, 90, 200),
    box: tuple[int, int, int, int] = (120, 80, 80, 80),
) -> Scene:
    left, top, width, height = box
    shown = scene.copy()
    shown[top : top + height, left : left + width] = colour
    return shown


@dataclass
class Camera:
    """Adds what a real one adds, and stamps."""

    noise_levels: float = 2.0
    flicker: float = 0.02
    shake_px: float = 0.3
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    stamp_ns: int = 1_700_000_000 * NS_PER_SEC

    def shoot(self, scene: Scene) -> NDArray[np.uint8]:
        shift = self.rng.uniform(-self.shake_px, self.shake_px, 2)
        move = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
        size = (scene.shape[1], scene.shape[0])
        moved = cv2.warpAffine(scene, move, size, borderMode=cv2.BORDER_REPLICATE)
        gain = 1 + self.rng.uniform(-self.flicker, self.flicker)
        noise = self.rng.normal(0, self.noise_levels, scene.shape)
        return (moved * gain + noise).round().clip(0, 255).astype(np.uint8)

    def show(self, model: BoardModel, scene: Scene, frames: int = 1) -> list[bool]:
        answers = []
        for _ in range(frames):
            self.stamp_ns += PERIOD_NS
            answers.append(model.observe(self.shoot(scene), self.stamp_ns))
        return answers


@pytest.fixture
def camera() -> Camera:
    return Camera()


class TestUnknownBoard:
    def test_an_item_in_the_first_frame_is_seen(self, camera: Camera) -> None:
        model = BoardModel()
        assert camera.show(model, with_item(plain_board())) == [True]
        assert not model.is_known

    def test_a_blank_first_frame_is_learnt(self, camera: Camera) -> None:
        model = BoardModel()
        assert camera.show(model, plain_board()) == [False]
        assert model.is_known

    def test_the_board_is_learnt_after_the_first_item_has_left(self, camera: Camera) -> None:
        model = BoardModel()
        board = plain_board()
        assert all(camera.show(model, with_item(board), 5))
        assert not any(camera.show(model, board, 5))
        assert all(camera.show(model, with_item(board, (200, 200, 60)), 5))

    def test_a_patterned_board_is_not_mistaken_for_blank(self, camera: Camera) -> None:
        model = BoardModel()
        assert camera.show(model, patterned_board()) == [True]
        assert not model.is_known

    @settings(max_examples=25, deadline=None)
    @given(
        colour=st.tuples(*[st.floats(30, 250)] * 3),
        vignette=st.floats(0, 0.3),
        slope=st.tuples(*[st.floats(-0.15, 0.15)] * 2),
        noise_levels=st.floats(0, 6),
        seed=st.integers(0, 2**32 - 1),
    )
    def test_no_plain_board_shows_an_item_in_any_light(
        self,
        colour: tuple[float, float, float],
        vignette: float,
        slope: tuple[float, float],
        noise_levels: float,
        seed: int,
    ) -> None:
        camera = Camera(noise_levels, 0.04, 0.5, np.random.default_rng(seed))
        model = BoardModel()
        assert not any(camera.show(model, plain_board(colour, vignette, slope), 4))
        assert model.is_known


class TestKnownBoard:
    @pytest.fixture(params=[plain_board, patterned_board])
    def board(self, request: pytest.FixtureRequest) -> Scene:
        make: Callable[[], Scene] = request.param
        return make()

    @pytest.fixture
    def model(self, board: Scene, camera: Camera) -> BoardModel:
        model = BoardModel()
        model.learn(camera.shoot(board), camera.stamp_ns)
        camera.show(model, board, 10)
        return model

    def test_it_stays_empty(self, model: BoardModel, board: Scene, camera: Camera) -> None:
        assert not any(camera.show(model, board, 30))
        assert 0.0 < model.noise_levels < 2.0

    @pytest.mark.parametrize("noise_levels", [0.0, 6.0])
    def test_noise_and_flicker_are_no_item(self, board: Scene, noise_levels: float) -> None:
        camera = Camera(noise_levels, flicker=0.04, shake_px=0.5)
        model = BoardModel()
        model.learn(camera.shoot(board), camera.stamp_ns)
        assert not any(camera.show(model, board, 30))

    @pytest.mark.parametrize("colour", [(40, 90, 200), (250, 250, 250), (10, 10, 10)])
    def test_an_item_is_seen_and_gone(
        self, model: BoardModel, board: Scene, camera: Camera, colour: tuple[int, int, int]
    ) -> None:
        assert all(camera.show(model, with_item(board, colour), 15))
        assert not any(camera.show(model, board, 15))

    def test_a_small_item_is_seen(self, model: BoardModel, board: Scene, camera: Camera) -> None:
        assert all(camera.show(model, with_item(board, box=(200, 30, 28, 28)), 5))

    @pytest.mark.parametrize("gain", [0.75, 1.2])
    def test_another_exposure_is_no_item(
        self, model: BoardModel, board: Scene, camera: Camera, gain: float
    ) -> None:
        assert not any(camera.show(model, board * np.float32(gain), 10))

    def test_a_slight_colour_cast_is_no_item(
        self, model: BoardModel, board: Scene, camera: Camera
    ) -> None:
        assert not any(camera.show(model, board * np.float32([0.95, 1.0, 1.06]), 10))

    def test_an_item_that_fills_the_view_is_seen(
        self, model: BoardModel, board: Scene, camera: Camera
    ) -> None:
        brown = np.full_like(board, (90, 140, 180))
        assert all(camera.show(model, brown, 5))

    def test_it_follows_slow_changes_of_light(
        self, model: BoardModel, board: Scene, camera: Camera
    ) -> None:
        # One side slowly gets darker by 20 %, far more than the contrast that makes an item.
        for step in range(60):
            camera.stamp_ns += NS_PER_SEC
            slope = np.float32(1 - 0.1 * step / 60 * (1 + ACROSS[..., None]))
            assert camera.show(model, board * slope) == [False]

    def test_other_sizes_and_orders_of_the_same_view_fit(
        self, model: BoardModel, board: Scene, camera: Camera
    ) -> None:
        image = camera.shoot(board)
        large = cv2.resize(image, (1280, 960))
        assert not model.observe(np.asarray(large, np.uint8), camera.stamp_ns)
        swapped = np.ascontiguousarray(image[..., ::-1])
        assert not model.observe(swapped, camera.stamp_ns, order="rgb")


class TestTime:
    def test_what_lies_still_becomes_the_board(self, camera: Camera) -> None:
        model = BoardModel(BoardConfig(relearn_sec=2.0))
        board = patterned_board()
        answers = camera.show(model, board, 75)
        assert all(answers[:60])
        assert not any(answers[62:])

    def test_zero_never_learns_it(self, camera: Camera) -> None:
        model = BoardModel(BoardConfig(relearn_sec=0.0))
        camera.stamp_ns += 10**6 * NS_PER_SEC
        assert all(camera.show(model, patterned_board(), 60))

    def test_what_moves_stays_an_item(self, camera: Camera) -> None:
        model = BoardModel(BoardConfig(relearn_sec=1.0))
        board = plain_board()
        camera.show(model, board, 5)
        for step in range(90):
            box = (40 + 2 * step, 80, 60, 60)
            assert camera.show(model, with_item(board, box=box)) == [True]

    def test_the_board_is_known_again_after_an_item_was_taken_for_it(self, camera: Camera) -> None:
        model = BoardModel(BoardConfig(relearn_sec=1.0))
        board = plain_board()
        camera.show(model, board, 5)
        assert camera.show(model, with_item(board), 40)[-1] is False
        assert not any(camera.show(model, board, 5))
        assert all(camera.show(model, with_item(board, (200, 60, 200)), 5))

    def test_time_that_runs_backwards_starts_the_wait_anew(self, camera: Camera) -> None:
        model = BoardModel(BoardConfig(relearn_sec=1.0))
        scene = with_item(plain_board())
        camera.show(model, scene, 25)
        camera.stamp_ns -= 100 * NS_PER_SEC
        assert all(camera.show(model, scene, 25))

    def test_without_adapting_the_board_stays_as_learnt(self, camera: Camera) -> None:
        model = BoardModel(BoardConfig(adapt_sec=0.0))
        camera.show(model, plain_board(), 30)
        assert model.noise_levels == 0.0


class TestFromImage:
    def test_a_patterned_board_is_known_from_the_start(
        self, tmp_path: Path, camera: Camera
    ) -> None:
        path = tmp_path / "board.png"
        cv2.imwrite(str(path), camera.shoot(patterned_board()))
        model = BoardModel.from_image(path)
        assert not any(camera.show(model, patterned_board(), 5))
        assert all(camera.show(model, with_item(patterned_board()), 5))

    def test_no_picture_is_an_error_that_names_the_parameter(self, tmp_path: Path) -> None:
        (tmp_path / "text.png").write_text("no picture")
        for name in ("text.png", "gone.png", "."):
            with pytest.raises(InvalidInputError, match=r"board_image: got .*expected a picture"):
                BoardModel.from_image(tmp_path / name)


def test_mono_frames_are_watched_too(camera: Camera) -> None:
    model = BoardModel()
    grey = np.ascontiguousarray(camera.shoot(plain_board())[..., 0])
    item = np.ascontiguousarray(camera.shoot(with_item(plain_board()))[..., 0])
    assert not model.observe(grey, 1)
    assert model.observe(item, 2)


@pytest.mark.parametrize("size", [(1, 1), (3, 2000), (59, 81), (479, 641)])
def test_any_size_of_frame_is_taken(size: tuple[int, int]) -> None:
    assert not BoardModel().observe(np.full((*size, 3), 120, np.uint8), 1)


@pytest.mark.parametrize("name", ["contrast_levels", "edge_levels", "min_fraction", "relearn_sec"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), 1e9, "7", None, True])
def test_settings_out_of_bounds_are_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidInputError, match=rf"board\.{name}: got"):
        BoardConfig(**{name: value})
