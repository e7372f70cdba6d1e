# SPDX-License-Identifier: Apache-2.0
"""Whose work is in a run's weights, followed back through the runs it was started from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recycle_sorter.credit_file import Credit, write_credits
from recycle_sorter.ml.provenance import (
    EFFICIENTNET_LITE,
    EFFICIENTNET_LITE2,
    OPEN_NSFW,
    RENDERINGS,
    TORCHVISION,
    data_credit,
    forerunners_of,
    licence_of,
    made_from,
    notice_text,
    start_of,
    teacher_of,
)
from recycle_sorter.paths import share_file
from recycle_sorter.twin.library import SHIPPED


def config(weights: object, architecture: str = "resnet50_thin", **more: Any) -> dict[str, Any]:
    settings = {"weights": str(weights)}
    return {"hyperparameters": settings, "architecture": architecture, **more}


def write(folder: Path, name: str, content: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder / "model.safetensors"


@pytest.mark.parametrize(
    ("weights", "architecture", "expected"),
    [
        ("none", "resnet18", ()),
        ("packaged", "resnet50_thin", (OPEN_NSFW,)),
        ("packaged", "efficientnet_lite0", (EFFICIENTNET_LITE,)),
        ("imagenet", "efficientnet_lite0", (EFFICIENTNET_LITE,)),
        ("packaged", "efficientnet_lite2", (EFFICIENTNET_LITE2,)),
        ("imagenet", "resnet34", (TORCHVISION,)),
    ],
)
def test_each_start_is_credited(
    weights: str, architecture: str, expected: tuple[Credit, ...]
) -> None:
    start = start_of(config(weights, architecture))
    assert start.credits == expected
    assert start.is_known


def test_a_start_is_followed_through_two_runs(tmp_path: Path) -> None:
    first = write(tmp_path / "first", "config.json", config("packaged"))
    second = write(tmp_path / "second", "config.json", config(first))
    start = start_of(config(second))
    assert start.credits == (OPEN_NSFW,)
    assert start.text.startswith("second/model.safetensors, which started from first/model")
    assert str(tmp_path) not in start.text


def test_a_start_from_a_bundle_leaves_its_teacher_out(tmp_path: Path) -> None:
    text = "Yahoo's open_nsfw, pretrained on ImageNet; taught by EfficientNet-Lite0"
    weights = write(tmp_path / "bundle", "bundle.json", {"started_from": text})
    assert start_of(config(weights)).credits == (OPEN_NSFW,)


def test_an_unknown_start_is_said_to_be_unknown(tmp_path: Path) -> None:
    start = start_of(config(tmp_path / "someones.pth"))
    assert not start.is_known
    assert "not recorded" in start.text


def test_runs_that_name_each_other_end(tmp_path: Path) -> None:
    weights = write(tmp_path / "run", "config.json", config(tmp_path / "run/model.safetensors"))
    assert not start_of(config(weights)).is_known


def test_the_teacher_is_named_with_its_start(tmp_path: Path) -> None:
    write(tmp_path / "lite_v1", "config.json", config("packaged", "efficientnet_lite0"))
    told = teacher_of(config("none", teacher=str(tmp_path / "lite_v1")))
    assert told.startswith("lite_v1 (efficientnet_lite0), which started from EfficientNet-Lite0's")
    assert teacher_of(config("none", teacher="")) == ""
    assert "not recorded" in teacher_of(config("none", teacher=str(tmp_path / "gone")))


def test_every_one_of_several_teachers_is_named_and_looked_into(tmp_path: Path) -> None:
    for name in ("0", "2"):
        lite = config("packaged", f"efficientnet_lite{name}")
        write(tmp_path / f"lite_{name}", "config.json", lite)
    both = f"{tmp_path / 'lite_0'},{tmp_path / 'lite_2'}"
    told = teacher_of(config("none", teacher=both))
    assert "EfficientNet-Lite0's" in told
    assert "and lite_2 (efficientnet_lite2)" in told
    of_mean = config("none", soup_of=[{"hyperparameters": {"weights": "none", "teacher": both}}])
    for taught in (config("none", teacher=both), of_mean):
        assert forerunners_of(taught) == [tmp_path / "lite_0", tmp_path / "lite_2"]


def test_open_nsfws_notice_is_whole() -> None:
    text = notice_text((OPEN_NSFW,))
    assert "Copyright 2016, Yahoo Inc." in text
    assert "1. Redistributions of source code must retain" in text
    assert "2. Redistributions in binary form must reproduce" in text
    assert 'PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS"' in text
    assert "ADVISED OF THE POSSIBILITY OF SUCH DAMAGE." in text
    assert "3. Neither the name" not in text
    assert "3. Neither the name" in notice_text((TORCHVISION,))
    assert notice_text(()) == ""


def test_licences_join_once() -> None:
    assert licence_of("Apache-2.0", (OPEN_NSFW,)) == "Apache-2.0 AND BSD-2-Clause"
    assert licence_of("Apache-2.0", (EFFICIENTNET_LITE,)) == "Apache-2.0"


def test_data_is_credited_by_its_name_or_the_renderers_table(tmp_path: Path) -> None:
    assert data_credit(Path("../shared/trashnet")).licence == "MIT"
    assert data_credit(Path("../shared/caltech101/images/watch")).licence == "CC BY 4.0"
    (tmp_path / "truth.csv").write_text("file,material\n", encoding="utf-8")
    assert data_credit(tmp_path) == RENDERINGS
    assert data_credit(tmp_path / "other" / "mine").licence == "not stated"


def test_a_credit_file_comes_before_everything_else(tmp_path: Path) -> None:
    folder = tmp_path / "trashnet" / "crops"
    (folder / "images").mkdir(parents=True)
    (folder / "truth.csv").write_text("file,material\n", encoding="utf-8")
    (folder / "table.csv").write_text("path,material\n", encoding="utf-8")
    write_credits(folder, [Credit("crops of Ann's", "CC0-1.0", "Ann")])
    for place in (folder, folder / "images", folder / "table.csv"):
        assert data_credit(place) == Credit("crops of Ann's", "CC0-1.0", "Ann")
    write_credits(folder, [Credit("crops of Bob's", "MIT", "Bob")])
    both = Credit("crops of Ann's; crops of Bob's", "CC0-1.0 AND MIT", "Ann; Bob")
    assert data_credit(folder) == both


def test_a_licence_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "LICENSE.txt").write_text("MIT License\n", encoding="utf-8")
    photos = tmp_path / "photos"
    photos.mkdir()
    assert data_credit(photos).licence == "not stated"
    (photos / "LICENSE.txt").write_text("MIT License\n", encoding="utf-8")
    assert data_credit(photos) == Credit("photos", "as in LICENSE.txt", "LICENSE.txt of photos")


def test_what_is_made_of_pictures_carries_their_credit_on(tmp_path: Path) -> None:
    told = made_from(Path("../shared/trashnet"), "cut-outs of")
    assert (told.what, told.licence) == ("cut-outs of TrashNet", "MIT")
    assert "Gary Thung" in told.whose
    unknown = made_from(tmp_path / "photos", "cut-outs of")
    assert (unknown.what, unknown.licence) == ("cut-outs of photos", "not stated by photos")
    write_credits(tmp_path / "library", [unknown])
    again = made_from(tmp_path / "library", "crops of simulated belts with")
    assert again.what == "crops of simulated belts with cut-outs of photos"
    assert again.licence == "not stated by photos"


def test_the_shipped_cutouts_are_renderings() -> None:
    told = data_credit(share_file(SHIPPED))
    assert told == Credit("cut-outs of renderings", RENDERINGS.licence, RENDERINGS.whose)


def test_a_config_without_weights_has_an_unknown_start(tmp_path: Path) -> None:
    assert not start_of({"hyperparameters": {}, "architecture": "resnet18"}).is_known
    weights = write(tmp_path / "run", "config.json", {"hyperparameters": 3})
    assert not start_of(config(weights)).is_known
