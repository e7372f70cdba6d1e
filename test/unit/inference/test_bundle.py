# SPDX-License-Identifier: Apache-2.0
"""Reading a model bundle: strict fields, and errors that say what to do."""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.bundles import SPEC, make_tiny_bundle

from recycle_sorter.core.errors import ModelError
from recycle_sorter.core.materials import MATERIALS
from recycle_sorter.inference.bundle import ModelBundle
from recycle_sorter.inference.manifest import write_manifest
from recycle_sorter.inference.thresholds import Thresholds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path / "tiny")


def rewrite(folder: Path, text: str) -> None:
    (folder / "bundle.json").write_text(text)
    write_manifest(folder)


def change(folder: Path, **fields: Any) -> None:
    values = json.loads((folder / "bundle.json").read_text())
    rewrite(folder, json.dumps({**values, **fields}))


def test_a_good_bundle_says_what_it_is(folder: Path) -> None:
    bundle = ModelBundle.load(folder)
    assert bundle.labels == MATERIALS
    assert bundle.preprocessing == SPEC
    assert bundle.input_shape == (3, 32, 32)
    assert bundle.temperature == 1.0
    assert bundle.model_id.startswith("mean_colour-")
    assert bundle.figures["accuracy"] == 1.0
    manifest = (folder / "MANIFEST.sha256").read_bytes()
    assert bundle.manifest_sha256 == hashlib.sha256(manifest).hexdigest()
    assert set(bundle.networks) == {"fp32"}
    assert bundle.networks["fp32"].graph.is_file()


LIMITS = {"min_confidence": 0.5, "min_margin": 0.1, "accuracy": 0.98, "coverage": 0.9, "n": 328}


def test_thresholds_are_optional_and_read(tmp_path: Path, folder: Path) -> None:
    assert ModelBundle.load(folder).thresholds is None
    newer = make_tiny_bundle(tmp_path / "newer", thresholds=LIMITS)
    assert ModelBundle.load(newer).thresholds == Thresholds(0.5, 0.1, 0.98, 0.9, 328)


@pytest.mark.parametrize(
    "name",
    [
        "NOTICE",
        "bundle.json",
        "model.onnx",
        "model.safetensors",
        "model_int8.bin",
        "model_int8.xml",
    ],
)
def test_one_flipped_bit_in_any_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = make_tiny_bundle(tmp_path / "tiny", int8=True)
    (folder / "NOTICE").write_text("Copyright 2016, Yahoo Inc.\n")
    write_manifest(folder)
    assert {path.name for path in folder.iterdir()} >= {name, "MANIFEST.sha256"}
    assert "int8" in ModelBundle.load(folder).networks
    flip(folder / name)
    with pytest.raises(ModelError, match=rf"/{name}: got sha256 .*, expected .* Fix:"):
        ModelBundle.load(folder)


def test_one_flipped_bit_in_the_manifest_is_refused(folder: Path) -> None:
    flip(folder / "MANIFEST.sha256")
    with pytest.raises(ModelError, match=r"got sha256|MANIFEST"):
        ModelBundle.load(folder)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_an_int8_network_is_optional(tmp_path: Path) -> None:
    bundle = ModelBundle.load(make_tiny_bundle(tmp_path / "tiny", int8=True))
    assert bundle.networks["int8"].weights.name == "model_int8.bin"


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"model: got .*nowhere.*expected .*Fix:"):
        ModelBundle.load(tmp_path / "nowhere")


def test_a_folder_without_bundle_json(folder: Path) -> None:
    (folder / "bundle.json").unlink()
    write_manifest(folder)
    with pytest.raises(ModelError, match=r"bundle\.json: missing"):
        ModelBundle.load(folder)


def test_a_changed_network_is_refused(folder: Path) -> None:
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match=r"model\.onnx: got sha256 .*, expected .* Fix:"):
        ModelBundle.load(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"format": 2}, "format: got 2, expected 1"),
        ({"format": True}, "format: got True"),
        ({"surprise": 1}, "surprise: got 1, expected only"),
        ({"model_id": "resnet18-00000000"}, "model_id: got 'resnet18-00000000', expected 'mean_"),
        ({"architecture": ""}, "architecture: got ''"),
        ({"architecture": "two\nlines"}, "architecture: got"),
        ({"labels": []}, "labels: got"),
        ({"labels": "glass"}, "labels: got"),
        ({"labels": ["glass", "glass"]}, r"labels\[1\]: got 'glass'"),
        ({"labels": ["glass", 3]}, r"labels\[1\]: got 3"),
        ({"temperature": 10**400}, "temperature: got 1000"),
        ({"temperature": 0}, "temperature: got 0, expected a number > 0"),
        ({"temperature": -1.0}, "temperature: got -1.0"),
        ({"temperature": True}, "temperature: got True"),
        ({"temperature": "1"}, "temperature: got '1'"),
        ({"temperature": 1e9}, "temperature: got"),
        ({"networks": {}}, "networks: got"),
        ({"networks": {"fp32": "model.onnx"}}, r"networks\.fp32: got"),
        ({"networks": {"fp32": {"onnx": "model.onnx"}}}, r"networks\.fp32: got"),
        ({"preprocessing": {**SPEC.to_dict(), "std": [0, 1, 1]}}, r"preprocessing\.std: got"),
        ({"preprocessing": {**SPEC.to_dict(), "crop": 1}}, r"preprocessing\.crop: got 1"),
        ({"preprocessing": []}, "preprocessing: got"),
        ({"figures": 0.9}, "figures: got 0.9"),
        ({"started_from": 1}, "started_from: got 1"),
        ({"licence": None}, "licence: got None"),
        ({"thresholds": None}, "thresholds: got None, expected the fields min_confidence"),
        ({"thresholds": {**LIMITS, "by": "glass"}}, "thresholds: got"),
        ({"thresholds": {**LIMITS, "min_margin": 1.5}}, r"thresholds\.min_margin: got 1\.5"),
        ({"thresholds": {**LIMITS, "coverage": True}}, r"thresholds\.coverage: got True"),
        ({"thresholds": {**LIMITS, "accuracy": "1"}}, r"thresholds\.accuracy: got '1'"),
        ({"thresholds": {**LIMITS, "n": 0.5}}, r"thresholds\.n: got 0\.5"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(
    folder: Path, fields: dict[str, Any], message: str
) -> None:
    change(folder, **fields)
    with pytest.raises(ModelError, match=rf"bundle\.json: {message}"):
        ModelBundle.load(folder)


@pytest.mark.parametrize("name", ["labels", "preprocessing", "temperature", "figures", "licence"])
def test_a_missing_field_is_named(tmp_path: Path, name: str) -> None:
    folder = make_tiny_bundle(tmp_path / "tiny")
    values = json.loads((folder / "bundle.json").read_text())
    del values[name]
    rewrite(folder, json.dumps(values))
    with pytest.raises(ModelError, match=rf"bundle\.json: {name}: got None"):
        ModelBundle.load(folder)


@pytest.mark.parametrize(
    "name",
    ["../model.onnx", "/etc/model.onnx", "sub/model.onnx", "gone.onnx", "model.bin", 3, None],
)
def test_a_network_file_outside_or_absent_is_refused(folder: Path, name: object) -> None:
    change(folder, networks={"fp32": {"onnx": name, "weights": "model.safetensors"}})
    with pytest.raises(ModelError, match=r"networks\.fp32\.onnx: got"):
        ModelBundle.load(folder)


def test_an_unknown_precision_is_refused(folder: Path) -> None:
    networks = json.loads((folder / "bundle.json").read_text())["networks"]
    change(folder, networks={**networks, "fp4": {}})
    with pytest.raises(ModelError, match=r"networks\.fp4: got"):
        ModelBundle.load(folder)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"format": NaN}',
        '{"format": 1, "format": 1}',
        "[" * 100_000,
        "\0",
        "9" * 5000,
    ],
)
def test_what_is_no_json_object_is_refused(folder: Path, text: str) -> None:
    rewrite(folder, text)
    with pytest.raises(ModelError, match=r"bundle\.json: (not JSON|got)"):
        ModelBundle.load(folder)


def test_a_huge_bundle_json_is_refused(folder: Path) -> None:
    rewrite(folder, " " * (1 << 21))
    with pytest.raises(ModelError, match="larger than 1 MiB"):
        ModelBundle.load(folder)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_value_of_any_field_crashes_it(folder: Path, data: st.DataObject) -> None:
    values = json.loads((folder / "bundle.json").read_text())
    name = data.draw(st.sampled_from(sorted(values)))
    rewrite(folder, json.dumps({**values, name: data.draw(json_values)}))
    # Most values are refused; the few that are right (another licence text) load.
    with contextlib.suppress(ModelError):
        ModelBundle.load(folder)
    rewrite(folder, json.dumps(values))


class TestRequireFits:
    def test_equal_materials_fit(self, folder: Path) -> None:
        assert ModelBundle.load(folder).require_fits(MATERIALS) == ()

    def test_a_routing_may_know_more_and_is_told(self, folder: Path) -> None:
        routed = (*MATERIALS, "wood", "battery")
        assert ModelBundle.load(folder).require_fits(routed) == ("battery", "wood")

    def test_a_label_without_a_route_is_refused_by_name(self, folder: Path) -> None:
        bundle = ModelBundle.load(folder)
        with pytest.raises(ModelError, match=r"got metal, trash, expected only .*Fix: add metal"):
            bundle.require_fits(["cardboard", "glass", "paper", "plastic"])
