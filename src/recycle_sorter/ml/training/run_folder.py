# SPDX-License-Identifier: Apache-2.0
"""What a finished training leaves behind, and reading it back."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import zipfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, cast, get_args

from torch import nn

from recycle_sorter.core.errors import InvalidInputError, ModelError
from recycle_sorter.ml.artifacts import replace_text
from recycle_sorter.ml.dataset.records import read_dataset
from recycle_sorter.ml.dataset.splits import By, Splits, read_split_file
from recycle_sorter.ml.models.zoo import build_model, read_weights
from recycle_sorter.vision.preprocessing import PreprocessingSpec

CONFIG_NAME: Final = "config.json"
WEIGHTS_NAME: Final = "model.safetensors"
UNTRAINED_NAME: Final = "untrained.safetensors"
CHECKPOINT_NAME: Final = "last.ckpt"
METRICS_NAME: Final = "metrics.jsonl"
SPLIT_NAME: Final = "split.csv"
MANIFEST_NAME: Final = "manifest.json"
# What every run's config.json has, and what it is.
_FIELDS: Final[dict[str, tuple[type, str]]] = {
    "hyperparameters": (dict, "an object"),
    "architecture": (str, "a text"),
    "classes": (list, "a list of names"),
    "preprocessing": (dict, "an object"),
    "data": (str, "a text"),
    "split": (dict, "an object with by and seed"),
}
_FOLDERS: Final = ("extra", "backgrounds", "unlabelled")
_MAX_PATH, _MAX_NAME = 1000, 255
_RESTORE: Final = "train again, or restore the file"
_LIBRARIES: Final = ("torch", "torchvision", "lightning", "numpy", "opencv-python-headless")


@dataclass(frozen=True, slots=True)
class TrainedRun:
    """A finished run.

    Attributes:
        folder: The run folder.
        model: The network with its final weights, in evaluation mode.
        classes: Names of the outputs.
        spec: Preprocessing it was trained with.
        config: ``config.json``.
    """

    folder: Path
    model: nn.Module
    classes: tuple[str, ...]
    spec: PreprocessingSpec
    config: dict[str, Any]

    def splits(self, data: Path | None = None) -> Splits:
        """Return the pictures it was trained, validated and tested on.

        Args:
            data: The data set, if it has moved since.
        """
        source = data if data is not None else Path(self.config["data"])
        dataset = read_dataset(source, self.classes)
        return read_split_file(dataset, self.folder / SPLIT_NAME)


def read_config(folder: Path) -> dict[str, Any]:
    """Read a run's ``config.json``.

    Raises:
        InvalidInputError: If the folder is no run, or a field is missing or of another kind.
    """
    path = folder / CONFIG_NAME
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            "run", str(folder), f"a run folder with {CONFIG_NAME} ({error})", "train first"
        ) from error
    if not isinstance(config, dict):
        raise InvalidInputError(str(path), type(config).__name__, "a JSON object")
    for name, (kind, expected) in _FIELDS.items():
        if not isinstance(config.get(name), kind):
            raise InvalidInputError(f"{path}: {name}", config.get(name), expected, _RESTORE)
    for name in _FOLDERS:
        folders = config.get(name, [])
        if not isinstance(folders, list) or not all(map(_is_path, folders)):
            raise InvalidInputError(f"{path}: {name}", folders, "a list of folders", _RESTORE)
    weights = config["hyperparameters"].get("weights", "")
    for name, value in (
        ("data", config["data"]),
        ("teacher", config.get("teacher") or ""),
        ("hyperparameters.weights", weights),
    ):
        if not _is_path(value):
            raise InvalidInputError(f"{path}: {name}", value, "a path", _RESTORE)
    classes, split = config["classes"], config["split"]
    if not classes or not all(isinstance(one, str) for one in classes):
        raise InvalidInputError(f"{path}: classes", classes, "a list of names", _RESTORE)
    if split.get("by") not in get_args(By) or not isinstance(split.get("seed"), int):
        raise InvalidInputError(f"{path}: split", split, "an object with by and seed", _RESTORE)
    return cast("dict[str, Any]", config)


def _is_path(value: object) -> bool:
    """Whether the system can be asked for it: it fails at a NUL, and at too long names."""
    if not isinstance(value, str) or "\0" in value or len(value) > _MAX_PATH:
        return False
    try:
        return all(len(os.fsencode(part)) <= _MAX_NAME for part in Path(value).parts)
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can spell
        return False


def load_run(folder: Path) -> TrainedRun:
    """Load a finished run: its network, classes and preprocessing.

    Raises:
        InvalidInputError: If the folder is no finished run.
        ModelError: If the weights do not fit.
    """
    config = read_config(folder)
    weights = folder / WEIGHTS_NAME
    if not weights.is_file():
        raise InvalidInputError(
            "run", str(folder), f"a finished run with {WEIGHTS_NAME}",
            "call the same train command again; it goes on where it stopped",
        )  # fmt: skip
    classes = tuple(config["classes"])
    model = build_model(config["architecture"], len(classes))
    # A run's own weights, head included: a fresh one in its place would answer at random.
    try:
        model.load_state_dict(read_weights(weights))
    except RuntimeError as error:
        raise ModelError(
            f"{weights}: not the weights of {config['architecture']} for {len(classes)} classes: "
            f"{error}. Fix: train again, or restore {CONFIG_NAME}"
        ) from error
    spec = PreprocessingSpec.from_dict(config["preprocessing"])
    return TrainedRun(folder, model.eval(), classes, spec, config)


def write_config(folder: Path, config: dict[str, Any]) -> None:
    """Write ``config.json``, whole or not at all."""
    text = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    replace_text(folder / CONFIG_NAME, text)


def write_weights(model: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors, whole or not at all."""
    from safetensors.torch import save_file

    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    partial = path.with_suffix(".partial")
    save_file(state, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors writes for the owner alone
    partial.replace(path)


def check_checkpoint(path: Path) -> None:
    """Checks a checkpoint's bytes, without unpickling it: a full disk may have cut it off.

    Raises:
        InvalidInputError: If it is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        damaged = str(error)
    if damaged is not None:
        raise InvalidInputError(
            "checkpoint", str(path), f"a whole checkpoint ({damaged})",
            "restore it, or delete it to begin this training again",
        )  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of what a result depends on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # noqa: PERF203
            continue
    return found


def hardware() -> dict[str, Any]:
    """Return the CPU, its cores that we may use, and GPUs."""
    import torch

    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"cpu": name, "cores": cores, "gpus": gpus}


def commit() -> str:
    """Return the commit of the code, with ``+`` if it was changed since; empty outside git."""
    here = Path(__file__).parent
    try:
        head, dirty = (
            subprocess.run(  # noqa: S603 - fixed words
                ["git", *words],  # noqa: S607 - wherever git is
                cwd=here,
                capture_output=True,
                text=True,
                check=True,
                timeout=10,
            ).stdout.strip()
            for words in (("rev-parse", "--short=10", "HEAD"), ("status", "--porcelain", "-uno"))
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return head + ("+" if dirty else "")
