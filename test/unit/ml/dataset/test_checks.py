# SPDX-License-Identifier: Apache-2.0
"""What is wrong with pictures is named, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console
from support.datasets import photograph, write_things

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.checks import KINDS, CheckResult, Limits, check_dataset
from recycle_sorter.ml.dataset.duplicates import find_groups
from recycle_sorter.ml.dataset.page import write_page
from recycle_sorter.ml.dataset.records import Picture, read_dataset

TRASHNET = Path(__file__).parents[5] / "shared" / "trashnet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_things(tmp_path / "set", {"glass": range(2), "metal": range(2, 4)}, views=2)


def check(root: Path) -> CheckResult:
    return check_dataset(read_dataset(root))


def kinds(result: CheckResult) -> list[tuple[str, tuple[str, ...]]]:
    return [(finding.kind, finding.names) for finding in result.findings]


def test_good_pictures_give_no_findings(root: Path) -> None:
    result = check(root)
    assert result.findings == ()
    assert result.counts == {"glass": 4, "metal": 4}


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "is empty"),
        (b"<html>not found</html>", "is no picture"),
        (cv2.imencode(".jpg", photograph(9))[1].tobytes()[:-900], "was cut off"),
        (cv2.imencode(".png", photograph(9))[1].tobytes()[:60], "is no picture"),
    ],
)
def test_unreadable_pictures_are_named_with_the_reason(
    root: Path, content: bytes, detail: str
) -> None:
    (root / "glass" / "bad.jpg").write_bytes(content)
    (finding,) = check(root).findings
    assert (finding.kind, finding.names) == ("unreadable", ("glass/bad.jpg",))
    assert detail in finding.detail


def test_a_file_that_vanishes_is_unreadable(root: Path) -> None:
    dataset = read_dataset(root)
    (root / "glass" / "000_0.png").unlink()
    (finding,) = check_dataset(dataset).findings
    assert finding.kind == "unreadable"
    assert "No such file" in finding.detail


@pytest.mark.parametrize(
    ("image", "kind"),
    [
        (photograph(9)[:50], "tiny"),
        (photograph(9)[80:100, 100:124], "tiny"),
        (photograph(9)[80:84, 100:104], "unreadable"),
        (np.full((96, 128, 3), 130, np.uint8), "uniform"),
        (np.random.default_rng(0).integers(120, 140, (96, 128, 3), np.uint8), "uniform"),
        (np.full((96, 128, 3), 255, np.uint8), "uniform"),
        (cv2.rectangle(photograph(9), (0, 0), (80, 192), (255, 252, 251), -1), "overexposed"),
    ],
)
def test_useless_pictures_are_named(root: Path, image: np.ndarray, kind: str) -> None:
    cv2.imwrite(str(root / "glass" / "bad.png"), image)
    assert kinds(check(root)) == [(kind, ("glass/bad.png",))]


def test_a_white_channel_alone_is_not_burnt_out(root: Path) -> None:
    image = photograph(9)
    image[..., 2] = 255
    cv2.imwrite(str(root / "glass" / "red.png"), image)
    assert check(root).findings == ()


def test_the_same_bytes_and_the_same_pixels_are_told_apart(root: Path) -> None:
    data = (root / "glass" / "000_0.png").read_bytes()
    (root / "glass" / "copy.png").write_bytes(data)
    pixels = cv2.imread(str(root / "metal" / "002_0.png"))
    cv2.imwrite(str(root / "metal" / "resaved.bmp"), pixels)
    assert kinds(check(root)) == [
        ("same_file", ("glass/000_0.png", "glass/copy.png")),
        ("same_pixels", ("metal/002_0.png", "metal/resaved.bmp")),
    ]


def test_one_picture_under_two_labels_is_named(root: Path) -> None:
    data = (root / "glass" / "000_0.png").read_bytes()
    (root / "metal" / "twin.png").write_bytes(data)
    result = check(root)
    assert kinds(result) == [
        ("same_file", ("glass/000_0.png", "metal/twin.png")),
        ("two_labels", ("glass/000_0.png", "metal/twin.png")),
    ]
    assert result.findings[1].detail == "the same file as glass and as metal"


def test_a_turned_picture_of_the_same_bytes_has_other_pixels(root: Path) -> None:
    """64 x 48 and 48 x 64 of one value differ, though their bytes do not."""
    image = np.zeros((128, 64, 3), np.uint8)
    cv2.imwrite(str(root / "glass" / "high.png"), image)
    cv2.imwrite(str(root / "glass" / "wide.png"), image.reshape(64, 128, 3))
    assert {finding.kind for finding in check(root).findings} == {"uniform"}


def test_formats_that_are_not_looked_at_are_named(root: Path) -> None:
    (root / "glass" / "phone.HEIC").write_bytes(b"x")
    (root / "glass" / "notes.txt").write_bytes(b"x")
    assert kinds(check(root)) == [("unsupported", ("glass/phone.HEIC",))]


def test_the_limits_can_be_set(root: Path) -> None:
    dataset = read_dataset(root)
    strict = check_dataset(dataset, limits=Limits(min_side_px=193))
    assert len(strict.of_kind("tiny")) == len(dataset.pictures)
    lax = check_dataset(dataset, limits=Limits(min_deviation=100.0))
    assert len(lax.of_kind("uniform")) == len(dataset.pictures)


@pytest.mark.parametrize(
    ("field", "value"), [("min_side_px", 0), ("max_burnt", 0.0), ("min_deviation", 200.0)]
)
def test_limits_out_of_bounds_are_named(field: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=field):
        Limits(**{field: value})  # type: ignore[arg-type]


class TestReports:
    @pytest.fixture
    def result(self, root: Path) -> CheckResult:
        for number in range(3):
            (root / "glass" / f"bad{number}[b].png").write_bytes(b"")
        (root / "metal" / "twin.png").write_bytes((root / "glass" / "000_0.png").read_bytes())
        return check(root)

    def test_as_json_every_kind_is_there(self, result: CheckResult) -> None:
        values = json.loads(json.dumps(result.to_dict()))
        assert list(values["findings"]) == list(KINDS)
        assert values["pictures"] == 12
        assert values["findings"]["unreadable"][0] == {
            "names": ["glass/bad0[b].png"], "detail": "is empty",
        }  # fmt: skip
        assert values["findings"]["tiny"] == []

    def test_as_lines(self, result: CheckResult) -> None:
        assert next(result.lines()) == "unreadable: glass/bad0[b].png: is empty"
        assert list(result.lines())[-1] == (
            "two_labels: glass/000_0.png = metal/twin.png: the same file as glass and as metal"
        )

    def test_as_a_table_names_and_advice_are_shown(self, result: CheckResult) -> None:
        console = Console(width=160, record=True, file=None, quiet=False, force_terminal=False)
        with console.capture() as shown:
            console.print(result.table(limit=2))
        text = shown.get()
        assert "glass/bad1[b].png" in text
        assert "glass/bad2[b].png" not in text
        assert "and 1 more" in text
        assert KINDS["two_labels"] in text

    def test_as_a_page_that_needs_nothing_else(
        self, tmp_path: Path, root: Path, result: CheckResult
    ) -> None:
        (root / "glass" / "<script>.png").write_bytes(b"")
        dataset = read_dataset(root)
        path = tmp_path / "check.html"
        write_page(path, dataset, check_dataset(dataset), find_groups(dataset.pictures))
        text = path.read_text(encoding="utf-8")
        assert text.count("data:image/jpeg;base64,") >= 8
        assert "&lt;script&gt;.png" in text
        assert "<script>" not in text
        assert "http" not in text
        assert "Pictures of one object: 4 groups" in text


@pytest.mark.skipif(not TRASHNET.is_dir(), reason="needs ../shared/trashnet")
def test_the_known_double_labels_of_trashnet_are_reported() -> None:
    """And nothing else of a handful that has two of its overexposed pictures."""
    names = (
        "glass/glass389.jpg", "plastic/plastic332.jpg", "glass/glass115.jpg", "metal/metal91.jpg",
        "glass/glass454.jpg", "cardboard/cardboard205.jpg", "paper/paper1.jpg", "trash/trash1.jpg",
    )  # fmt: skip
    whole = read_dataset(TRASHNET)
    handful = tuple(one for one in whole.pictures if one.name in names)
    result = check_dataset(type(whole)(whole.root, whole.classes, handful))
    assert [finding.names for finding in result.of_kind("two_labels")] == [
        ("glass/glass115.jpg", "metal/metal91.jpg"),
        ("glass/glass389.jpg", "plastic/plastic332.jpg"),
    ]
    assert [finding.names[0] for finding in result.of_kind("overexposed")] == [
        "cardboard/cardboard205.jpg", "glass/glass454.jpg",
    ]  # fmt: skip
    assert len(result.findings) == 6
    assert isinstance(handful[0], Picture)
