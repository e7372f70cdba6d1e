# SPDX-License-Identifier: Apache-2.0
"""Cut-outs: measured, written, read, refused; and the shipped ones."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.twin_data import cutout

from recycle_sorter.core.errors import InvalidInputError, SorterError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.paths import share_file
from recycle_sorter.twin.cutouts import LENGTHS_M, write_library
from recycle_sorter.twin.library import INDEX, SHIPPED, Cutout, Library, load_library


def test_an_outline_is_measured() -> None:
    found = cutout(size_px=(80, 40))
    assert found.centre_px == pytest.approx((44.0, 24.0))
    assert found.length_px == pytest.approx(80.0)
    assert found.aspect == pytest.approx(0.5)
    assert np.ptp(found.hull, axis=0) == pytest.approx((1.0, 0.5))


def test_written_and_read_again(tmp_path: Path) -> None:
    made = [cutout("glass", 0.12), cutout("metal", 0.08, bgr=(200, 40, 30)), cutout("glass", 0.2)]
    size = write_library(tmp_path / "own", made)
    assert size == sum(file.stat().st_size for file in (tmp_path / "own").rglob("*.webp"))
    found = load_library(tmp_path / "own")
    assert [(c.material, c.source, c.length_m) for c in found.cutouts] == [
        (c.material, c.source, c.length_m) for c in made
    ]
    assert found.materials == ("glass", "metal")
    for one, other in zip(found.cutouts, made, strict=True):
        np.testing.assert_array_equal(one.pixels[..., 3], other.pixels[..., 3])
        inner = (slice(10, -10), slice(10, -10), slice(0, 3))
        assert int(cv2.absdiff(one.pixels[inner], other.pixels[inner]).max()) < 12
    with pytest.raises(InvalidInputError, match="out"):
        write_library(tmp_path / "own", made)


@pytest.mark.parametrize("material", ["", "..", "a/b", "/etc", "x\0"])
def test_a_material_that_is_no_folders_name_is_refused(material: str) -> None:
    with pytest.raises(InvalidInputError, match="material"):
        cutout(material)


def test_a_photograph_of_the_same_name_is_not_written_over(tmp_path: Path) -> None:
    photograph = tmp_path / "glass" / "001.webp"
    photograph.parent.mkdir()
    photograph.write_bytes(b"somebody's only copy")
    with pytest.raises(InvalidInputError, match=r"out: got .*001\.webp"):
        write_library(tmp_path, [cutout("glass")])
    assert photograph.read_bytes() == b"somebody's only copy"
    assert not (tmp_path / INDEX).exists()


def test_an_unwritable_folder_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SorterError, match="cannot write"):
        write_library(tmp_path / "file" / "inner", [cutout()])


def test_pixels_without_an_item_are_refused() -> None:
    blank = np.zeros((20, 20, 4), np.uint8)
    for pixels in (blank, blank[..., :3], blank.astype(np.float32)):
        with pytest.raises(InvalidInputError, match=r"x\.png"):
            Cutout(pixels, "metal", "x.png", 0.1)
    with pytest.raises(InvalidInputError, match="library"):
        Library(())


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("../x.webp,glass,a,0.1", "line 2 file"),
        ("/etc/passwd,glass,a,0.1", "line 2 file"),
        (",glass,a,0.1", "line 2 file"),
        ("glass/001.webp,,a,0.1", "line 2 material"),
        ("glass/001.webp,../../elsewhere,a,0.1", "line 2 material"),
        ("glass/001.webp,/etc,a,0.1", "line 2 material"),
        ("glass/001.webp,..,a,0.1", "line 2 material"),
        ("glass/001.webp,gl\\ass,a,0.1", "line 2 material"),
        (f"glass/001.webp,{'g' * 300},a,0.1", "line 2 material"),
        ("glass/001.webp,glass,a,long", "line 2 length_m"),
        ("glass/001.webp,glass,a,9", "a length_m"),
        ("glass/001.webp,glass,a,nan", "a length_m"),
        ("glass/001.webp,glass,a", "line 2 length_m"),
        ("glass/none.webp,glass,a,0.1", "readable picture"),
        ("glass/no\0ne.webp,glass,a,0.1", "readable picture"),
        ("glass/text.webp,glass,a,0.1", "OpenCV decodes"),
        ("glass/empty.webp,glass,a,0.1", "OpenCV decodes"),
        ("glass/opaque.png,glass,a,0.1", "transparency"),
    ],
)
def test_a_bad_index_is_refused(tmp_path: Path, row: str, said: str) -> None:
    write_library(tmp_path, [cutout("glass")])
    (tmp_path / "glass/text.webp").write_text("no picture")
    (tmp_path / "glass/empty.webp").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "glass/opaque.png"), np.zeros((20, 20, 3), np.uint8))
    (tmp_path / INDEX).write_text(f"file,material,source,length_m\n{row}\n")
    with pytest.raises(InvalidInputError, match=said):
        load_library(tmp_path)


def test_no_index_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="readable index"):
        load_library(tmp_path)
    (tmp_path / INDEX).write_text("file,material\n")
    with pytest.raises(InvalidInputError, match="columns"):
        load_library(tmp_path)


def test_the_shipped_cutouts() -> None:
    found = load_library()
    assert found.materials == MATERIALS
    for name in MATERIALS:
        low, high = LENGTHS_M[name]
        own = found.of(name)
        assert len(own) >= 10
        assert all(low <= each.length_m <= high for each in own)
        assert all(name in each.source for each in own)
    folder = share_file(SHIPPED)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert sum(os.path.getsize(path) for path in files) < 3_000_000  # noqa: PTH202
    assert len(files) == len(found.cutouts) + 2  # the index and the credit
