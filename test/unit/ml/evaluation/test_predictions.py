# SPDX-License-Identifier: Apache-2.0
"""From files and from memory to answers, by the node's preprocessing."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from support.bundles import SPEC, item_image, score
from support.evaluations import logits_of, predictions_of

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.ml.dataset.records import Picture, read_dataset
from recycle_sorter.ml.dataset.store import PictureStore
from recycle_sorter.ml.evaluation.predictions import (
    Failure,
    Predictions,
    losses,
    predict,
    predict_files,
)
from recycle_sorter.vision.preprocessing import preprocess


def write_set(root: Path, count: int = 2) -> Path:
    for material in MATERIALS:
        (root / material).mkdir(parents=True)
        for index in range(count):
            image = item_image(material, 60 + 7 * index, 40, seed=index)
            cv2.imwrite(str(root / material / f"{index}.png"), image)
    return root


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Puts an EXIF segment with an orientation into a JPEG."""
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    tiff = b"II*\0" + struct.pack("<IH", 8, 1) + entry + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


def test_files_get_the_answers_that_the_node_would_give(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path), MATERIALS)
    done: list[int] = []
    predictions, failed = predict_files(
        score, dataset.pictures, MATERIALS, SPEC, 2.0, batch_size=5, progress=done.append
    )
    assert failed == ()
    assert predictions.names == tuple(picture.name for picture in dataset.pictures)
    assert predictions.right.all()
    assert done == [5, 10, 12]
    image = cv2.imread(str(dataset.pictures[3].path))
    assert image is not None
    expected = score(preprocess(np.asarray(image, np.uint8), SPEC))[0]
    assert predictions.logits[3] == pytest.approx(expected)
    assert predictions.temperature == 2.0
    assert len(set(predictions.digests)) == 12


def test_pictures_in_memory_get_the_same_answers(tmp_path: Path) -> None:
    dataset = read_dataset(write_set(tmp_path), MATERIALS)
    from_files, _ = predict_files(score, dataset.pictures, MATERIALS, SPEC)
    done: list[int] = []
    store = PictureStore.load(dataset.pictures)
    from_memory = predict(score, store, MATERIALS, SPEC, batch_size=5, progress=done.append)
    assert from_memory.names == from_files.names
    assert np.array_equal(from_memory.labels, from_files.labels)
    assert np.allclose(from_memory.logits, from_files.logits, atol=1e-5)
    assert from_memory.digests == ()
    assert done == [5, 10, 12]


def test_any_kind_of_picture_is_read_as_the_sources_read_it(tmp_path: Path) -> None:
    colour = item_image("glass", 80, 60)
    colour[:10] = 0  # tells top from bottom, and has no hue
    grey = np.full((30, 50), 120, np.uint8)
    alpha = np.dstack([colour, np.full(colour.shape[:2], 128, np.uint8)])
    sixteen = colour.astype(np.uint16) * 257
    tall = cv2.rotate(colour, cv2.ROTATE_90_COUNTERCLOCKWISE)
    files = {
        "glass/colour.png": cv2.imencode(".png", colour)[1].tobytes(),
        "glass/alpha.png": cv2.imencode(".png", alpha)[1].tobytes(),
        "glass/sixteen.png": cv2.imencode(".png", sixteen)[1].tobytes(),
        "glass/large.jpg": cv2.imencode(".jpg", cv2.resize(colour, (2000, 1500)))[1].tobytes(),
        "glass/turned.jpg": with_orientation(cv2.imencode(".jpg", tall)[1].tobytes(), 6),
        "glass/grey.png": cv2.imencode(".png", grey)[1].tobytes(),
    }
    (tmp_path / "glass").mkdir()
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    seen: list[NDArray[np.float32]] = []

    def network(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(batch)
        return score(batch)

    pictures = [Picture(name, tmp_path / name, 1) for name in files]
    predictions, failed = predict_files(network, pictures, MATERIALS, SPEC)
    assert failed == ()
    assert predictions.right[:5].all()
    assert np.allclose(predictions.probabilities[5], 1 / 6), "grey has no hue"
    upright = preprocess(colour, SPEC)[0]
    assert np.array_equal(seen[0][0], upright)
    assert np.array_equal(seen[0][1], upright)
    assert np.abs(seen[0][2] - upright).max() < 1 / 255
    assert np.abs(seen[0][4] - upright).mean() < 0.03, "turned upright by its EXIF data"


def test_what_cannot_be_read_is_named_and_the_rest_is_measured(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "glass" / "0.png").write_bytes(b"")
    (tmp_path / "glass" / "1.png").write_bytes(b"no picture")
    cv2.imwrite(str(tmp_path / "paper" / "1.png"), np.zeros((4, 4, 3), np.uint8))
    jpeg = cv2.imencode(".jpg", item_image("metal", 60, 40))[1].tobytes()
    (tmp_path / "metal" / "cut.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    dataset = read_dataset(tmp_path, MATERIALS)
    gone = Picture("trash/gone.png", tmp_path / "trash/gone.png", 5)
    predictions, failed = predict_files(score, [*dataset.pictures, gone], MATERIALS, SPEC)
    assert failed == (
        Failure("glass/0.png", "is empty"),
        Failure("glass/1.png", "is no picture that OpenCV decodes"),
        Failure("metal/cut.jpg", "is a JPEG that was cut off"),
        Failure("paper/1.png", "is 4 x 4 px, smaller than 16 px"),
        Failure("trash/gone.png", "cannot be read: No such file or directory"),
    )
    assert len(predictions) == 9
    assert predictions.right.all()
    assert len(predictions.digests) == 9


def test_no_picture_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="at least one labelled picture"):
        predict_files(score, [], MATERIALS, SPEC)
    empty = PictureStore([], np.zeros(0, np.int64), [])
    with pytest.raises(InvalidInputError, match="at least one labelled picture"):
        predict(score, empty, MATERIALS, SPEC)
    broken = [Picture(f"glass/{i}.jpg", tmp_path / f"{i}.jpg", 1) for i in range(3)]
    with pytest.raises(InvalidInputError, match=r"glass/0\.jpg cannot be read.*none of 3 can"):
        predict_files(score, broken, MATERIALS, SPEC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": np.array([0, 6])}, r"label of b: got 6, expected 0 to 5"),
        ({"labels": np.array([0, -1])}, r"label of b: got -1"),
        ({"labels": np.array([0])}, "labels shape"),
        ({"logits": np.zeros((2, 5), np.float32)}, r"logits shape: got \(2, 5\)"),
        ({"logits": np.full((2, 6), np.nan, np.float32)}, "logits of a"),
        ({"temperature": 0.0}, "temperature"),
        ({"digests": ("x",)}, "digests"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, object], message: str) -> None:
    good: dict[str, object] = {
        "names": ("a", "b"),
        "labels": np.array([0, 1]),
        "logits": np.zeros((2, 6), np.float32),
        "classes": MATERIALS,
    }
    with pytest.raises(InvalidInputError, match=message):
        Predictions(**{**good, **change})  # type: ignore[arg-type]


def test_losses_are_exact_where_the_probability_is_zero() -> None:
    logits = np.array([[0.0, 2000.0], [0.0, 0.0]], np.float32)
    assert losses(logits, np.array([0, 1])) == pytest.approx([2000.0, np.log(2)])
    assert losses(logits, np.array([0, 1]), 10.0) == pytest.approx([200.0, np.log(2)])


def test_the_most_wrong_come_first_and_right_ones_never() -> None:
    predictions = predictions_of([0, 1, 2, 0, 1], [0, 0, 0, 1, 1], [0.3, 0.7, 0.95, 0.8, 0.99])
    assert predictions.worst(9) == [2, 3, 1]
    assert predictions.worst(2) == [2, 3]


def test_probabilities_follow_the_temperature() -> None:
    rows = [[0.64, 0.16, 0.16, 0.04]]
    names = ("a", "b", "c", "d")
    half = Predictions(("x",), np.array([0]), logits_of(rows), names, 2.0)
    assert half.probabilities[0] == pytest.approx([0.8 / 1.8, 0.4 / 1.8, 0.4 / 1.8, 0.2 / 1.8])
    assert half.confidence[0] == pytest.approx(0.8 / 1.8)
