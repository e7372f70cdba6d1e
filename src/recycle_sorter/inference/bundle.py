# SPDX-License-Identifier: Apache-2.0
"""A model bundle: one folder with everything that a model is.

===================== ==============================================================
``bundle.json``       what this module reads: labels, preprocessing, temperature, files;
                      ``started_from`` and ``thresholds`` may be missing
``model.onnx``        the graph; its weights are external data inside ``model.safetensors``
``model.safetensors`` fp32 weights under the names of ``torch_networks``
``model_int8.xml``    optional OpenVINO network in int8, with ``model_int8.bin``
``LICENSE`` ``NOTICE`` terms of the weights; notices of what they started from
``MODEL_CARD.md``     data, figures, weaknesses
``MANIFEST.sha256``   hashes of all files
===================== ==============================================================

A bundle comes from outside and is data only: nothing in it is unpickled or executed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.core.materials import require_materials
from recycle_sorter.inference.manifest import (
    MANIFEST_NAME,
    is_plain_name,
    sha256_of,
    verify_manifest,
)
from recycle_sorter.inference.thresholds import Thresholds
from recycle_sorter.vision.preprocessing import PreprocessingSpec

BUNDLE_NAME: Final = "bundle.json"
BUNDLE_FORMAT: Final = 1
_MAX_BUNDLE_BYTES: Final = 1 << 20
_MAX_TEMPERATURE: Final = 100.0
_REQUIRED: Final = (
    "format",
    "model_id",
    "architecture",
    "labels",
    "preprocessing",
    "temperature",
    "networks",
    "input_name",
    "output_name",
    "figures",
    "licence",
)
_OPTIONAL: Final = ("started_from", "thresholds")
# Which files each precision has: key in bundle.json -> file name extension.
_NETWORK_FILES: Final[Mapping[str, Mapping[str, str]]] = {
    "fp32": {"onnx": ".onnx", "weights": ".safetensors"},
    "int8": {"openvino": ".xml", "weights": ".bin"},
}


@dataclass(frozen=True, slots=True)
class NetworkFiles:
    """One network of a bundle.

    Attributes:
        graph: The ONNX (fp32) or OpenVINO (int8) graph.
        weights: Its weights.
    """

    graph: Path
    weights: Path


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """A verified bundle. Build it with :meth:`load`.

    Attributes:
        path: The folder.
        model_id: ``<architecture>-<first 8 hex digits of the fp32 weights' sha256>``.
        architecture: Network family as in ``torch_networks``, e.g. ``"resnet18"``.
        labels: Materials in the order of the network's outputs.
        preprocessing: How a picture becomes the network's input.
        temperature: Divides the scores before the softmax, so that probabilities are calibrated.
        networks: Files by precision: ``"fp32"`` always, ``"int8"`` where there is one.
        input_name: Name of the network's only input.
        output_name: Name of the network's only output.
        figures: What was measured on the model (data set, accuracy, date, ...).
        licence: SPDX name of the licence of the weights.
        manifest_sha256: Hex sha256 of the manifest, which pins every byte of the bundle.
        started_from: Weights that the training started from; may be empty.
        thresholds: Suggested limits; None in older bundles, and where none kept its promise.
    """

    path: Path
    model_id: str
    architecture: str
    labels: tuple[str, ...]
    preprocessing: PreprocessingSpec
    temperature: float
    networks: Mapping[str, NetworkFiles]
    input_name: str
    output_name: str
    figures: Mapping[str, Any]
    licence: str
    manifest_sha256: str
    started_from: str = ""
    thresholds: Thresholds | None = None

    @classmethod
    def load(cls, path: str | Path) -> ModelBundle:
        """Reads and verifies a bundle.

        Args:
            path: The bundle's folder.

        Raises:
            ModelError: If a file is missing, superfluous or changed, or a field of ``bundle.json``
                is missing, unknown or wrong. The text names it, what was expected and the fix.
        """
        folder = Path(path)
        if not folder.is_dir():
            raise ModelError(
                f"model: got {str(folder)!r}, expected a model bundle's folder. "
                f"Fix: give the path of a folder with {BUNDLE_NAME} in it"
            )
        digests = verify_manifest(folder)
        if BUNDLE_NAME not in digests:
            raise ModelError(f"{folder / BUNDLE_NAME}: missing. Fix: export the bundle again")
        fields = _read_json(folder / BUNDLE_NAME)
        try:
            return _build(folder, fields, digests)
        except InvalidInputError as error:
            raise ModelError(f"{folder / BUNDLE_NAME}: {error}") from error

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Shape of one input without the batch axis: ``(3, height, width)``."""
        return (3, self.preprocessing.height_px, self.preprocessing.width_px)

    def require_fits(self, routed: Iterable[str]) -> tuple[str, ...]:
        """Checks that every label has a place in the routing.

        Args:
            routed: Materials that the routing file names.

        Returns:
            Routed materials that this model can never answer, sorted: worth a warning, no error,
            since a routing may serve several models.

        Raises:
            ModelError: If the model knows a material that the routing lacks.
        """
        known = set(routed)
        missing = [label for label in self.labels if label not in known]
        if missing:
            raise ModelError(
                f"labels of {self.model_id}: got {', '.join(missing)}, expected only materials of "
                f"the routing ({', '.join(sorted(known)) or 'none'}). Fix: add "
                f"{', '.join(missing)} under materials in the routing file, or use another model"
            )
        return tuple(sorted(known - set(self.labels)))


def _read_json(path: Path) -> dict[str, Any]:
    def refuse_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    def refuse_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        values = dict(pairs)
        if len(values) != len(pairs):
            raise ValueError("a key stands twice in one object")
        return values

    if path.stat().st_size > _MAX_BUNDLE_BYTES:
        raise ModelError(f"{path}: larger than 1 MiB. Fix: export the bundle again")
    try:
        fields = json.loads(
            path.read_text(encoding="utf-8"),
            parse_constant=refuse_constant,
            object_pairs_hook=refuse_doubles,
        )
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path}: not JSON: {error}. Fix: export the bundle again") from error
    if not isinstance(fields, dict):
        raise ModelError(f"{path}: got {type(fields).__name__}, expected an object of fields")
    return fields


def _build(folder: Path, fields: Mapping[str, Any], digests: Mapping[str, str]) -> ModelBundle:
    # The format comes first: the fields of another format are no news.
    if fields.get("format") != BUNDLE_FORMAT or isinstance(fields["format"], bool):
        raise InvalidInputError(
            "format", fields.get("format"), f"{BUNDLE_FORMAT}", "export the bundle again"
        )
    for name in fields:
        if name not in _REQUIRED and name not in _OPTIONAL:
            raise InvalidInputError(
                name, fields[name], f"only {', '.join(_REQUIRED + _OPTIONAL)}", "remove it"
            )
    for name in _REQUIRED:
        if name not in fields:
            raise InvalidInputError(name, None, "a value", "export the bundle again")
    texts = {
        name: _text(fields, name)
        for name in ("model_id", "architecture", "input_name", "output_name", "licence")
    }
    figures = fields["figures"]
    if not isinstance(figures, dict):
        raise InvalidInputError("figures", figures, "an object of measured figures")
    started_from = fields.get("started_from", "")
    if not isinstance(started_from, str):
        raise InvalidInputError("started_from", started_from, "text")
    thresholds = Thresholds.from_dict(fields["thresholds"]) if "thresholds" in fields else None
    networks = _networks(folder, fields["networks"], digests)
    expected_id = f"{texts['architecture']}-{digests[networks['fp32'].weights.name][:8]}"
    if texts["model_id"] != expected_id:
        raise InvalidInputError(
            "model_id",
            texts["model_id"],
            f"{expected_id!r} (architecture and first digits of the weights' sha256)",
            "export the bundle again",
        )
    return ModelBundle(
        path=folder,
        labels=require_materials(fields["labels"], "labels"),
        preprocessing=PreprocessingSpec.from_dict(fields["preprocessing"]),
        temperature=_temperature(fields["temperature"]),
        networks=MappingProxyType(networks),
        figures=MappingProxyType(figures),
        manifest_sha256=sha256_of(folder / MANIFEST_NAME),
        started_from=started_from,
        thresholds=thresholds,
        **texts,
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields[name]
    # These end up in logs and messages: one line of printable text.
    if not isinstance(value, str) or re.fullmatch(r"[!-~](?:[ -~]{0,198}[!-~])?", value) is None:
        raise InvalidInputError(name, value, "1 to 200 printable ASCII characters")
    return value


def _temperature(value: object) -> float:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        # NaN, infinity and integers that no float holds fail the comparison.
        or not 0.0 < value <= _MAX_TEMPERATURE
    ):
        raise InvalidInputError(
            "temperature", value, f"a number > 0, at most {_MAX_TEMPERATURE:g}", "use 1.0 for none"
        )
    return float(value)


def _networks(folder: Path, value: object, digests: Mapping[str, str]) -> dict[str, NetworkFiles]:
    if not isinstance(value, dict) or "fp32" not in value:
        raise InvalidInputError("networks", value, "an object with at least 'fp32'")
    networks = {}
    for precision, files in value.items():
        kinds = _NETWORK_FILES.get(precision)
        if kinds is None:
            raise InvalidInputError(f"networks.{precision}", files, "only 'fp32' and 'int8'")
        if not isinstance(files, dict) or files.keys() != kinds.keys():
            raise InvalidInputError(
                f"networks.{precision}", files, f"the fields {', '.join(kinds)} and no others"
            )
        for kind, extension in kinds.items():
            name = files[kind]
            field = f"networks.{precision}.{kind}"
            if not is_plain_name(name) or not name.endswith(extension):
                raise InvalidInputError(
                    field, name, f"the name of a {extension} file right inside the bundle"
                )
            if name not in digests:
                raise InvalidInputError(field, name, "a file of the bundle", "export it again")
        graph_kind = next(kind for kind in kinds if kind != "weights")
        # Resolved, because colcon's --symlink-install links each file on its own and ONNX Runtime
        # wants external data in the real folder of the graph.
        networks[precision] = NetworkFiles(
            graph=(folder / files[graph_kind]).resolve(),
            weights=(folder / files["weights"]).resolve(),
        )
    return networks
