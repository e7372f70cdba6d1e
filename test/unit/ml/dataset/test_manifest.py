# SPDX-License-Identifier: Apache-2.0
"""Manifests of data: one flipped bit is named, and the digests are those of sha256sum."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.manifest import (
    DataManifest,
    differences,
    digest_of,
    make_manifest,
    read_manifest,
    verify_manifest,
)
from recycle_sorter.ml.dataset.records import read_dataset
from recycle_sorter.ml.dataset.splits import split_dataset


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    for material in ("glass", "paper"):
        (root / material).mkdir(parents=True)
        for number in range(5):
            (root / material / f"{number}.jpg").write_bytes(f"{material} {number}".encode())
    return root


def write(root: Path, path: Path) -> dict[str, Any]:
    make_manifest(split_dataset(read_dataset(root))).write(path)
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def test_what_is_written_is_read_and_verified(root: Path, tmp_path: Path) -> None:
    manifest = make_manifest(split_dataset(read_dataset(root)))
    manifest.write(tmp_path / "manifest.json")
    found = read_manifest(tmp_path / "manifest.json")
    assert found == manifest
    assert found.digests == manifest.digests
    assert [len(part) for part in found.parts.values()] == [6, 2, 2]
    verify_manifest(found, root)


@pytest.mark.parametrize("bit", [0, 1, 55])
def test_one_flipped_bit_is_named(root: Path, bit: int) -> None:
    manifest = make_manifest(read_dataset(root))
    path = root / "paper" / "3.jpg"
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)
    assert list(differences(manifest, root)) == ["paper/3.jpg"]
    with pytest.raises(InvalidInputError, match=r"paper/3\.jpg: got 'sha256 .*one of 1 that"):
        verify_manifest(manifest, root)


def test_a_missing_picture_is_named_and_a_new_one_is_not(root: Path) -> None:
    manifest = make_manifest(read_dataset(root))
    (root / "glass" / "1.jpg").unlink()
    (root / "glass" / "new.jpg").write_bytes(b"new")
    assert differences(manifest, root) == {
        "glass/1.jpg": "cannot be read: No such file or directory"
    }


def test_a_data_set_that_cannot_be_read_has_no_manifest(root: Path) -> None:
    dataset = read_dataset(root)
    (root / "glass" / "1.jpg").unlink()
    with pytest.raises(InvalidInputError, match=r"glass/1\.jpg"):
        make_manifest(dataset)


def test_digests_are_what_sha256sum_would_give(root: Path) -> None:
    manifest = make_manifest(read_dataset(root))
    names = sorted(f"{material}/{n}.jpg" for material in ("glass", "paper") for n in range(5))
    lines = "".join(
        f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names
    )
    assert manifest.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert manifest.digests == {"all": manifest.digest}


def test_the_whole_has_one_digest_whatever_the_split(root: Path) -> None:
    dataset = read_dataset(root)
    one, other = (make_manifest(split_dataset(dataset, seed=seed)) for seed in (0, 1))
    assert one.digest == other.digest == make_manifest(dataset).digest
    assert one.digests != other.digests


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.binary(max_size=3)), st.randoms())
def test_a_digest_knows_every_name_and_hash_but_no_order(
    contents: dict[str, bytes], random: Any
) -> None:
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in contents.items()}
    shuffled = list(hashes.items())
    random.shuffle(shuffled)
    assert digest_of(dict(shuffled)) == digest_of(hashes)
    for name in hashes:
        assert digest_of(hashes | {name: hashlib.sha256(b"other").hexdigest()}) != digest_of(hashes)
        assert digest_of({n: h for n, h in hashes.items() if n != name}) != digest_of(hashes)


def test_progress_is_told(root: Path) -> None:
    told: list[tuple[int, int]] = []
    make_manifest(read_dataset(root), lambda done, total: told.append((done, total)))
    assert told == [(done, 10) for done in range(1, 11)]


class TestTampering:
    def spoil(self, path: Path, values: dict[str, Any]) -> str:
        path.write_text(json.dumps(values), encoding="utf-8")
        with pytest.raises(InvalidInputError) as caught:
            read_manifest(path)
        return str(caught.value)

    def test_a_changed_hash_does_not_fit_the_digest(self, root: Path, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        values = write(root, path)
        name = next(iter(values["splits"]["val"]["pictures"]))
        values["splits"]["val"]["pictures"][name] = "0" * 64
        assert re.match(r"manifest\.json, val, digest: got", self.spoil(path, values))

    def test_a_picture_that_changes_sides_is_noticed(self, root: Path, tmp_path: Path) -> None:
        path = tmp_path / "manifest.json"
        values = write(root, path)
        parts = values["splits"]
        name, digest = parts["test"]["pictures"].popitem()
        parts["train"]["pictures"][name] = digest
        assert "digest: got" in self.spoil(path, values)
        parts["train"]["digest"] = digest_of(parts["train"]["pictures"])
        parts["test"]["pictures"][name] = digest
        assert f"{name}: got 'twice'" in self.spoil(path, values)

    @pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a//b", "a\\b", ""])
    def test_names_that_leave_the_folder_are_refused(self, tmp_path: Path, name: str) -> None:
        pictures = {name: "0" * 64}
        part = {"digest": digest_of(pictures), "pictures": pictures}
        text = self.spoil(tmp_path / "m.json", {"format": 1, "splits": {"train": part}})
        assert "a path below" in text

    @pytest.mark.parametrize(
        "values",
        [
            {},
            {"format": 2, "splits": {}},
            {"format": 1},
            {"format": 1, "splits": []},
            {"format": 1, "splits": {"train": 3}},
            {"format": 1, "splits": {"train": {"pictures": []}}},
            {"format": 1, "splits": {"train": {"pictures": {"a.jpg": "00"}}}},
            {"format": 1, "splits": {"train": {"pictures": {"a.jpg": 7}}}},
            {"format": 1, "splits": {"train": {"pictures": {"a.jpg": "0" * 64}}}},
        ],
    )
    def test_what_is_no_manifest_is_refused(self, tmp_path: Path, values: dict[str, Any]) -> None:
        assert "Fix: " in self.spoil(tmp_path / "m.json", values)

    @pytest.mark.parametrize("data", [b"", b"no json", b"\xff\xfe", b"[" * 100_000])
    def test_what_is_no_json_is_refused(self, tmp_path: Path, data: bytes) -> None:
        path = tmp_path / "m.json"
        path.write_bytes(data)
        with pytest.raises(InvalidInputError, match="a manifest in JSON"):
            read_manifest(path)
        with pytest.raises(InvalidInputError, match="a manifest in JSON"):
            read_manifest(tmp_path / "absent.json")


def test_an_empty_part_has_a_digest() -> None:
    assert DataManifest({"test": {}}).digests == {"test": hashlib.sha256(b"").hexdigest()}
