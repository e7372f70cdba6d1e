# SPDX-License-Identifier: Apache-2.0
"""Photographs of one thing are found, those of others are left apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from support.datasets import photograph, write_things

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset import duplicates
from recycle_sorter.ml.dataset.descriptors import colours, count_common_prints, describe
from recycle_sorter.ml.dataset.duplicates import (
    Link,
    ObjectGroups,
    count_shared,
    find_groups,
)
from recycle_sorter.ml.dataset.records import Picture, read_dataset

TRASHNET = Path(__file__).parents[5] / "shared" / "trashnet"
VIEWS = 3


def by_name(groups: ObjectGroups) -> dict[str, int]:
    return dict(zip(groups.names, groups.ids, strict=True))


def noise_pictures(root: Path, count: int, label: int = 0) -> list[Picture]:
    """Pictures that have nothing in common: small smooth blots, each in a colour of its own."""
    pictures = []
    for number in range(count):
        rng = np.random.default_rng(number)
        blots = rng.uniform(0, 255, (3, 4, 3)).astype(np.uint8)
        path = root / f"{number}.png"
        cv2.imwrite(str(path), cv2.resize(blots, (64, 48), interpolation=cv2.INTER_CUBIC))
        pictures.append(Picture(path.name, path, label))
    return pictures


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> ObjectGroups:
    root = write_things(
        tmp_path_factory.mktemp("things"), {"glass": range(6), "paper": range(6, 10)}, VIEWS
    )
    return find_groups(read_dataset(root).pictures)


def test_views_of_one_thing_are_one_object(found: ObjectGroups) -> None:
    for name, group in by_name(found).items():
        assert group == by_name(found)[name.rpartition("_")[0] + "_0.png"], name


def test_different_things_stay_apart(found: ObjectGroups) -> None:
    assert len(set(found.ids)) == 10
    assert found.shared == 1.0
    assert [len(group) for group in found.members()] == [VIEWS] * 10


def test_groups_are_numbered_by_first_appearance(found: ObjectGroups) -> None:
    assert list(dict.fromkeys(found.ids)) == list(range(10))


def test_the_account_names_every_group(found: ObjectGroups) -> None:
    account = found.to_dict()
    assert (account["pictures"], account["objects"], account["largest"]) == (30, 10, VIEWS)
    assert sorted(name for group in account["groups"] for name in group) == sorted(found.names)
    assert account["links"]["print"] >= 20


def test_what_leaks_is_counted(found: ObjectGroups) -> None:
    here = ["glass/000_0.png", "glass/000_1.png", "glass/001_0.png"]
    assert count_shared(found, here, ["glass/000_2.png", "paper/006_0.png"]) == 2
    assert count_shared(found, here, []) == 0


def test_twice_the_same(tmp_path: Path) -> None:
    write_things(tmp_path, {"glass": range(3), "paper": range(3, 6)}, VIEWS)
    pictures = read_dataset(tmp_path).pictures
    told: list[tuple[int, int]] = []
    first = find_groups(pictures, progress=lambda done, total: told.append((done, total)))
    assert first == find_groups(pictures)
    assert told == [(done, 18) for done in range(1, 19)]


def test_one_file_under_two_labels_is_one_object(tmp_path: Path) -> None:
    write_things(tmp_path, {"glass": range(2), "metal": range(2, 4)}, views=1)
    (tmp_path / "metal" / "twin.png").write_bytes((tmp_path / "glass/000_0.png").read_bytes())
    groups = find_groups(read_dataset(tmp_path).pictures)
    assert by_name(groups)["metal/twin.png"] == by_name(groups)["glass/000_0.png"]
    assert len(set(groups.ids)) == 4


def test_lookalikes_in_two_classes_are_two_objects(tmp_path: Path) -> None:
    write_things(tmp_path, {"glass": [1], "metal": [2]}, views=1)
    cv2.imwrite(str(tmp_path / "metal" / "again.png"), photograph(1, view=1))
    groups = find_groups(read_dataset(tmp_path).pictures)
    assert len(set(groups.ids)) == 3


def test_unreadable_pictures_are_objects_of_their_own(tmp_path: Path) -> None:
    pictures = noise_pictures(tmp_path, 3)
    for name in ("x.png", "y.png"):
        (tmp_path / name).write_bytes(b"no picture")
        pictures.append(Picture(name, tmp_path / name, 0))
    pictures.append(Picture("gone.png", tmp_path / "gone.png", 0))
    groups = find_groups(pictures)
    assert by_name(groups)["x.png"] != by_name(groups)["y.png"]
    assert len(set(groups.ids)) == 6


def test_no_pictures_are_no_objects() -> None:
    groups = find_groups([])
    assert (groups.ids, groups.shared, groups.to_dict()["largest"]) == ((), 0.0, 0)


class TestFeatures:
    def test_a_network_joins_what_the_eye_does_not(self, tmp_path: Path) -> None:
        pictures = noise_pictures(tmp_path, 8)
        assert len(set(find_groups(pictures).ids)) == 8
        features = np.random.default_rng(0).normal(0, 1, (8, 32)).astype(np.float32)
        features[5] = features[2] + 0.1
        groups = find_groups(pictures, features=features)
        assert groups.members() == [[2, 5]]
        assert [link.reason for link in groups.links] == ["features"]

    @pytest.mark.parametrize("shape", [(7, 4), (8,), (8, 4, 1)])
    def test_they_must_fit(self, tmp_path: Path, shape: tuple[int, ...]) -> None:
        with pytest.raises(InvalidInputError, match="features"):
            find_groups(noise_pictures(tmp_path, 8), features=np.zeros(shape, np.float32))

    def test_they_must_be_numbers(self, tmp_path: Path) -> None:
        features = np.full((2, 4), np.nan, np.float32)
        with pytest.raises(InvalidInputError, match="finite"):
            find_groups(noise_pictures(tmp_path, 2), features=features)


def test_a_chain_does_not_grow_beyond_a_fifth_of_the_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pictures = [Picture(str(number), tmp_path / str(number), 0) for number in range(100)]
    links = [Link(one, one + 1, "colours", 0.99) for one in range(99)]
    groups = duplicates._join(pictures, links)
    sizes = [len(group) for group in groups.members()]
    assert max(sizes) == 20
    assert groups.refused >= 4
    monkeypatch.setattr(duplicates, "_MAX_SHARE", 1.0)
    assert [len(g) for g in duplicates._join(pictures, links).members()] == [100]


def test_the_strongest_links_come_first(tmp_path: Path) -> None:
    pictures = [Picture(str(number), tmp_path / str(number), 0) for number in range(13)]
    links = [Link(one, one + 1, "colours", 0.95) for one in range(11)]
    links.append(Link(11, 12, "print", 30.0))
    groups = duplicates._join(pictures, links)
    # The last colour link would make 13, one more than a small class's groups may have.
    assert groups.links[0].reason == "print"
    assert groups.ids[11] == groups.ids[12]
    assert groups.refused == 1


class TestDescriptors:
    def test_a_turned_and_moved_thing_has_its_prints_in_common(self, tmp_path: Path) -> None:
        paths = [tmp_path / f"{number}.png" for number in range(3)]
        for path, (thing, view) in zip(paths, [(1, 0), (1, 2), (2, 0)], strict=True):
            cv2.imwrite(str(path), photograph(thing, view))
        one, again, other = (describe(path) for path in paths)
        assert one is not None
        assert again is not None
        assert other is not None
        assert count_common_prints(one, again) >= 8
        assert count_common_prints(one, other) < 6

    def test_colours_are_unit_vectors_and_the_item_counts_without_its_board(self) -> None:
        whole, item = colours(photograph(3))
        other_whole, other_item = colours(photograph(4))
        assert np.allclose([whole @ whole, item @ item], 1.0, atol=1e-5)
        assert whole.dtype == np.float32
        # The common board makes the whole pictures alike, the items have their own colours.
        assert whole @ other_whole > item @ other_item

    def test_a_blank_board_is_described(self, tmp_path: Path) -> None:
        path = tmp_path / "blank.png"
        cv2.imwrite(str(path), np.full((40, 60, 3), 200, np.uint8))
        found = describe(path)
        assert found is not None
        assert found.prints.shape == (0, 128)
        assert np.isfinite(found.item).all()
        assert count_common_prints(found, found) == 0

    def test_large_photographs_are_described_like_small_ones(self, tmp_path: Path) -> None:
        image = photograph(5)
        noise = np.random.default_rng(0).integers(0, 3, (768, 1024, 3), np.uint8)
        large = cv2.resize(image, (1024, 768), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(tmp_path / "small.png"), image)
        cv2.imwrite(str(tmp_path / "large.png"), cv2.add(large, noise))
        assert (tmp_path / "large.png").stat().st_size > 500_000
        small, big = describe(tmp_path / "small.png"), describe(tmp_path / "large.png")
        assert small is not None
        assert big is not None
        assert small.item @ big.item > 0.95
        assert count_common_prints(small, big) >= 20


@pytest.mark.skipif(not TRASHNET.is_dir(), reason="needs ../shared/trashnet")
def test_known_pairs_of_trashnet_are_found() -> None:
    """One bottle, one jug and one magazine, each photographed twice; and things apart."""
    names = (
        "glass/glass54.jpg", "glass/glass417.jpg", "glass/glass100.jpg",
        "plastic/plastic118.jpg", "plastic/plastic137.jpg", "plastic/plastic150.jpg",
        "paper/paper305.jpg", "paper/paper308.jpg", "paper/paper10.jpg",
    )  # fmt: skip
    images = TRASHNET / "images"
    pictures = [Picture(n, images / n, ["glass", "plastic", "paper"].index(n.split("/")[0]))
                for n in names]  # fmt: skip
    assert find_groups(pictures).members() == [[0, 1], [3, 4], [6, 7]]
