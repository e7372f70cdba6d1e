# SPDX-License-Identifier: Apache-2.0
"""Averages the weights of runs that started from the same ones (Wortsman et al. 2022, model soups).

Fine-tuned from one starting point, networks lie in one basin of the loss: the mean of their weights
is often better than any of them, and costs nothing when it runs. With a share of the weights that
they started from in it, the mean keeps more of what it knew before (Wortsman et al. 2022, robust
fine-tuning, WiSE-FT).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from recycle_sorter.core.errors import InvalidInputError
from recycle_sorter.ml.dataset.manifest import read_manifest
from recycle_sorter.ml.models.zoo import read_weights
from recycle_sorter.ml.training import run_folder
from recycle_sorter.output_files import require_folder

# What must be equal for a mean of weights to mean anything.
_SAME: Final = ("architecture", "classes", "preprocessing", "data")
# What each run may have learned from beside that.
_FOLDERS: Final = ("extra", "unlabelled", "backgrounds")


def make_soup(runs: Sequence[Path], out: Path, command: str = "", start_share: float = 0.0) -> Path:
    """Write a run folder whose weights are the mean of finished runs' weights.

    Args:
        runs: Run folders of one architecture, one preprocessing and one split; at least two, or
            one if ``start_share`` is above 0.
        out: The new run folder; must not exist.
        command: The command line, for the record.
        start_share: Share of the weights that the first run started from, 0 to below 1.

    Raises:
        InvalidInputError: If the runs do not fit together, or ``out`` is there already or cannot
            be written.
        ModelError: If a run cannot be read.
    """
    if not 0.0 <= start_share < 1.0:
        raise InvalidInputError("--start-share", start_share, "a share from 0 to below 1")
    if not runs or (len(runs) < 2 and not start_share):
        raise InvalidInputError("runs", len(runs), "at least two", "name more run folders")
    if out.exists():
        raise InvalidInputError("--out", str(out), "a new folder", "choose another name")
    loaded = [run_folder.load_run(folder) for folder in runs]
    first = loaded[0]
    for other in loaded[1:]:
        for name in _SAME:
            if other.config[name] != first.config[name]:
                raise InvalidInputError(
                    f"{other.folder}: {name}", other.config[name], f"{first.config[name]!r}",
                    "average runs of one kind",
                )  # fmt: skip
        for name in (run_folder.SPLIT_NAME, run_folder.MANIFEST_NAME):
            if _pictures(other.folder / name) != _pictures(first.folder / name):
                raise InvalidInputError(
                    "runs", str(other.folder), f"the {name} of {first.folder}",
                    "average runs that were trained on the same pictures",
                )  # fmt: skip
    states = [run.model.state_dict() for run in loaded]
    mean = {
        name: torch.stack([state[name].double() for state in states]).mean(0).to(value.dtype)
        for name, value in states[0].items()
    }
    if start_share:
        mean = _blend(_start(first), mean, start_share)
    first.model.load_state_dict(mean)
    require_folder("--out", out)
    split, manifest = run_folder.SPLIT_NAME, run_folder.MANIFEST_NAME
    (out / split).write_bytes((first.folder / split).read_bytes())
    # Of the data set alone: what each run learned from beside it stands in its recipe.
    read_manifest(first.folder / manifest).write(out / manifest)
    minutes: list[Any] = [run.config.get("minutes") for run in loaded]
    own = ("material", "shipped_epoch")  # true of one run, not of their mean
    common = {name: value for name, value in first.config.items() if name not in own}
    config: dict[str, Any] = {
        **common,
        **{name: _all_folders(loaded, name) for name in _FOLDERS},
        "soup_of": [{"run": run.folder.name, **_recipe(run.config)} for run in loaded],
        "start_share": start_share,
        "command": command,
        "commit": run_folder.commit(),
        "minutes": None if None in minutes else round(sum(map(float, minutes)), 2),
    }
    run_folder.write_config(out, config)
    run_folder.write_weights(first.model, out / run_folder.WEIGHTS_NAME)
    return out


def _all_folders(runs: Sequence[run_folder.TrainedRun], name: str) -> list[str]:
    """What any of the runs learned from, for the card: each folder once."""
    return list(dict.fromkeys(folder for run in runs for folder in run.config.get(name) or ()))


def _pictures(path: Path) -> object:
    """What a run's file says of the data set."""
    if path.name == run_folder.MANIFEST_NAME:
        return read_manifest(path).parts
    return path.read_bytes()


def _start(run: run_folder.TrainedRun) -> dict[str, torch.Tensor]:
    """The weights that a run started from."""
    start = read_weights(run.folder / run_folder.UNTRAINED_NAME)
    expected = {name: value.shape for name, value in run.model.state_dict().items()}
    if {name: value.shape for name, value in start.items()} != expected:
        raise InvalidInputError(
            str(run.folder / run_folder.UNTRAINED_NAME), "other weights",
            f"those of {run.config['architecture']}", "name the run folder as it was trained",
        )  # fmt: skip
    return start


def _blend(
    start: dict[str, torch.Tensor], end: dict[str, torch.Tensor], start_share: float
) -> dict[str, torch.Tensor]:
    return {
        name: (start_share * start[name].double() + (1 - start_share) * value.double()).to(
            value.dtype
        )
        for name, value in end.items()
    }


def _recipe(config: dict[str, Any]) -> dict[str, Any]:
    names = ("command", "commit", "hyperparameters", "material", "minutes")
    return {name: config.get(name) for name in names}
