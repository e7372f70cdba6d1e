# SPDX-License-Identifier: Apache-2.0
"""Pictures in memory: sizes, orientation, and files that are no pictures."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.learning import picture, scene

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.checks import check_dataset
from recycle_sorter.ml.dataset.records import Picture, read_dataset
from recycle_sorter.ml.dataset.store import PictureStore, decode
from recycle_sorter.vision.preprocessing import PreprocessingSpec, preprocess, preprocess_batch


def write(path: Path, image: np.ndarray) -> Picture:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image)
    return Picture(f"glass/{path.name}", path, 0)


def png_of(width_px: int, height_px: int) -> bytes:
    """A PNG that claims a size and holds nothing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_pictures_come_with_labels_and_names_in_their_order(tmp_path: Path) -> None:
    images = [picture(label, label, height=16 + label) for label in range(4)]
    pictures = [write(tmp_path / f"{n}.png", image) for n, image in enumerate(images)]
    pictures = [Picture(p.name, p.path, 3 - n) for n, p in enumerate(pictures)]
    store = PictureStore.load(pictures)
    assert store.labels.tolist() == [3, 2, 1, 0]
    assert store.labels.dtype == np.int64
    assert store.names == [f"glass/{n}.png" for n in range(4)]
    assert len(store) == 4
    assert store.unreadable == ()
    for kept, image in zip(store.images, images, strict=True):
        np.testing.assert_array_equal(kept, image)


@pytest.mark.parametrize(("height", "width"), [(60, 90), (90, 60)])
def test_the_shorter_side_is_shrunk_and_never_enlarged(
    tmp_path: Path, height: int, width: int
) -> None:
    path = write(tmp_path / "a.png", scene(0, height, width)).path
    small = decode(path, 40)
    assert small is not None
    assert min(small.shape[:2]) == 40
    assert max(small.shape[:2]) == 60
    large = decode(path, 400)
    assert large is not None
    assert large.shape == (height, width, 3)


def test_a_store_at_the_networks_size_is_what_the_node_sees(tmp_path: Path) -> None:
    image = scene(3, 300, 410)
    spec = PreprocessingSpec(width_px=64, height_px=48)
    store = PictureStore.load([write(tmp_path / "a.png", image)], spec=spec)
    assert store.images[0].shape == (48, 64, 3)
    np.testing.assert_array_equal(preprocess_batch(store.images, spec), preprocess(image, spec))


@pytest.mark.parametrize(
    "spec",
    [
        PreprocessingSpec(24, 20),
        PreprocessingSpec(24, 20, resize="letterbox"),
        PreprocessingSpec(20, 20, resize="center_crop", resize_shorter_px=26),
    ],
    ids=lambda spec: spec.resize,
)
def test_whatever_the_resizing_a_store_gives_the_networks_input(
    tmp_path: Path, spec: PreprocessingSpec
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), scene(1, 61, 83))
    pictures = [Picture("a.png", tmp_path / "a.png", 0)]
    kept, whole = (PictureStore.load(pictures, spec=chosen) for chosen in (spec, None))
    np.testing.assert_array_equal(
        preprocess_batch(kept.images, spec), preprocess_batch(whole.images, spec)
    )


def test_grey_and_transparent_pictures_become_three_channels(tmp_path: Path) -> None:
    grey = write(tmp_path / "grey.png", np.full((20, 30), 77, np.uint8))
    clear = write(tmp_path / "clear.png", np.full((20, 30, 4), 77, np.uint8))
    store = PictureStore.load([grey, clear])
    assert [image.shape for image in store.images] == [(20, 30, 3)] * 2
    assert all((image == 77).all() for image in store.images)


def test_unreadable_pictures_are_left_out_and_told(tmp_path: Path) -> None:
    good = write(tmp_path / "good.png", picture(0, 0))
    jpeg = cv2.imencode(".jpg", scene(0, 96, 128))[1].tobytes()
    contents = {
        "empty.png": b"",
        "text.jpg": b"no picture",
        "cut.png": good.path.read_bytes()[:200],
        "huge.png": png_of(2_000_000, 2_000_000),
        "wide.png": png_of(60_000, 60_000),
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "speck.png": cv2.imencode(".png", picture(0, 0)[:4, :4])[1].tobytes(),
    }
    broken = []
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        broken.append(Picture(name, tmp_path / name, 0))
    broken.append(Picture("missing.png", tmp_path / "missing.png", 0))
    said: list[str] = []
    store = PictureStore.load([*broken[:3], good, *broken[3:]], report=said.append)
    assert store.names == [good.name]
    assert set(store.unreadable) == {*contents, "missing.png"}
    assert len(said) == 1
    assert said[0].startswith("left out 8 unreadable pictures: empty.png, text.jpg")


def test_a_store_leaves_out_what_the_check_calls_unreadable(tmp_path: Path) -> None:
    for name in ("glass", "metal"):
        write(tmp_path / name / "good.jpg", scene(0, 96, 128))
    whole = (tmp_path / "glass" / "good.jpg").read_bytes()
    (tmp_path / "glass" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "metal" / "speck.png", np.zeros((4, 4, 3), np.uint8))
    dataset = read_dataset(tmp_path)
    unreadable = check_dataset(dataset).of_kind("unreadable")
    store = PictureStore.load(dataset.pictures, report=lambda line: None)
    assert store.unreadable == ("glass/cut.jpg", "metal/speck.png")
    assert [finding.names for finding in unreadable] == [(name,) for name in store.unreadable]


def test_nothing_readable_is_an_error(tmp_path: Path) -> None:
    missing = Picture("missing.png", tmp_path / "missing.png", 0)
    with pytest.raises(InvalidInputError, match="data: got 1, expected at least one readable"):
        PictureStore.load([missing], report=lambda line: None)
    with pytest.raises(InvalidInputError, match="data: got 0, expected at least one readable"):
        PictureStore.load([])


def test_labels_and_names_must_match_the_pictures() -> None:
    images, labels = [picture(0, 0)], np.zeros(1, np.int64)
    with pytest.raises(InvalidInputError, match="labels: got 2, expected 1"):
        PictureStore(images, np.zeros(2, np.int64), ["a"])
    with pytest.raises(InvalidInputError, match="names: got 0, expected 1"):
        PictureStore(images, labels, [])
